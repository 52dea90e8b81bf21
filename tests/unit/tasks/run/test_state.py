"""The state directory: what can't be read or written is said with its path, and nothing half is left."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.errors import StateError
from model.keys.record import FactRecord, HostRecord, ImageRecord
from remote.mother.files import write_whole
from tasks.run.state import State

FACT = FactRecord(id="1")
DO: dict[str, Callable[[State], object]] = {
    "record": lambda state: state.write("p:n", FACT),
    "lock": lambda state: state.lock("doit"),
    "secrets": lambda state: state.secrets,
}


@pytest.fixture
def at() -> Iterator[Callable[[Path], State]]:
    """Give states, and unlock them at the end."""
    made: list[State] = []

    def state(root: Path) -> State:
        made.append(State(root))
        return made[-1]

    yield state
    for one in made:
        one.unlock()


At = Callable[[Path], State]


def refuse(number: int) -> Callable[..., Any]:
    """Return what fails as the operating system does."""

    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("what", DO)
def test_a_file_in_place_of_state(tmp_path: Path, what: str) -> None:
    """A file called `state` is named, with what to do about it."""
    (tmp_path / "state").write_text("mine")

    with pytest.raises(
        StateError, match=f"^{tmp_path}/state/private.*{tmp_path}/state is not a directory: move it"
    ):
        DO[what](State(tmp_path / "state" / "private"))


@pytest.mark.parametrize("what", DO)
def test_a_read_only_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Where nothing can be written, the message has the path and says what is wanted."""
    monkeypatch.setattr(Path, "mkdir", refuse(errno.EROFS))

    with pytest.raises(
        StateError, match=f"^{tmp_path}/s/.*: Read-only file system; doit must be able to write"
    ):
        DO[what](State(tmp_path / "s"))


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names file and reason; the old content stays, and the temporary file is removed."""
    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))

    with pytest.raises(StateError, match=f"^{tmp_path}/file: No space left on device; make room"):
        write_whole(tmp_path / "file", b"new")

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_full_disk_takes_no_lock(tmp_path: Path, at: At) -> None:
    """A run that could not say who it is does not begin, and does not keep others away."""
    (tmp_path / "lock").symlink_to("/dev/full")

    with pytest.raises(StateError, match=f"^{tmp_path}/lock: "):
        at(tmp_path).lock("doit")

    (tmp_path / "lock").unlink()
    at(tmp_path).lock("doit")


def test_a_record_that_can_not_be_read_is_no_missing_one(tmp_path: Path) -> None:
    """A record that is there and can't be read is said; one that is not there is none."""
    state = State(tmp_path)
    assert state.read("p:n", FactRecord) is None
    state.record_path("p:n").mkdir(parents=True)

    with pytest.raises(StateError, match=r"p/n\.json: Is a directory"):
        state.read("p:n", FactRecord)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 1}', "\0\0\0"])
def test_a_broken_record_heals(tmp_path: Path, at: At, text: str) -> None:
    """Whoever holds the stage removes a record that can't be decoded, so that its task runs; who looks does not."""
    state = at(tmp_path)
    state.write("p:n", FACT)
    path = state.record_path("p:n")
    path.write_text(text)

    assert state.read("p:n", HostRecord) is None
    state.remove_broken()
    assert path.exists()
    state.lock("doit")
    assert state.read("p:n", HostRecord) is None
    assert not path.exists()


def test_what_is_no_json_goes_before_anything_is_judged(tmp_path: Path, at: At) -> None:
    """A torn record is removed at the start of a run, read or not; sound ones, traces and secrets are left alone."""
    state = at(tmp_path)
    state.write("p:good", FACT)
    for name in ("p/torn.json", "secrets/vault.json", "traces/p/n.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text('{"id": ')
    state.lock("doit")

    state.remove_broken()

    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")}
    assert left == {"p/good.json", "secrets/vault.json", "traces/p/n.json"}


def test_a_lock_on_a_file_that_was_removed_is_none(
    tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that got hold of the lock's file just as `destroy` removed it takes the new file: others see it there."""
    real = fcntl.flock
    removed: list[bool] = []

    def flock(handle: Any, how: int) -> None:
        if not removed:
            removed.append(True)
            (tmp_path / "lock").unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    state = at(tmp_path)

    state.lock("doit")

    with pytest.raises(StateError, match="another run holds this stage"):
        at(tmp_path).lock("doit")
    state.unlock()
    at(tmp_path).lock("doit")


def test_an_older_state_s_registry_is_the_one_that_images_name(tmp_path: Path) -> None:
    """From four hosts to five and back: the copy on the host that came and went is the last that was written."""
    state = State(tmp_path)
    for number, short in enumerate(("hive3", "hive4")):
        name = f"p-{short}.example"
        state.write(
            f"build_infra:{short}", HostRecord(name=name, id=short, address="10.0.0.1", ssh_host="10.0.0.1")
        )
        state.write(f"setup_hosts:{short}.vault", FACT)
        os.utime(state.record_path(f"setup_hosts:{short}.vault"), (number, number))
    assert state.home == "hive4"

    trace = state.trace_path("setup_hosts:hive3.vault")
    trace.parent.mkdir(parents=True)
    trace.write_text("{}")
    assert state.home == "hive3"

    state.write("build_images:web", ImageRecord(reference="p-hive4.example:5000/web@sha256:0"))
    assert state.home == "hive4"
    state.keep_home("hive3")
    assert state.home == "hive3"
    assert State(tmp_path / "other").home == ""


def test_two_runs_on_one_stage(tmp_path: Path) -> None:
    """The second is refused with the first one's process and command; after the first ended it may."""
    first = State(tmp_path)
    first.lock("doit build_images")
    second = State(tmp_path)

    with pytest.raises(
        Exception, match=r"another run holds this stage: process \d+ on .* \(doit build_images\)"
    ):
        second.lock("doit")
    first.unlock()
    second.lock("doit")
    second.unlock()
