"""Roles inside running containers: what they print."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ServiceError
from remote.inside import run_role


class Container:
    """A container whose role prints some pieces and ends with a status."""

    short_id = "c"
    id = "c"
    status = "running"

    def __init__(self, pieces: list[bytes], status: int) -> None:
        api = SimpleNamespace(
            exec_create=lambda *_, **__: {"Id": "e"},
            exec_start=lambda *_, **__: iter(pieces),
            exec_inspect=lambda _: {"ExitCode": status},
        )
        self.client: Any = SimpleNamespace(api=api)

    def put_archive(self, _path: str, _data: bytes) -> None:
        """Take the role."""

    def reload(self) -> None:
        """Stay as it is."""


def test_every_line_is_logged_wherever_the_output_is_cut() -> None:
    """A character cut in two by the pieces is whole again, and a last line without its line break is a line."""
    text = "grün\nno line break ü"
    said: list[str] = []

    run_role(lambda: Container([bytes([b]) for b in text.encode()], 0), "web", "r", (), {}, 9, said.append)

    assert said[1:] == ["grün", "no line break ü"]


def test_the_last_words_of_a_failed_role_are_in_the_message() -> None:
    """What a script says last, as by `printf`, is most often why it failed."""
    with pytest.raises(ServiceError, match=r"setup\.sh: exit status 1\n    working\n    disk full\ufffd$"):
        run_role(lambda: Container([b"working\ndisk full\xc3"], 1), "web", "r", (), {}, 9, lambda _line: None)
