"""`doit backups`: the generations, and where they are; `doit backups key`."""

import json
import re
from pathlib import Path

import pytest

from commands.backup.backups import BackupsCommand
from model.errors import HostError
from model.secrets.backup_passwords import backup_password
from model.secrets.stage_secrets import generate
from tasks.run.vault import Vault
from tests.backup_site import BACKUP, BackupSite, generation

TESTED = {"ok": True, "at": "2026-11-27T00:30:00+00:00", "scripts": {}}


def listed(directory: Path, *copies: str) -> BackupSite:
    """Return a site with places off the site of these names."""
    places = ", ".join(f'{{ name = "{name}", repository = "{name}:x" }}' for name in copies)
    return BackupSite(directory, BACKUP.replace("[backup]\n", f"[backup]\ncopies = [{places}]\n"))


def cells(text: str) -> list[list[str]]:
    """Return the cells of a table's lines."""
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_a_line_for_each(tmp_path: Path) -> None:
    """Times are the site's; a test that failed says why; a clock that was wrong is named."""
    site = BackupSite(tmp_path)
    failed = {"ok": False, "at": "2026-11-27T00:30:00+00:00", "why": "no rows"}
    site.generations = [
        generation("aa000001", "2026-11-25T16:00:10", test=failed),
        generation("aa000002", "2026-11-26T16:00:40", test=TESTED, clock_is_wrong=True),
        generation("aa000003", "2036-11-26T16:00:40", is_ahead=True),
    ]
    status, text = site.typed(BackupsCommand)
    assert status == 0
    head, first, second, third = cells(text)
    assert head == ["SERVICE", "ID", "TIME", "SIZE", "ADDED", "HIVE", "KIND", "TESTED"]
    assert (first[2], first[-1]) == ("2026-11-26 01:00", "failed: no rows")
    assert (second[5], second[-1]) == ("hive0 (its clock was wrong)", "2026-11-27 09:30")
    assert third[2] == "2036-11-27 01:00 (to come: a wrong clock)"


def test_a_service_without_one(tmp_path: Path) -> None:
    """It is named, and the way to one."""
    site = BackupSite(tmp_path)
    site.generations = []
    assert site.typed(BackupsCommand) == (0, "! web: there is no backup yet (doit backup web)\n")


def test_a_repository_that_can_not_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, the others' generations are told, and a service is not said to have none; as JSON as well."""
    site = BackupSite(tmp_path)
    line = "the repository of hive1 can't be read, and its generations are not told: restic: no index"
    site.tell({"say": line})
    site.generations = []
    assert site.typed(BackupsCommand) == (1, f"! hive2: {line}\n")
    status, text = site.typed(BackupsCommand, "--json")
    assert (status, json.loads(text)) == (1, [])
    assert capsys.readouterr().err == f"! hive2: {line}\n"


@pytest.mark.parametrize(
    ("copies", "since", "shown"),
    [
        (["s3"], {"s3": "2026-11-25T17:00:00+00:00"}, "2026-11-26 02:00"),
        (["s3"], {"s3": None}, "no"),
        (["s3"], {}, "no"),
        (["s3", "tape"], {"s3": None, "tape": "2026-11-25T17:00:00+00:00"}, "s3 no, tape 2026-11-26 02:00"),
        (["s3", "tape"], {"s3": None}, "no"),
    ],
)
def test_off_the_site(tmp_path: Path, copies: list[str], since: dict[str, str | None], shown: str) -> None:
    """Since when it is there; `no` where it is not yet; with several places each has its name."""
    site = listed(tmp_path, *copies)
    site.generations = [generation("aa000001", "2026-11-25T16:00:10", copies=since)]
    head, line = cells(site.typed(BackupsCommand)[1])
    assert dict(zip(head, line, strict=True))["OFF SITE"] == shown


def test_all_that_is_known(tmp_path: Path) -> None:
    """As JSON they are as the agent tells them, of the service that is asked for."""
    site = BackupSite(tmp_path)
    status, text = site.typed(BackupsCommand, "web", "--json")
    assert status == 0
    assert json.loads(text) == site.generations[:3]


def test_a_service_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused with those that there are."""
    assert BackupSite(tmp_path).typed(BackupsCommand, "wbe") == (1, "")
    assert "services with: web" in capsys.readouterr().err


def test_a_site_that_is_not_made_has_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way to one is said."""
    assert BackupSite(tmp_path).typed(BackupsCommand, "key") == (1, "")
    assert "type doit first" in capsys.readouterr().err


def test_the_key_is_printed_also_where_that_can_not_be_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard output there is nothing else; here it is noted all the same; that others don't know is said."""
    run = (site := BackupSite(tmp_path)).run
    run.secrets.keep(Vault(generate("example", "private"), {}))

    def to(_host: object) -> None:
        raise HostError("repository0: does not answer")

    run.connections.to = to  # type: ignore[method-assign,assignment]
    status, text = site.typed(BackupsCommand, "key")
    assert (status, text) == (0, f"{backup_password(run.secrets.vault.stage).reveal()}\n")
    assert (
        "not noted for other checkouts, which go on to ask for it: repository0: does"
        in capsys.readouterr().err
    )
    assert run.secrets.vault.key_shown["by"] == run.stage_lock.who
    assert not run.state.is_held
