"""What a hive meets at the server of its repository: off, stopped, frozen, full, restarted, another password."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.backup import restic_process
from agent.backup.restic import Restic
from agent.backup.restic_errors import LockedError, patiently
from agent.backup.restic_process import RepositoryUnreachableError
from agent.errors import AgentError
from tests import rig
from tests.debian import install
from tests.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
BIG = 60 << 20
"""Bytes that take a while to be pushed."""


class Server:
    """A server as on a repository host, on the loopback.

    Args:
        root: A directory of its own.

    """

    def __init__(self, root: Path) -> None:
        self.place, self.data = root / "place", root / "data"
        self.place.mkdir()
        self.data.mkdir()
        self.port = free_port()
        self.restic = self.opened_by("secret")
        self.process: subprocess.Popen[bytes] | None = None

    def opened_by(self, password: str) -> Restic:
        """Return the repository as whoever has a password knows it."""
        place = f"rest:http://127.0.0.1:{self.port}/hive0/"
        return Restic({"RESTIC_REPOSITORY": place, "RESTIC_PASSWORD": password})

    def check(self) -> None:
        """Check the repository, all of its data, as its host does: locks that a killed process left are in no way."""
        place = self.place / "hive0"
        settings = {"RESTIC_REPOSITORY": str(place), "RESTIC_PASSWORD": "secret"}
        Restic(settings, directory=place).check("100%")

    def start(self) -> None:
        """Start it."""
        words = [
            "rclone",
            "serve",
            "restic",
            "--append-only",
            "--addr",
            f"127.0.0.1:{self.port}",
            str(self.place),
        ]
        env = {**os.environ, "RCLONE_CONFIG": "/dev/null"}
        self.process = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL)
        rig.wait_until(self.answers, "the server to answer")

    def answers(self) -> bool:
        """Return whether it takes connections."""
        with socket.socket() as door:
            return door.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number: int) -> None:
        """Send it a signal; for one that ends it, wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self.process.wait()

    def fill(self, size: int = BIG) -> None:
        """Have other data of some size to be pushed."""
        (self.data / "rows").write_bytes(os.urandom(size))

    def push(self) -> Mapping[str, Any]:
        """Push the data, as a hive does."""
        return self.restic.backup(self.data, "hive0", ["service=db"], lambda _line: None)

    def packs(self) -> int:
        """Return how many files of data have arrived."""
        return sum(path.is_file() for path in (self.place / "hive0/data").rglob("*"))

    def when_pushing(self, do: Any) -> threading.Thread:
        """Do something as soon as data arrives."""
        before = self.packs()

        def wait() -> None:
            while self.packs() == before:
                time.sleep(0.001)
            do()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Give a server with a repository; what gets nowhere is ended sooner than on hosts."""
    install(["restic", "rclone"])
    monkeypatch.setattr("agent.backup.restic._CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(restic_process, "LONGEST_PAUSE", 1.5)
    monkeypatch.setattr(restic_process, "_LOOK", 0.5)
    made = Server(tmp_path)
    made.start()
    made.restic.init()
    yield made
    if made.process is not None:
        made.process.send_signal(signal.SIGCONT)
        made.process.kill()
        made.process.wait()


def test_a_server_that_stops_in_the_middle(server: Server) -> None:
    """It is said within a minute, with why, and no snapshot is there; off from the beginning it is said as well."""
    server.fill()
    stopping = server.when_pushing(lambda: server.send(signal.SIGKILL))
    with pytest.raises(
        RepositoryUnreachableError, match=r"does not answer, or does not take this: .*connection refused"
    ):
        server.push()
    stopping.join()
    with pytest.raises(AgentError, match="connection refused"):
        server.push()
    server.start()
    assert server.restic.snapshots() == []
    server.push()
    server.check()
    assert len(server.restic.snapshots()) == 1


def test_a_server_that_is_frozen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves, so that it is given up; when it goes on, so do backups."""
    server.fill()
    freezing = server.when_pushing(lambda: server.send(signal.SIGSTOP))
    with monkeypatch.context() as patch:
        patch.setattr(restic_process, "STILL", 8.0)
        with pytest.raises(RepositoryUnreachableError, match="nothing has moved for 8 s"):
            server.push()
    freezing.join()
    server.send(signal.SIGCONT)
    server.push()
    assert len(server.restic.snapshots()) == 1


def test_a_server_that_is_killed_and_started_again(server: Server) -> None:
    """The file that it was at may be in the way, and then it is said; the next backup goes through."""

    def restart() -> None:
        server.send(signal.SIGKILL)
        server.start()

    server.fill()
    changing = server.when_pushing(restart)
    with suppress(RepositoryUnreachableError):
        server.push()
    changing.join()
    server.push()
    server.check()


def test_a_server_whose_disk_is_full(server: Server, tmp_path: Path) -> None:
    """It is said; what was there stays whole; with room again the next one goes through."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    server.fill(1000)
    first = server.push()["snapshot_id"]
    small, kept = server.place / "hive0", tmp_path / "kept"
    shutil.copytree(small, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)], check=True)
    try:
        shutil.copytree(kept, small, dirs_exist_ok=True)
        server.fill()
        with pytest.raises(
            RepositoryUnreachableError, match=r"does not take this: server response unexpected"
        ):
            server.push()
        assert [each["short_id"] for each in server.restic.snapshots()] == [first[:8]]
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        server.push()
        assert len(server.restic.snapshots()) == 2
        server.check()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_another_password(server: Server) -> None:
    """It is said at once, and nothing is written."""
    server.fill(1000)
    server.restic = server.opened_by("another")
    with pytest.raises(AgentError, match="wrong password or no key found"):
        server.push()
    assert server.packs() == 0


def test_a_repository_that_is_pruned(server: Server) -> None:
    """A backup does not wait with what it holds: it says that it was locked, and is made once the other ended."""
    server.fill(1000)
    server.push()
    other = pruning(server)
    tries = []

    def once() -> None:
        tries.append(time.monotonic())
        try:
            server.push()
        except LockedError:
            other.send_signal(signal.SIGCONT)
            other.wait()
            raise

    patiently(once)
    assert len(tries) == 2
    assert len(server.restic.snapshots()) == 2


def pruning(server: Server) -> "subprocess.Popen[bytes]":
    """Begin to prune the repository, and have that stand still while it holds its lock."""
    environment = {"RESTIC_REPOSITORY": str(server.place / "hive0"), "RESTIC_PASSWORD": "secret"}
    locks = server.place / "hive0" / "locks"

    def is_locked() -> bool:
        return any(len(path.name) == 64 for path in locks.iterdir())

    while True:
        other = subprocess.Popen(
            ["restic", "prune", "-q"], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
        )
        while other.poll() is None and not is_locked():
            time.sleep(0.001)
        other.send_signal(signal.SIGSTOP)
        if other.poll() is None and is_locked():
            return other
        # It was done before it was seen.
        other.send_signal(signal.SIGCONT)
        other.wait()
