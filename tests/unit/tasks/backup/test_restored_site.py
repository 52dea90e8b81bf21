"""In which order a lost site is made again, and that it is gone on with from wherever it was killed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from model.errors import ConfigError, HostError
from model.keys.digest import key_of
from model.labels import INITIALIZED_LABEL
from model.stage import Host
from remote.backup.agent_calls import AgentFailedError
from remote.mother.wait import Pace
from tasks import initialize_services
from tasks.backup import patient_backups, restored_site
from tasks.backup.patient_backups import PatientBackups
from tasks.backup.restored_services import copy_name
from tasks.backup.restored_site import RestoredSite
from tasks.backup.site_backups import SiteBackups
from tasks.backup.site_restore_journal import ChosenGeneration, SiteRestoration, SiteRestoreJournal
from tasks.run.context import Run
from tests import made as rig
from tests.backup_site import BACKUP
from tests.doubles.agent import AgentHost, agents

COPY = "s3:https://s3.example/bucket"
_COPIES = f"""\
[backup]
[[backup.copies]]
repository = "sftp:elsewhere"
[[backup.copies]]
name = "away"
repository = "{COPY}"
"""
_SCRIPTS = """\
initialize_roles = ["first"]

[[services.web.backup_scripts]]
name = "files"
volume = "data"

[[services.web.backup_scripts]]
name = "db"
backup_command = "dump"
restore_command = "load"

[services.other]
image = "web"
initialize_roles = ["first"]
"""
WHOLE = [
    "doit build_infra setup_hosts build_images build_networks",
    "hive0 suspend --service web",
    "hive1 suspend --service web",
    "doit build_volumes",
    "looked for data",
    f"hive2 fetch away --generation {'a' * 64}",
    f"hive2 share {'a' * 64} hive0",
    "hive0 read there-on-hive0 --script files --service web",
    f"hive2 share {'a' * 64} hive0",
    "hive0 swap there-on-hive0 --service web",
    "doit deploy_services:web",
    f"hive2 share {'a' * 64} hive1",
    "hive1 read there-on-hive1 --script db --service web",
    f"hive2 share {'a' * 64} hive1",
    "hive1 load there-on-hive1 --script db --service web",
    "hive1 settle --service web",
    "hive0 settle --service web",
    "doit deploy_services",
    "marked web first",
    "hive2 fetch away",
    "hive0 resume",
    "hive1 resume",
    "doit",
]
"""What happens, in its order; the database's task runs on another hive than the one that has the files."""


class Killed(BaseException):
    """The process is killed."""


