"""`doit restore`: a plan first; the hive saves what is there before it changes anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.backup import restore as command
from commands.backup.restore import RestoreCommand
from tests.backup_site import BackupSite, always, generation
from tests.doubles.alertmanager import watch

GENERATION = generation("aa000001", "2026-11-25T16:00:10")


class Restored(BackupSite):
    """A site with one generation of its service, to which that can go back.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.generations = [GENERATION]
        self.pending = ""
        self.save = ""
        """Whether the last restoration had to save what is there."""
        self.answer(
            where=lambda _: {"pending": self.pending, "runs": True, "volumes": True},
            share=always({"id": "aa000001"}),
            restore=self._restore,
        )

    def _restore(self, words: Any) -> dict[str, Any]:
        """Restore it, and note what of what is there is to be saved."""
        self.save = words.save
        return {"volumes": {"data": ""}, "loaded": [], "bytes": 10}

    def restored(self, **values: str) -> tuple[int, str]:
        """Type the command."""
        return self.typed(RestoreCommand, "web", **values)

    @property
    def changed(self) -> list[str]:
        """What hosts were asked for that changes something, in its order."""
        return self.asked(["share", "restore"])


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


def test_a_repository_that_can_not_be_read(site: Restored) -> None:
    """It is said before the plan: the newest generation may be there."""
    site.tell(
        {"say": "the repository of hive1 can't be read, and its generations are not told: restic: no index"}
    )
    _, output = site.restored(at="latest")
    assert "the repository of hive1 can't be read" in output.split("web: ")[0]


def test_the_generation_comes_first(site: Restored) -> None:
    """It comes to the hive, then the service goes back to it; the hive saves what is there, or changes nothing."""
    site.tell({"say": "web: what is there now is bb000009"})
    status, output = site.restored(at="aa", confirm="example")

    assert status == 0
    assert site.changed == ["share", "restore"]
    assert site.save == "must"
    assert site.asked(["where"]) == ["where"] * 2, "each hive is asked once where the data is"
    assert "what is there now is bb000009" in output
    assert "has the data of aa000001" in output


def test_its_alarms_are_silenced_meanwhile(site: Restored) -> None:
    """From before its data comes until the service has its data again."""
    alarms, held = watch(site.run), list[object]()

    def noted(_words: object) -> dict[str, Any]:
        held.append([*alarms.held])
        return {"volumes": {"data": ""}, "loaded": [], "bytes": 10}

    site.answer(restore=noted)
    assert site.restored(at="aa", confirm="example")[0] == 0
    assert held == [[{"service": "web"}]]
    assert alarms.held == []


def test_what_can_not_be_saved_may_be_lost(site: Restored) -> None:
    """Only if a person says so."""
    assert site.restored(at="aa", confirm="example", unsaved="yes")[0] == 0
    assert site.save == "may"


PENDING = {"pending": "aa000001", "runs": True, "volumes": True, "scripts": []}


@pytest.mark.parametrize("at", ["latest", "aa000001"])
def test_latest_while_a_restoration_is_pending(site: Restored, at: str) -> None:
    """It is that one, whatever was saved since then."""
    site.generations.append(generation("cc000002", "2026-11-29T16:00:00"))
    site.answer(where=always(PENDING | {"loading": False}))

    assert "goes on with a restoration that did not end" in site.restored(at=at)[1]
    status, output = site.restored(at=at, confirm="example")
    assert (status, site.changed) == (0, ["share", "restore"])
    assert "has the data of aa000001" in output


def test_another_one_of_a_half_loaded_service(site: Restored) -> None:
    """It runs, and the hive saves what it has: another generation may be asked for."""
    site.generations.append(generation("cc000002", "2026-11-29T16:00:00"))
    site.answer(where=always(PENDING | {"loading": True}))

    assert site.restored(at="cc000002", confirm="example")[0] == 0
    assert site.changed == ["share", "restore"]


@pytest.mark.parametrize("values", [{"at": "cc000002"}, {"at": "aa000001", "script": "files"}])
def test_another_one_while_files_are_changed(
    site: Restored, capsys: pytest.CaptureFixture[str], values: dict[str, str]
) -> None:
    """Another generation, or another part, is refused before anything is asked for."""
    site.generations.append(generation("cc000002", "2026-11-29T16:00:00"))
    site.answer(where=always(PENDING | {"loading": False}))

    assert site.restored(confirm="example", **values)[0] == 1
    assert site.changed == []
    assert "type that again first, with at=aa000001" in capsys.readouterr().err


def test_a_generation_whose_test_failed(site: Restored) -> None:
    """The plan says so and why; latest is the newest that no test found fault with."""
    test = {"ok": False, "why": "script db: verify_command ended with 1"}
    site.generations.append(generation("cc000002", "2026-11-29T16:00:00", test=test))

    assert "its test failed: script db: verify_command ended with 1" in site.restored(at="cc000002")[1]
    assert "goes back to aa000001" in site.restored(at="latest")[1]


def test_the_line_to_type_has_the_place(site: Restored) -> None:
    """With from= the generations come to the repository host, which is said, and the line has it, too."""
    site.answer(fetch=always({"brought": 3}))

    _, output = site.restored(at="latest", **{"from": "s3"})
    assert "web: 3 snapshots came from s3 to " in output
    assert output.rstrip().endswith("doit restore web at=aa000001 from=s3 confirm=example")
