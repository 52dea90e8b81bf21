"""skep's labels of a hive's node in the swarm: which host it is, and the volumes that it holds."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from model.errors import HostError
from model.keys.digest import Inputs, flatten, sha256
from model.keys.record import FactRecord, SwarmRecord
from model.labels import GIVEN_LABEL, NAME_LABEL, VOLUME_LABEL, labels_of
from model.log import Log
from model.stage import Host, Stage
from model.swarm.constraints import parse_constraint
from tasks.alarms.silenced import end_silence_of_host
from tasks.cleanup.removing import each
from tasks.hosts.rolling_replace import wait_until_back
from tasks.hosts.volume_data import refused_volumes
from tasks.names import NODE_LABELS, setup_task, swarm_task
from tasks.observe.states import SwarmState
from tasks.run.context import Run
from tasks.run.state import State
from tasks.step import Step, Work


class NodeLabels(Step):
    """The labels of a hive's node. A new host may become the node again: they are in no host.

    It is the last step of a hive's set-up. Where this run took the hive down, it is back when this step is done.

    Args:
        run: The run.
        host: The hive.

    """

    def __init__(self, run: Run, host: Host) -> None:
        self._run, self._host = run, host
        self.host = host.short
        self.task = setup_task(host.short, NODE_LABELS)
        self._swarm_task = swarm_task(host.short)
        self.needs = (self._swarm_task,)
        self.doc = f"labels of {host.name} in the swarm"

    def inputs(self) -> Inputs:
        """Return the node and its labels."""
        record = self._run.state.record(self._swarm_task, SwarmRecord)
        return {"node": record.node, **flatten("labels", node_labels(self._run.stage, self._host))}

    def ensure(self, work: Work) -> FactRecord:
        """Label the node."""
        from remote.swarm import nodes as swarm_nodes

        run, labels = self._run, self._wanted(self._run.live_state.swarm)
        # The swarm moves a service with the label that holds it: not to where its data is missing.
        if refused := refused_volumes(run):
            raise HostError(f"{self.host} keeps its labels: {', '.join(refused)} says why")
        node = run.state.record(self._swarm_task, SwarmRecord).node
        manager, client = run.connections.manager()
        was_aside = swarm_nodes.ensure_node_labels(
            manager.short, client, node, labels, work.log, partial(_is_of_orphan, run.stage)
        )
        if self.host in run.progress.replaced or was_aside:
            wait_until_back(run, self._host, run.progress.replaced.get(self.host), work.log)
            end_silence_of_host(run, self._host, work.log)
            run.live_state.renew(self._host)
        return FactRecord(id=sha256(str(sorted(labels.items()))))

    def recall(self, work: Work) -> FactRecord | None:
        """Return the record of a node that is labelled; one that a run has set aside since stays so."""
        if self.real(work.key) is not None:
            return None
        return FactRecord(id=sha256(str(sorted(self._wanted(self._run.live_state.swarm).items()))))

    def real(self, key: str) -> str | None:
        """Compare with the labels of the node."""
        del key
        run = self._run
        if self.host in run.progress.replaced:
            return f"{self.host} was taken down in this run, and takes tasks again"
        node = run.state.record(self._swarm_task, SwarmRecord).node
        return run.live_state.node_labels(
            node, self._wanted(run.live_state.swarm), partial(_is_of_orphan, run.stage)
        )

    def _wanted(self, swarm: SwarmState) -> dict[str, str]:
        """Return the labels that the node is to have, given the swarm as it is now."""
        node = self._run.state.record(self._swarm_task, SwarmRecord).node
        return with_held_labels(self._run.stage, self._host, swarm, node)


def node_labels(stage: Stage, host: Host) -> dict[str, str]:
    """Return the labels of a node that are skep's, or from site.toml."""
    labels = {**stage.labels, NAME_LABEL: host.short}
    for name in stage.volumes:
        if host in stage.volume_hosts(name):
            labels[f"{VOLUME_LABEL}{name}"] = "true"
    given = stage.given_labels(host)
    return {**labels, **given, GIVEN_LABEL: ",".join(sorted(given))} if given else labels


