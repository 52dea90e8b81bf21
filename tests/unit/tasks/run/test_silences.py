"""The silences of a run: what it touches, for as long as that may take, and only that."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.alarms.touched import Touched
from model.keys.record import FactRecord
from tasks.alarms.silenced import (
    end_silence_of_host,
    silence_host,
    silence_what_is_new,
    silenced_host,
    silenced_service,
)
from tasks.hosts.setup_steps import HostSteps, SetupStep
from tasks.observe.states import HostState
from tasks.run.silences import AFTERWARDS, PROLONGING, TAIL, RunSilences
from tasks.step import Work
from tests import made as rig
from tests.doubles.alertmanager import AlertmanagerHost, alarm
from tests.rig import wait_until


def refused(_host: object) -> Any:
    """Stand for a connection that nobody is to open."""
    raise AssertionError("nobody is asked")


OF_BEFORE = {"alertname": "~ErrorSeen|ServiceRestarts"}
"""The alarms of what happened in the last minutes."""


class Rig:
    """A run of a made site, and the Alertmanager that it asks.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        self.made = rig.new(directory)
        self.made.edit("[networks.back]\n", "[monitoring]\n\n[networks.back]\n")
        self.made.make()
        self.host, self.lines = AlertmanagerHost(), list[str]()
        self.log = self.lines.append
        self.begin()

    def begin(self) -> None:
        """Begin a run."""
        self.run = self.made.run()
        self.run.connections.to = lambda _host: self.host  # type: ignore[method-assign, assignment, return-value]

    @property
    def seconds(self) -> list[int]:
        """How long each silence holds, but for those of what happened before a work's end."""
        every = [each["seconds"] for each in self.host.silences.values()]
        return [seconds for seconds in every if seconds != AFTERWARDS]


@pytest.fixture
def site(tmp_path: Path) -> Rig:
    """Give the run."""
    return Rig(tmp_path)


def test_a_deployment_is_silenced_and_ends_its_silence(site: Rig) -> None:
    """That service's alarms alone, for twice the time that it may take; afterwards until Prometheus has seen it."""
    with silenced_service(site.run, "web", "service web is deployed", site.log):
        assert site.host.added == [{"service": "web"}]
        assert site.seconds == [2 * 300 + TAIL]
        [silence] = site.host.silences.values()
        assert (silence["createdBy"], silence["comment"]) == (
            site.run.stage_lock.who,
            "service web is deployed",
        )
    assert site.seconds == [TAIL]
    assert site.lines == []


def test_what_happened_during_a_work_is_told_by_no_alarm_afterwards(site: Rig) -> None:
    """Alarms of errors and failures look back for minutes; all others are told as soon as Prometheus has looked.

    An alarm that was sent before is left out here as well.
    """
    site.host.alarms.append(alarm("ErrorSeen", service="db"))
    site.run.silences.begin("work", Touched({"web", "db"}, {"hive0"}, {"ManagersFew"}), 100, site.log)
    made = len(site.host.added)
    site.run.silences.close(site.log)
    assert site.host.added[made:] == [
        {"service": "web"} | OF_BEFORE,
        {"service": "db", "alertname": "~ServiceRestarts"},
        {"host": "hive0"} | OF_BEFORE,
    ]
    assert sorted(each["seconds"] for each in site.host.silences.values()) == [60] * 4 + [360] * 3
    assert site.lines == []


def test_a_silence_says_what_is_done(site: Rig) -> None:
    """As the page and `doit silence` show it."""
    with silenced_service(site.run, "web", "service web is scaled", site.log):
        assert [each["comment"] for each in site.host.silences.values()] == ["service web is scaled"]


def test_a_deployment_that_fails_ends_its_silence(site: Rig) -> None:
    """What is wrong then is told."""
    with pytest.raises(KeyError), silenced_service(site.run, "web", "service web is deployed", site.log):
        raise KeyError("web")
    assert site.seconds == [TAIL]


def test_a_killed_run_leaves_a_silence_that_ends_by_itself(site: Rig) -> None:
    """Nobody ends it."""
    within = silenced_service(site.run, "web", "service web is deployed", site.log)
    within.__enter__()
    assert site.seconds == [660]


