"""`doit restore`: a plan first; what is there now is saved before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.backup import restore as command
from commands.backup.restore import RestoreCommand
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.agent import AgentHost, Answer, agents
from tests.unit.commands.operate.test_replace_host import Loader
from tests.unit.tasks.backup.test_site_backups import BACKUP, SCRIPTS

FACTS = {"host": "hive0", "bytes": 10, "test": None, "scripts": {"files": "files"}}
GENERATION = {
    "id": "aa000001",
    "time": "2026-11-25T16:00:10+00:00",
    "kind": "scheduled",
    "service": "web",
    **FACTS,
}


class Site:
    """A site with a generation of its service, and the command typed there.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        made = rig.new(directory)
        made.edit("[networks.back]\n", BACKUP)
        made.edit('initialize_roles = ["first"]\n', SCRIPTS)
        self.run = made.run()
        self.saved: dict[str, Any] = {"generations": [{"service": "web", "id": "bb"}], "failed": {}}
        self.pending = ""
        self.hosts = {
            host.short: AgentHost(
                host.short,
                {
                    "generations": lambda _: [GENERATION],
                    "where": lambda _: {"pending": self.pending, "runs": True, "volumes": True},
                    "run": lambda _: self.saved,
                    "share": lambda _: {"id": "aa000001"},
                    "restore": lambda _: {"volumes": {"data": ""}, "loaded": [], "bytes": 10},
                },
            )
            for host in self.run.stage.hosts
        }
        agents(self.run, self.hosts)
        self.order: list[str] = []
        """Verbs in the order in which hosts were asked."""
        for host in self.hosts.values():
            host.answers = {verb: self._noted(verb, answer) for verb, answer in host.answers.items()}

    def _noted(self, verb: str, answer: Answer) -> Answer:
        """Return an answer that notes that it was asked for."""

        def noted(words: Any) -> Any:
            self.order.append(verb)
            return answer(words)

        return noted

    def typed(self, **values: str) -> tuple[int, str]:
        """Type the command."""
        return typed_command.typed(RestoreCommand, Loader(self.run), ["web"], values)

    @property
    def changed(self) -> list[str]:
        """What hosts were asked for that changes something, in its order."""
        return [verb for verb in self.order if verb in {"run", "share", "restore"}]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a site, of which nobody has to take the lock."""

    @contextmanager
    def free(_run: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(command, "holding", free)
    return Site(tmp_path)


def test_without_confirm_it_is_a_plan(site: Site) -> None:
    """Nothing is changed, the exit status is 2, and the line to be typed names the generation itself."""
    status, output = site.typed(at="latest")

    assert (status, site.changed) == (2, [])
    assert "web: goes back to aa000001 of 2026-11-26 01:00" in output
    assert output.rstrip().endswith("doit restore web at=aa000001 confirm=example")


def test_another_sites_name(site: Site) -> None:
    """It is refused before anything is asked to change."""
    with pytest.raises(InvalidCommand, match=r"^confirm=other: the site is example"):
        site.typed(at="latest", confirm="other")
    assert site.changed == []


def test_what_is_there_is_saved_first(site: Site) -> None:
    """Then the generation comes to the hive, then the service goes back to it."""
    status, output = site.typed(at="aa", confirm="example")

    assert status == 0
    assert site.changed == ["run", "run", "share", "restore"]  # both hives are asked to save what is theirs
    assert "what is there now is bb" in output
    assert "has the data of aa000001" in output


def test_what_can_not_be_saved_is_not_lost(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is changed then, but for a person who says so."""
    site.saved = {"generations": [], "failed": {"web": "exit status 1"}}

    assert site.typed(at="aa", confirm="example")[0] == 1
    assert "restore" not in site.changed
    assert "unsaved=yes" in capsys.readouterr().err
    assert site.typed(at="aa", confirm="example", unsaved="yes")[0] == 0
    assert "restore" in site.changed


def test_a_killed_restoration_is_not_saved_over(site: Site) -> None:
    """Typed again it goes on: half of what is there is restored, so that it is no generation."""
    site.pending = "aa000001"

    assert site.typed(at="aa", confirm="example")[0] == 0
    assert "run" not in site.changed
    assert "restore" in site.changed
