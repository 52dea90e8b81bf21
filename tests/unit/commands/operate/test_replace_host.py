"""`doit replace_host`: what is said and refused beforehand, what is done, and the exit status."""

from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.operate import replace_host as command
from commands.operate.replace_host import ReplaceHostCommand
from model.keys.record import FactRecord, HostRecord
from providers.fake.provider import FakeProvider
from remote.ssh.connection import Connection
from tasks.hosts import host_losses, replaced_host
from tasks.hosts.replaced_host import replacements_under_way
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.alertmanager import watch
from tests.doubles.managers import Nodes, manage
from tests.made import Made


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Any) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _params: Any) -> None:
        """Do nothing: it is loaded."""


class Site:
    """A site that is made, and the command typed there.

    Args:
        made: The site.

    """

    def __init__(self, made: Made) -> None:
        self.made = made
        self.down: tuple[str, ...] = ()
        self.orders: list[str] = []
        self.statuses = [0]
        self.runs = 0
        self.held: list[dict[str, str]] = []
        """The silences that held at the last run of doit."""

    def type(self, *words: str, **values: str) -> tuple[int, str]:
        """Type the command, and return its exit status and its output."""
        run = self.made.run()
        nodes = Nodes(run, down=self.down)
        nodes.orders = self.orders
        self.alarms = watch(run)
        manage(run, nodes)
        return typed_command.typed(ReplaceHostCommand, Loader(run), words, values)

    def run_again(self, *_: object) -> int:
        """Count a run of doit, and return its exit status."""
        self.runs += 1
        self.held = [*self.alarms.held]
        return self.statuses.pop(0)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a stage of three hives, of which hive0 has a volume with data, and hive3 with the registry."""
    made = rig.new(tmp_path)
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.make()
    made.cloud.log.clear()
    site = Site(made)
    monkeypatch.setattr(replaced_host, "MAJORITY_PATIENCE", 0)
    monkeypatch.setattr(Connection, "close", lambda _self: None)
    monkeypatch.setattr(host_losses, "has_data", lambda *_: True)
    monkeypatch.setattr(command, "run_again", site.run_again)
    return site


def test_a_host_without_data(site: Site) -> None:
    """It leaves the swarm, is removed, and doit makes it again; the way to spread services again is said."""
    status, output = site.type("hive1")

    assert status == 0
    assert site.made.cloud.log == ["removed hive1"]
    assert site.orders[-1] == "node-of-hive1: removed"
    assert site.runs == 1
    assert output.splitlines()[0] == "hive1 answers; asking the swarm"
    assert output.splitlines()[-2:] == [
        "hive1 is made anew, and all services run",
        "tasks that moved to other hives stay there: doit rebalance",
    ]
    assert replacements_under_way(site.made.run().state) == []
    assert {"host": "hive1"} in site.held
    assert {"alertname": "ManagersFew"} in site.held
    assert site.alarms.held == []


def test_data_has_to_be_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said with its last backup; nothing is changed, and the exit status is 2, until volumes= names it."""
    status, output = site.type("hive0")

    assert (status, site.orders, site.made.cloud.log, site.runs) == (2, [], [], 0)
    assert "volume data: its data is there alone, and goes with it; last backup: none" in output
    assert capsys.readouterr().err == (
        "hive0: nothing was changed: save the data that you need; to go on without it, add volumes=data\n"
    )
    assert site.type("hive0", volumes="dta")[0] == 2
    assert "volumes=dta: there is no such volume" in capsys.readouterr().err

    status, output = site.type("hive0", volumes="data")

    assert (status, site.made.cloud.log) == (0, ["removed hive0"])
    assert "volume data: its data is there alone" in output


