"""Check whether the stage's services can run, before the first of them is touched; report all problems at once.

Each hive and the swarm are asked once, and only by a run that is about to deploy something. Packets are sent from hive
to hive only if none were since the hives and their engines were started; that is kept in `state/`.
"""

import contextlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from model import site as types
from model.errors import ServiceError, SkepError
from model.hosts.firewall import swarm_ports
from model.keys.digest import canonical, sha256
from model.keys.record import SwarmRecord
from model.labels import belongs_to, labels_of
from model.log import Log
from model.site.networks import MTU
from model.stage import Host, Stage
from model.swarm import engine_versions
from model.swarm.scheduling import Node, SchedulingRequest, meets_constraint, unschedulable
from model.swarm.scheduling_node import scheduling_node
from remote.checks import host_facts, vxlan
from remote.checks.host_facts import HostFacts
from remote.mother.files import write_whole
from remote.swarm.spec import constraints
from tasks.hosts.ways_out import try_ways_out
from tasks.names import swarm_task
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.state import State
from tasks.services.host_facts import facts_of_hives
from tasks.services.published_ports import Choices, choice_name, choices_of
from tasks.services.rendering import StageRenderer, renderer_of

FILE = "preflight.json"
_OWN_VNIS = (0xF00000, 0xFF0000)
"""The range of VXLAN identifiers for test packets; the swarm counts up from 4096."""


def preflight(run: Run, task: str, log: Log) -> None:
    """Check whether the stage's services can run, once a run.

    Args:
        run: The run.
        task: The caller.
        log: Takes a line for its log.

    Raises:
        ServiceError: They can't. The first caller gets every problem; later callers get that caller's name.

    """
    first, found = run.coordination.found_once("preflight", task, lambda: problems(run, log))
    if not found:
        return
    if first != task:
        raise ServiceError(f"no service was touched: see the error of {first}")
    lines = "".join(f"\n    {line}" for line in found)
    raise ServiceError(f"no service was touched, since not all of them can run as they are:{lines}")


def problems(run: Run, log: Log) -> list[str]:
    """Return a line for each problem, beginning with the path in site.toml, or with hosts."""
    stage, connections = run.stage, run.connections
    services = dict(_services(stage, renderer_of(run)))
    facts = _facts(stage, connections, services, log)
    try_ways_out(run, [hive for hive in stage.hives if hive.short in facts], log)
    manager, client = connections.manager()
    nodes, drained, foreign = _swarm(stage, run.state, connections)
    wants = [wanted(name, service, stage) for name, service in services.items()]
    where = {name: constraints(service, stage) for name, service in services.items()}
    return [
        *engine_versions.manager_problems(manager.short, client.api.api_version),
        *engine_versions.node_problems(services, where, nodes),
        *_without_ip_vs(stage, services, facts),
        *_taken_ports(stage, services, facts, nodes, foreign, choices_of(run.state)),
        *_mounts(stage, services, facts, nodes),
        *unschedulable(wants, nodes, [_foreign_wants(service) for service in foreign], drained),
        *_paths(stage, run.state, connections, facts, log),
    ]


def _services(stage: Stage, renderer: StageRenderer) -> Iterator[tuple[str, types.Service]]:
    """Yield the stage's services without templates. One that can't be rendered is left out: its own task fails."""
    for name in stage.services:
        with contextlib.suppress(KeyError, SkepError):
            yield name, renderer.service(name).service


def wanted(name: str, service: types.Service, stage: Stage) -> SchedulingRequest:
    """Return a service's demands on the nodes."""
    tasks = None if service.is_global else service.replicas
    reserved = service.cpu_reservation or 0.0, service.mem_reservation or 0
    where = tuple(constraints(service, stage))
    if service.is_job:
        # Its tasks wait for one another where there is no room for all of them; one must fit.
        return SchedulingRequest(name, where, None if tasks is None else min(tasks, 1), None, *reserved)
    return SchedulingRequest(
        name,
        where,
        tasks,
        service.placement.max_replicas_per_node,
        *reserved,
        one_per_node="host" in service.port_modes,
        start_first=service.update_config.order == "start-first",
    )


# -- looking -----------------------------------------------------------------------------------------------------------


def _facts(
    stage: Stage, connections: Connections, services: Mapping[str, types.Service], log: Log
) -> dict[str, HostFacts]:
    """Return the hives' facts; one that does not answer is left out."""
    kinds = sorted({kind for volume in stage.volumes.values() if (kind := volume.filesystem)})
    paths = sorted(
        {path for service in services.values() for mount in service.volumes if (path := mount.host_directory)}
    )
    return facts_of_hives(stage, connections, log, kinds, paths)


