"""A phase answers for itself: one that is made up here is listed, planned, explained, pruned and destroyed.

Nothing but its `Phase` is registered. All answers come from the commands' own code.
"""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency
from doit.doit_cmd import reset_vars, set_var
from doit.task import Stream

from commands.destroy import DestroyCommand
from commands.list import ListReport
from commands.plan import PlanReport, plan_report
from commands.prune import PruneCommand
from commands.shared.statedb import StateDb
from commands.why import WhyReport
from model.keys.digest import Inputs
from model.keys.record import FactRecord
from model.log import Log
from remote.ssh.connection import Connection
from tasks.cleanup.inventory import Inventory
from tasks.explain.recorded_status import statuses
from tasks.observe.drift import Missing
from tasks.phase import Orphan, Phase
from tasks.phases import PHASES
from tasks.run.context import Run
from tasks.step import REPLACE, Names, Step, Work
from tests import made as rig
from tests.made import Made

ZONE, RECORD = "name_zones:example", "name_zones:www"


# -- the phase ---------------------------------------------------------------------------------------------------------


@dataclass
class NameServer:
    """A name server that the phase makes zones and records on: a name to the key that it was made with.

    Args:
        wanted: The definition of each, as site.toml would have it.
        there: What the server holds.

    """

    wanted: dict[str, str] = field(default_factory=lambda: {"example": "1.2.3.4", "www": "1.2.3.5"})
    there: dict[str, str] = field(default_factory=dict)

    def steps(self, run: Run) -> Iterator[Step]:
        """Yield the zone, and a record in it."""
        if "example" in self.wanted:
            yield Zone(self, "example")
        if "www" in self.wanted:
            yield NameRecord(self, run, "www")

    def orphans(self, _run: Run) -> Iterator[Orphan]:
        """Yield what the server holds and nobody wants."""
        for name in sorted(self.there.keys() - self.wanted.keys()):
            yield OrphanName(name, f"name_zones:{name}", server=self)

    def destroy(self, _run: Run, _there: Inventory, _volumes: Collection[str], log: Log) -> list[str]:
        """Remove all of it."""
        for name in list(self.there):
            del self.there[name]
            log(f"removed name {name}")
        return []


class Zone(Step):
    """A zone."""

    def __init__(self, server: NameServer, name: str) -> None:
        self._server = server
        self.task = f"name_zones:{name}"
        self.doc = f"name {name}"
        self.paths = {"address": f"names.{name}.address"}

    def inputs(self) -> Inputs:
        """Return its address."""
        return {"address": self._server.wanted[self.name]}

    def ensure(self, work: Work) -> FactRecord:
        """Write it to the server."""
        self._server.there[self.name] = work.key
        return FactRecord(id=f"{self.name} made with {work.key}")

    def real(self, key: str) -> str | None:
        """Ask the server."""
        if self.name not in self._server.there:
            return Missing("the server does not know it")
        return None if self._server.there[self.name] == key else "the server has another one"

    def effect(self, changed: Names) -> str:
        """No name is changed in place."""
        del changed
        return REPLACE


class NameRecord(Zone):
    """A record in the zone."""

    def __init__(self, server: NameServer, run: Run, name: str) -> None:
        super().__init__(server, name)
        self._run = run
        self.needs = (ZONE,)

    def inputs(self) -> Inputs:
        """Return its address and its zone."""
        return {**super().inputs(), "zone": self._run.state.record(ZONE, FactRecord).id}


@dataclass(frozen=True)
class OrphanName(Orphan):
    """A name that nobody wants any more."""

    kind, order = "name", 5
    server: NameServer = field(default_factory=NameServer)

    def remove(self, run: Run, log: Log) -> None:
        """Remove it from the server."""
        del run, log
        del self.server.there[self.name]


# -- a site that has it ------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """Return a name server whose phase is registered as the last one."""
    server = NameServer()
    phase = Phase("name_zones", "write names", server.steps, server.orphans, server.destroy)
    monkeypatch.setitem(PHASES, "name_zones", phase)
    return server


