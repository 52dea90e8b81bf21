"""`doit restore site`, before a host is made: what is refused, what is planned, what comes to the directory."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.backup import restore_site as command
from commands.backup.restore import RestoreCommand
from commands.backup.restored_site_plan import plan_lines
from commands.run import refuse_while_restored
from commands.shared.run_again import RESTORING
from model.secrets.backup_passwords import backup_password
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from model.site_file.load import load, select
from remote.backup.site_copy import KEY_VARIABLE
from tasks.backup.lost_site import journals, read_lost_site
from tasks.backup.site_backups import SiteBackups
from tasks.backup.site_restore_journal import SiteRestoration, SiteRestoreJournal
from tasks.run.vault import Vault
from tests import made as rig
from tests.doubles import typed_command
from tests.unit.commands.operate.test_replace_host import Loader
from tests.unit.tasks.backup.test_lost_site import Copy

COPY = "s3:there"
_SITE = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 2
separate_repository = false
[stages.other]
provider = "docker"
cidr = "10.0.1.0/24"
number_of_hosts = 1
separate_repository = false
[backup]
[[backup.copies]]
repository = "s3:there"
secrets = { AWS_SECRET_ACCESS_KEY = "key" }
[secrets]
key = { env = "THE_KEY" }
[volumes.data]
hosts = "each"
[services.web]
image = "debian:13"
mode = "global"
volumes = [{ source = "data", target = "/data" }]
[[services.web.backup_scripts]]
name = "files"
volume = "data"
[[services.web.backup_scripts]]
name = "db"
backup_command = "dump"
restore_command = "load"
[services.new]
image = "debian:13"
[[services.new.backup_scripts]]
name = "db"
backup_command = "dump"
restore_command = "load"
"""


