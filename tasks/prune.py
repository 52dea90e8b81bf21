"""Removing what is left over, in an order in which nothing that is still used goes. Used by `doit prune` alone.

Every removal finds first and tolerates that nothing is there, so that a prune that was killed is simply run again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby

from model.record import SwarmRecord
from model.stage import Host
from remote.hostsetup.undo import accounts_script, undo_script
from tasks import build_volumes, retention, setup_hosts
from tasks.leftovers import (
    ACCOUNT,
    CONFIG,
    HOST,
    IMAGE,
    NETWORK,
    NODE,
    RESOURCE,
    SECRET,
    SERVICE,
    STEP,
    VOLUME,
    Leftover,
)
from tasks.run import Run
from tasks.teardown import FORGET, each, remove_when_free, volumes_on

UNDO_TIMEOUT = 120
Say = Callable[[str], None]


def goes(left: Leftover, volumes: Collection[str]) -> bool:
    """Return whether a thing can go now, given the volumes that a person named; a host takes its data with it."""
    return not left.held and set(left.holds) <= set(volumes) and (left.kind != VOLUME or left.name in volumes)


def with_volumes(run: Run, found: Sequence[Leftover]) -> tuple[list[Leftover], list[str]]:
    """Return what is left over with the volumes of hosts that go, each of them asked, and what could not be asked.

    Of one that does not answer, the volumes that are recorded there count. A host that is not the provider's own stays
    with all that it has.
    """
    hosts = [left.name for left in found if left.kind == HOST] if run.provider.owns else []
    things = run.probe.things
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        said = dict(
            zip(
                hosts,
                pool.map(lambda name: volumes_on(run, name, running=things[name].running), hosts),
                strict=True,
            )
        )
    whole = [
        replace(left, holds=tuple(sorted(said[left.name][0]))) if left.kind == HOST and hosts else left
        for left in found
    ]
    return whole, [f"{name}: {why}" for name, (_, why) in said.items() if why]


def prune(run: Run, found: Sequence[Leftover], say: Say) -> list[str]:
    """Remove these, kind by kind; return what could not be removed.

    Args:
        run: The run, which holds the stage.
        found: What goes, in the order in which it can.
        say: Tells the person.

    """
    problems: list[str] = []
    for kind, some in groupby(found, key=lambda left: left.kind):
        going = {left.words: left for left in some}
        if kind == IMAGE:
            problems += each(["images"], lambda _, going=going: _images(run, going.values(), found, say), say)  # type: ignore[misc]
        else:
            problems += each(going, partial(_one, run, going, say), say)
    return problems + _labels(run, say)


def _one(run: Run, going: Mapping[str, Leftover], say: Say, words: str) -> None:
    """Remove one thing, and what is kept of it here."""
    left = going[words]
    if left.kind in _REMOVE_SAYING:
        _REMOVE_SAYING[left.kind](run, left, say)
    else:
        _REMOVE[left.kind](run, left)
    if left.counts and left.kind != ACCOUNT:
        run.state.forget(left.task)
    say(f"removed {words}")


def _service(run: Run, left: Leftover) -> None:
    """Remove a service with its generations; its containers end in their own time."""
    from remote.generations import forget

    host, client = run.manager()
    forget(client, left.name, run.stage.labels)
    remove_when_free(client.api.remove_service, left.id, host.short, left.words)


def _node(run: Run, left: Leftover, say: Say) -> None:
    """Take a node that is no hive any more out of the swarm, in order."""
    node = run.probe.swarm.nodes[left.id]
    gone = Host(
        left.name,
        node["Description"]["Hostname"],
        node["Status"].get("Addr", ""),
        is_hive=True,
        is_repository=False,
    )
    _retire(run, gone, say)
    if left.name in {host.short for host in run.stage.hosts}:
        _leave(run, gone)


def _retire(run: Run, host: Host, say: Say) -> None:
    """End a host's tasks and take it out of the swarm, one host at a time, and never the majority of the managers.

    Raises:
        HostError: No other manager answers, or the swarm can't do without it.

    """
    from remote import swarm

    with run.lock("replacing a host"):
        beside, client = run.manager()
        swarm.check_expendable(beside.short, client, host, ())
        swarm.retire(beside.short, client, host, say)


def _leave(run: Run, host: Host) -> None:
    """Have a host's engine know that it is in no swarm any more."""
    from remote.engine import engine_errors

    client = run.engine(host)
    with engine_errors(host.short, "leaving the swarm"):
        if client.info()["Swarm"].get("LocalNodeState") != "inactive":
            client.swarm.leave(force=True)


