"""A swarm is recovered, with kills before and after each thing that is done: the next try ends as the first would have.

The world here has a swarm of three managers of which one is left. It was compared with the real one by
`tests/integration/broken_site/test_recovered_swarm.py`.
"""

import io
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands.operate.recover_swarm import RecoverSwarmCommand
from model.errors import HostError, ProviderError, SkepError
from model.keys.record import HostRecord, SwarmRecord
from model.labels import FENCED_LABEL
from model.stage import Host
from remote.swarm.membership import _cannot_tell
from tasks.hosts import fences
from tasks.names import swarm_task
from tasks.operate import lost_managers, manager_readings, site_reading, swarm_recovery
from tasks.operate.lost_managers import examine
from tasks.operate.manager_readings import ManagerReading
from tasks.operate.site_reading import EngineReading
from tasks.operate.swarm_recovery import SwarmRecovery
from tasks.run.context import Run
from tasks.run.state import State
from tests import made as rig

LOST = {"hive1": "node-of-hive1", "hive2": "node-of-hive2"}


class Killed(BaseException):
    """This process was killed."""


class World:
    """Three managers, of which two are lost; the one that is left; the provider; all that outlives a process.

    Args:
        site: The site, which is made.

    """

    def __init__(self, site: rig.Made) -> None:
        self.site = site
        self.is_formed = False
        self.labels: dict[str, str] = {}
        self.nodes = {node: short for short, node in {"hive0": "node-of-hive0", **LOST}.items()}
        self.fenced: set[str] = set()
        self.answering: dict[str, ManagerReading] = {}
        self.listens: set[str] = set()
        self.done: list[str] = []
        self.left: list[str] = []
        self.kill_at = -1
        """Before which thing (even numbers), or after which (odd ones), the process is killed."""

    def act(self, name: str, do: Callable[[], object]) -> None:
        """Do a thing, unless the process is killed before; it may be killed right after it, too."""
        at = 2 * len(self.done)
        self.done.append(name)
        if at == self.kill_at:
            raise Killed
        do()
        if at + 1 == self.kill_at:
            raise Killed

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Return the run of a fresh process."""
        run = self.site.run()
        client: Any = Engine(self, run)
        monkeypatch.setattr(run.connections, "engine", lambda _host: client)
        monkeypatch.setattr(run.connections, "to", lambda _host: Ssh(self))
        monkeypatch.setattr(run.connections, "write_ssh_files", lambda *_: None)
        monkeypatch.setattr(manager_readings, "_read_manager", lambda _run, host: self.read(host))
        monkeypatch.setattr(
            fences,
            "leave",
            lambda _run, host, node, _log: self.act(f"{host.short} leaves", lambda: self.leave(host, node)),
        )
        state, provider = run.state, run.provider
        fence, forget, stop = state.fence, state.forget, provider.fence
        monkeypatch.setattr(
            state, "fence", lambda short, node: self.act(f"note {short}", lambda: fence(short, node))
        )
        monkeypatch.setattr(state, "forget", lambda task: self.act(f"forget {task}", lambda: forget(task)))
        monkeypatch.setattr(
            provider,
            "fence",
            lambda short, log: self.act(f"fence {short}", lambda: self._fence(short, log, stop)),
        )
        monkeypatch.setattr(
            provider, "forget_swarm", lambda short, _log: self.act(f"forget_swarm {short}", lambda: None)
        )
        return run

    def _fence(self, short: str, log: Callable[[str], None], stop: Callable[..., None]) -> None:
        """Switch a host off."""
        stop(short, log)
        self.fenced.add(short)
        self.listens.discard(short)

    def leave(self, host: Host, node: str) -> None:
        """Have a host leave the old swarm."""
        assert node == LOST[host.short]
        self.left.append(host.short)
        self.answering[host.short] = ManagerReading({"LocalNodeState": "inactive"})

    def read(self, host: Host) -> ManagerReading:
        """Ask a host."""
        if host.short != "hive0":
            return self.answering.get(host.short, ManagerReading(error="does not answer"))
        swarm = {
            "LocalNodeState": "active",
            "ControlAvailable": True,
            "NodeID": "node-of-hive0",
            "NodeAddr": host.address,
            "RemoteManagers": [
                {"NodeID": f"node-of-{hive}", "Addr": f"10.0.0.{10 + number}:2377"}
                for number, hive in enumerate(("hive0", "hive1", "hive2"))
            ],
        }
        if not self.is_formed:
            return ManagerReading(
                {**swarm, "Error": "The swarm does not have a leader."}, on_disk=True, services=("web",)
            )
        swarm["Cluster"] = {"Spec": {"Labels": self.labels}}
        return ManagerReading(swarm, on_disk=True, nodes=tuple(self.listing()))

    def listing(self) -> list[dict[str, Any]]:
        """List the nodes of the new swarm: the others are in it as long as nobody removes them."""
        return [
            {
                "ID": node,
                "Version": {"Index": 1},
                "Spec": {"Role": "manager"},
                "Description": {"Hostname": f"p-{short}.example"},
                "Status": {"State": "ready" if short == "hive0" else "down"},
                **(
                    {"ManagerStatus": {"Leader": True, "Reachability": "reachable"}}
                    if short == "hive0"
                    else {}
                ),
            }
            for node, short in self.nodes.items()
        ]


class Engine:
    """The engine of the manager that is left, as far as it is asked for the swarm."""

    def __init__(self, world: World, run: Run) -> None:
        self.api, self._world, self._run = self, world, run

    def init_swarm(self, **options: Any) -> None:
        """Make the new swarm. By then the others must be fenced, and that must be on the disk."""
        world, run = self._world, self._run

        def form() -> None:
            assert options["force_new_cluster"]
            assert options["advertise_addr"] == run.stage.host("hive0").address
            noted = State(run.state.root).fences()
            for short, node in LOST.items():
                assert short in {*world.left, *noted}, "it is neither out nor noted"
                if short in noted:
                    assert noted[short] == node
                    assert not run.provider.found()[short].running
            assert options["swarm_spec"]["Labels"] == {
                f"{FENCED_LABEL}{short}": node for short, node in noted.items()
            }
            world.is_formed = True
            world.labels = dict(options["swarm_spec"]["Labels"])

        world.act("form", form)

    def nodes(self) -> list[dict[str, Any]]:
        """List them."""
        return self._world.listing()

    def inspect_node(self, node: str) -> dict[str, Any]:
        """Return one."""
        return next(each for each in self.nodes() if each["ID"] == node)

    def update_node(self, _node: str, _version: int, _spec: Any) -> None:
        """Take an order."""

    def tasks(self, **_filters: Any) -> list[Any]:
        """Return that nothing runs there."""
        return []

    def remove_node(self, node: str, *, force: bool) -> None:
        """Remove one."""
        assert force
        assert node != "node-of-hive0"
        self._world.act(f"remove {node}", lambda: self._world.nodes.pop(node))

    def inspect_swarm(self) -> dict[str, Any]:
        """Describe the swarm."""
        return {"Version": {"Index": 1}, "Spec": {"Labels": self._world.labels}}

    def update_swarm(self, _version: int, swarm_spec: Any) -> None:
        """Change its labels."""
        self._world.act("label", lambda: setattr(self._world, "labels", swarm_spec["Labels"]))


class Ssh:
    """A connection to the manager that is left: from there the others are knocked at."""

    def __init__(self, world: World) -> None:
        self._world = world

    def script(self, text: str, **_options: Any) -> str:
        """Return which of the places answer that a script names."""
        places = text.split("for at in ")[1].split(";", maxsplit=1)[0].split()
        ends = {short: f".{11 + number}:2377" for number, short in enumerate(LOST)}
        return "\n".join(
            at for at in places if any(at.endswith(ends[short]) for short in self._world.listens)
        )

    def close(self) -> None:
        """Close it."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Give a site of three hives, of which two are lost."""
    monkeypatch.setattr(lost_managers, "ELECTION_TIMEOUT", 0.1)
    monkeypatch.setattr(swarm_recovery, "SILENCE_TIMEOUT", 1.0)
    site = rig.new(tmp_path)
    site.edit("number_of_hosts = 3", "number_of_hosts = 4")
    site.make()
    return World(site)


