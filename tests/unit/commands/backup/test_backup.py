"""`doit backup`: all hives make what is theirs; what failed is said, with exit status 1."""

from pathlib import Path
from typing import Any

import pytest

from commands.backup.backup import BackupCommand
from model.errors import HostError
from tests.backup_site import BackupSite, always

MADE = {"service": "web", "id": "aa000001", "bytes": 2048, "files": 3, "added": 1024, "seconds": 2.4}
NOTHING: dict[str, Any] = {"generations": [], "failed": {}, "elsewhere": ["web"]}


@pytest.fixture
def site(tmp_path: Path) -> BackupSite:
    """Give a site whose first hive has the service."""
    made = BackupSite(tmp_path)
    made.answer(run=always(NOTHING))
    made.answer("hive0", run=always({"generations": [MADE], "failed": {}, "elsewhere": []}))
    return made


def test_what_was_made(site: BackupSite) -> None:
    """Each generation has a line: id, size, files, how much was new, how long it took; hives' sentences come before."""
    site.tell({"say": "a job before this one was killed: container c1 runs on"})
    status, text = site.typed(BackupCommand, "web")
    assert status == 0
    assert text.splitlines()[-1] == "web: aa000001, 2K in 3 files, 1K new, 2 s"
    assert "hive0: a job before this one was killed: container c1 runs on" in text
    assert site.hosts["hive0"].asked == ["run --kind asked --service web"]


def test_what_failed(site: BackupSite, capsys: pytest.CaptureFixture[str]) -> None:
    """What went well beside it is said as well."""
    failed = {"db": "script db: backup_command ended with 1: no such table"}
    site.answer("hive1", run=always({"generations": [], "failed": failed, "elsewhere": []}))
    status, text = site.typed(BackupCommand)
    assert status == 1
    assert "web: aa000001, " in text
    assert capsys.readouterr().err == (
        "db: no backup: script db: backup_command ended with 1: no such table\n"
    )


def test_a_hive_that_does_not_answer(site: BackupSite, capsys: pytest.CaptureFixture[str]) -> None:
    """A service that nobody else saved has no backup, which is said."""

    def silent(_words: Any) -> Any:
        raise HostError("hive0: does not answer")

    site.answer("hive0", run=silent)
    assert site.typed(BackupCommand)[0] == 1
    err = capsys.readouterr().err
    assert "hive0: no backup: hive0: does not answer" in err
    assert "web: no backup: no hive that answers has a running task of it, or its volumes" in err


def test_no_service_has_scripts(tmp_path: Path) -> None:
    """Nobody believes then that something was saved."""
    site = BackupSite(tmp_path)
    site.run.stage.services["web"].backup_scripts.clear()
    status, text = site.typed(BackupCommand)
    assert (status, text) == (1, "no service has backup_scripts, so that nothing is saved (docs/backup.md)\n")
    assert site.order == []


def test_an_unknown_service(site: BackupSite, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before a hive is asked."""
    assert site.typed(BackupCommand, "wbe")[0] == 1
    assert "services with: web" in capsys.readouterr().err
    assert site.order == []