def with_held_labels(stage: Stage, host: Host, swarm: SwarmState, node: str) -> dict[str, str]:
    """Return the labels that a node is to have while services are deployed as they are.

    One that site.toml no longer gives stays as long as a deployed service asks for it: the swarm would end its tasks at
    once, before the service is deployed with other constraints.

    Args:
        stage: The stage.
        host: The hive.
        swarm: The swarm.
        node: The hive's node.

    """
    labels, there = node_labels(stage, host), labels_of(swarm.nodes.get(node, {}))
    given = stage.given_labels(host)
    asked = {label for service in swarm.services.values() for label in _labels_asked(service)}
    held = {
        name: there[name]
        for name in there.get(GIVEN_LABEL, "").split(",")
        if name in there and name in asked and name not in given
    }
    return {**labels, **held, GIVEN_LABEL: ",".join(sorted({**given, **held}))} if held else labels


def _labels_asked(service: Mapping[str, Any]) -> set[str]:
    """Return the labels of nodes that a service asks for, as it is deployed."""
    found = set()
    for text in (service["Spec"]["TaskTemplate"].get("Placement") or {}).get("Constraints") or ():
        with suppress(ValueError):
            found.add(parse_constraint(text).label)
    return found - {""}


def release_labels(run: Run, log: Log) -> None:
    """Take labels off the nodes that no service asks for any more, after a run that deployed services.

    Raises:
        SkepError: No manager answers, or it refuses.

    """
    if not run.progress.deployed:
        return
    held = {
        hive: record.node
        for hive in run.stage.hives
        if (record := run.state.read(swarm_task(hive.short), SwarmRecord)) is not None
        and _is_held(run.stage, hive, run.live_state.swarm, record.node)
    }
    if not held:
        return
    from remote.swarm import nodes as swarm_nodes

    swarm = run.live_state.swarm_now()
    manager, client = run.connections.manager()
    for hive, node in held.items():
        labels = with_held_labels(run.stage, hive, swarm, node)
        swarm_nodes.ensure_node_labels(
            manager.short, client, node, labels, log, partial(_is_of_orphan, run.stage)
        )


def _is_held(stage: Stage, hive: Host, swarm: SwarmState, node: str) -> bool:
    """Return whether a node keeps labels that site.toml no longer gives."""
    return with_held_labels(stage, hive, swarm, node) != node_labels(stage, hive)


def _is_of_orphan(stage: Stage, label: str) -> bool:
    """Return whether a node's label is of a volume that the stage no longer has.

    It stays until `doit prune`: without it the swarm would end a service that site.toml no longer has as well.
    """
    return label.startswith(VOLUME_LABEL) and label.removeprefix(VOLUME_LABEL) not in stage.volumes


def prune_labels(run: Run, log: Log) -> list[str]:
    """Take the labels of volumes that the stage no longer has off the hives; return the problems.

    A service that stays may still be held where it is by one, as long as it was not deployed anew.
    """
    stays = partial(_is_constraint, _constraints(run.stage, run.live_state.swarm))
    nodes = _nodes_to_prune(run.stage, run.state, run.live_state.swarm)

    def clear(short: str) -> None:
        from remote.swarm import nodes as swarm_nodes

        manager, client = run.connections.manager()
        labels = node_labels(run.stage, run.stage.host(short))
        # That the volume goes is said already; all labels of the node would say nothing to whoever removes one.
        swarm_nodes.ensure_node_labels(manager.short, client, nodes[short], labels, lambda _line: None, stays)

    return each(nodes, clear, log)


def _constraints(stage: Stage, swarm: SwarmState) -> set[str]:
    """Return the placement constraints of the services that stay, as they are deployed."""
    templates = [
        service["Spec"]["TaskTemplate"] for name, service in swarm.services.items() if name in stage.services
    ]
    return {
        constraint
        for template in templates
        for constraint in (template.get("Placement") or {}).get("Constraints") or ()
    }


def _is_constraint(constraints: set[str], label: str) -> bool:
    """Return whether a constraint asks for a label."""
    return f"node.labels.{label}==true" in constraints


def _nodes_to_prune(stage: Stage, state: State, swarm: SwarmState) -> dict[str, str]:
    """Return the hives whose nodes have the label of a volume that the stage no longer has, each with its node."""
    nodes = {}
    for hive in stage.hives:
        record = state.read(swarm_task(hive.short), SwarmRecord)
        node = swarm.nodes.get(record.node, {}) if record is not None else {}
        if record is not None and any(_is_of_orphan(stage, label) for label in labels_of(node)):
            nodes[hive.short] = record.node
    return nodes