def recover(world: World, monkeypatch: pytest.MonkeyPatch, off: tuple[str, ...] = ()) -> list[str]:
    """Recover the swarm in a process of its own; return what was said."""
    said: list[str] = []
    run = world.run(monkeypatch)
    SwarmRecovery(run, examine(run, run.stage.host("hive0"), off)).carry_out(said.append)
    return said


def assert_recovered(world: World) -> None:
    """Make sure that hive0 has the swarm alone, and that all know the others to be fenced."""
    state = world.site.run().state
    assert world.is_formed
    assert list(world.nodes) == ["node-of-hive0"]
    assert state.fences() == LOST
    assert world.labels == {f"{FENCED_LABEL}{short}": node for short, node in LOST.items()}
    assert world.fenced == set(LOST)
    assert [short for short in LOST if state.read(swarm_task(short), SwarmRecord) is not None] == []
    assert state.read(swarm_task("hive0"), SwarmRecord) is not None


def test_others_are_fenced_then_the_swarm_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: switched off, noted, made, forgotten, removed."""
    recover(world, monkeypatch)
    assert_recovered(world)
    kinds = [step.split()[0] for step in world.done]
    assert (
        kinds
        == ["fence"] * 2 + ["note"] * 2 + ["form"] + ["forget_swarm", "forget", "forget"] * 2 + ["remove"] * 2
    )


@pytest.mark.slow
def test_killed_at_any_moment_it_is_done_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    """Before and after each thing that is done; the same command converges, and never makes a swarm unfenced."""

    def copied(name: str) -> World:
        directory = tmp_path.with_name(f"{tmp_path.name}-{name}")
        shutil.copytree(tmp_path, directory)
        cloud = replace(world.site.cloud, things=dict(world.site.cloud.things))
        return World(replace(world.site, directory=directory, cloud=cloud))

    first = copied("first")
    recover(first, monkeypatch)
    for moment in range(2 * len(first.done)):
        again = copied(str(moment))
        again.kill_at = moment
        with pytest.raises(Killed):
            recover(again, monkeypatch)
        again.kill_at = -1
        if len(again.nodes) > 1 or not again.is_formed:
            recover(again, monkeypatch)
        assert_recovered(again)


def test_an_engine_that_goes_on_when_the_command_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new swarm appears while the next try fences again: it goes on with that, and makes no second one."""
    world.kill_at = 2 * 4  # before the fifth thing, which is the new swarm
    with pytest.raises(Killed):
        recover(world, monkeypatch)
    world.kill_at = -1
    run = world.run(monkeypatch)
    recovery = SwarmRecovery(run, examine(run, run.stage.host("hive0"), ()))
    world.is_formed = True
    world.labels = {f"{FENCED_LABEL}{short}": node for short, node in LOST.items()}
    recovery.carry_out(lambda _line: None)

    assert_recovered(world)
    assert world.done.count("form") == 1, "once by the killed one, and not again"


