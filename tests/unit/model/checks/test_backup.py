"""Backups as site.toml has them: what fits together, and what nothing saves."""

from pathlib import Path

import pytest

from model.checks.backup import is_calendar
from model.checks.warnings import warnings
from model.site_file.load import load, select
from tests.unit.model.good_site import GOOD, problems

SCRIPT = 'backup_scripts = [{ name = "files", volume = "data", consistency = "pause" }]\n'
SECRET = "[secrets.s3_key]\ngenerate = 32\n"
COPY = 'copies = [{ repository = "s3:x", secrets = { AWS_SECRET_ACCESS_KEY = "s3_key" } }]\n'


def with_backup(more: str, scripts: str = "", after: str = "") -> str:
    """Return the good site with more in `[backup]`, scripts in its service, and tables at its end."""
    return GOOD.replace("[backup]\n", f"[backup]\n{more}") + scripts + after


def told(directory: Path, text: str) -> list[str]:
    """Return the warnings of a site."""
    (directory / "site.toml").write_text(text)
    return list(warnings(select(load(directory / "site.toml"), None), directory))


@pytest.mark.parametrize(
    "text",
    ["01:00", "*-*-* 01,13:30", "Sun 04:00", "Mon..Fri 1:00:30", "daily", "*:0/15", "2026-12-01 03:00 UTC"],
)
def test_a_calendar_of_systemds_is_taken(text: str) -> None:
    """What systemd.time(7) has as examples."""
    assert is_calendar(text)


@pytest.mark.parametrize("text", ["", "25:00", "01:60", "each night", "01.00", "01:00\n[Timer]", "0 1 * * *"])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    """A line of cron, words, and what would be a line of its own in the unit."""
    assert not is_calendar(text)


@pytest.mark.parametrize(
    ("more", "scripts", "problem"),
    [
        (COPY, "", "backup.copies[0].secrets.AWS_SECRET_ACCESS_KEY: takes the name of a secret in [secrets]"),
        (
            'copies = [{ name = "a", repository = "x" }, { name = "a", repository = "y" }]\n',
            "",
            "backup.copies: 'a' occurs twice: give each a name of its own",
        ),
        (
            'copies = [{ repository = "x", environment = { RESTIC_PASSWORD = "y" } }]\n',
            "",
            "backup.copies[0]: RESTIC_PASSWORD is skep's own: take it out",
        ),
        (
            "",
            'backup_scripts = [{ volume = "other" }]\n',
            "services.web.backup_scripts[0].volume: 'other' is no volume of the service (it has: data)",
        ),
        (
            "",
            'backup_scripts = [{ volume = "data" }, { backup_command = "dump" }]\n',
            "services.web.backup_scripts: 'backup' occurs twice",
        ),
        (
            "",
            'backup_scripts = [{ volume = "data", directory = "/x" }]\n',
            "services.web.backup_scripts[0]: has volume and directory: write one of",
        ),
        (
            "",
            'backup_scripts = [{ backup_command = "dump", consistency = "pause" }]\n',
            "services.web.backup_scripts[0].consistency: is for a volume",
        ),
        (
            "",
            'backup_scripts = [{ backup_command = "dump", timeout = "0s" }]\n',
            "services.web.backup_scripts[0].timeout: a command needs a second at least",
        ),
        (
            "",
            'backup_scripts = [{ backup_command = "dump", timeout = 60 }]\n',
            "services.web.backup_scripts[0].timeout: ",
        ),
    ],
)
def test_a_mistake_has_its_path_and_a_way_out(site_dir: Path, more: str, scripts: str, problem: str) -> None:
    """Each is found when site.toml is loaded."""
    found = problems(site_dir, with_backup(more, scripts))

    assert [line.startswith(problem) for line in found] == [True], found


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ('{ "/root/id" = "nosuch" }', "copies[0].files.'/root/id': takes the name of a secret in [secrets]"),
        ('{ "root/id" = "s3_key" }', "copies[0].files.'root/id': write the file's whole path"),
        ('{ "/root/a b" = "s3_key" }', "copies[0].files.'/root/a b': write the file's whole path"),
        ('{ "/root/../id" = "s3_key" }', "copies[0].files.'/root/../id': write the file's whole path"),
        ('{ "/etc/skep/id" = "s3_key" }', "copies[0].files.'/etc/skep/id': what is in /etc/skep/, "),
        ('{ "/root/key" = "s3_key" }', "copies[1].files.'/root/key': another place has the secret 's3_key'"),
    ],
)
def test_files_of_a_place_off_the_site(site_dir: Path, files: str, problem: str) -> None:
    """Each is a path of a secret of its own, and none of skep's own files."""
    places = (
        f'{{ repository = "x", files = {files} }}, {{ repository = "y", files = {{ "/root/key" = "more" }} }}'
    )
    more = "[secrets.more]\ngenerate = 32\n"
    found = problems(site_dir, with_backup(f"copies = [{places}]\n", after=SECRET + more))

    assert [line.startswith(f"backup.{problem}") for line in found] == [True], found


