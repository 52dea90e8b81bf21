"""The managers of a swarm that lost its majority: who is left, who is lost, and how each of those is fenced."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from model.errors import HostError, SkepError
from model.json_types import Json
from model.keys.record import HostRecord, SwarmRecord
from model.reasons import reason_of
from model.stage import Host
from model.swarm.fenced import fenced_by
from providers.base import Found
from remote.mother.wait import Pace, attempts
from tasks.names import host_task, swarm_task
from tasks.operate.manager_readings import ManagerReading, known_down, members, read_managers
from tasks.run.context import Run

ELECTION_TIMEOUT = 60.0
"""Seconds that managers which are a majority get to elect a leader, and a leader to see that it is none any more."""
_PACE = Pace(first=1.0, longest=5.0)

LEAVES, HALTED, GONE, OFF, OUT, NOBODY = "leaves", "halted", "gone", "off", "out", ""
"""How a lost manager is fenced: it leaves by itself, since it answers; its provider halts it; it is gone there; a
person says that it is off; it is in no swarm any more; nobody can."""


@dataclass(frozen=True)
class LostManager:
    """A manager that is to be fenced.

    Args:
        name: The host's short name; of a host that is no hive of the stage, its address.
        node: The node that it was.
        address: Its address.
        fence: How it is fenced; one of the constants above.
        reason: Why it is taken for lost.
        host: The host, if it is or was one of the stage's.

    """

    name: str
    node: str
    address: str
    fence: str
    reason: str
    host: Host | None = None


@dataclass(frozen=True)
class SwarmLoss:
    """A swarm that lost its majority, seen from the manager that is to be kept.

    Args:
        keep: That manager.
        address: Its address.
        node: Its node.
        services: The services of which containers run there.
        lost: The other managers.
        is_formed: Whether a run that was killed has made the new swarm already.
        notes: Further lines for the person.

    """

    keep: Host
    address: str
    node: str
    services: tuple[str, ...]
    lost: tuple[LostManager, ...]
    is_formed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def unfenced(self) -> list[str]:
        """The managers that nobody can fence but a person."""
        return [each.name for each in self.lost if each.fence == NOBODY]


def examine(run: Run, keep: Host, off: Collection[str]) -> SwarmLoss:
    """Ask all hives, and return how the swarm's majority was lost. Changes nothing.

    Args:
        run: The run.
        keep: The manager that is to be kept.
        off: The hosts that a person says are off.

    Raises:
        SkepError: A majority answers, or that manager does not, or is none.

    """
    things, doubt = _listing(run, keep)
    hosts = members(run)
    if keep not in hosts:
        raise HostError(
            f"{keep.short}: this checkout does not know how to log in to it: use the one that built the stage, or have "
            f"it looked for: doit build_infra:{keep.short}"
            if keep.is_hive
            else f"{keep.short} is no hive: keep= names a hive that answers"
        )
    if down := known_down(run, keep, things):
        _usable(keep, down)  # the others need not be asked
    readings = read_managers(run, hosts, things)
    kept = _usable(keep, readings[keep])
    for _ in attempts(ELECTION_TIMEOUT, _PACE):
        majority = _majority(run, keep, readings)
        if majority.is_certain:
            break
        readings.update(read_managers(run, [host for host in hosts if not readings[host].error], things))
        kept = _usable(keep, readings[keep])
    if majority.problem:
        raise HostError(majority.problem)
    if kept.leads:
        return _formed(run, keep, kept)
    managers = _known_managers(kept)
    record = run.state.host_record(keep)
    halts = run.provider.halts and not doubt
    lost = tuple(
        sorted(
            _lost(run, keep, managers, hosts, readings, things if halts else None, off),
            key=lambda each: each.name,
        )
    )
    if unknown := sorted(set(off) - {each.name for each in lost}):
        raise HostError(
            f"off={','.join(unknown)}: no lost manager; there are: {', '.join(e.name for e in lost)}"
        )
    if answers := [each.name for each in lost if each.name in off and each.fence in {LEAVES, OUT}]:
        raise HostError(f"off={','.join(answers)}: it answers, so it is not off")
    return SwarmLoss(
        keep=keep,
        address=record.address if record is not None else keep.address,
        node=str(kept.swarm.get("NodeID", "")),
        services=kept.services,
        lost=lost,
        notes=(*([doubt] if doubt else ()), *_notes(run, keep, kept)),
    )


def _listing(run: Run, keep: Host) -> tuple[Mapping[str, Found], str]:
    """Return what the provider lists, and why that is not to be gone by; empty if it is.

    A listing without the manager that is kept is of another place, or not whole: who is not in it may run.
    """
    if not run.provider.owns:
        return {}, ""
    try:
        things = run.place.listing()
    except SkepError as error:
        return {}, f"provider {run.stage.provider} can't be asked: {reason_of(error).splitlines()[0]}"
    if run.state.host_record(keep) is not None and keep.short not in things:
        return {}, f"provider {run.stage.provider} does not list {keep.short}, so that it can't be gone by"
    return things, ""


def formed_meanwhile(run: Run, keep: Host) -> bool:
    """Return whether the new swarm is there by now: the engine goes on with it when a recovery is killed.

    Raises:
        HostError: The old swarm has a leader again; or the manager that is to be kept does not answer.

    """
    reading = _usable(keep, read_managers(run, [keep], {})[keep])
    if not reading.leads:
        return False
    if _is_recovered(run, reading):
        return True
    raise HostError(f"{keep.short} knows of a leader again: type it again, to look anew")


# -- judging them ------------------------------------------------------------------------------------------------------


def _usable(keep: Host, reading: ManagerReading) -> ManagerReading:
    """Return the reading of the manager that is to be kept.

    Raises:
        HostError: It is of no use.

    """
    if reading.error or reading.engine_error:
        why = reading.error or f"its engine does not answer ({reading.engine_error})"
        raise HostError(f"{keep.short} {why}: name a manager that answers with keep=")
    state = reading.swarm.get("LocalNodeState", "inactive")
    if state == "inactive":
        raise HostError(
            f"{keep.short} is in no swarm, so nothing can be recovered from it: name a manager with keep=; if there "
            "is none, doit makes a new swarm with all that site.toml says"
        )
    if state == "locked":
        raise HostError(f"{keep.short}: its swarm is locked: docker swarm unlock there first")
    if not reading.is_manager:
        raise HostError(f"{keep.short} is no manager of the swarm: name one with keep=")
    return reading


@dataclass(frozen=True)
class Majority:
    """What is known of a swarm's majority.

    Args:
        problem: Why the swarm is not recovered: which managers answer each other. Empty if there is no majority.
        is_certain: Whether another look would not say otherwise, a moment later.

    """

    problem: str = ""
    is_certain: bool = True


def _majority(run: Run, keep: Host, readings: Mapping[Host, ManagerReading]) -> Majority:
    """Judge whether a swarm has its majority.

    A leader goes on to list managers as reachable for a while that were just lost. A manager that alone leads a swarm,
    with nodes of fenced hosts left in it, has been recovered.
    """
    fences = run.state.fences()
    silent = {host.short for host, reading in readings.items() if reading.error}
    for host, reading in readings.items():
        if not reading.leads:
            continue
        if host == keep and _is_recovered(run, reading):
            continue
        managers = _managers(reading)
        reachable = sorted(
            _hostname(run, node)
            for node in managers
            if node["ManagerStatus"].get("Reachability") == "reachable"
        )
        names = ", ".join(reachable)
        if _is_fenced(fences, host, str(reading.swarm.get("NodeID", ""))):
            return Majority(
                f"{host.short} was fenced, and is back with a leader that its old swarm has elected ({names}): switch "
                f"these hosts off first (doit halt {host.short}, or by hand)"
            )
        answering = [name for name in reachable if name not in silent]
        return Majority(
            f"nothing to recover: {names} {'answer each other' if reachable[1:] else 'leads'}, of {len(managers)} "
            f"{'managers' if managers[1:] else 'manager'}: that is a majority; doit makes the others whole, doit "
            "replace_host makes one anew",
            is_certain=len(answering) > len(managers) // 2,
        )
    if readings[keep].leads:
        return Majority()
    known = _known_managers(readings[keep])
    answering = [host.short for host, reading in readings.items() if reading.is_manager]
    if len(answering) <= len(known) // 2:
        return Majority()
    return Majority(
        f"{', '.join(answering)} answer, which is a majority of the swarm's {len(known)} managers, and elect no "
        f"leader within {ELECTION_TIMEOUT:.0f} s: see that they reach each other (ports 2377 and 7946), and what "
        f"their engines say (doit logs {answering[0]}:docker); to recover all the same, switch the others off first",
        is_certain=False,
    )


def _hostname(run: Run, node: Json) -> str:
    """Return a node's host by its short name, if it is the stage's."""
    name = str((node.get("Description") or {}).get("Hostname", node["ID"]))
    return next((host.short for host in run.stage.hosts if host.name == name), name)


def _managers(reading: ManagerReading) -> list[Json]:
    """Return the nodes that are managers."""
    return [node for node in reading.nodes if node.get("ManagerStatus")]


def _is_recovered(run: Run, reading: ManagerReading) -> bool:
    """Return whether a manager alone leads a swarm that nodes of fenced hosts are left in."""
    return len(_managers(reading)) == 1 and bool(_left_over(run, reading))


def _left_over(run: Run, reading: ManagerReading) -> dict[str, str]:
    """Return the fenced hosts whose nodes a recovered swarm has still, each with its node."""
    fences = {**fenced_by(reading.swarm.get("Cluster") or {}), **run.state.fences()}
    nodes = {node["ID"] for node in reading.nodes}
    return {short: node for short, node in fences.items() if node in nodes}


def _formed(run: Run, keep: Host, reading: ManagerReading) -> SwarmLoss:
    """Return the rest of a recovery that was killed after it had made the new swarm."""
    lost = [
        LostManager(short, node, "", OUT, "was fenced", _host(run, short))
        for short, node in _left_over(run, reading).items()
    ]
    record = run.state.host_record(keep)
    return SwarmLoss(
        keep=keep,
        address=record.address if record is not None else keep.address,
        node=str(reading.swarm.get("NodeID", "")),
        services=(),
        lost=tuple(lost),
        is_formed=True,
    )


def _known_managers(reading: ManagerReading) -> dict[str, str]:
    """Return the managers that a manager knows, itself among them: node's id to address."""
    known = {
        str(each["NodeID"]): str(each["Addr"]).rpartition(":")[0]
        for each in reading.swarm.get("RemoteManagers") or ()
    }
    return {str(reading.swarm.get("NodeID", "")): str(reading.swarm.get("NodeAddr", "")), **known}