@pytest.mark.parametrize("number", [2, 3])
def test_a_majority_is_refused_by_its_names(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Nothing is changed while managers have a leader, whichever of them is named."""
    nodes = tuple(
        {
            "ID": f"node-of-{short}",
            "Description": {"Hostname": f"p-{short}.example"},
            "ManagerStatus": {
                "Leader": short == "hive1",
                "Reachability": "reachable" if place < number else "unreachable",
            },
        }
        for place, short in enumerate(("hive0", "hive1", "hive2"))
    )
    reading = ManagerReading(
        {"LocalNodeState": "active", "ControlAvailable": True}, on_disk=True, nodes=nodes
    )
    monkeypatch.setattr(world, "read", lambda _host: reading)
    names = ", ".join(("hive0", "hive1", "hive2")[:number])
    with pytest.raises(HostError, match=f"nothing to recover: {names} answer each other, of 3 managers"):
        recover(world, monkeypatch)
    assert world.done == []


def test_a_majority_without_a_leader_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three that answer get a while to elect one; then the message says what is to be looked at."""
    world.answering["hive1"] = ManagerReading(
        {"LocalNodeState": "active", "ControlAvailable": True}, on_disk=True
    )
    with pytest.raises(HostError, match="hive0, hive1 answer, which is a majority of the swarm's 3 managers"):
        recover(world, monkeypatch)
    assert world.done == []


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (
            ManagerReading(error="does not answer (no route)"),
            "hive0 does not answer .no route.: name a manager",
        ),
        (ManagerReading(engine_error="refused"), "hive0 its engine does not answer .refused."),
        (ManagerReading({"LocalNodeState": "inactive"}), "hive0 is in no swarm"),
        (ManagerReading({"LocalNodeState": "active"}), "hive0 is no manager of the swarm"),
        (ManagerReading({"LocalNodeState": "locked"}), "hive0: its swarm is locked"),
    ],
)
def test_who_can_not_be_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, reading: ManagerReading, said: str
) -> None:
    """A host that does not answer, or is no manager: the message says so, and nothing is changed."""
    monkeypatch.setattr(world, "read", lambda _host: reading)
    with pytest.raises(HostError, match=said):
        recover(world, monkeypatch)
    assert world.done == []


