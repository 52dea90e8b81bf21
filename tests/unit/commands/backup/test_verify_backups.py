"""`doit verify_backups`: generations are tried where their service runs; one that is of no use is said."""

from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand

from commands.backup.verify_backups import VerifyBackupsCommand
from tests.backup_site import SECOND, BackupSite, always

FOUND = {"files": "3 files, 10 bytes, each as in the repository"}
HERE = {"pending": "", "runs": True, "volumes": True}
ELSEWHERE = {"pending": "", "runs": False, "volumes": False}


@pytest.fixture
def site(tmp_path: Path) -> BackupSite:
    """Give a site whose second hive has the service."""
    made = BackupSite(tmp_path)
    made.answer(where=always(ELSEWHERE), share=always({"id": "bb000009"}))
    made.answer("hive1", where=always(HERE), verify=always({"verified": FOUND}))
    return made


def test_the_newest_is_tried_where_the_service_runs(site: BackupSite) -> None:
    """None that was made before a restoration; it is brought to that hive first; what was found is said."""
    status, text = site.typed(VerifyBackupsCommand)
    assert status == 0
    assert text.splitlines() == [
        "web: aa000002 of 2026-11-27 01:00 (10B, made on hive0) is of use",
        "  files: 3 files, 10 bytes, each as in the repository",
    ]
    assert site.asked(["share", "verify"]) == ["share", "verify"]
    assert site.hosts[site.run.stage.repository.short].asked[-1] == f"share {SECOND['id']} hive1"
    assert site.hosts["hive1"].asked[-1] == "verify bb000009 --service web"


def test_another_one_by_its_id(site: BackupSite) -> None:
    """It is named; of several services that would be unclear."""
    assert "aa000001 of " in site.typed(VerifyBackupsCommand, "web", at="aa000001")[1]
    site.run.stage.services["db"] = site.run.stage.services["web"]
    with pytest.raises(InvalidCommand, match="at=aa000001 is of one service: name it"):
        site.typed(VerifyBackupsCommand, at="aa000001")


def test_one_of_no_use(site: BackupSite, capsys: pytest.CaptureFixture[str]) -> None:
    """Its service and the agent's sentence are said, and the exit status is 1."""
    site.answer("hive1", verify=always("script files: verify_command ended with 1"))
    assert site.typed(VerifyBackupsCommand)[0] == 1
    assert capsys.readouterr().err == "web: hive1: script files: verify_command ended with 1\n"


def test_one_that_fails_keeps_no_other_from_being_tried(
    site: BackupSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service without a generation is said, and the next one is tried."""
    site.run.stage.services["aaa"] = site.run.stage.services["web"]
    status, text = site.typed(VerifyBackupsCommand, "aaa", "web")
    assert status == 1
    assert "aaa: there is no generation yet (doit backup aaa)" in capsys.readouterr().err
    assert "web: aa000002 of " in text