def test_a_host_that_is_taken_down(site: Rig) -> None:
    """Its own alarms, those of the services that have tasks there, and that a manager is missing; no others."""
    run, hive = site.run, site.run.stage.hives[0]
    state = HostState(services={"web": 1, "others": 2})
    run.live_state.host = lambda _host: state  # type: ignore[method-assign, assignment]
    silence_host(run, hive, site.log)
    assert site.host.added == [
        {"service": "web"},
        {"host": hive.short},
        {"alertname": "ManagersFew"},
    ]
    assert set(site.seconds) == {5400 + TAIL}
    end_silence_of_host(run, hive, site.log)
    assert site.seconds == [TAIL] * 3
    end_silence_of_host(run, hive, site.log)
    assert site.lines == []


def test_tasks_move_from_host_to_host_in_a_run(site: Rig) -> None:
    """Those that left a host before are silenced as well: they may be on the next one by now."""
    run, (first, second) = site.run, site.run.stage.hives[:2]
    states = {first.short: HostState(services={"web": 1}), second.short: HostState()}
    run.live_state.host = lambda host: states[host.short]  # type: ignore[method-assign]
    with silenced_host(run, first, site.log):
        pass
    site.host.added.clear()
    with silenced_host(run, second, site.log):
        assert {"service": "web"} in site.host.added


def test_services_that_are_new_until_each_is_deployed(site: Rig) -> None:
    """Agents look for them before their images are built. Once, whatever the number of hosts; no other services.

    One that is deployed early and fails is told of, though the run goes on.
    """
    silence_what_is_new(site.run, "observe", site.log)
    assert site.host.added == []
    services = "".join(f'[services.{name}]\nimage = "web"\n\n' for name in ("early", "late"))
    site.made.edit("[networks.back]\n", f"{services}[networks.back]\n")
    site.begin()
    silence_what_is_new(site.run, "chrony", site.log)
    assert site.host.added == []
    for _ in range(3):
        silence_what_is_new(site.run, "observe", site.log)
    silence_what_is_new(site.run, "prometheus", site.log)
    assert site.host.added == [{"service": "early"}, {"service": "late"}]
    assert site.seconds == [7260, 7260]
    with pytest.raises(KeyError), silenced_service(site.run, "early", "service early is deployed", site.log):
        raise KeyError("early")
    assert site.seconds == [TAIL, 7260, TAIL]
    site.run.silences.close(site.log)
    assert site.seconds == [TAIL, TAIL, TAIL]
    assert site.lines == []