def test_a_host_that_answers_leaves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose engine hangs, but that can be logged in to, is not switched off: it leaves the old swarm at once."""
    world.answering["hive1"] = ManagerReading(on_disk=True, engine_error="no answer")
    recover(world, monkeypatch)
    assert world.left == ["hive1"]
    assert world.fenced == {"hive2"}
    assert world.site.run().state.fences() == {"hive2": LOST["hive2"]}
    assert list(world.nodes) == ["node-of-hive0"]


def test_a_host_that_still_answers_is_not_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a frozen one, whose kernel takes connections: no swarm is made, though a person said that it is off."""
    world.listens.add("hive2")
    with pytest.raises(
        HostError, match=r"hive2 answers hive0 at 10\.0\.0\.12:2377, so it is not off: switch it off"
    ):
        recover(world, monkeypatch, off=("hive2",))
    assert not world.is_formed
    assert world.site.run().state.fences() == {}


def test_a_provider_that_can_not_halt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No swarm is made; a person can say that the host is off instead."""

    def refuse(short: str, _log: Any) -> None:
        raise ProviderError(f"{short}: the API does not answer")

    run = world.run(monkeypatch)
    monkeypatch.setattr(run.provider, "fence", refuse)
    with pytest.raises(ProviderError, match=r"hive1: the API does not answer\s+No swarm was made.*off=hive1"):
        SwarmRecovery(run, examine(run, run.stage.host("hive0"), ())).carry_out(lambda _line: None)
    assert not world.is_formed
    lost = examine(run, run.stage.host("hive0"), ("hive1", "hive2")).lost
    assert [each.fence for each in lost] == [lost_managers.OFF] * 2


@pytest.mark.parametrize(
    "left", [fences.OldContainersError("they run on"), HostError("docker.service hangs")]
)
def test_a_host_that_does_not_leave_is_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch, left: HostError
) -> None:
    """Its engine does not stop, or its containers may run on: its provider switches it off, and it is noted as fenced.

    Where nobody can, no swarm is made.
    """

    def stays(*_: object) -> None:
        raise left

    world.answering["hive1"] = ManagerReading(on_disk=True, engine_error="no answer")
    run = world.run(monkeypatch)
    monkeypatch.setattr(fences, "leave", stays)
    monkeypatch.setattr(type(run.provider), "halts", False)
    loss = examine(run, run.stage.host("hive0"), ("hive2",))
    with pytest.raises(HostError, match=r"hive1 does not leave its old swarm .*with off=hive1 as well"):
        SwarmRecovery(run, loss).carry_out(lambda _line: None)
    assert not world.is_formed
    monkeypatch.setattr(type(run.provider), "halts", True)
    SwarmRecovery(run, examine(run, run.stage.host("hive0"), ())).carry_out(lambda _line: None)
    assert_recovered(world)


@pytest.mark.parametrize("lists", [None, {}])
def test_a_provider_that_can_not_be_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, lists: dict[str, Any] | None
) -> None:
    """Its interface is down, or it lists another place: no host is taken for gone; a person says which are off."""

    def listing() -> dict[str, Any]:
        if lists is None:
            raise ProviderError("docker: the API does not answer")
        return lists

    run = world.run(monkeypatch)
    keep = run.stage.host("hive0")
    monkeypatch.setattr(run.place, "listing", listing)
    loss = examine(run, keep, ())
    assert loss.unfenced == ["hive1", "hive2"]
    assert loss.notes[0].startswith("provider docker ")
    assert "; ".join(SwarmRecovery(run, loss).lines()).count("skep can't switch it off") == 2
    for short in LOST:
        run.provider.halt(short, lambda _line: None)  # somebody switched it off
        world.fenced.add(short)

    def refuse(*_: object) -> None:
        raise ProviderError("docker: the API does not answer")

    monkeypatch.setattr(run.provider, "forget_swarm", refuse)
    SwarmRecovery(run, examine(run, keep, ("hive1", "hive2"))).carry_out(lambda _line: None)
    assert_recovered(world)


def test_a_checkout_that_does_not_know_the_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh clone can't log in to the manager that is left: it is told how it finds it."""
    run = world.run(monkeypatch)
    State(run.state.root).forget("build_infra:hive0")
    with pytest.raises(HostError, match=r"hive0: this checkout does not know .*: doit build_infra:hive0"):
        examine(run, run.stage.host("hive0"), ())
    with pytest.raises(HostError, match="hive3 is no hive: keep= names a hive that answers"):
        examine(run, run.stage.host("hive3"), ())


