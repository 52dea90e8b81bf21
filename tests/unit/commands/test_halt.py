"""`doit halt`: hosts are stopped, and nothing else happens to them."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.halt import HaltCommand
from model.errors import ProviderError
from model.log import Log
from model.site import PreparedStage
from model.stage import Stage
from providers.fake.provider import FakeProvider
from providers.prepared.provider import PreparedProvider
from tasks.run.context import Run
from tests import made as rig
from tests.doubles.alertmanager import watch


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _params: Any) -> None:
        """Do nothing: it is loaded."""


def halt(run: Run, *names: str) -> tuple[int, str]:
    """Run `doit halt`, and return its exit status and its output."""
    command = HaltCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    return command.execute({}, names), out.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give the run of a stage that is made."""
    site = rig.new(tmp_path)
    site.make()
    run = site.run()
    site.cloud.log.clear()
    return run


def cloud_log(run: Run) -> list[str]:
    """Return the calls of the cloud."""
    assert isinstance(run.provider, FakeProvider)
    return sorted(run.provider.cloud.log)


def test_what_goes_on_costing_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks and addresses of stopped hosts; those that run cost their size as well."""
    every = [
        replace(one, costs={"GiB of disk": 20}, running_costs={"t3.medium": 1}) if one.is_host else one
        for one in run.provider.resources()
    ]
    monkeypatch.setattr(run.provider, "resources", lambda: every)
    _, output = halt(run, "hive0")
    hosts = len(run.stage.hosts)
    assert f"goes on costing money: {hosts - 1} t3.medium, {20 * hosts} GiB of disk\n" in output

    _, output = halt(run)
    assert output.splitlines()[-1] == f"goes on costing money: {20 * hosts} GiB of disk"


def test_stops_all_hosts(run: Run) -> None:
    """Without names all hosts are stopped; again there is none to stop. Nothing is removed, and the lock is let go."""
    status, output = halt(run)

    assert status == 0
    assert cloud_log(run) == ["stopped hive0", "stopped hive1", "stopped hive2"]
    assert "3 of 3 hosts stopped" in output
    assert all(thing.running != thing.is_host for thing in run.provider.found().values())

    assert halt(run)[0] == 0
    assert len(cloud_log(run)) == 3


def test_the_hosts_that_hold_the_lock_go_last(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other run begins as long as a host is still being stopped; their connections stay open until then."""
    kept: list[set[str]] = []
    held = [run.stage.host("hive2"), run.stage.host("hive0")]
    monkeypatch.setattr(type(run.stage_lock), "held_on", property(lambda _self: held))
    monkeypatch.setattr(run.connections, "disconnect", lambda except_=(): kept.append({*except_}))

    assert halt(run)[0] == 0

    assert isinstance(run.provider, FakeProvider)
    log = run.provider.cloud.log
    assert log[0] == "stopped hive1"
    assert sorted(log[1:]) == ["stopped hive0", "stopped hive2"]
    assert kept == [{"hive0", "hive2"}, set()]


def test_stops_those_that_are_named(run: Run) -> None:
    """Hosts can be named, by short or full name, and only they are stopped."""
    assert halt(run, "hive1", "p-hive2.example")[0] == 0
    assert cloud_log(run) == ["stopped hive1", "stopped hive2"]


def test_alarms_of_what_stops_are_silenced_meanwhile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that stays halted is told of a minute later; where Alertmanager stops as well, nobody ends them."""
    alarms, held = watch(run), list[object]()
    monkeypatch.setattr("commands.halt.services_there", lambda _run, host: {f"on-{host.short}"})
    halts = run.provider.halt

    def noted(name: str, log: Log) -> None:
        held.append([*alarms.held])
        halts(name, log)

    monkeypatch.setattr(run.provider, "halt", noted)
    assert halt(run, "hive1")[0] == 0
    assert held == [
        [{"service": "on-hive1"}, {"host": "hive1"}, {"alertname": "~ManagersFew|SwarmLost"}],
    ]
    assert alarms.held == []
    assert halt(run)[0] == 0
    assert {"host": "~hive0|hive2"} in alarms.held


def test_nobody_asks_an_alertmanager_that_is_off(run: Run) -> None:
    """Where nothing runs, or the repository host does not, there is nobody to ask, and nothing to say of it."""
    alarms = watch(run)
    assert halt(run, run.stage.repository.short)[0] == 0
    alarms.is_away = True
    assert "alarms are not silenced" not in halt(run, "hive1")[1]
    assert "alarms are not silenced" not in halt(run)[1]
    assert "alarms are not silenced" not in halt(run)[1]


def test_refuses_unknown_names(run: Run) -> None:
    """A name that is no host's is refused with those that are, before any host is stopped."""
    with pytest.raises(InvalidCommand, match="has no host hive9; there are: hive0, hive1, hive2"):
        halt(run, "hive0", "hive9")

    assert cloud_log(run) == []


def test_a_host_that_does_not_stop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider's error is printed, the others are stopped, and the exit status is not 0."""
    stop = FakeProvider.halt

    def refuse(self: FakeProvider, name: str, log: Log) -> None:
        if name == "hive1":
            raise ProviderError("hive1: is busy")
        stop(self, name, log)

    monkeypatch.setattr(FakeProvider, "halt", refuse)
    status, output = halt(run)

    assert status == 1
    assert "hive1: is busy" in output
    assert "2 of 3 hosts stopped" in output


def test_prepared_hosts_are_not_halted(run: Run, tmp_path: Path) -> None:
    """Where hosts could not be started again, nothing is stopped."""
    table = PreparedStage(ip_address_list=["192.0.2.1"])
    stage = Stage(run.stage.site, "private", table)
    run.stage = stage
    run.provider = PreparedProvider(stage, run.connections.files, tmp_path, run.secrets.read)

    with pytest.raises(InvalidCommand, match="provider prepared can't start hosts again"):
        halt(run)
