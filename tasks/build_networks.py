"""Phase 4: overlay networks."""

import contextlib
from collections.abc import Iterator
from functools import partial

from model import site as types
from model.errors import ServiceError
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import FactRecord
from model.labels import KEY_LABEL, NAME_LABEL
from tasks.names import swarm_tasks
from tasks.run.context import Run
from tasks.step import Step, Work

PHASE = "build_networks"
DOC = "make the overlay networks"


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each network."""
    for name, network in run.stage.networks.items():
        yield Step(
            PHASE,
            name,
            partial(_ensure, run, name, network),
            partial(_inputs, run, network),
            real=partial(_real, run, name),
            after=swarm_tasks(run.stage),
            doc=f"overlay network {name}",
        )


def _inputs(run: Run, network: types.Network) -> Inputs:
    """Return what a network is made from; a new swarm has none of the old one's."""
    return {"swarm": run.state.swarm_id(run.stage), **flatten("network", definition(network))}


def _real(run: Run, name: str, key: str) -> str | None:
    """Ask the live look for a network."""
    return run.live_state.network(name, key)


def _ensure(run: Run, name: str, network: types.Network, work: Work) -> FactRecord:
    """Make the network exist as defined."""
    from remote.swarm.overlay_networks import ensure_network

    host, client = run.connections.manager()
    labels = {**network.labels, **run.stage.labels, NAME_LABEL: name, KEY_LABEL: work.key}
    replace = partial(_inside, run, name) if name in run.may_replace else None
    # One after the other: a service in two of them is put back into one before it is taken out of the other.
    with run.coordination.lock("replacing a network") if replace else contextlib.nullcontext():
        return FactRecord(id=ensure_network(host.short, client, name, network, labels, work.log, replace))


def _inside(run: Run, name: str) -> list[str]:
    """Return the containers that are in a network and belong to no service, on all hives."""
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    found = []
    for hive in run.stage.hives:
        engine = run.connections.engine(hive).api
        with engine_errors(hive.short, f"looking at who is in network {name}", ServiceError):
            try:
                network = engine.inspect_network(name)
            except NotFound:
                continue
            # The engine takes the beginning of an id as well.
            members = (network.get("Containers") or {}) if network["Name"] == name else {}
            own = {each["Id"] for each in engine.containers(filters={"label": "com.docker.swarm.task.id"})}
        found += [
            f"container {member['Name']} on {hive.short}"
            for container, member in members.items()
            # The network's own load balancer is none of the engine's containers.
            if container not in own and not container.startswith("lb-")
        ]
    return found
