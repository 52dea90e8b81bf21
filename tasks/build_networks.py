"""Phase 4: overlay networks."""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from model import site as types
from model.errors import ServiceError, SkepError
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import FactRecord
from model.labels import KEY_LABEL, NAME_LABEL, label_filter
from model.log import Log
from model.stage import Stage
from model.swarm.docker_subnets import is_taken_early
from tasks.alarms.silenced import silence_until_deployed
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each, remove_when_free
from tasks.names import network_task, swarm_tasks
from tasks.observe.externals import network_drift
from tasks.phase import Orphan, Phase
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.step import ADOPT, BLOCKED, REPLACE, Finding, Names, Step, Work

if TYPE_CHECKING:
    from docker import DockerClient


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each network."""
    for name, network in run.stage.networks.items():
        yield OverlayNetwork(run, name, network)
    for name, network in run.stage.external_networks.items():
        yield ExternalNetwork(run, name, network)


class OverlayNetwork(Step):
    """An overlay network.

    Args:
        run: The run.
        name: Its name.
        network: Its definition.

    """

    def __init__(self, run: Run, name: str, network: types.Network) -> None:
        self._run, self._network = run, network
        self.task = network_task(name)
        self.containers = swarm_tasks(run.stage)
        self.after = (*self.containers, *map(network_task, _first(run.stage, network)))
        self.doc = f"overlay network {name}"
        self.paths = {"network.": f"networks.{name}."}

    def inputs(self) -> Inputs:
        """Return the swarm and the definition; a new swarm has none of the old one's networks."""
        return {
            "swarm": self._run.state.swarm_id(self._run.stage),
            **flatten("network", definition(self._network)),
        }

    def ensure(self, work: Work) -> FactRecord:
        """Make the network as defined."""
        from remote.swarm.overlay_networks import ensure_network

        run, name = self._run, self.name
        labels = {**self._network.labels, **run.stage.labels, NAME_LABEL: name, KEY_LABEL: work.key}
        engines = partial(_engines, run, work.log)
        replace = partial(_inside, run.stage, run.connections, name) if name in run.may_replace else None
        # One after the other: a service in two of them is put back into one before it is taken out of the other.
        if replace:
            silence_until_deployed(run, self._users() & run.stage.services.keys(), work.log)
        with run.coordination.lock("replacing a network") if replace else contextlib.nullcontext():
            manager = run.connections.manager()
            made = ensure_network(manager, name, self._network, labels, work.log, engines, replace)
        return FactRecord(id=made)

    def recall(self, work: Work) -> FactRecord | None:
        """Return the network in the swarm."""
        if self.real(work.key) is not None:
            return None
        return FactRecord(id=self._run.live_state.swarm.networks[self.name]["Id"])

    def real(self, key: str) -> str | None:
        """Compare with the network in the swarm."""
        return self._run.live_state.network(self.name, key)

    def effect(self, changed: Names) -> str:
        """Return REPLACE: a network can't be changed in place."""
        del changed
        return REPLACE

    def inspect(self, changed: Names) -> Finding:
        """Tell a network that can be replaced from one that services use."""
        del changed
        users = ", ".join(sorted(self._users()))
        if not users:
            return Finding(REPLACE)
        if self.name in self._run.may_replace:
            return Finding(REPLACE, f"{users} will be stopped and deployed again")
        return Finding(
            BLOCKED,
            f"{users} use it as it is, and a network can't be changed in place: doit will refuse; with "
            f"replace={self.name} they are stopped, and deployed again in the new one",
        )

    def _users(self) -> set[str]:
        """Return the services that are in the network as it is."""
        swarm = self._run.live_state.swarm
        network = swarm.networks.get(self.name, {}).get("Id")
        return {name for name, seen in swarm.services.items() if network in _joined(seen)}


def _engines(run: Run, log: Log) -> "Iterator[DockerClient]":
    """Yield the engines of the hives that answer."""
    for host in run.stage.hives:
        try:
            yield run.connections.engine(host)
        except SkepError as error:
            log(f"how large packets may be there is not known: {error}")


