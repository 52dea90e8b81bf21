"""Roles inside running containers: their output, and their end."""

import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ServiceError
from remote.images.exec_role import run_role
from remote.images.role_archive import END_ROLE, RUN_ROLE, TOKEN


class Container:
    """A container whose role prints some pieces and ends with a status."""

    short_id = "c"
    id = "c"
    status = "running"

    def __init__(self, pieces: list[bytes], status: int) -> None:
        self.done: list[str] = []
        outputs = {RUN_ROLE: pieces}

        def create(_container: str, command: list[str], **_options: object) -> dict[str, str]:
            word = next((word for word in (RUN_ROLE, END_ROLE) if word in command[-1]), command[-1])
            self.done.append(word)
            return {"Id": word}

        api = SimpleNamespace(
            exec_create=create,
            exec_start=lambda made, **_: iter(outputs.get(made, [])),
            exec_inspect=lambda _: {"ExitCode": status},
        )
        self.client: Any = SimpleNamespace(api=api)

    def put_archive(self, _path: str, _data: bytes) -> None:
        """Take the role."""
        self.done.append("put")

    def reload(self) -> None:
        """Stay as it is."""


def test_every_line_is_logged_wherever_the_output_is_cut() -> None:
    """A character cut in two by the pieces is whole again, and a last line without its line break is a line."""
    text = "grün\nno line break ü"
    said: list[str] = []

    run_role(lambda: Container([bytes([b]) for b in text.encode()], 0), "web", "r", (), {}, 9, said.append)

    assert said[1:] == ["grün", "no line break ü"]


def test_the_last_words_of_a_failed_role_are_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a script says last, as by `printf`, is most often why it failed."""
    monkeypatch.setattr("remote.images.exec_role._PATIENCE", 0.01)
    with pytest.raises(ServiceError, match=r"setup\.sh: exit status 1\n    working\n    disk full\ufffd$"):
        run_role(lambda: Container([b"working\ndisk full\xc3"], 1), "web", "r", (), {}, 9, lambda _line: None)


@pytest.mark.parametrize("known_by", ["engine", "swarm"])
def test_a_role_that_fails_as_its_container_goes_away_runs_again_in_the_next(known_by: str) -> None:
    """Its processes end first; that the container has the engine says later, that it will only the swarm."""
    first, second = Container([], 137), Container([], 0)
    second.id = second.short_id = "d"
    looks: list[str] = []

    def reload() -> None:
        looks.append("")
        if known_by == "engine" and len(looks) > 1:
            first.status = "exited"

    asked: list[str] = []

    def find() -> Any:
        asked.append("")
        # The swarm hears of it last.
        return first if len(looks) < 2 or (known_by == "engine" and len(asked) < 5) else second

    first.reload = reload  # type: ignore[method-assign]
    said: list[str] = []

    run_role(find, "web", "r", (), {}, 9, said.append)

    assert second.done == [END_ROLE, "put", RUN_ROLE]
    assert "the container went away meanwhile; trying again in the next one" in said


def test_what_a_killed_run_had_begun_ends_before_the_role_is_put_there() -> None:
    """Two of them at once would load the same data twice, and the first one's end takes the second one's files away."""
    container = Container([], 0)

    run_role(lambda: container, "web", "r", (), {}, 9, lambda _line: None)

    assert container.done == [END_ROLE, "put", RUN_ROLE]


def test_only_processes_of_the_role_that_was_cut_off_are_ended(tmp_path: Path) -> None:
    """They are known by a variable of theirs and the token that lies beside the role; nobody else's are touched."""
    place = tmp_path / "place"
    place.mkdir()
    script = END_ROLE.replace("/.skep", str(place))

    def process(token: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["/bin/sleep", "60"], env={TOKEN: token})

    with process("first") as cut_off, process("second") as other:
        try:
            subprocess.run(["/bin/sh", "-c", script], check=True)
            assert other.poll() is None, "there is no token yet"
            place.mkdir(exist_ok=True)
            (place / "token").write_text("first")
            subprocess.run(["/bin/sh", "-c", script], check=True)

            assert cut_off.wait(120) == -signal.SIGKILL
            assert other.poll() is None
            assert not place.exists()
        finally:
            cut_off.kill()
            other.kill()
