"""The order in which a run takes hosts down, and what its tasks wait for: no task for one that waits for it.

A task waits for others by doit's graph, and for locks. The first two tests hold that the graph, with the order in it,
has no circle; the last two that who holds a lock takes only locks that come after it, and waits for no other task.
"""

import ast
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.run import RunCommand
from commands.shared.task_selection import all_before
from model.keys.record import SwarmRecord
from model.stage import Host, Stage
from tasks.hosts.rolling_order import RollingOrder, apply, ordered, rolling_order
from tasks.hosts.rolling_replace import TURN, one_at_a_time, wait_until_back
from tasks.hosts.swarm_member import SwarmMember
from tasks.images.bases import FILE
from tasks.names import SWARM
from tasks.run.secrets import Secrets
from tasks.step import Work
from tests import made as rig
from tests.doubles.managers import Nodes, quiet
from tests.made import Made

ROOT = Path(__file__).parents[4]
LOCKS = (
    "back from a fence",
    "taking a host down",
    "swarm",
    "once *",
    "replacing a network",
    "let-in keys",
    "having *",
    "looking into *",
    "layer *",
    "pushing *",
    "digests.json",
    "manager",
    "engine *",
    "ssh files",
)
"""Every lock of a run: who holds one may take only those that come after it."""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


@dataclass(frozen=True)
class Site:
    """A stage, and doit's graph of its tasks: each to those that it waits for."""

    stage: Stage
    edges: Mapping[str, Collection[str]]


@cache
def site(hives: int, *, separate: bool) -> Site:
    """Return a stage with so many hives."""
    with TemporaryDirectory() as directory:
        made = rig.new(Path(directory))
        made.edit("number_of_hosts = 3", f"number_of_hosts = {hives + separate}")
        made.edit("separate_repository = true", f"separate_repository = {str(separate).lower()}")
        run = made.run()
        return Site(run.stage, {name: tuple(task.task_dep) for name, task in made.tasks(run).items()})


@st.composite
def rolls(draw: st.DrawFn) -> tuple[Site, RollingOrder, dict[str, list[str]], list[str], bool]:
    """Draw a site, the hosts that go down, what is down anyway, and what the person asked for."""
    place = site(draw(st.integers(1, 5)), separate=draw(st.booleans()))
    shorts = [host.short for host in place.stage.hosts]
    going = draw(st.sets(st.sampled_from(shorts), min_size=1))
    down = draw(st.sets(st.sampled_from(shorts))) & going
    whole = draw(st.booleans())
    before = all_before(place.edges)
    asked = place.edges if whole else [f"build_infra:{short}" for short in going]
    chosen = {task for name in asked for task in (name, *before[name])}
    hosts = [host for host in place.stage.hosts if host.short in going]
    order = ordered(place.stage, before, chosen, hosts, down=down, has_vault=draw(st.booleans()))
    edges = {name: list(tasks) for name, tasks in place.edges.items()}
    apply(order, place.stage, edges)
    return place, order, edges, shorts, whole


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(rolls())
def test_no_task_waits_for_one_that_waits_for_it(
    roll: tuple[Site, RollingOrder, dict[str, list[str]], list[str], bool],
) -> None:
    """Whatever goes down on whatever site, the graph of the tasks has no circle."""
    _, _, edges, _, _ = roll

    for name, before in all_before(edges).items():
        assert name not in before, name


@given(rolls())
def test_a_host_goes_when_the_one_before_it_is_set_up(
    roll: tuple[Site, RollingOrder, dict[str, list[str]], list[str], bool],
) -> None:
    """Every two hosts that go down are in an order; the hives that stay are set up before any other hive goes."""
    place, order, edges, shorts, whole = roll
    before = all_before(edges)

    def set_up(short: str) -> set[str]:
        return {task for task in edges if task.startswith(f"setup_hosts:{short}.")}

    for number, short in enumerate(order.hosts):
        for earlier in order.hosts[:number]:
            assert set_up(earlier) <= before[f"build_infra:{short}"]
        if place.stage.host(short).is_hive:
            assert f"setup_hosts:{short}.node_labels" in order.set_up
        if whole and short != place.stage.repository.short:
            for staying in set(shorts) - set(order.hosts):
                assert set_up(staying) <= before[f"build_infra:{short}"]


