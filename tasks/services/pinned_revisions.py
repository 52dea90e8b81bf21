"""Services that went back to an earlier revision, and stay there until their definition changes.

The pin is a label on the service. The file in state/ is only for `doit list`, which observes nothing.
"""

import json
from collections.abc import Mapping

from model.labels import PINNED_LABEL, labels_of
from model.stage import Stage
from remote.mother.files import write_whole
from tasks.observe.states import SwarmState
from tasks.run.context import Run
from tasks.run.state import State

FILE = "pinned.json"


def pinned(state: State) -> dict[str, int]:
    """Return the services that were pinned when a run last noted it, each with its revision."""
    try:
        found = json.loads((state.root / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): int(number) for name, number in found.items()}


def observed(stage: Stage, swarm: SwarmState) -> dict[str, int]:
    """Return the services that are pinned in the swarm, each with its revision."""
    found = {}
    for name, service in swarm.services.items():
        number = labels_of(service).get(PINNED_LABEL, "")
        if name in stage.services and number.isdecimal():
            found[name] = int(number)
    return found


def after(run: Run) -> dict[str, int]:
    """Return the services that are pinned after a run's tasks, each with its revision; none where no manager answers.

    The live state is from the beginning of the run: those that it deployed are as site.toml says.
    """
    swarm = run.live_state.swarm
    if swarm.error:
        return {}
    pins = observed(run.stage, swarm)
    return {name: number for name, number in pins.items() if name not in run.progress.redeployed}


def note(state: State, found: Mapping[str, int]) -> None:
    """Keep which services are pinned."""
    path = state.root / FILE
    if found:
        write_whole(path, json.dumps(dict(found)).encode())
    else:
        path.unlink(missing_ok=True)


def among(count: int) -> str:
    """Return how many of the resources that a summary has just counted are pinned; empty if none is."""
    return f", {count} of them pinned to an earlier revision" if count else ""


def lines(found: Mapping[str, int]) -> list[str]:
    """Return a line for each service that is pinned."""
    return [
        f"{name} is pinned to revision {number}, behind site.toml, until its definition changes "
        f"(doit rollback {name} to=latest)"
        for name, number in sorted(found.items())
    ]