def _host(run: Run, left: Leftover, say: Say) -> None:
    """Take a host out of the swarm, and then remove it; one that is not the provider's own only leaves the stage."""
    former = {host.short: host for host in run.former_hosts}
    # Where state/ does not know it, it may still be in the swarm by its name.
    host = former.get(left.name) or _by_name(run, left.name)
    _retire(run, host, say)
    if not run.provider.owns:
        _leave(run, host)
        run.connection(host).script(
            FORGET, timeout=UNDO_TIMEOUT, shown="removing the marks of what was set up"
        )
    run.reset(host)
    run.provider.remove(left.name, say)
    for phase, names in (
        (setup_hosts.PHASE, f"{left.name}.*.json"),
        (build_volumes.PHASE, f"*@{left.name}.json"),
    ):
        for path in sorted((run.state.root / phase).glob(names)):
            run.state.forget(f"{phase}:{path.stem}")


def _by_name(run: Run, short: str) -> Host:
    """Return a host that the stage had, as far as its name says."""
    first = run.stage.hosts[0]
    name = first.name.replace(first.short, short, 1)
    return Host(short, name, "", is_hive=True, is_repository=False)


def _resource(run: Run, left: Leftover, say: Say) -> None:
    """Remove what the provider made beside hosts."""
    run.provider.remove(left.name, say)


def _labels(run: Run, say: Say) -> list[str]:
    """Take the labels of volumes that the stage no longer has off the hives; return what went wrong.

    A service that stays may still be held where it is by one, as long as it was not deployed anew.
    """
    from remote import swarm

    specs = [seen["Spec"] for name, seen in run.probe.swarm.services.items() if name in run.stage.services]
    held = {
        word
        for spec in specs
        for word in (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ()
    }

    def stays(label: str) -> bool:
        return f"node.labels.{label}==true" in held

    def clear(short: str) -> None:
        manager, client = run.manager()
        node, hive = nodes[short], run.stage.host(short)
        swarm.ensure_node_labels(manager.short, client, node, setup_hosts.node_labels(run, hive), say, stays)

    nodes = {}
    for hive in run.stage.hives:
        record = run.state.read(f"{setup_hosts.PHASE}:{hive.short}.swarm", SwarmRecord)
        seen = run.probe.swarm.nodes.get(record.node, {}) if record is not None else {}
        if record and any(
            setup_hosts.is_left_over(run, label) for label in seen.get("Spec", {}).get("Labels") or {}
        ):
            nodes[hive.short] = record.node
    return each(nodes, clear, say)


def _network(run: Run, left: Leftover) -> None:
    """Remove a network, as soon as no container is in it."""
    host, client = run.manager()
    remove_when_free(client.api.remove_network, left.id, host.short, left.words)


def _secret(run: Run, left: Leftover) -> None:
    """Remove a Docker secret."""
    host, client = run.manager()
    remove_when_free(client.api.remove_secret, left.id, host.short, left.words)


def _config(run: Run, left: Leftover) -> None:
    """Remove a Docker config."""
    host, client = run.manager()
    remove_when_free(client.api.remove_config, left.id, host.short, left.words)


def _step(run: Run, left: Leftover) -> None:
    """Undo a set-up step of a host."""
    _on_host(run, left, undo_script(left.name))


def _account(run: Run, left: Leftover) -> None:
    """Remove an account from a host; its files stay."""
    _on_host(run, left, accounts_script([left.name]))


def _on_host(run: Run, left: Leftover, script: str) -> None:
    """Run a script on the host of a thing."""
    connection = run.connection(run.stage.host(left.host))
    connection.script(script, timeout=UNDO_TIMEOUT, shown=f"removing {left.words}")


def _volume(run: Run, left: Leftover) -> None:
    """Remove a volume that a person named, as soon as no container uses it."""
    from remote.volumes import remove_ended

    host = run.stage.host(left.host)
    client = run.engine(host)

    def remove(name: str) -> None:
        remove_ended(client, name)
        client.api.remove_volume(name)

    remove_when_free(remove, left.name, host.short, left.words)


def _images(run: Run, left: Iterable[Leftover], found: Sequence[Leftover], say: Say) -> None:
    """Remove all versions of images that nothing uses, but for what a service that stays would go back to."""
    names = {image.name for image in left}
    gone = {service.name for service in found if service.kind == SERVICE}
    used = retention.in_use(run, but=gone)
    known = retention.generations(run)
    old = [
        each for each in known if each.repository in names and f"{each.repository}@{each.digest}" not in used
    ]
    kept = [each for each in known if each not in old]
    if old and retention.remove(run, old, kept, say):
        for name in sorted(names - {each.repository for each in kept}):
            say(f"removed {IMAGE} {name}")
    for image in left:
        run.state.forget(image.task)


_REMOVE: dict[str, Callable[[Run, Leftover], None]] = {
    SERVICE: _service,
    NETWORK: _network,
    SECRET: _secret,
    CONFIG: _config,
    STEP: _step,
    ACCOUNT: _account,
    VOLUME: _volume,
}
_REMOVE_SAYING: dict[str, Callable[[Run, Leftover, Say], None]] = {
    NODE: _node,
    HOST: _host,
    RESOURCE: _resource,
}
"""What takes longer, and is told as it goes on."""