def test_the_majority_comes_first(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """While another hive is down nothing is changed, whatever was named."""
    site.down = ("hive2",)

    status, _ = site.type("hive0", volumes="data")

    assert (status, site.orders, site.made.cloud.log, site.runs) == (2, [], [], 0)
    assert capsys.readouterr().err.startswith(
        "hive0: nothing was changed: the swarm would be left without a majority: "
    )


def test_the_only_hive_is_the_swarm(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes with its swarm only where that is named as well."""
    site.made.edit("number_of_hosts = 4", 'number_of_hosts = 2\nrepository = "hive1"')
    state = site.made.run().state
    for short in ("hive2", "hive3"):
        for task in state.tasks_of_host(short):
            state.forget(task)
    state.keep_home("hive1")

    assert site.type("hive0", volumes="data")[0] == 2
    assert "it is the whole swarm: all services stop" in capsys.readouterr().err

    site.made.may_replace = frozenset({"swarm"})
    status, output = site.type("hive0", volumes="data")

    assert (status, site.orders, site.made.cloud.log) == (0, [], ["removed hive0"])
    assert "rebalance" not in output


def test_the_repository(site: Site) -> None:
    """The registry is said, and needs no name."""
    status, output = site.type("hive3")

    assert (status, site.orders, site.made.cloud.log) == (0, [], ["removed hive3"])
    assert "hive3 has the registry: images are built again" in output
    assert "rebalance" not in output


@pytest.mark.parametrize(("of_the_run", "status"), [(1, 1), (2, 1), (130, 130)])
def test_a_run_that_fails(site: Site, of_the_run: int, status: int) -> None:
    """2 is that nothing was changed, so a run that failed with it is a 1; the next step is said."""
    site.statuses = [of_the_run, 0]

    assert site.type("hive1")[0] == status
    assert site.made.cloud.log == ["removed hive1"]


@pytest.mark.parametrize(
    ("of_the_run", "is_made", "ended"),
    [(1, True, True), (2, True, True), (1, False, False), (3, True, False), (130, True, False)],
)
def test_how_far_it_is_after_a_run(site: Site, of_the_run: int, *, is_made: bool, ended: bool) -> None:
    """A host that is made, by a run that came to its end, is replaced; one that is not, or of an ended run, is not yet.

    Typed again, that is not taken down a second time.
    """

    def run_again(*_: object) -> int:
        if is_made:
            site.made.run().state.write("build_infra:hive1", record)
        return of_the_run

    record = site.made.run().state.record("build_infra:hive1", HostRecord)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run_again", run_again)
        assert site.type("hive1")[0] == (130 if of_the_run == 130 else 1)
    assert (replacements_under_way(site.made.run().state) == []) == ended
    if not ended:
        assert site.type("hive1")[0] == 0
        assert site.made.cloud.log.count("removed hive1") == 1


def test_killed_while_it_is_removed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty volume needs no name; after a kill nobody can look into it any more, and the same words go on."""
    monkeypatch.setattr(host_losses, "has_data", lambda *_: False)

    def killed(*_: object) -> None:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr(FakeProvider, "remove", killed)
        with pytest.raises(SystemExit):
            site.type("hive0")
    site.made.look("hive0", error="no answer")

    status, output = site.type("hive0")

    assert (status, site.made.cloud.log, site.runs) == (0, ["removed hive0"], 1)
    assert output.startswith("hive0 does not answer; asking the swarm\n")


def test_killed_during_the_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed again it only has the run do the rest: what was made since, and its new data, is not taken down."""

    def killed(*_: object) -> int:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr(command, "run_again", killed)
        with pytest.raises(SystemExit):
            site.type("hive0", volumes="data")
    site.made.run().state.write("build_infra:hive0", FactRecord(id="made since"))

    status, output = site.type("hive0", volumes="data")

    assert (status, site.runs) == (0, 1)
    assert site.made.cloud.log == ["removed hive0"]
    assert output.startswith("hive0 was taken down already, by a run that did not end: going on\n")
    assert replacements_under_way(site.made.run().state) == []
    assert {"host": "hive0"} in site.held
    assert site.alarms.held == []


def test_a_borrowed_machine_waits_for_its_owner(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of the swarm; the next step is said; typed again, when a machine is there, doit makes it a host."""
    monkeypatch.setattr(FakeProvider, "owns", False)
    monkeypatch.setattr(FakeProvider, "remove", lambda *_: None)
    site.made.look("hive1", error="no answer")

    status, output = site.type("hive1")

    assert (status, site.runs) == (0, 0)
    assert site.orders[-1] == "node-of-hive1: removed"
    assert "keep it off until it is installed anew" in output
    assert output.splitlines()[-1] == (
        "hive1 is out of the swarm: install it anew, or put another machine at 10.0.0.11; then type the same again, "
        "which makes it a host of the stage"
    )
    site.statuses = [1, 0]
    assert site.type("hive1")[0] == 1  # it is not there yet
    assert site.type("hive1")[0] == 0
    assert site.runs == 2


def test_another_machine_is_there_already(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A borrowed host with another ssh host key was changed by its owner: doit makes it a host at once."""
    monkeypatch.setattr(FakeProvider, "owns", False)
    monkeypatch.setattr(FakeProvider, "remove", lambda *_: None)
    run = site.made.run()
    known = run.connections.files.known_hosts
    name = run.stage.host("hive1").name
    run.connections.write_ssh_files()
    known.write_text(f"{name} ssh-ed25519 OLD\nothers ssh-ed25519 KEY\n")
    refusal = f"{name} has another host key than before"
    site.made.look("hive1", error=refusal, refusal=refusal)

    status, _ = site.type("hive1")

    assert (status, site.runs) == (0, 1)
    assert "OLD" not in known.read_text()
    assert "others ssh-ed25519 KEY" in known.read_text()


def test_what_is_typed_wrong(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """One host, by its name."""
    with pytest.raises(InvalidCommand, match="type: doit replace_host HOST"):
        site.type()
    assert site.type("hive9")[0] == 1
    assert "has no host hive9; there are hive0, hive1, hive2, hive3" in capsys.readouterr().err


@pytest.mark.parametrize("is_killed", [True, False])
def test_data_comes_back_before_the_run(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, is_killed: bool
) -> None:
    """The host is set up, its volumes come, then all else; typed again after a failure it goes on with the volumes."""
    typed: list[list[str]] = []

    def run_again(_run: Any, _program: str, words: Any = ()) -> int:
        typed.append(list(words))
        return site.run_again()

    backups = {"data": {"web": "aa000001"}}
    monkeypatch.setattr(command, "run_again", run_again)
    monkeypatch.setattr(host_losses.HostLosses, "backups", backups)
    begun: list[Any] = []
    monkeypatch.setattr(
        command, "begin_to_come_back", lambda _run, host, found, _log: begun.append((host.short, found))
    )
    site.statuses = [0, 1] if is_killed else [0, 0, 0]

    status, output = site.type("hive0", volumes="data")

    assert begun == [("hive0", backups)]
    assert "setup_hosts:hive0.swarm" in typed[0]
    assert typed[1] == ["move_volume", "data", "to=hive0"]
    if is_killed:
        assert status == 1
        assert "hive0: its data is not back yet: doit replace_host hive0 goes on" in output
        site.statuses = [0, 0, 0]
        assert site.type("hive0")[0] == 0
        assert len(begun) == 1
        typed[:2] = []
    assert typed[1:] == [["move_volume", "data", "to=hive0"], []]
    assert replacements_under_way(site.made.run().state) == []