@pytest.fixture
def made(tmp_path: Path, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a site that is wholly made, its names as well."""
    monkeypatch.setattr(Connection, "open", lambda _connection: None)
    monkeypatch.setattr(Connection, "script", lambda *_, **__: "")
    monkeypatch.setattr(Connection, "close", lambda _connection: None)
    site = rig.new(tmp_path)
    site.make()
    build(site)
    assert server.there.keys() == {"example", "www"}
    return site


def build(made: Made) -> None:
    """Build the names as `doit name_zones` does."""
    for name in (ZONE, RECORD):
        run = made.run()
        run.observer.enabled = True
        if name not in (tasks := made.tasks(run)):
            continue
        database = Dependency(StateDb, str(run.state.traces))
        if database.get_status(tasks[name], tasks).status == "up-to-date":
            continue
        assert tasks[name].execute(Stream(0)) is None
        tasks[name].save_extra_values()
        database.save_success(tasks[name])


def listed(made: Made) -> Mapping[str, Any]:
    """Return what `doit list --json` prints of the phase."""
    run = made.run()
    tasks = made.tasks(run)
    found = statuses(run, tasks, Dependency(StateDb, str(run.state.traces)))
    view = ListReport(run, {"name_zones": [found[name] for name in (ZONE, RECORD)]})
    [phase] = view.data(())["phases"]
    return {resource["task"]: (resource["status"], resource["reasons"]) for resource in phase["resources"]}


def planned(made: Made) -> PlanReport:
    """Return the plan of the phase."""
    run = made.run()
    table = made.table_of(run)
    return plan_report(run, table, [name for name in table.names if name in {ZONE, RECORD}], ["name_zones"])


def told(made: Made, name: str) -> list[str]:
    """Return what `doit why --live` prints of a resource."""
    run = made.run()
    run.observer.enabled = True
    return WhyReport(run, made.table_of(run), live=True, coloured=False).resource(name)


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _options: object) -> None:
        """Do nothing."""


def command(made: Made, kind: Callable[..., Any], **variables: str) -> tuple[int, str]:
    """Run a command with these variables; return its status and what it printed."""
    reset_vars()
    for name, value in variables.items():
        set_var(name, value)
    run = made.run()
    run.live_state.__dict__["close"] = lambda: None
    asked = kind(task_loader=Loader(run), bin_name="doit")
    asked.outstream = io.StringIO()
    try:
        return asked.execute({}, []), asked.outstream.getvalue()
    finally:
        reset_vars()


# -- what is asked of it -----------------------------------------------------------------------------------------------


def test_nothing_to_do(made: Made) -> None:
    """Names that are as they are wanted are up to date for the list, the plan and why."""
    assert listed(made) == {ZONE: ("up to date", []), RECORD: ("up to date", [])}
    assert [item.action for item in planned(made).items] == ["nothing", "nothing"]
    assert told(made, ZONE)[0] == f"{ZONE} is up to date"


def test_a_definition_that_changed(made: Made, server: NameServer) -> None:
    """It is stale by its path in site.toml; it is replaced, and what is made from it may be another one."""
    server.wanted["example"] = "1.2.3.9"

    assert listed(made)[ZONE][0] == "stale"
    assert listed(made)[RECORD] == ("may follow", [f"{ZONE} is stale"])
    zone, record = planned(made).items
    assert (zone.action, record.action, record.after) == ("replace", "may change", (ZONE,))
    assert "names.example.address" in told(made, ZONE)[1]
    assert "names.example.address" in "\n".join(told(made, RECORD))
    build(made)
    assert [item.action for item in planned(made).items] == ["nothing", "nothing"]


def test_a_real_thing_that_is_gone(made: Made, server: NameServer) -> None:
    """The plan makes it anew, and why says that the real thing is the reason."""
    del server.there["www"]

    zone, record = planned(made).items
    assert (zone.action, record.action) == ("nothing", "create")
    assert record.reasons == ("the server does not know it",)
    assert "the server does not know it" in "\n".join(told(made, RECORD))


def test_prune(made: Made, server: NameServer) -> None:
    """A name that nobody wants is planned to be removed, named by prune, and removed with what state/ has of it."""
    del server.wanted["www"]
    assert [(item.task, item.action) for item in planned(made).items if item.action != "nothing"] == [
        (RECORD, "remove")
    ]

    assert command(made, PruneCommand)[0] == 2
    assert "    name www\n" in command(made, PruneCommand)[1]
    assert command(made, PruneCommand, confirm="example")[0] == 0

    assert server.there.keys() == {"example"}
    assert made.run().state.read(RECORD, FactRecord) is None


def test_destroy(made: Made, server: NameServer) -> None:
    """It goes with the stage."""
    status, text = command(made, DestroyCommand, confirm="example")

    assert status == 0
    assert "removed name example\nremoved name www\n" in text
    assert server.there == {}