class Lost:
    """A site that is made again, of which all was made on disk, so that keys are known.

    Args:
        directory: Where site.toml is.
        patch: Undoes what is replaced.

    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.made = rig.new(directory)
        self.made.edit("[networks.back]\n", BACKUP.replace("[backup]\n", _COPIES))
        self.made.edit('initialize_roles = ["first"]\n', _SCRIPTS)
        self.made.make()
        self.run = self.made.run()
        self.events: list[str] = []
        self.kill_at = -1
        self.has_data = False
        self.failing: set[str] = set()
        """Verbs that hosts refuse."""
        self.journal = SiteRestoreJournal.of(self.run.state)
        when = datetime(2026, 11, 27, 1, tzinfo=UTC)
        chosen = ChosenGeneration("a" * 64, "hive0", when, 10, ("files", "db"), is_good=True)
        self.journal.write(SiteRestoration(COPY, {"web": chosen}))
        self.labels: dict[str, Any] = {}
        patch.setattr(restored_site, "has_data", self._looked)
        patch.setattr("remote.swarm.services.set_labels", self._labelled)

    # -- what is asked -------------------------------------------------------------------------------------------------

    def _event(self, text: str) -> None:
        """Note what happens; a kill comes before or after it."""
        if len(self.events) == self.kill_at:
            raise Killed
        self.events.append(text)
        if len(self.events) == self.kill_at:
            raise Killed

    def _looked(self, *_: object) -> bool:
        if "looked for data" not in self.events:
            self._event("looked for data")
        return self.has_data

    def _labelled(self, _client: object, service: str, labels: dict[str, str]) -> None:
        names = " ".join(name.removeprefix(INITIALIZED_LABEL) for name in labels)
        self._event(f"marked {service} {names}")
        self.labels[service] = labels

    @contextmanager
    def opened(self) -> Iterator[Run]:
        """Give a run that reaches agents."""
        run = self.made.run()
        hosts = {}
        for host in run.stage.hosts:
            name = host.short
            verbs = ("suspend", "resume", "fetch", "share", "read", "swap", "load", "settle")
            answers = {verb: self._answer(name, verb) for verb in verbs}
            home = {"pending": "", "runs": name == "hive1", "volumes": name == "hive0"}
            answers["where"] = lambda _, home=home: home
            hosts[name] = AgentHost(name, answers)
        self._hosts = hosts
        agents(run, hosts)
        run.connections.manager = lambda *_: (run.stage.hives[0], SimpleNamespace())  # type: ignore[method-assign]
        yield run

    def _answer(self, host: str, verb: str) -> Any:
        def answer(words: Any) -> Any:
            if verb in self.failing:
                return f"{verb} does not go"
            self._event(f"{host} {self._hosts[host].asked[-1]}")
            given = {"share": {"id": f"there-on-{getattr(words, 'hive', '')}"}, "load": {"loaded": ["db"]}}
            return given.get(verb, {})

        return answer

    def again(self, tasks: Sequence[str]) -> int:
        """Run doit."""
        self._event(" ".join(["doit", *tasks]))
        return 1 if "doit" in self.failing else 0

    def restored(self, *, owns: bool = True) -> int:
        """Type the command."""
        said = RestoredSite(
            self.run.stage, owns, self.journal, self.opened, self.again, lambda *_: None, lambda _: None
        )
        return said.carry_out()


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lost:
    """Give a lost site."""
    return Lost(tmp_path, monkeypatch)


def test_all_of_it_in_its_order(lost: Lost) -> None:
    """Files before the service, the service before its dumps, dumps before other services, marks before the last run.

    The marks are those that a run would set, of the restored service alone; the journal is gone at the end.
    """
    assert lost.restored() == 0
    assert lost.events == WHOLE
    assert lost.journal.read() is None
    steps = {step.task: step for step in initialize_services.steps(lost.run)}
    key = key_of(steps["initialize_services:web.first"].inputs_now())
    assert lost.labels == {"web": {f"{INITIALIZED_LABEL}first": key}}


def test_a_mark_with_what_a_secrets_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked, as by the run that comes next: by another marker that would load first data over what is there."""
    monkeypatch.setattr(
        rig, "SITE", rig.SITE.replace("{ generate = 24 }", '{ command = ["echo", "a-long-secret"] }')
    )
    lost = Lost(tmp_path, monkeypatch)
    assert lost.restored() == 0
    again = lost.made.run()
    again.secrets.may_run_commands = True
    steps = {step.task: step for step in initialize_services.steps(again)}
    key = key_of(steps["initialize_services:web.first"].inputs_now())
    assert lost.labels == {"web": {f"{INITIALIZED_LABEL}first": key}}


def test_a_mark_that_nobody_can_tell(lost: Lost) -> None:
    """It ends there, with what is to be done; no run that would load first data comes behind it."""
    lost.run.state.forget("build_volumes:data@hive0")
    with pytest.raises(
        HostError, match=r"service web: its first data can't be marked as loaded: this checkout has"
    ):
        lost.restored()
    assert lost.events[-1] == "doit deploy_services"
    assert lost.journal.read() is not None


@pytest.mark.parametrize("at", range(1, len(WHOLE)))
def test_killed_after_each_step(lost: Lost, at: int) -> None:
    """The same again does all the rest in the same order; what hives had done by then and was noted is not repeated."""
    lost.kill_at = at
    with pytest.raises(Killed):
        lost.restored()
    assert lost.events == WHOLE[:at]
    assert lost.journal.read() is not None
    lost.kill_at, lost.events = -1, []
    assert lost.restored() == 0
    assert [each for each in lost.events if each in WHOLE[at:]][-len(WHOLE[at:]) :] == WHOLE[at:]
    assert lost.journal.read() is None
    # Of what is not safe to be done at any time, only what the kill hit is done again.
    before = [each for each in WHOLE[:at] if is_done_once(each)]
    again = [each for each in lost.events if each in before]
    assert again == before[len(before) - len(again) :]
    assert len(again) <= len(("read", "swap"))


