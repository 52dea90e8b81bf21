"""The owner of a stage's lock, as this machine knows it, and as the hosts say."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model.errors import SkepError
from model.stage import Host
from remote.mother.boot_id import boot_id
from remote.mother.lock import is_locked
from remote.ssh.lock_session import Owner, holder_on
from remote.ssh.lock_words import lock_name, words_of
from tasks.run.context import Run
from tasks.run.stage_lock import PLACES
from tasks.run.state import State


def holder(state: State) -> str | None:
    """Return the process that holds a stage here, as a text; None if no process does.

    What the file says is believed only as long as the lock on it is held: a killed run leaves the file behind. Where
    the lock can't be seen, as of somebody else's file, the process that the file names has to run, since this boot.
    """
    path = state.root / "lock"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        process, host = int(about["pid"]), str(about["host"])
        held = is_locked(path)
        if held is None:
            held = host != socket.gethostname() or _runs(process, str(about.get("boot", "")))
        return f"process {process} on {host} since {about['since']} ({about['command']})" if held else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _runs(process: int, boot: str) -> bool:
    """Return whether a process of this machine, begun in a boot of that id, is a doit."""
    if boot and boot_id() and boot != boot_id():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is somebody else's
    try:
        return b"doit" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True  # no /proc here, as on macOS


def holder_elsewhere(run: Run) -> str:
    """Return the run that holds a stage on its hosts, as a text; empty if none does.

    The hosts that answered the live state are asked, over the connections that it opened.
    """
    if holder(run.state):
        return ""
    hosts = [host for host in run.stage_lock.known if not run.live_state.host(host).error][:PLACES]
    if not hosts:
        return ""

    def ask(host: Host) -> Owner | None:
        try:
            return holder_on(run.connections.to(host), lock_name(run.stage))
        except SkepError:
            return None

    with ThreadPoolExecutor(max_workers=PLACES) as pool:
        owners = [owner for owner in pool.map(ask, hosts) if owner is not None]
    return words_of(owners[0]) if owners else ""