def _swarm(
    stage: Stage, state: State, connections: Connections
) -> tuple[list[Node], list[Node], list[Mapping[str, Any]]]:
    """Return the nodes that take tasks, by their hosts' names, the stage's that don't, and services of others."""
    from remote.engine.client import engine_errors

    host, client = connections.manager()
    with engine_errors(host.short, "reading the swarm before services are deployed", ServiceError):
        nodes, services = client.api.nodes(), client.api.services()
    shorts = {
        record.node: hive.short
        for hive in stage.hives
        if (record := state.read(swarm_task(hive.short), SwarmRecord)) is not None
    }
    # One that is down is to come back; whether it must is the set-up's to say.
    usable = [node for node in nodes if node["Spec"]["Availability"] == "active"]
    foreign = [
        service
        for service in services
        if service["Spec"]["Name"] not in stage.services or not belongs_to(labels_of(service), stage.labels)
    ]
    given = {hive.short: stage.given_labels(hive) for hive in stage.hives}

    def named_node(node: Mapping[str, Any]) -> Node:
        name = shorts.get(node["ID"], node["ID"])
        return scheduling_node(node, name, given.get(name))

    named = [named_node(node) for node in usable]
    drained = [named_node(node) for node in nodes if node not in usable and node["ID"] in shorts]
    return sorted(named, key=lambda node: node.name), drained, foreign


def _foreign_wants(service: Mapping[str, Any]) -> SchedulingRequest:
    """Return the reservations of a service that is not of the stage; where it may run is its own affair."""
    reserved = (service["Spec"]["TaskTemplate"].get("Resources") or {}).get("Reservations") or {}
    replicated = service["Spec"]["Mode"].get("Replicated")
    return SchedulingRequest(
        service["Spec"]["Name"],
        tasks=replicated["Replicas"] if replicated else None,
        cpus=reserved.get("NanoCPUs", 0) / 1e9,
        memory=reserved.get("MemoryBytes", 0),
    )


# -- kernel and ports --------------------------------------------------------------------------------------------------


def _without_ip_vs(
    stage: Stage, services: Mapping[str, types.Service], facts: Mapping[str, HostFacts]
) -> Iterator[str]:
    """Yield the services that need ip_vs, where a kernel has none: Docker accepts them, and then nothing arrives."""
    lacking = ", ".join(short for short, found in facts.items() if not found.has_ip_vs)
    if not lacking:
        return
    for name, service in services.items():
        why = f"the kernel of {lacking} has no ip_vs, so that nothing would reach it"
        if service.endpoint_mode == "vip" and stage.networks_of(service) and not service.is_on_host_network:
            yield f'services.{name}: {why}: endpoint_mode = "vip" (the default) needs it: set "dnsrr"'
        if "ingress" in service.port_modes:
            yield f'services.{name}.ports: {why}: mode = "ingress" (the default) needs it: set mode = "host"'


def _taken_ports(
    stage: Stage,
    services: Mapping[str, types.Service],
    facts: Mapping[str, HostFacts],
    nodes: Sequence[Node],
    foreign: Sequence[Mapping[str, Any]],
    choices: Choices,
) -> Iterator[str]:
    """Yield the published ports that somebody else has on a host where they would be."""
    routed = {
        (port["PublishedPort"], port["Protocol"]): service["Spec"]["Name"]
        for service in foreign
        for port in (service.get("Endpoint") or {}).get("Ports") or ()
        if port.get("PublishMode") == "ingress" and port.get("PublishedPort")
    }
    for name, service in services.items():
        may = [
            node.name
            for node in nodes
            if all(meets_constraint(each, node) for each in constraints(service, stage))
        ]
        for port in service.ports:
            # What was chosen was free then, and is kept for life: somebody may have taken it since.
            number = port.published or choices.get(choice_name(name, port), 0)
            if not number:
                continue
            where = (number, port.protocol)
            shown = f"services.{name}.ports: {number}/{port.protocol}"
            if port.mode == "ingress" and where in routed:
                yield f"{shown} is published by service {routed[where]}, which is not of this stage: {_OTHER}"
            for short in facts if port.mode == "ingress" else [short for short in may if short in facts]:
                # A program of the service itself may listen there: in the host's network its ports are the host's.
                if not service.is_on_host_network or facts[short].listeners.get(where) == "sshd":
                    yield from _taken(shown, short, where, facts[short], stage)


_OTHER = "publish another, or remove that one (doit prune, if it was this stage's)"


def _taken(
    shown: str, short: str, where: host_facts.HostPort, facts: HostFacts, stage: Stage
) -> Iterator[str]:
    """Yield who has a port on a host."""
    program = facts.listeners.get(where)
    if program == "sshd":
        yield f"{shown} is where ssh listens on {short}: it would cut skep off; publish another"
    elif program is not None:
        yield f"{shown} is taken on {short} by {program}: publish another, or stop that program there"
    container, service = facts.published.get(where, ("", ""))
    if container and service not in stage.services:
        yield f"{shown} is taken on {short} by the container {container}: {_OTHER}"


# -- mounts ------------------------------------------------------------------------------------------------------------