class ExternalNetwork(Step):
    """A network of others, which has to be there.

    Args:
        run: The run.
        name: Its name in site.toml.
        network: Its definition.

    """

    def __init__(self, run: Run, name: str, network: types.Network) -> None:
        self._run, self._name = run, network.name or name
        self.task = network_task(name)
        self.after = self.containers = swarm_tasks(run.stage)
        self.doc = f"external network {self._name}"

    def inputs(self) -> Inputs:
        """Return the swarm, and the name that it has there."""
        return {"swarm": self._run.state.swarm_id(self._run.stage), "name": self._name}

    def ensure(self, work: Work) -> FactRecord:
        """Find it.

        Raises:
            ServiceError: There is none of this name that services can join.

        """
        from remote.engine.client import engine_errors

        host, client = self._run.connections.manager()
        with engine_errors(host.short, f"looking for network {self._name}", ServiceError):
            found = [net for net in client.api.networks(names=[self._name]) if net["Name"] == self._name]
        for network in found:
            if network.get("Scope") == "swarm":
                work.log(f"found {network['Id']}")
                return FactRecord(id=network["Id"])
        there = f"is a network of {host.short} alone" if found else "does not exist"
        raise ServiceError(
            f"networks.{self.name}: {self._name} {there}, and services join networks of the swarm: make it (docker "
            f"network create --driver overlay {self._name} on {host.short}), or leave out external"
        )

    def recall(self, work: Work) -> FactRecord | None:
        """Return the one that has its name."""
        del work
        found = self._run.live_state.swarm.external_networks.get(self._name)
        return None if found is None else FactRecord(id=found["Id"])

    def real(self, key: str) -> str | None:
        """Compare with the recorded one."""
        del key
        record = self._run.state.read(self.task, FactRecord)
        return network_drift(self._run.live_state.swarm, self._name, record.id if record is not None else "")

    def effect(self, changed: Names) -> str:
        """Return ADOPT: it is looked for, no more."""
        del changed
        return ADOPT


def _first(stage: Stage, network: types.Network) -> list[str]:
    """Return the networks that are made before one without addresses of its own: the swarm could give it theirs.

    It counts up from the beginning of its pool, and does not know of networks that are yet to be made.
    """
    if network.ipam is not None or stage.config.internal_cidr is not None:
        return []
    return [
        name
        for name, other in stage.networks.items()
        if other.ipam is not None and any(is_taken_early(pool.subnet) for pool in other.ipam.pools)
    ]


def _joined(service: Any) -> set[str]:
    """Return the ids of the networks that a service is in now."""
    return {joined["Target"] for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()}


def _inside(stage: Stage, connections: Connections, name: str) -> list[str]:
    """Return the containers in a network, on all hives, that belong to no service."""
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    found = []
    for hive in stage.hives:
        engine = connections.engine(hive).api
        with engine_errors(hive.short, f"listing the users of network {name}", ServiceError):
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


# -- what the stage no longer wants ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrphanNetwork(Orphan):
    """A network that site.toml no longer has."""

    kind, order = "network", 20

    def remove(self, run: Run, log: Log) -> None:
        """Remove it as soon as no container is in it."""
        del log
        host, client = run.connections.manager()
        remove_when_free(client.api.remove_network, self.id, host.short, self.words)


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the swarm's networks that site.toml does not have."""
    swarm, stage = run.live_state.swarm, run.stage
    for name, network in sorted(swarm.networks.items()):
        if name not in stage.networks and name not in stage.external_names["networks"]:
            users = tuple(
                user
                for user, seen in swarm.services.items()
                if user in stage.services and network["Id"] in _joined(seen)
            )
            yield OrphanNetwork(name, network_task(name), id=network["Id"], users=users)


def destroy(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove the stage's networks from a swarm that stays."""
    from remote.engine.client import engine_errors

    del volumes
    if there.owned:
        return []
    try:
        host, client = run.connections.manager()
    except SkepError:
        return []  # they go with the swarm's last node

    def clear(short: str) -> None:
        with engine_errors(short, "removing the stage's networks"):
            networks = {
                network["Id"]: network["Name"]
                for network in client.api.networks(filters=label_filter(run.stage.labels))
                if network["Name"] not in run.stage.external_names["networks"]
            }
        for network, name in networks.items():
            remove_when_free(client.api.remove_network, network, short, f"network {name}")
            log(f"removed network {name}")

    return each([host.short], clear, log)


PHASE = Phase("build_networks", "make the overlay networks", steps, orphans, destroy)
