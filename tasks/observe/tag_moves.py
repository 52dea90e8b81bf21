"""What is pulled, from where, at which digest; and whether upstream has since moved a tag."""

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from model.errors import HostError, SkepError
from model.images import bases
from model.images.reference import Reference
from model.keys.record import ImageRecord
from tasks.observe.drift import Unknown

if TYPE_CHECKING:
    from remote.images.bases import Source
    from tasks.run.context import Run

WAIT = 5.0
"""Seconds after the start of a run in which upstream may answer; later it is as if it had not been asked."""


def readable(name: str) -> str:
    """Return a base's name as tasks, files and registries can have it."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name.lower()).strip("-._")


def upstream_task(name: str) -> str:
    """Return the task that finds out a base's digest."""
    return f"build_images:upstream.{readable(name)}"


def pinned(run: "Run", reference: Reference) -> str:
    """Return the digest that site.toml or site.lock holds a reference to; empty where upstream decides."""
    return reference.digest or run.pins.get(str(reference), "")


def resolved(run: "Run", name: str) -> str:
    """Return the digest that a base was last resolved to.

    Raises:
        KeyError: It was not resolved yet.

    """
    return run.record(upstream_task(name), ImageRecord).reference.rpartition("@")[2]


def source(run: "Run", reference: Reference) -> "Source":
    """Return where a reference is pulled from: `[registries]` may name a mirror, and who logs in.

    Raises:
        ConfigError: The login's password can't be had.

    """
    from remote.images.bases import Source

    registries = run.stage.site.registries
    table = registries.get(reference.registry)
    contact = reference.on(table.mirror) if table is not None and table.mirror else reference
    login = registries.get(contact.registry)
    if login is None or login.user is None or login.password is None:
        return Source(reference, contact)
    auth = {
        "username": login.user,
        "password": run.secret(login.password).reveal(),
        "serveraddress": contact.registry,
    }
    return Source(reference, contact, auth, f"user {login.user} with the secret {login.password}")


def last_resolved(run: "Run", names: Iterable[str], reference: Reference) -> str | None:
    """Return the digest that the stage's last run found for one of these names; None if none was run."""
    for name in sorted(names):
        record = run.state.read(upstream_task(name), ImageRecord)
        if record is not None and record.reference.startswith(f"{reference.name}@"):
            return record.reference.rpartition("@")[2]
    return None


def digest_now(run: "Run", reference: Reference) -> str:
    """Ask upstream for a digest, by the repository host's engine.

    Raises:
        SkepError: It can't be asked, or does not have it.

    """
    from remote.images.bases import resolve

    host = run.stage.repository
    if run.host_record(host) is None:
        raise HostError(f"{host.name} asks upstream, and is not made yet: `doit setup_hosts` makes it")
    return resolve(run.engine(host), host.short, source(run, reference))


class Upstream:
    """A look at the tags that bases were pulled by: one question each a run, asked in the background.

    Only of what was resolved before and is pinned by nothing. An upstream that does not answer makes nothing stale.

    Args:
        run: The run.

    """

    def __init__(self, run: "Run") -> None:
        """Begin to ask; nothing waits yet."""
        self._run = run
        self._deadline = time.monotonic() + WAIT
        self._found: dict[str, str] = {}
        self._answered: dict[str, threading.Event] = {}
        unpinned = {
            name: reference
            for name in bases.names(run.stage)
            if (reference := bases.pulled(run.stage.site, name)) is not None
            and not pinned(run, reference)
            and run.state.read(upstream_task(name), ImageRecord) is not None
        }
        # A log of its own: those of the tasks have what their last runs said.
        self._path, self._guard = run.state.log_path("upstream"), threading.Lock()
        if run.state.is_held:
            self._path.unlink(missing_ok=True)
        for name, reference in unpinned.items():
            self._answered[name] = threading.Event()
            # Daemons: one that waits for an upstream that is gone must not keep the process from ending.
            threading.Thread(target=self._ask, args=(name, reference), name=name, daemon=True).start()

    def moved(self, name: str) -> str | None:
        """Return that a tag points elsewhere than when it was resolved; None where it does not, or nobody knows."""
        host = self._run.stage.repository
        if self._run.host_record(host) is None:
            return Unknown(f"{host.short} is not made yet")
        answered = self._answered.get(name)
        if answered is None or not answered.wait(max(0.0, self._deadline - time.monotonic())):
            return None
        found = self._found.get(name)
        last = resolved(self._run, name)
        if found is None or found == last:
            return None
        return f"{name} moved upstream: {_short(last)} → {_short(found)}"

    def _ask(self, name: str, reference: Reference) -> None:
        """Ask for one tag."""
        try:
            self._found[name] = digest_now(self._run, reference)
            said = f"{name} is {self._found[name]}"
        except (SkepError, OSError) as error:
            said = f"{name} could not be asked for, and stays as it is: {error}"
        self._note(said)
        self._answered[name].set()

    def _note(self, line: str) -> None:
        """Add a line to the log of the run; a plan has none."""
        if not self._run.state.is_held:
            return
        with self._guard:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {self._run.redact(line)}\n")


def _short(digest: str) -> str:
    """Return what people compare of a digest."""
    return digest[: len("sha256:") + 12]