def _mounts(
    stage: Stage,
    services: Mapping[str, types.Service],
    facts: Mapping[str, HostFacts],
    nodes: Sequence[Node],
) -> Iterator[str]:
    """Yield the volumes whose file system a hive can't mount, and the directories that a hive does not have."""
    for name, volume in stage.volumes.items():
        kind = volume.filesystem
        hives = [hive.short for hive in stage.volume_hosts(name)]
        lacking = [short for short in hives if short in facts and kind in facts[short].unmountable]
        if lacking:
            yield (
                f"volumes.{name}.driver_opts: the kernel of {', '.join(lacking)} can't mount {kind}: install what "
                "brings it, or take other hosts"
            )
    for name, service in services.items():
        may = [
            node.name
            for node in nodes
            if all(meets_constraint(each, node) for each in constraints(service, stage))
        ]
        for i, mount in enumerate(service.volumes):
            path = mount.host_directory
            lacking = [short for short in may if short in facts and path in facts[short].missing]
            if lacking:
                yield (
                    f"services.{name}.volumes[{i}].source: there is no {path} on {', '.join(lacking)}, where it may "
                    "run: make it, or say by constraints where it is"
                )


# -- from hive to hive -------------------------------------------------------------------------------------------------


def _paths(
    stage: Stage, state: State, connections: Connections, facts: Mapping[str, HostFacts], log: Log
) -> list[str]:
    """Return the paths from hive to hive that packets do not pass; keep that all did until something is restarted."""
    made = _made_options(connections)
    sizes = {
        name: _mtu({**made.get(name, {}), **network.driver_opts})
        for name, network in used_networks(stage).items()
    }
    hives = {host.short: host for host in stage.hives if host.short in facts}
    if len(hives) < 2 or not sizes:  # noqa: PLR2004 - a pair
        return []
    known = _key(stage, hives, facts, sizes)
    path = state.root / FILE
    if _kept(path) == known:
        log("packets were sent between the hives since they were started")
        return []
    addresses = {short: host.address for short, host in hives.items()}
    first, mtu = random.randrange(*_OWN_VNIS), max(sizes.values())  # noqa: S311 - nobody must not guess it

    def send(short: str) -> vxlan.Measurements | str:
        script = vxlan.script(short, addresses, stage.data_path_port, mtu, first)
        try:
            output = connections.to(hives[short]).script(
                script, timeout=vxlan.TIMEOUT, label="sending packets to the other hives"
            )
        except SkepError as error:
            return str(error)
        return vxlan.parse(short, list(hives), mtu, addresses[short], output)

    with ThreadPoolExecutor(len(hives)) as pool:
        answers = dict(zip(hives, pool.map(send, hives), strict=True))
    unable = {short: answer for short, answer in answers.items() if isinstance(answer, str)}
    if unable:
        # Of a kernel or a system where it can't be tried that says nothing: overlay networks may work there.
        for answer in unable.values():
            log(f"packets between the hives were not tried: {answer}")
        return []
    found = {short: answer for short, answer in answers.items() if not isinstance(answer, str)}
    found_problems = vxlan.problems(found, stage.data_path_port, sizes)
    if not found_problems:
        log(f"packets of {mtu} bytes arrive between {', '.join(hives)}")
        write_whole(path, json.dumps({"paths": known}).encode())
    return found_problems


def used_networks(stage: Stage) -> dict[str, types.Network]:
    """Return the networks that the stage's services are in."""
    used = {name for service in stage.services.values() for name in stage.networks_of(service)}
    return {name: network for name, network in stage.networks.items() if name in used}


def _made_options(connections: Connections) -> dict[str, Mapping[str, str]]:
    """Return the options that networks were made with; none where no manager answers, which others say."""
    from remote.engine.client import engine_errors

    try:
        host, client = connections.manager()
        with engine_errors(host.short, "reading the networks' options", ServiceError):
            networks = client.api.networks(filters={"driver": "overlay"})
        return {one["Name"]: one.get("Options") or {} for one in networks}
    except SkepError:
        return {}


def _mtu(options: Mapping[str, str]) -> int:
    """Return the largest packet that a network sends from host to host."""
    mtu = options.get(MTU, "")
    return int(mtu) if mtu.isdecimal() and int(mtu) else 1500


def _key(
    stage: Stage, hives: Mapping[str, Host], facts: Mapping[str, HostFacts], sizes: Mapping[str, int]
) -> str:
    """Return the digest of all that the result of the test packets depends on.

    Of the hosts' firewalls only the rules between hives count: one more port that a service publishes changes nothing.
    """
    rules = [*swarm_ports(stage), "esp"] if stage.site.setup_hosts.firewall else []
    return sha256(
        canonical(
            {
                "hives": {short: [host.address, facts[short].incarnation] for short, host in hives.items()},
                "firewall": rules,
                "port": stage.data_path_port,
                "mtu": max(sizes.values()),
            }
        )
    )


def _kept(path: Path) -> str:
    """Return the digest that was kept the last time; empty if there is none that can be used."""
    try:
        return str(json.loads(path.read_bytes())["paths"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
