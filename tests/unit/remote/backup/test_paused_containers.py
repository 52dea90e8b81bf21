"""Who has paused a container: a backup notes it on its host before it does so."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from agent.backup.hive.journal import paused
from model.json_types import Json
from remote.backup.paused_containers import NOTE, listed_containers

RUNS, PAUSED_A, PAUSED_B = (
    {"Id": "a", "State": "running"},
    {"Id": "a", "State": "paused"},
    {"Id": "b", "State": "paused"},
)


class Asked:
    """A host: what its engine lists, one listing after the other, and the note of its backup."""

    def __init__(self, note: str, *listings: Sequence[Json]) -> None:
        self.listings = [*listings]
        self.scripts: list[str] = []
        self._note = note

    def script(self, text: str, **_options: object) -> str:
        """Run a script."""
        self.scripts.append(text)
        return self._note

    def ask(self) -> tuple[Sequence[Json], frozenset[str]]:
        """Ask the host."""
        connection: Any = SimpleNamespace(script=self.script)
        return listed_containers(connection, lambda: self.listings.pop(0))


def test_the_note_is_where_the_agent_writes_it() -> None:
    """The agent, on its host, and what reads it here, agree."""
    assert str(paused().path) == NOTE


def test_nothing_is_paused() -> None:
    """Then no further question is asked."""
    asked = Asked("", [RUNS])

    assert asked.ask() == ([RUNS], frozenset())
    assert asked.scripts == []


def test_paused_by_a_backup() -> None:
    """Its note names the container; the listing is good."""
    asked = Asked(json.dumps({"by": 7, "service": "web", "paused": ["a"]}), [PAUSED_A], [])

    assert asked.ask() == ([PAUSED_A], frozenset({"a"}))


def test_let_go_meanwhile() -> None:
    """A backup that ended between the two questions has left no note: what is paused is looked at once more."""
    assert Asked("", [PAUSED_A], [RUNS]).ask() == ([RUNS], frozenset())


@pytest.mark.parametrize(
    "note", ["", "{", "[]", json.dumps({"stopped": "db", "replicas": 1}), json.dumps({"paused": ["a"]})]
)
def test_paused_by_somebody(note: str) -> None:
    """One that no note names is paused by somebody else, though another is held, or the note can't be read."""
    listed, saved = Asked(note, [PAUSED_B], [PAUSED_B]).ask()

    assert listed == [PAUSED_B]
    assert "b" not in saved
