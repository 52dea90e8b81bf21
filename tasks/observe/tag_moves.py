"""Whether upstream has moved a tag since it was resolved to a digest."""

import threading
import time

from model.errors import SkepError
from model.images import bases
from model.images.reference import Reference
from model.keys.record import ImageRecord
from model.reasons import reason_of
from model.stage import Stage
from tasks.images.resolve import Upstream
from tasks.names import upstream_task
from tasks.observe.drift import Unknown
from tasks.run.secrets import Secrets
from tasks.run.state import State

WAIT = 5.0
"""Seconds after the start of a run in which upstream may answer; later it is as if it had not been asked."""


class TagMoves:
    """Asks upstream for each tag that bases were pulled by, once a run, in the background.

    It asks for no tag that something pins, or that was not resolved before. An upstream that does not answer makes
    nothing stale.

    Args:
        stage: The stage.
        state: Its state directory.
        secrets: Kept out of the log.
        upstream: Whom to ask.

    """

    def __init__(self, stage: Stage, state: State, secrets: Secrets, upstream: Upstream) -> None:
        """Begin to ask; nothing waits yet."""
        self._stage, self._state, self._secrets, self._upstream = stage, state, secrets, upstream
        self._deadline = time.monotonic() + WAIT
        self._digests: dict[str, str] = {}
        self._answered: dict[str, threading.Event] = {}
        unpinned = {
            name: reference
            for name in bases.names(stage)
            if (reference := bases.pulled(stage.site, name)) is not None
            and not upstream.pinned(reference)
            and state.read(upstream_task(name), ImageRecord) is not None
        }
        # A log of its own: those of the tasks have the output of their last runs.
        self._path, self._guard = state.log_path("upstream"), threading.Lock()
        if state.is_held:
            self._path.unlink(missing_ok=True)
        for name, reference in unpinned.items():
            self._answered[name] = threading.Event()
            # Daemons: one that waits for an upstream that is gone must not keep the process from ending.
            threading.Thread(target=self._ask, args=(name, reference), name=name, daemon=True).start()

    def moved(self, name: str) -> str | None:
        """Say that a tag points elsewhere than when it was resolved; None where it does not, or nobody knows."""
        host = self._stage.repository
        if self._state.host_record(host) is None:
            return Unknown(f"{host.short} is not made yet")
        answered = self._answered.get(name)
        if answered is None or not answered.wait(max(0.0, self._deadline - time.monotonic())):
            return None
        now = self._digests.get(name)
        last = self._upstream.resolved(name)
        if now is None or now == last:
            return None
        return f"{name} moved upstream: {_short(last)} → {_short(now)}"

    def _ask(self, name: str, reference: Reference) -> None:
        """Ask for one tag."""
        try:
            self._digests[name] = self._upstream.digest_now(reference)
            message = f"{name} is {self._digests[name]}"
        except (SkepError, OSError) as error:
            message = f"{name} could not be asked for, and stays as it is: {reason_of(error)}"
        self._note(message)
        self._answered[name].set()

    def _note(self, line: str) -> None:
        """Add a line to the log of the run; a plan has none."""
        if not self._state.is_held:
            return
        with self._guard:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {self._secrets.redact(line)}\n")


def _short(digest: str) -> str:
    """Return the part of a digest that people compare."""
    return digest[: len("sha256:") + 12]