def test_the_hosts_whose_key_changed_go(tmp_path: Path) -> None:
    """The live state tells who goes: the repository first; of the chosen tasks alone; nobody where nothing changed."""
    made = rig.new(tmp_path)
    made.make()
    assert _order_of(made).hosts == ()
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    assert _order_of(made).hosts == ["hive2", "hive0", "hive1"]
    assert _order_of(made, "build_infra:hive2").hosts == ["hive2"]
    assert _order_of(made, "build_infra:hive1").hosts == ["hive1"]
    made.cloud.delete(made.run().stage, "hive1")
    assert _order_of(made).hosts == ["hive2", "hive0"]


def test_a_hive_that_is_taken_down_is_set_up_by_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where only its host was asked for: it was drained, and its last set-up task makes it take tasks again."""
    made = rig.new(tmp_path)
    made.make()

    def selected(*asked: str) -> list[str]:
        run = made.run()
        command: Any = RunCommand.__new__(RunCommand)
        command.task_list, command.sel_tasks = list(made.tasks(run).values()), list(asked)
        before = all_before({task.name: task.task_dep for task in command.task_list})
        chosen = {task for name in asked for task in (name, *before[name])}
        command._put_into_order(run, before, chosen, alone=False)
        return list(command.sel_tasks)

    assert selected("build_infra:hive1") == ["build_infra:hive1"]
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    assert "setup_hosts:hive1.node_labels" in selected("build_infra:hive1")
    said = capsys.readouterr().out
    assert "set up again when they are back, so that services run there again: hive1" in said
    assert "one after the other" not in said


def test_a_hive_that_nothing_would_set_up_again_is_not_taken_down(tmp_path: Path) -> None:
    """`doit -s` leaves out what its tasks need: where a hive would stay drained, it is refused, with the way out."""
    made = rig.new(tmp_path)
    made.make()
    asked = "build_infra:hive1"

    def put_into_order() -> None:
        run = made.run()
        command: Any = RunCommand.__new__(RunCommand)
        command.task_list, command.sel_tasks = list(made.tasks(run).values()), [asked]
        before = all_before({task.name: task.task_dep for task in command.task_list})
        command._put_into_order(run, before, {asked}, alone=True)

    put_into_order()
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    with pytest.raises(InvalidCommand, match=f"^hive1: has to be drained .* type doit {asked}$"):
        put_into_order()


@pytest.mark.parametrize("has_vault", [True, False])
def test_the_repository_goes_as_well_only_where_set_up_needs_it(
    made: Made, monkeypatch: pytest.MonkeyPatch, *, has_vault: bool
) -> None:
    """A hive that alone was asked for is set up with the vault that is at hand; without one the repository is first."""
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    if not has_vault:
        monkeypatch.setattr(Secrets, "vault", property(lambda _: (_ for _ in ()).throw(KeyError("vault"))))
    run = made.run()
    edges = {name: list(task.task_dep) for name, task in made.tasks(run).items()}
    before = all_before(edges)
    asked = "build_infra:hive1"
    order = rolling_order(run, before, {asked, *before[asked]})
    apply(order, run.stage, edges)

    assert order.hosts == (["hive1"] if has_vault else ["hive2", "hive1"])
    needed = all_before(edges)["setup_hosts:hive1.node_labels"]
    assert ("build_infra:hive2" in needed) is not has_vault


def _order_of(made: Made, *asked: str) -> RollingOrder:
    """Return the order of a run of these tasks, or of all."""
    run = made.run()
    before = all_before({name: task.task_dep for name, task in made.tasks(run).items()})
    return rolling_order(run, before, {task for name in asked or before for task in (name, *before[name])})


def test_a_hive_that_is_down_goes_before_a_repository_that_is_a_hive() -> None:
    """The swarm can't do without the repository before that one is back; so it is set up without the vault's task."""
    place = site(3, separate=False)
    before = all_before(place.edges)
    order = ordered(place.stage, before, place.edges, place.stage.hosts, down={"hive0"}, has_vault=True)
    assert order.hosts == ["hive0", "hive2", "hive1"]
    assert "setup_hosts:hive0.docker" in order.released
    order = ordered(place.stage, before, place.edges, place.stage.hosts, down={"hive0"}, has_vault=False)
    assert order.hosts == ["hive2", "hive0", "hive1"]


# -- locks -------------------------------------------------------------------------------------------------------------


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Yield the calls of a method or function of this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == name:
                yield node


def test_every_lock_is_in_the_order() -> None:
    """A lock of a run that is not in `LOCKS` has no place among the others: give it one."""
    found = set()
    for path in [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "remote" / "images").rglob("*.py")]:
        if path.name == "coordination.py":
            continue
        tree = ast.parse(path.read_text())
        for method in ("lock", "_lock", "alone", "once", "found_once"):
            for call in calls(tree, method):
                if call.args:
                    found.add(_lock_of(method, call.args[0]))

    assert found == set(LOCKS)


def _lock_of(method: str, argument: ast.expr) -> str:
    """Return the name of a lock that a call takes, as `LOCKS` has it."""
    if "once" in method:
        return "once *"
    words = ast.unparse(argument)
    known = {"TURN": TURN, "SWARM": SWARM, "FILE": FILE}
    return known.get(words, re.sub(r"\{[^}]*\}", "*", words).strip("f'\""))


class Recorder:
    """Locks that note which are taken by a thread that holds which."""

    def __init__(self) -> None:
        self.pairs: set[tuple[str, str]] = set()
        self._held = threading.local()
        self._locks: dict[str, threading.Lock] = {}

    def lock(self, name: str) -> "Recorded":
        """Return the lock of a name."""
        return Recorded(self, name, self._locks.setdefault(name, threading.Lock()))

    @property
    def held(self) -> list[str]:
        """The locks that this thread holds."""
        names: list[str] = self._held.__dict__.setdefault("names", [])
        return names


@dataclass(frozen=True)
class Recorded:
    """A lock that notes who takes it."""

    recorder: Recorder
    name: str
    real: threading.Lock

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it."""
        kind = self.name if self.name in LOCKS else f"{self.name.split(maxsplit=1)[0]} *"
        self.recorder.pairs |= {(held, kind) for held in self.recorder.held}
        taken = self.real.acquire(blocking=blocking, timeout=timeout)
        if taken:
            self.recorder.held.append(kind)
        return taken

    def release(self) -> None:
        """Let it go."""
        self.recorder.held.pop()
        self.real.release()

    def __enter__(self) -> bool:
        """Take it."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self.release()


class Engine(Nodes):
    """The engine of a manager, which can be asked how it is."""

    def info(self) -> dict[str, Any]:
        """Return that it is a manager with a leader."""
        return {"Swarm": {"ControlAvailable": True}}

    def close(self) -> None:
        """Close nothing."""


def test_locks_are_taken_in_their_order(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is taken down, one that joins the swarm, and the preflight take no lock out of order."""
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    run, recorder = made.run(), Recorder()
    nodes = Engine(run)
    monkeypatch.setattr(run.coordination, "lock", recorder.lock)
    reached = SimpleNamespace(open=lambda: None, docker_socket=Path("/none"), forget_failure=lambda: None)
    monkeypatch.setattr(run.connections, "to", lambda _host: reached)
    monkeypatch.setattr("remote.engine.client.connect", lambda _short, _socket: nodes)
    monkeypatch.setattr(run.connections, "reader", lambda _host: nodes)
    resource = next(r for r in run.provider.resources() if r.name == "hive1")
    with one_at_a_time(run, resource, quiet):
        run.connections.write_ssh_files()
    wait_until_back(run, run.stage.host("hive0"), {}, quiet)

    def joins(host: Host, others: Any, _client: Any, engine: Any, *_: Any) -> SwarmRecord:
        assert [engine(other) for other, _ in others.values()]
        return SwarmRecord(cluster="cluster-1", node=f"node-of-{host.short}")

    monkeypatch.setattr("remote.swarm.membership.ensure_member", joins)
    member = SwarmMember(run, run.stage.host("hive0"), ())
    member.ensure(Work(member.task, {}, "key", quiet))
    run.coordination.found_once("preflight", "task", lambda: [run.connections.manager()[0].short])

    order = {name: number for number, name in enumerate(LOCKS)}
    assert {(TURN, "manager"), ("swarm", "engine *"), ("once *", "manager")} <= recorder.pairs
    assert not [pair for pair in recorder.pairs if order[pair[0]] >= order[pair[1]]]