class Machine(Loader):
    """An empty machine, and the command typed there.

    Args:
        directory: Where it is typed.
        patch: Undoes what is replaced.

    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(None)
        self.directory, self.patch = directory, patch
        self.vault = Vault(generate("example", "private"), {})
        self.copy = Copy(self.vault, {"site.toml": _SITE.encode()})
        self.copy.add("web", 11)
        self.copy.add("gone", 11)
        self.copy.add("site", 20)
        for each in self.copy.made[:1]:
            each["hostname"] = "hive1"
        self.key = backup_password(self.vault.stage)
        self.living = ""
        self.keys: list[Secret] = []
        self.set_ups = 0
        patch.chdir(directory)
        patch.delenv("SKEP_STAGE", raising=False)
        patch.setenv(KEY_VARIABLE, self.key.reveal())
        patch.setattr(command, "SiteCopy", self._opened)
        patch.setattr(command, "living", lambda _run: self.living)

    def _opened(self, repository: str, key: Secret, environment: dict[str, str]) -> Copy:
        assert repository == COPY
        assert KEY_VARIABLE not in environment
        self.keys.append(key)
        return self.copy

    def setup(self, _params: object) -> None:
        """Read site.toml, as doit's loader does."""
        self.set_ups += 1
        raise InvalidCommand("the site is loaded")

    def typed(self, **values: str) -> tuple[int, str]:
        """Type the command; AssertionError if it reads site.toml."""
        return typed_command.typed(RestoreCommand, self, ["site"], {"from": COPY, **values})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give an empty machine."""
    return Machine(tmp_path, monkeypatch)


def test_without_confirm_it_is_a_plan(machine: Machine) -> None:
    """Each service with its generation, its parts and the hives that start empty; what is lacking; nothing is made."""
    status, output = machine.typed()
    assert status == 2
    lacking = "secrets.key: the environment variable THE_KEY is not set"
    first, *others = output.splitlines()
    assert first.startswith(
        "example, stage private: its directory and secrets of 2026-11-20 01:00 come here, "
    )
    assert first.endswith("its hosts are made (provider docker: hive0, hive1)")
    assert others == [
        "web: web11000 of 2026-11-11 01:00 (11B, made on hive1)",
        "  files: the files of volume data, on hive1",
        "  volume data starts empty on hive0: a generation is of one hive",
        "new: the copy has no generation of it: it starts empty, as on a first run",
        "gone: site.toml no longer has it: its generations come, and nothing else",
        f"! it will stop for this, once the site's files are here: {lacking}",
        "to do it: doit restore site from=s3:there confirm=example stage=private",
    ]
    assert list(machine.directory.iterdir()) == []


def test_each_kind_of_part(machine: Machine) -> None:
    """A dump, a part that site.toml no longer has, a generation that failed its test."""
    facts = {"bytes": 5, "scripts": {"db": "db.dump", "former": "former"}, "revision": {"pinned": 3}}
    machine.copy.made = []
    identity = machine.copy.add("web", 12, sealed=False)
    machine.copy.note("seal", identity, 12, facts)
    machine.copy.note("verified", identity, 13, {"ok": False})
    machine.copy.add("site", 20)
    run = rig.new(machine.directory).run()
    lost = read_lost_site(machine.copy, machine.key)
    (machine.directory / "site.toml").write_text(_SITE)
    stage = select(load(machine.directory / "site.toml"), None)
    pins = "which is lost with the swarm: it runs what site.toml says"
    lines = list(plan_lines(lost, stage, SiteBackups(run).zone))
    assert lines[1:5] + lines[-1:] == [
        "web: web12000 of 2026-11-12 01:00 (5B, made on hive0)",
        "  a test of it failed; there is no better one",
        "  db: loaded into the running service by: load",
        "  former: is no longer in site.toml, so that nothing says how it is restored: it is left out",
        f"web: was pinned to revision 3 by doit rollback, {pins}",
    ]


def test_with_confirm_the_files_come(machine: Machine) -> None:
    """Then site.toml is read; typed again, also after a kill, nothing is asked of the copy any more."""
    with pytest.raises(InvalidCommand, match="the site is loaded"):
        machine.typed(confirm="example")
    assert journals(machine.directory)["private"].copy == COPY
    with pytest.raises(InvalidCommand, match="the site is loaded"):
        machine.typed(confirm="example")
    assert (len(machine.keys), machine.set_ups) == (1, 2)


def test_killed_as_the_files_were_put_there(machine: Machine) -> None:
    """The journal is there, and site.toml is not yet: it is moved, once that is confirmed, and read."""
    with pytest.raises(InvalidCommand, match="the site is loaded"):
        machine.typed(confirm="example")
    place = machine.directory / ".skep-restoring"
    (place / "ready").mkdir(parents=True)
    (place / "whole").touch()
    (machine.directory / "site.toml").rename(place / "ready/site.toml")
    status, output = machine.typed()
    assert (status, "type it with confirm=SITE" in output) == (2, True)
    with pytest.raises(InvalidCommand, match="the site is loaded"):
        machine.typed(confirm="example")
    assert sorted(path.name for path in machine.directory.iterdir()) == ["site.toml", "state"]
    assert len(machine.keys) == 1


def test_who_is_refused(machine: Machine) -> None:
    """A living site, another site's name, another stage's copy, no key, unknown words: the directory stays empty."""
    machine.living = "stage private has hive0"
    assert machine.typed(confirm="example")[0] == 1
    machine.living = ""
    for words, why in (
        ({"confirm": "other"}, "confirm=other: the site is example"),
        ({"stage": "other"}, "is a copy of stage private, not of other: add stage=private"),
        ({"at": "latest"}, "at= is not known here; type: doit restore site from=COPY"),
        ({"from": ""}, "type: doit restore site from=COPY"),
    ):
        machine.patch.setenv(KEY_VARIABLE, machine.key.reveal())
        with pytest.raises(InvalidCommand) as caught:
            machine.typed(**words)
        assert why in str(caught.value)
    machine.patch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(InvalidCommand, match=f"set {KEY_VARIABLE}, or type it at a terminal"):
        machine.typed()
    assert list(machine.directory.iterdir()) == []


def test_a_password_in_the_address(machine: Machine) -> None:
    """It is refused, and not said again, before anything is asked of the place."""
    with pytest.raises(InvalidCommand) as caught:
        machine.typed(**{"from": "rest:https://u:hidden@x/"})
    said = str(caught.value)
    assert said.startswith("from=rest:https://u:***@x/: ")
    assert said.endswith("put the password into RESTIC_REST_PASSWORD")
    assert machine.keys == []


def test_the_key_at_the_terminal(machine: Machine) -> None:
    """It is asked for without being shown, where no variable has it; what is typed around it does not count."""
    machine.patch.delenv(KEY_VARIABLE)
    machine.patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    machine.patch.setattr("getpass.getpass", lambda _prompt: f" {machine.key.reveal()}\n")
    assert machine.typed()[0] == 2
    assert machine.keys == [machine.key]
    machine.patch.setattr("getpass.getpass", lambda _prompt: "")
    with pytest.raises(InvalidCommand, match="the key of the backups is needed"):
        machine.typed()


def test_a_run_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with the command that goes on, unless it is a part of that."""
    run: Any = rig.new(tmp_path).run()
    refuse_while_restored(run)
    SiteRestoreJournal.of(run.state).write(SiteRestoration(COPY, {}))
    with pytest.raises(
        InvalidCommand, match="doit restore site from=s3:there confirm=example goes on with that"
    ):
        refuse_while_restored(run)
    monkeypatch.setenv(RESTORING, "other")
    with pytest.raises(InvalidCommand):
        refuse_while_restored(run)
    monkeypatch.setenv(RESTORING, "private")
    refuse_while_restored(run)
