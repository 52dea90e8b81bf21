"""Removing what is left over, in an order in which nothing that is still used goes. Used by `doit prune` alone.

Every removal finds first and tolerates that nothing is there, so that a prune that was killed is simply run again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

from model.keys.record import SwarmRecord
from model.labels import labels_of
from model.log import Log
from remote.hostsetup.removal import accounts_script, undo_script
from tasks import setup_hosts
from tasks.cleanup import registry_gc
from tasks.cleanup.orphans import (
    ACCOUNT,
    CONFIG,
    HOST,
    IMAGE,
    NETWORK,
    SECRET,
    SERVICE,
    STEP,
    THING,
    VOLUME,
    Orphan,
)
from tasks.cleanup.teardown import each, remove_when_free
from tasks.hosts import decommission
from tasks.names import swarm_task
from tasks.run.context import Run

UNDO_TIMEOUT = 120


def goes(left: Orphan, volumes: Collection[str], on_host: Collection[str] = ()) -> bool:
    """Return whether a thing can go now, given the volumes that a person named, and those that go with a host."""
    if left.kind == HOST:
        return set(on_host) <= set(volumes)
    return not left.held and left.kind != THING and (left.kind != VOLUME or left.name in volumes)


def prune(run: Run, found: Sequence[Orphan], log: Log) -> list[str]:
    """Remove these, kind by kind; return what could not be removed.

    Args:
        run: The run, which holds the stage.
        found: What goes, in the order in which it can.
        log: Tells the person.

    """
    problems: list[str] = []
    for kind, some in groupby(found, key=lambda left: left.kind):
        going = {left.words: left for left in some}
        if kind == HOST:
            # In turn: each time the swarm has to do without one more.
            problems += [
                problem for words in going for problem in each([words], partial(_one, run, going, log), log)
            ]
        elif kind == IMAGE:
            problems += each(["images"], lambda _, going=going: _images(run, going.values(), found, log), log)  # type: ignore[misc]
        else:
            problems += each(going, partial(_one, run, going, log), log)
    return problems + _labels(run, log)


def _one(run: Run, going: Mapping[str, Orphan], log: Log, words: str) -> None:
    """Remove one thing, and what is kept of it here."""
    left = going[words]
    if left.kind == HOST:
        decommission.remove(run, left.name, log)
    else:
        _REMOVE[left.kind](run, left)
    if left.counts and left.kind != ACCOUNT:
        run.state.forget(left.task)
    log(f"removed {words}")


def _service(run: Run, left: Orphan) -> None:
    """Remove a service with its revisions; its containers end in their own time."""
    from remote.swarm.revisions import remove_revisions

    host, client = run.connections.manager()
    remove_revisions(client, left.name, run.stage.labels)
    remove_when_free(client.api.remove_service, left.id, host.short, left.words)


def _labels(run: Run, log: Log) -> list[str]:
    """Take the labels of volumes that the stage no longer has off the hives; return what went wrong.

    A service that stays may still be held where it is by one, as long as it was not deployed anew.
    """
    from remote.swarm import nodes as swarm_nodes

    specs = [
        seen["Spec"] for name, seen in run.live_state.swarm.services.items() if name in run.stage.services
    ]
    held = {
        word
        for spec in specs
        for word in (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ()
    }

    def stays(label: str) -> bool:
        return f"node.labels.{label}==true" in held

    def clear(short: str) -> None:
        manager, client = run.connections.manager()
        node, hive = nodes[short], run.stage.host(short)
        swarm_nodes.ensure_node_labels(
            manager.short, client, node, setup_hosts.node_labels(run, hive), log, stays
        )

    nodes = {}
    for hive in run.stage.hives:
        record = run.state.read(swarm_task(hive.short), SwarmRecord)
        seen = run.live_state.swarm.nodes.get(record.node, {}) if record is not None else {}
        if record and any(setup_hosts.is_left_over(run, label) for label in labels_of(seen)):
            nodes[hive.short] = record.node
    return each(nodes, clear, log)


def _network(run: Run, left: Orphan) -> None:
    """Remove a network, as soon as no container is in it."""
    host, client = run.connections.manager()
    remove_when_free(client.api.remove_network, left.id, host.short, left.words)


def _secret(run: Run, left: Orphan) -> None:
    """Remove a Docker secret."""
    host, client = run.connections.manager()
    remove_when_free(client.api.remove_secret, left.id, host.short, left.words)


def _config(run: Run, left: Orphan) -> None:
    """Remove a Docker config."""
    host, client = run.connections.manager()
    remove_when_free(client.api.remove_config, left.id, host.short, left.words)


def _step(run: Run, left: Orphan) -> None:
    """Undo a set-up step of a host."""
    _on_host(run, left, undo_script(left.name))


def _account(run: Run, left: Orphan) -> None:
    """Remove an account from a host; its files stay."""
    _on_host(run, left, accounts_script([left.name]))


def _on_host(run: Run, left: Orphan, script: str) -> None:
    """Run a script on the host of a thing."""
    connection = run.connections.to(run.stage.host(left.host))
    connection.script(script, timeout=UNDO_TIMEOUT, label=f"removing {left.words}")


def _volume(run: Run, left: Orphan) -> None:
    """Remove a volume that a person named, as soon as no container uses it."""
    from remote.swarm.volumes import remove_ended

    host = run.stage.host(left.host)
    client = run.connections.engine(host)

    def remove(name: str) -> None:
        remove_ended(client, name)
        client.api.remove_volume(name)

    remove_when_free(remove, left.name, host.short, left.words)


def _images(run: Run, left: Iterable[Orphan], found: Sequence[Orphan], log: Log) -> None:
    """Remove all versions of images that nothing uses, but for what a service that stays would go back to."""
    names = {image.name for image in left}
    gone = {service.name for service in found if service.kind == SERVICE}
    used = registry_gc.in_use(run, except_=gone)
    known = registry_gc.image_tags(run)
    old = [
        each for each in known if each.repository in names and f"{each.repository}@{each.digest}" not in used
    ]
    kept = [each for each in known if each not in old]
    if old and registry_gc.remove(run, old, kept, log):
        for name in sorted(names - {each.repository for each in kept}):
            log(f"removed {IMAGE} {name}")
    for image in left:
        run.state.forget(image.task)


_REMOVE: dict[str, Callable[[Run, Orphan], None]] = {
    SERVICE: _service,
    NETWORK: _network,
    SECRET: _secret,
    CONFIG: _config,
    STEP: _step,
    ACCOUNT: _account,
    VOLUME: _volume,
}