def test_a_host_is_knocked_at_where_its_ssh_server_listens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host of somebody else may have ssh at another port than 22: silence there is what counts."""
    run = world.run(monkeypatch)
    record = run.state.read("build_infra:hive2", HostRecord)
    assert record is not None
    run.state.write("build_infra:hive2", msgspec.structs.replace(record, ssh_port=2222))
    lost = {each.name: each for each in examine(run, run.stage.host("hive0"), ()).lost}
    recovery = SwarmRecovery(run, examine(run, run.stage.host("hive0"), ()))
    assert recovery._ports(lost["hive1"]) == [22, 2377]
    assert recovery._ports(lost["hive2"]) == [22, 2222, 2377]


def test_prepared_hosts_are_for_a_person_to_switch_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are named, until off= names them; once noted as fenced they need not be named again."""
    run = world.run(monkeypatch)
    monkeypatch.setattr(type(run.provider), "halts", False)
    monkeypatch.setattr(type(run.provider), "owns", False)
    keep = run.stage.host("hive0")
    assert examine(run, keep, ()).unfenced == ["hive1", "hive2"]
    assert examine(run, keep, ("hive1",)).unfenced == ["hive2"]
    run.state.fence("hive2", LOST["hive2"])
    assert examine(run, keep, ("hive1",)).unfenced == []


def test_off_names_lost_managers_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name, or that of a host that answers, is a mistake."""
    with pytest.raises(SkepError, match="off=hive7: no lost manager; there are: hive1, hive2"):
        recover(world, monkeypatch, off=("hive7",))
    world.answering["hive1"] = ManagerReading(on_disk=True, engine_error="no answer")
    with pytest.raises(SkepError, match="off=hive1: it answers, so it is not off"):
        recover(world, monkeypatch, off=("hive1",))
    assert world.done == []


def test_a_manager_that_is_none_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own, who joined by hand, has a part in the old swarm, too: it is named by its address."""
    run = world.run(monkeypatch)
    reading = world.read(run.stage.host("hive0"))
    reading.swarm["RemoteManagers"].append({"NodeID": "foreign", "Addr": "10.9.9.9:2377"})
    monkeypatch.setattr(
        manager_readings,
        "_read_manager",
        lambda _run, host: reading if host.short == "hive0" else world.read(host),
    )
    assert examine(run, run.stage.host("hive0"), ()).unfenced == ["10.9.9.9"]
    assert examine(run, run.stage.host("hive0"), ("10.9.9.9",)).unfenced == []