def test_hosts_that_do_not_tell_of_themselves_yet(site: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus looks at all hosts as soon as it is set up: the silence of those is there before."""
    look = site.made.hosts["hive1"]
    steps = {name: step for name, step in look.steps.items() if name != "observe"}
    site.made.hosts["hive1"] = replace(look, steps=steps)
    site.begin()
    added: list[list[dict[str, str]]] = []
    monkeypatch.setattr(
        AlertmanagerHost, "script", lambda self, *_, **__: added.append([*self.added]), raising=False
    )
    repository = site.run.stage.repository
    steps_of = HostSteps(site.run.stage, site.run.secrets, site.run.directory)
    for name in ("alertmanager", "prometheus"):
        step = SetupStep(site.run, steps_of, repository, name, ())
        step.ensure(Work(step.task, {}, "", site.log))
    assert added == [[], [{"host": "hive1"}, {"alertname": "ManagersFew"}]]


def test_the_end_of_a_run_ends_all(site: Rig) -> None:
    """Also what no task ended, as it failed."""
    site.run.silences.begin("work", Touched(services={"web"}), 100, site.log)
    site.run.silences.close(site.log)
    assert site.seconds == [TAIL]
    site.run.silences.close(site.log)


def test_without_an_alertmanager_nothing_is_kept_from_being_done(site: Rig) -> None:
    """One that does not answer is a line in the log."""
    site.host.is_away = True
    with silenced_service(site.run, "web", "service web is deployed", site.log):
        pass
    assert site.lines == ["alarms are not silenced meanwhile: hive2: does not answer"]
    site.host.is_away = False
    with silenced_service(site.run, "web", "service web is deployed", site.log):
        site.host.is_stopped = True
    assert len(site.lines) == 2
    assert site.lines[1].startswith("its silence ends by itself: hive2: Alertmanager does not answer")


def test_an_alarm_that_was_sent_is_left_out(site: Rig) -> None:
    """Its end would not be sent, nor the same alarm given anew. One that is silenced or hidden was not sent."""
    hushed = alarm("ServiceDown", service="db")
    hushed["status"]["silencedBy"] = ["somebody"]
    site.host.alarms += [
        alarm("ServiceDown", service="web"),
        alarm("ServiceShort", service="web"),
        alarm("ManagersFew"),
        hushed,
    ]
    site.run.silences.begin("work", Touched({"web", "db", "mail"}, {"hive0"}, {"ManagersFew"}), 100, site.log)
    assert site.host.added == [
        {"service": "~db|mail"},
        {"service": "web", "alertname!": "~ServiceDown|ServiceShort"},
        {"host": "hive0"},
    ]
    site.run.silences.close(site.log)
    assert site.seconds == [TAIL] * 3


def test_a_work_of_any_length_prolongs_its_silence(site: Rig) -> None:
    """As long as it goes on. A process that is killed leaves a quarter of an hour; what has ended is not prolonged."""

    def connect() -> Any:
        return site.host

    before = {*threading.enumerate()}
    silences = RunSilences(lambda: True, connect, "me", renewal=0.01)
    with silences.lasting("work", Touched(services={"web"}), site.log):
        (prolonging,) = (each for each in {*threading.enumerate()} - before if each.name == PROLONGING)
        assert site.seconds == [900 + TAIL]
        for _ in range(2):
            site.host.updated.clear()
            assert site.host.updated.wait(10)
            assert site.seconds == [900 + TAIL]
        silences.begin_lasting("work", Touched(services={"web"}), site.log)
    assert site.host.added == [{"service": "web"}, {"service": "web"} | OF_BEFORE]
    assert site.seconds == [TAIL]
    wait_until(lambda: not prolonging.is_alive(), "its thread to end")
    assert site.seconds == [TAIL]


def test_a_silence_that_was_prolonged_too_late_is_made_again(site: Rig) -> None:
    """As where this machine was asleep meanwhile. It ends with its work, and Alertmanager makes none by itself."""

    def connect() -> Any:
        return site.host

    silences = RunSilences(lambda: True, connect, "me", renewal=0.01)
    with silences.lasting("work", Touched(services={"web"}), site.log):
        site.host.lapse()
        wait_until(lambda: site.seconds == [900 + TAIL], "it to be made again")
        site.host.updated.clear()
        assert site.host.updated.wait(10)
        assert site.host.added == [{"service": "web"}] * 2
    assert site.seconds == [TAIL]
    assert site.lines == []


def test_ctrl_c_while_silences_are_made_leaves_none(site: Rig) -> None:
    """Their ids are not known yet, and nothing was done: they must not hold for an hour and a half."""
    site.host.interrupts = True
    with pytest.raises(KeyboardInterrupt), silenced_host(site.run, site.run.stage.hives[0], site.log):
        pytest.fail("it was interrupted before")
    assert site.seconds == [TAIL]


def test_a_silence_before_one_that_failed_is_ended_as_well(site: Rig) -> None:
    """It would hold for an hour and a half, though the log says that alarms are not silenced."""
    site.host.stops_after = 1
    silence_host(site.run, site.run.stage.hives[0], site.log)
    assert len(site.host.silences) == len(site.lines) == 1
    end_silence_of_host(site.run, site.run.stage.hives[0], site.log)
    assert site.seconds == [TAIL]


def test_nobody_is_asked_where_there_is_none_yet(tmp_path: Path) -> None:
    """Before it is set up, and on a site without `[monitoring]`."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    task = f"setup_hosts:{run.stage.repository_short}.alertmanager"
    run.connections.to = refused  # type: ignore[method-assign, assignment]
    with silenced_service(run, "web", "service web is deployed", print):
        pass
    made.edit("[networks.back]\n", "[monitoring]\n\n[networks.back]\n")
    run = made.run()
    assert run.state.read(task, FactRecord) is None
    run.connections.to = refused  # type: ignore[method-assign, assignment]
    with silenced_service(run, "web", "service web is deployed", print):
        pass