def _host(run: Run, short: str) -> Host | None:
    """Return a host of the stage, or None."""
    return run.stage.host(short) if short in run.stage.shorts else None


def _lost(
    run: Run,
    keep: Host,
    managers: Mapping[str, str],
    hosts: Collection[Host],
    readings: Mapping[Host, ManagerReading],
    things: Mapping[str, Found] | None,
    off: Collection[str],
) -> Iterator[LostManager]:
    """Yield all managers but the one that is kept: those that it knows, and those that state/ knows.

    `things` is what the provider lists; None where it can't switch hosts off.
    """
    nodes = {
        host: record.node
        for host in hosts
        if (record := run.state.read(swarm_task(host.short), SwarmRecord)) is not None
    }
    addresses = {_address(run, host): host for host in hosts}
    for node, address in managers.items():
        host = next((each for each, its in nodes.items() if its == node), addresses.get(address))
        if host == keep:
            continue
        if host is None:
            fence = OFF if address in off else NOBODY
            yield LostManager(address, node, address, fence, "is a manager that is none of the stage's hosts")
            continue
        nodes.pop(host, None)
        addresses.pop(_address(run, host), None)
        yield _lost_host(run, host, node, readings[host], things, off)
    for host, node in nodes.items():
        if host != keep and host in addresses.values():
            yield _lost_host(run, host, node, readings[host], things, off)