def test_fenced_hosts_with_a_leader_of_their_own_are_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They came back while the survivor was away: no majority that counts."""
    nodes = tuple(
        {
            "ID": node,
            "Description": {"Hostname": f"p-{short}.example"},
            "ManagerStatus": {"Leader": short == "hive1", "Reachability": "reachable"},
        }
        for short, node in LOST.items()
    )
    run = world.run(monkeypatch)
    for short, node in LOST.items():
        run.state.fence(short, node)
        world.answering[short] = ManagerReading(
            {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": node}, on_disk=True, nodes=nodes
        )
    with pytest.raises(
        HostError, match="hive1 was fenced, and is back with a leader that its old swarm has elected"
    ):
        examine(run, run.stage.host("hive0"), ())

    # Another checkout's run had them join anew: this one's note is of nodes that are no more.
    for short in LOST:
        run.state.fence(short, f"what-{short}-was-before")
    with pytest.raises(HostError, match="nothing to recover: hive1, hive2 answer each other"):
        examine(run, run.stage.host("hive0"), ())


def test_an_old_note_makes_no_host_fenced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is of the node that the host was in an older recovery: a person has to say that it is off now."""
    run = world.run(monkeypatch)
    monkeypatch.setattr(type(run.provider), "halts", False)
    monkeypatch.setattr(type(run.provider), "owns", False)
    for short in ("hive0", "hive1", "hive2"):
        run.state.fence(short, f"what-{short}-was-before")
    loss = examine(run, run.stage.host("hive0"), ())
    assert (loss.unfenced, loss.notes) == (["hive1", "hive2"], ())
    run.state.fence("hive0", "node-of-hive0")
    assert "hive0 was fenced in an earlier recovery" in examine(run, run.stage.host("hive0"), ()).notes[0]


def test_it_is_said_beforehand(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How each is fenced, that containers restart, and the command that does it; nothing is done."""
    run = world.run(monkeypatch)
    command = RecoverSwarmCommand(
        task_loader=type(
            "Loader", (), {"cmd_options": (), "namespace": {"RUN": run}, "setup": lambda *_: None}
        )(),
        bin_name="doit",
    )
    command.outstream = out = io.StringIO()
    monkeypatch.setattr("commands.operate.recover_swarm.get_var", {"keep": "hive0"}.get)
    assert command.execute({}, ()) == 2
    assert out.getvalue().splitlines() == [
        "hive0 makes a new swarm of what it knows, and is its only manager; first the others are fenced:",
        "  hive1  does not answer: provider docker switches it off",
        "  hive2  does not answer: provider docker switches it off",
        "the containers of web on hive0 restart",
        "to do it: doit recover_swarm confirm=example keep=hive0",
    ]
    assert world.done == []
    assert capsys.readouterr().err == ""
    loss = replace(examine(run, run.stage.host("hive0"), ()), services=())
    assert (
        "no container of a service runs on hive0 now, so that none restarts"
        in SwarmRecovery(run, loss).lines()
    )


def test_the_status_names_the_way_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees that the swarm has no leader reads what can be done, in `doit status` as in a run."""
    run = world.run(monkeypatch)
    swarm = {"ControlAvailable": True, "Error": "rpc error: The swarm does not have a leader."}
    engines = {run.stage.host("hive0"): EngineReading({"Swarm": swarm})}
    with pytest.raises(HostError, match="for good: doit recover_swarm keep=HOST"):
        site_reading._read_swarm(run, engines, time.monotonic() + 5)
    with pytest.raises(HostError, match="one that is left: doit recover_swarm keep=hive0, then doit"):
        raise HostError(_cannot_tell(run.stage.host("hive3"), {"hive1": "silent", "hive0": "no leader"}))
