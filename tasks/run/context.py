"""The context of one `doit`: all that its tasks share. `tasks/run/open.py` puts it together."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from model.stage import Stage
from tasks.run.connections import Connections
from tasks.run.coordination import Coordination
from tasks.run.place import Place
from tasks.run.progress import Progress
from tasks.run.run_history import RunHistory
from tasks.run.secrets import Secrets
from tasks.run.silences import RunSilences
from tasks.run.stage_lock import StageLock
from tasks.run.state import State

if TYPE_CHECKING:
    from providers.base import Provider
    from tasks.images.resolve import Upstream
    from tasks.observe.live_state import LiveState
    from tasks.observe.observer import Observer


@dataclass
class Run:
    """One `doit` on one stage. Nothing in it connects before it is asked to; `doit list` never asks.

    Args:
        directory: The site's directory, with site.toml, roles/ and state/.
        stage: The stage.
        state: Its state directory.
        secrets: Reads its secrets, and keeps them out of logs.
        connections: To its hosts and their engines.
        coordination: Locks, and places for tasks at work.
        provider: Makes its hosts; its SDK is imported only when it acts.
        upstream: The registries that bases are pulled from.
        observer: Takes the live state.
        place: Where its things are made.
        stage_lock: The stage's lock that other machines see.
        history: Its part of the stage's history.
        silences: Its silences of alarms.
        may_replace: The hosts, networks and volumes, or `swarm`, that a person lets be replaced although something
            is lost by it (`replace=`).
        progress: How far its tasks have come.

    """

    directory: Path
    stage: Stage
    state: State
    secrets: Secrets
    connections: Connections
    coordination: Coordination
    provider: "Provider"
    upstream: "Upstream"
    observer: "Observer"
    place: Place
    stage_lock: StageLock
    history: RunHistory
    silences: RunSilences
    may_replace: frozenset[str] = frozenset()
    progress: Progress = field(default_factory=Progress)

    @property
    def live_state(self) -> "LiveState":
        """The live state of the whole stage, taken once a run."""
        return self.observer.live_state