def test_good_files_of_a_place_off_the_site(site_dir: Path) -> None:
    """Several of one place, each with its secret; they are secrets of the stage's backups."""
    files = '{ "/root/.ssh/id" = "s3_key", "/root/.ssh/known_hosts" = "s3_key" }'
    (site_dir / "site.toml").write_text(
        with_backup(f'copies = [{{ repository = "sftp:x:/y", files = {files} }}]\n', after=SECRET)
    )

    assert select(load(site_dir / "site.toml"), None).backup_secrets == {"s3_key"}


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ('repository = "rest:https://u:hidden@x/"', "repository: has a password in it, which everybody sees"),
        (
            'repository = "rest:https://u@x/", password = "no"',
            "password: takes the name of a secret in [secrets]",
        ),
        (
            'repository = "s3:https://x/y", password = "s3_key"',
            "password: is for repository = 'rest:https://USER@HOST/', which has no user here: write one",
        ),
    ],
)
def test_the_login_of_a_place_off_the_site(site_dir: Path, place: str, problem: str) -> None:
    """A password is a secret of [secrets], of a user who is there; one that is written out is not said again."""
    found = problems(site_dir, with_backup(f"copies = [{{ {place} }}]\n", after=SECRET))

    assert [line.startswith(f"backup.copies[0].{problem}") for line in found] == [True], found
    assert "hidden" not in found[0]


def test_a_good_login_of_a_place_off_the_site(site_dir: Path) -> None:
    """Its secret is one of the stage's backups."""
    place = 'copies = [{ repository = "rest:https://u@x:8000/", password = "s3_key" }]\n'
    (site_dir / "site.toml").write_text(with_backup(place, after=SECRET))

    assert select(load(site_dir / "site.toml"), None).backup_secrets == {"s3_key"}


def test_scripts_need_backup(site_dir: Path) -> None:
    """Otherwise somebody believes that there are backups."""
    start = GOOD.index("[backup]")
    without = GOOD[:start] + GOOD[GOOD.index("[images.web]") :]

    assert problems(site_dir, without + SCRIPT) == [
        "services.web.backup_scripts: there is no [backup], without which nothing is saved: write [backup]"
    ]


def test_a_volume_that_nothing_saves_is_named(site_dir: Path) -> None:
    """`backup = false` says that it is meant so; a script saves it; also where there is no [backup] at all."""
    unsaved = GOOD.replace("backup = false\n", "")
    start = unsaved.index("[backup]")
    without = unsaved[:start] + unsaved[unsaved.index("[images.web]") :]

    assert told(site_dir, GOOD) == []
    assert told(site_dir, unsaved + SCRIPT) == []
    assert told(site_dir, unsaved) == [
        (
            "no backup of volumes: data: write backup_scripts in their services, or backup = false in [volumes.data] "
            "(docs/backup.md)"
        )
    ]
    assert told(site_dir, without) == [
        (
            "no backup of volumes: data: write [backup], and backup_scripts in their services, or backup = false in "
            "[volumes.data] (docs/backup.md)"
        )
    ]
    meant = without.replace("[volumes.data]\n", "[volumes.data]\nbackup = false\n")
    assert told(site_dir, meant) == []


TWO = (
    GOOD.replace("backup = false\n", "")
    .replace("[volumes.data]\n", '[volumes.more]\nhosts = ["hive0"]\n\n[volumes.data]\n')
    .replace('target = "/data" }', 'target = "/data" }, { source = "more", target = "/srv/more" }')
)
"""The good site, whose service has two volumes that need a backup."""


