"""A standby on a hive: whole or as it was before, also after a kill; and taken from by a restoration."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.backup.config import HiveConfig
from agent.backup.hive import journal, standby
from agent.backup.hive.standby import Standbys, take
from agent.backup.notes import STANDBY, data_tags, note_tags
from agent.errors import AgentError
from agent.host.durable_files import alone
from agent.output import Output

FIRST, SECOND = "1" * 64, "2" * 64


class KilledError(BaseException):
    """The process ended here."""


class Repository:
    """A hive's own repository, with a generation in it that another hive made, and a note for each.

    Args:
        size: The bytes of a generation.

    """

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self.listed: list[dict[str, Any]] = []
        self.restored: list[str] = []
        self.during: Any = lambda: None

    def chosen(self, identity: str, hour: int, service: str = "web") -> None:
        """Have the repository host choose a generation."""
        facts = {"service": service, "time": f"2026-11-27T0{hour}:00:00+00:00"}
        data = {
            "id": identity,
            "original": f"of-{identity}",
            "tags": data_tags("private", service, "scheduled"),
        }
        note = {"id": "3" * 64, "tags": note_tags(STANDBY, f"of-{identity}", facts)}
        self.listed += [each | {"time": f"2026-11-27T0{hour}:05:00Z"} for each in (note, data)]

    def snapshots(self) -> list[dict[str, Any]]:
        """Return the snapshots."""
        return self.listed

    def stats(self, _identity: str) -> tuple[int, int]:
        """Return a generation's size."""
        return self.size, 2

    def restore(self, identity: str, target: Path, written: Any) -> None:
        """Restore a generation; something may happen half-way."""
        self.restored.append(identity)
        (target / "files").mkdir()
        written(1)
        self.during()
        (target / "files" / "rows").write_text(identity)
        (target / "db.dump").write_text(identity)


class Hive:
    """A hive with a standby.

    Args:
        directory: Its disk.

    """

    def __init__(self, directory: Path) -> None:
        self.root, self.state, self.repository = directory / "standby", directory / "state", Repository()
        self.services: tuple[str, ...] = ("web",)

    def refresh(self) -> dict[str, Any]:
        """Do what the timer does."""
        config = HiveConfig(
            "hive1", "private", Path(), Path(), "", Path(), "never", {}, standby=self.services
        )
        return Standbys(config, self.repository, Output(), self.root, self.state).refresh()  # type: ignore[arg-type]

    @property
    def there(self) -> list[str]:
        """What there is of the service."""
        return sorted(path.name for path in (self.root / "web").iterdir())

    @property
    def noted(self) -> Any:
        """What is noted of it."""
        return json.loads((self.state / "status" / "standby-web.json").read_text())


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive."""
    monkeypatch.setattr(journal, "RUNTIME", tmp_path / "run")
    return Hive(tmp_path)


def test_the_newest_is_restored_once(hive: Hive) -> None:
    """The last one that was chosen; the one before goes when it is whole; what there is and of when is noted."""
    assert hive.refresh() == {"restored": [], "failed": {}}
    hive.repository.chosen(FIRST, 1)
    assert hive.refresh() == {"restored": ["web"], "failed": {}}
    assert hive.refresh() == {"restored": [], "failed": {}}
    hive.repository.chosen(SECOND, 2)
    hive.repository.during = lambda: assert_there(hive, [FIRST[:16], "new"])

    assert hive.refresh() == {"restored": ["web"], "failed": {}}

    assert (hive.there, hive.repository.restored) == ([SECOND[:16]], [FIRST, SECOND])
    assert (hive.root / "web" / SECOND[:16] / "files" / "rows").read_text() == SECOND
    assert hive.noted == {
        "standby": "web",
        "generation": f"of-{SECOND}",
        "made": "2026-11-27T02:00:00+00:00",
        "error": "",
        "since": None,
    }


def assert_there(hive: Hive, names: list[str]) -> None:
    """Check what there is of the service at this moment."""
    assert hive.there == names


@pytest.mark.parametrize("error", [KilledError(), AgentError("restic: connection refused")])
def test_cut_off_in_the_middle(hive: Hive, error: BaseException) -> None:
    """The one before is there whole; the next round makes the new one from the beginning."""
    hive.repository.chosen(FIRST, 1)
    hive.refresh()
    hive.repository.chosen(SECOND, 2)

    def fails() -> None:
        raise error

    hive.repository.during = fails
    if isinstance(error, AgentError):
        assert hive.refresh()["failed"] == {"web": "restic: connection refused"}
        assert (hive.noted["generation"], hive.noted["error"]) == (
            f"of-{FIRST}",
            "restic: connection refused",
        )
        assert hive.noted["since"] is not None
    else:
        with pytest.raises(KilledError):
            hive.refresh()
    assert (hive.root / "web" / FIRST[:16] / "db.dump").read_text() == FIRST

    hive.repository.during = lambda: None
    assert hive.refresh()["restored"] == ["web"]
    assert (hive.there, hive.noted["error"], hive.noted["since"]) == ([SECOND[:16]], "", None)


def test_a_disk_without_room(hive: Hive) -> None:
    """Nothing is begun, and the one before stays."""
    hive.repository.chosen(FIRST, 1)
    hive.refresh()
    hive.repository.chosen(SECOND, 2)
    hive.repository.size = 1 << 60

    [why] = hive.refresh()["failed"].values()

    assert why.startswith("its standby needs 1152921504674 MB on the disk of ")
    assert (hive.there, hive.repository.restored) == ([FIRST[:16]], [FIRST])


def test_a_line_that_is_gone(hive: Hive) -> None:
    """The data goes, and so does the note."""
    hive.repository.chosen(FIRST, 1)
    hive.refresh()
    hive.services = ()

    hive.refresh()

    assert (list(hive.root.iterdir()), list((hive.state / "status").iterdir())) == ([], [])


def test_a_restoration_takes_it(hive: Hive, tmp_path: Path) -> None:
    """Each entry once, of that generation alone; it is no standby any more then, until the next round."""
    hive.repository.chosen(FIRST, 1)
    hive.refresh()
    target = tmp_path / "beside"
    assert not take("web", SECOND, "files", target, hive.root)
    with alone(journal.RUNTIME / "backup-standby.lock", "standby"):
        assert not take("web", FIRST, "files", target, hive.root), "it is being made anew"

    assert take("web", FIRST, "files", target, hive.root)
    assert (target / "rows").read_text() == FIRST
    assert not take("web", FIRST, "files", tmp_path / "twice", hive.root)
    assert take("web", FIRST, "db.dump", tmp_path / "db.dump", hive.root)
    assert hive.there == [f"{FIRST[:16]}.taken"]

    assert hive.refresh()["restored"] == ["web"]
    assert hive.there == [FIRST[:16]]
    assert Path("/var/lib/docker/skep-standby") == standby.ROOT