def _address(run: Run, host: Host) -> str:
    """Return the address that a host has."""
    record = run.state.read(host_task(host.short), HostRecord)
    return record.address if record is not None else host.address


def _lost_host(
    run: Run,
    host: Host,
    node: str,
    reading: ManagerReading,
    things: Mapping[str, Found] | None,
    off: Collection[str],
) -> LostManager:
    """Return a lost manager that is, or was, a host of the stage."""
    fence, reason = NOBODY, reading.error
    if not reading.error:
        fence = LEAVES if reading.swarm.get("LocalNodeState", "") != "inactive" else OUT
        reason = (
            f"its engine does not answer ({reading.engine_error})"
            if reading.engine_error
            else "has no leader"
        )
        reason = reason if fence == LEAVES else "is in no swarm any more"
    elif host.short in off or (things is None and _is_fenced(run.state.fences(), host, node)):
        fence = OFF
    elif things is not None:
        fence = HALTED if host.short in things else GONE
    return LostManager(host.short, node, _address(run, host), fence, reason, host)


def _is_fenced(fences: Mapping[str, str], host: Host, node: str) -> bool:
    """Return whether a host is the node still that was fenced; a note of an older recovery says nothing of another.

    Another checkout's run may have had it join anew.
    """
    return bool(node) and fences.get(host.short) == node


def _notes(run: Run, keep: Host, reading: ManagerReading) -> Iterator[str]:
    """Yield what a person should know beside that."""
    if _is_fenced(run.state.fences(), keep, str(reading.swarm.get("NodeID", ""))):
        yield (
            f"{keep.short} was fenced in an earlier recovery: the swarm that was made then knows more than it; keep "
            "a manager of that one, if it can be had"
        )