@pytest.mark.parametrize(
    ("parts", "unsaved"),
    [
        ('{ backup_command = "dump" }', ["data", "more"]),
        ('{ backup_command = "dump", covers = ["more"] }', ["data"]),
        ('{ backup_command = "dump", covers = ["data", "more"] }', []),
        ('{ backup_command = "dump", covers = [] }, { name = "files", volume = "data" }', ["more"]),
        ('{ backup_command = "dump" }, { name = "files", volume = "data" }', []),
        ('{ directory = "/srv" }', ["data"]),
        ('{ directory = "/srv/more" }', ["data"]),
        ('{ directory = "/srv/more/part" }', ["data", "more"]),
        ('{ directory = "/srv/mo" }', ["data", "more"]),
        ('{ directory = "/etc" }, { name = "dump", backup_command = "dump" }', ["data", "more"]),
        ('{ directory = "/srv" }, { name = "dump", backup_command = "dump" }', []),
    ],
)
def test_what_a_part_saves(site_dir: Path, parts: str, unsaved: list[str]) -> None:
    """What it names, what is within its directory; a command by default the one that is left."""
    found = told(site_dir, f"{TWO}backup_scripts = [{parts}]\n")
    named = [line.split(": ")[1].split(", ") for line in found if line.startswith("no backup of volumes: ")]
    assert sorted(each for names in named for each in names) == unsaved
    assert all(("covers of a backup_command names" in line) == ("command" in parts) for line in found)


def test_covers_names_volumes_of_a_command(site_dir: Path) -> None:
    """Volumes of the service, and of no other kind of part."""
    parts = '{ backup_command = "dump", covers = ["no"] }, { name = "f", volume = "data", covers = ["data"] }'
    path = "services.web.backup_scripts"
    assert problems(site_dir, f"{GOOD}backup_scripts = [{parts}]\n") == [
        f"{path}[0].covers: 'no' is no volume of the service (it has: data)",
        f"{path}[1].covers: belongs to backup_command: a volume's files, or a directory's volumes, are known",
    ]


def test_days_of_hive_builders_are_compared_with_keep(site_dir: Path) -> None:
    """`keep` decides, and who wrote more days is told."""
    script = 'backup_scripts = [{ volume = "data", cleanup_days_before = DAYS }]\n'

    assert told(site_dir, GOOD + script.replace("DAYS", "14")) == []
    assert told(site_dir, GOOD + script.replace("DAYS", "30")) == [
        (
            "services.web.backup_scripts[0].cleanup_days_before: backup.keep has the generations of 14 days, for all "
            "services: write keep = { daily = 30 } in [backup]"
        )
    ]


@pytest.mark.parametrize(
    ("hives", "scripts", "problem"),
    [
        ('["hive9"]', SCRIPT, "volumes.data.standby[0]: 'hive9' is not a hive of stage "),
        ('["hive0"]', SCRIPT, "volumes.data.standby[0]: 'hive0' has the volume itself: name another hive"),
        ('["hive1", "hive1"]', SCRIPT, "volumes.data.standby[1]: 'hive1' occurs twice"),
        ('["hive1"]', "", "volumes.data.standby: no service's backup_scripts save the volume: write one"),
    ],
)
def test_where_a_standby_may_be(site_dir: Path, hives: str, scripts: str, problem: str) -> None:
    """On another hive of the stage; of a volume whose data a backup has."""
    text = with_backup("", scripts).replace("[volumes.data]\n", f"[volumes.data]\nstandby = {hives}\n")

    found = problems(site_dir, text)

    assert {line.startswith(problem) for line in found} == {True}, found
    right = with_backup("", SCRIPT).replace("[volumes.data]\n", '[volumes.data]\nstandby = ["hive1"]\n')
    (site_dir / "site.toml").write_text(right)
    assert load(site_dir / "site.toml").volumes["data"].standby == ["hive1"]


def test_a_standby_needs_backup_and_one_hive_with_the_data(site_dir: Path) -> None:
    """Else there is nothing to be kept restored, or it is not known whose."""
    standby = GOOD.replace("[volumes.data]\n", '[volumes.data]\nstandby = ["hive1"]\n')
    start = standby.index("[backup]")
    without = standby[:start] + standby[standby.index("[images.web]") :]
    assert (
        "volumes.data.standby: there is no [backup], without which nothing is saved: write [backup]"
        in problems(site_dir, without)
    )
