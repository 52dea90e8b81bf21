"""Locks on the mother: who gets them, who waits, the message, and when they are given back."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from model.errors import ProviderError, StateError
from remote.mother.lock import lock, try_lock


def test_a_lock_is_one_threads_or_processes(tmp_path: Path) -> None:
    """While it is held nobody else gets it, in this process or in another; then the next one does."""
    path = tmp_path / "deep" / "lock"
    script = f"from pathlib import Path; from remote.mother.lock import try_lock; print(try_lock(Path({str(path)!r})))"
    words = [sys.executable, "-c", script]

    with lock(path, "another run is at work", 5):
        assert try_lock(path) is None
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "None\n"

    handle = try_lock(path)
    assert handle is not None
    handle.close()


def test_who_waits_is_told_once_and_gets_it(tmp_path: Path) -> None:
    """The log says once that another has it; as soon as that one is done, the next one goes on."""
    said: list[str] = []
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock(tmp_path / "lock", "another run is at work", 5):
            held.set()
            go_on.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    threading.Timer(0.3, go_on.set).start()
    with lock(tmp_path / "lock", "another run is at work", 5, log=said.append):
        thread.join(120)

    assert said == ["another run is at work: waiting for it"]


def test_a_lock_that_stays_taken(tmp_path: Path) -> None:
    """Waiting ends, with the file, who has it, and the way out."""
    path = tmp_path / "lock"

    with (
        lock(path, "another run is at work", 5),
        pytest.raises(ProviderError) as caught,
        lock(path, "another run is at work", 0, kind=ProviderError),
    ):
        pass
    assert str(caught.value) == f"waited 0 s for {path}: another run is at work: end it, then run doit again"


def test_what_is_in_the_file_stays(tmp_path: Path) -> None:
    """Trying a lock does not wipe out its holder's text."""
    path = tmp_path / "lock"
    path.write_text("process 12")

    with lock(path, "another run is at work", 5):
        assert try_lock(path) is None

    assert path.read_text() == "process 12"


def test_an_error_within_gives_it_back(tmp_path: Path) -> None:
    """Whatever happens within, the next one gets the lock; an error of other files passes as it is."""
    path = tmp_path / "lock"

    with pytest.raises(FileNotFoundError, match="other"), lock(path, "another run is at work", 5):
        (tmp_path / "other").read_text()

    with lock(path, "another run is at work", 0):
        pass


def test_a_lock_that_can_not_be_made(tmp_path: Path) -> None:
    """That is a person's to mend, with the path."""
    (tmp_path / "file").touch()

    with pytest.raises(StateError, match=f"^{tmp_path}/file/lock: .* is not a directory: move it away"):
        try_lock(tmp_path / "file" / "lock")
