"""`doit restore`: a plan first; what is there now is saved before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.backup import restore as command
from commands.backup.restore import RestoreCommand
from tests.backup_site import BackupSite, always, generation

GENERATION = generation("aa000001", "2026-11-25T16:00:10")


class Restored(BackupSite):
    """A site with one generation of its service, to which that can go back.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.generations = [GENERATION]
        self.saved: dict[str, Any] = {"generations": [{"service": "web", "id": "bb"}], "failed": {}}
        self.pending = ""
        self.answer(
            where=lambda _: {"pending": self.pending, "runs": True, "volumes": True},
            run=lambda _: self.saved,
            share=always({"id": "aa000001"}),
            restore=always({"volumes": {"data": ""}, "loaded": [], "bytes": 10}),
        )

    def restored(self, **values: str) -> tuple[int, str]:
        """Type the command."""
        return self.typed(RestoreCommand, "web", **values)

    @property
    def changed(self) -> list[str]:
        """What hosts were asked for that changes something, in its order."""
        return self.asked(["run", "share", "restore"])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restored:
    """Give a site, of which nobody has to take the lock."""

    @contextmanager
    def free(_run: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(command, "holding", free)
    return Restored(tmp_path)


def test_without_confirm_it_is_a_plan(site: Restored) -> None:
    """Nothing is changed, the exit status is 2, and the line to be typed names the generation itself."""
    status, output = site.restored(at="latest")

    assert (status, site.changed) == (2, [])
    assert "web: goes back to aa000001 of 2026-11-26 01:00" in output
    assert output.rstrip().endswith("doit restore web at=aa000001 confirm=example")


def test_another_sites_name(site: Restored) -> None:
    """It is refused before anything is asked to change."""
    with pytest.raises(InvalidCommand, match=r"^confirm=other: the site is example"):
        site.restored(at="latest", confirm="other")
    assert site.changed == []


def test_what_is_there_is_saved_first(site: Restored) -> None:
    """Then the generation comes to the hive, then the service goes back to it."""
    status, output = site.restored(at="aa", confirm="example")

    assert status == 0
    assert site.changed == ["run", "run", "share", "restore"]  # both hives are asked to save what is theirs
    assert site.asked(["where"]) == ["where"] * 2, "each hive is asked once where the data is"
    assert "what is there now is bb" in output
    assert "has the data of aa000001" in output


def test_what_can_not_be_saved_is_not_lost(site: Restored, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is changed then, but for a person who says so."""
    site.saved = {"generations": [], "failed": {"web": "exit status 1"}}

    assert site.restored(at="aa", confirm="example")[0] == 1
    assert "restore" not in site.changed
    assert "unsaved=yes" in capsys.readouterr().err
    assert site.restored(at="aa", confirm="example", unsaved="yes")[0] == 0
    assert "restore" in site.changed


def test_a_killed_restoration_is_not_saved_over(site: Restored) -> None:
    """Typed again it goes on: half of what is there is restored, so that it is no generation."""
    site.pending = "aa000001"

    assert site.restored(at="aa", confirm="example")[0] == 0
    assert "run" not in site.changed
    assert "restore" in site.changed
