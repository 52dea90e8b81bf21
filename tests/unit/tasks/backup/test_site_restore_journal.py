"""The journal of a site that is made again."""

from pathlib import Path

import pytest

from model.errors import StateError
from tasks.backup.site_restore_journal import (
    SiteRestoration,
    SiteRestoreJournal,
    restoration_words,
    restore_command,
)
from tests import made as rig


def test_parts_are_noted_once(tmp_path: Path) -> None:
    """What is done stays known in a fresh process; after the end nothing is, and nothing is noted any more."""
    path = tmp_path / "journal.json"
    journal = SiteRestoreJournal(path)
    assert journal.read() is None
    journal.write(SiteRestoration("s3:there", {}))
    for _ in range(2):
        journal.note("files of web")
    assert SiteRestoreJournal(path).is_done("files of web")
    assert not journal.is_done("files of db")
    found = journal.read()
    assert found is not None
    assert found.done == ("files of web",)
    journal.end()
    journal.end()
    journal.note("files of db")
    assert journal.read() is None


def test_it_is_for_its_owner(tmp_path: Path) -> None:
    """Others on the machine need not know where the backups are."""
    path = tmp_path / "journal.json"
    SiteRestoreJournal(path).write(SiteRestoration("s3:there", {}))
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_can_not_be_read(tmp_path: Path) -> None:
    """It is said with the way out: nobody knows what is done."""
    path = tmp_path / "journal.json"
    path.write_text("{")
    with pytest.raises(StateError, match="doit destroy, then doit restore site in an empty directory"):
        SiteRestoreJournal(path).read()


def test_what_status_says(tmp_path: Path) -> None:
    """As long as it is under way, a line with the command that goes on; its stage is named where there are several."""
    made = rig.new(tmp_path)
    run = made.run()
    assert restoration_words(run) == []
    SiteRestoreJournal.of(run.state).write(SiteRestoration("rest:https://a place/", {}))
    command = "doit restore site 'from=rest:https://a place/' confirm=example"
    assert restoration_words(run) == [
        f"the site is being made again from rest:https://a place/: {command} goes on with that"
    ]
    made.edit(
        "[secrets]",
        '[stages.other]\nprovider = "docker"\ncidr = "10.0.1.0/24"\nnumber_of_hosts = 2\n[secrets]',
    )
    assert restore_command("s3:there", made.run().stage).endswith("confirm=example stage=private")