def is_done_once(event: str) -> bool:
    """Return whether something is not simply done again by the same command, typed again."""
    often = {"suspend", "settle", "resume", "share"}
    return not event.startswith(("doit", "marked", "looked")) and event.split()[1] not in often


def test_the_database_is_not_loaded_twice(lost: Lost) -> None:
    """Once its dump is noted, a kill at any later step loads nothing again; a hive made anew gets it again."""
    lost.kill_at = WHOLE.index("hive1 settle --service web") + 1
    with pytest.raises(Killed):
        lost.restored()
    lost.kill_at, lost.events = -1, []
    record = lost.run.state.host_record(lost.run.stage.host("hive0"))
    assert record is not None
    lost.run.state.write("build_infra:hive0", msgspec.structs.replace(record, id="another"))
    assert lost.restored() == 0
    assert not any(" load " in each for each in lost.events)
    assert "hive0 swap there-on-hive0 --service web" in lost.events, "its files went with the hive"


def test_a_dump_that_fails(lost: Lost) -> None:
    """It is said with its service; no first data is marked, no hive saves anything; the same again goes on."""
    lost.failing = {"load"}
    with pytest.raises(HostError, match="web: hive1: load does not go"):
        lost.restored()
    assert lost.events[-1] == f"hive2 share {'a' * 64} hive1"
    assert lost.journal.read() is not None
    lost.failing = set()
    assert lost.restored() == 0
    assert lost.events[-1] == "doit"


def test_a_host_that_is_at_work(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job there, as one that a killed try had begun, is waited for, and what it was asked for is done then."""
    monkeypatch.setattr(patient_backups, "_PACE", Pace(first=0.0, longest=0.0))
    asked: list[str] = []
    ask = SiteBackups.ask

    def busy(backups: SiteBackups, host: Host, *words: str, heard: Any = None) -> Any:
        asked.append(words[0])
        if asked.count(words[0]) <= 2 and words[0] in {"fetch", "read", "swap"}:
            raise AgentFailedError(f"{host.short}: backup keep is at work on this host", is_busy=True)
        return ask(backups, host, *words, heard=heard)

    monkeypatch.setattr(SiteBackups, "ask", busy)
    assert lost.restored() == 0
    assert lost.events == WHOLE
    monkeypatch.setattr(patient_backups, "PATIENCE", 0.0)
    asked.clear()
    with pytest.raises(HostError, match=r"is at work on this host \(waited 0 s\)"):
        PatientBackups(lost.run).ask(lost.run.stage.repository, "fetch", "away")


def test_a_run_that_fails(lost: Lost) -> None:
    """Nothing comes after it, and its exit status is the command's."""
    lost.failing = {"doit"}
    assert lost.restored() == 1
    assert lost.events == WHOLE[:1]


def test_volumes_that_have_data(lost: Lost) -> None:
    """Nothing is restored over what is there already; the message names them all."""
    lost.has_data = True
    with pytest.raises(HostError, match="volume data on hive0: has data already"):
        lost.restored()
    assert not any(verb in each for each in lost.events for verb in ("fetch", "swap"))


def test_machines_that_were_set_up_before(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a provider that does not make them: none is set up over; once they were new, they are ours."""
    used = {"hive1"}
    monkeypatch.setattr(restored_site, "was_set_up", lambda _run, host: host.short in used)
    with pytest.raises(HostError, match="hive1: was set up by skep before"):
        lost.restored(owns=False)
    assert lost.events == ["doit build_infra"]
    used.clear()
    lost.kill_at = 3
    with pytest.raises(Killed):
        lost.restored(owns=False)
    used |= {"hive0", "hive1"}
    lost.kill_at, lost.events = -1, []
    assert lost.restored(owns=False) == 0
    assert lost.events[1:] == WHOLE


def test_the_copy_by_its_name(lost: Lost) -> None:
    """The one whose repository it is; where there is none, it is said what to write."""
    assert copy_name(lost.run.stage, COPY) == "away"
    lost.made.edit(COPY, "s3:other")
    with pytest.raises(ConfigError, match=r"backup\.copies: none has the repository s3:https"):
        copy_name(lost.made.run().stage, COPY)
