"""Hosts that are to have other addresses: what is in the way is looked for before anything is changed.

One host alone is replaced in its turn (`tasks/hosts/rolling_replace.py`). Where all have to leave their network at
once, as for another `cidr` of provider docker, no swarm lives through that, and it is refused.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from model.keys.record import HostRecord
from model.stage import Host
from model.swarm.node_address import is_displaced
from providers.base import Found
from tasks.hosts import registry_host
from tasks.run.context import Run


def refusal(run: Run, task: str = "") -> str:
    """Return why the run may not change hosts and networks that exist; empty if it may.

    Looked for once a run, before anything is changed. It also notes whether all hosts move in this run.

    Args:
        run: The run.
        task: The task that asks; of all that ask, the first says why.

    """
    first, lines = run.coordination.found_once(
        "look for obstacles to moving hosts", task, lambda: _obstacles(run)
    )
    if lines and task and first != task:
        return f"nothing was changed: see the error of {first}"
    return "\n".join(lines)


def moves_at_once(run: Run) -> bool:
    """Return whether all hosts move at once: into another network, or so many that the swarm has no majority."""
    if run.provider.owns:
        return run.provider.moves_at_once(run.live_state.things) or _has_no_network(run)
    hives = [hive for hive in run.stage.hives if _record(run, hive) is not None]
    moved = moved_hosts(run)
    left = [hive for hive in hives if hive.short not in moved]
    return len(left) <= len(hives) // 2 < len(hives)


def _has_no_network(run: Run) -> bool:
    """Return whether the network of all hosts is gone, and they are to have other addresses in the new one."""
    hosts = [thing for thing in run.live_state.things.values() if thing.is_host and thing.key]
    recorded = {host.short for host in run.stage.hosts if _record(run, host) is not None}
    return bool(hosts) and all(thing.has_no_network for thing in hosts) and recorded == {*moved_hosts(run)}


def is_under_way(run: Run) -> bool:
    """Return whether a run that moved all hosts was killed, so that the site stands still anyway.

    Where the network is to be replaced, that is so only if every host has left the one that it had: it is in none, or
    it is in a newer one, where the swarm knows its hives by other addresses. Hosts that are stopped left nothing: they
    are as `doit halt` left them. Where no network is to be replaced, half of the hives or more are in no network, or
    known to the swarm by another address than they have. Hosts that are to have other addresses while the stage has no
    network at all are not under way: that is refused as any other move of all.
    """
    if run.provider.owns and _has_no_network(run):
        return False
    things = run.live_state.things
    hives = {hive.short: hive for hive in run.stage.hives}
    elsewhere = {short for short, hive in hives.items() if _knows_another(run, hive)}
    outside = {thing.name for thing in things.values() if thing.is_host and thing.is_displaced}
    if run.provider.owns and moves_at_once(run):
        made = {thing.name for thing in things.values() if thing.is_host and thing.key}
        # No swarm tells of a host that is no hive whether it is in the newer network.
        left = outside | elsewhere | (made - hives.keys() if elsewhere else set())
        return bool(made) and made <= left
    known = {short for short, hive in hives.items() if _record(run, hive) is not None or short in things}
    out = known & (outside | elsewhere)
    return bool(out) and 2 * len(out) >= len(known)


def moved_hosts(run: Run) -> dict[str, str]:
    """Return the hosts that are to have another address than they were recorded with, each with that address."""
    found = {}
    for host in run.stage.hosts:
        record = _record(run, host)
        if record is not None and record.address != host.address and host.short not in run.may_replace:
            found[host.short] = record.address
    return found


def outside_cidr(run: Run) -> str:
    """Return that hosts exist with addresses that are not in the stage's network, as far as state/ knows; else ""."""
    if run.stage.config.cidr is None:
        return ""
    network = ipaddress.ip_network(run.stage.config.cidr)
    for host in run.stage.hosts:
        record = _record(run, host)
        if record is not None and ipaddress.ip_address(record.address) not in network:
            return (
                f"stages.{run.stage.name}.cidr: {network} is another network than that of the hosts ({host.short} has "
                f"{record.address}): see doit plan"
            )
    return ""


def _record(run: Run, host: Host) -> HostRecord | None:
    """Return a host's record, if it has one."""
    return run.state.host_record(host)


def _knows_another(run: Run, hive: Host) -> bool:
    """Return whether a hive's engine has another address in the swarm than the host has now."""
    record = _record(run, hive)
    swarm = run.live_state.host(hive).info.get("Swarm") or {}
    return record is not None and is_displaced(swarm, record.address)


def _obstacles(run: Run) -> Sequence[str]:
    """Return all that is in the way, and note whether all hosts move."""
    found, moved = run.live_state.things, moved_hosts(run)
    at_once = moves_at_once(run)
    under_way = is_under_way(run)
    run.progress.moves = at_once or under_way
    if not found and not moved:
        return ()
    lines = [*run.provider.obstacles(found, moved), *registry_host.obstacles(run)]
    if moved or at_once:
        lines += _overlay_addresses(run)
    if not at_once:
        return [*lines, *(_exchanged(run, found, moved) if not under_way else ())]
    if not under_way and not lines:
        lines.append(_way_out(run, moved))
    return lines


def _way_out(run: Run, moved: Mapping[str, str]) -> str:
    """Return that the hosts do not move, and what a person can do."""
    example = ""
    for short, address in list(moved.items())[:1]:
        example = f" ({short} from {address} to {run.stage.host(short).address})"
    return (
        f"stages.{run.stage.name}: all hosts would have to move to other addresses at once{example}, and their swarm "
        "can't follow: put site.toml back; or save the data, doit destroy, and run doit again; or make another stage "
        "there and take the data to it"
    )


def _exchanged(run: Run, found: Mapping[str, Found], moved: Mapping[str, str]) -> Iterator[str]:
    """Yield the hosts that can't have their addresses, since others of the stage have them until they move."""
    if not run.provider.owns:
        return
    owners = {
        record.address: host.short
        for host in run.stage.hosts
        if (record := _record(run, host)) is not None and host.short in found
    }
    for short in moved:
        address = run.stage.host(short).address
        other = owners.get(address, short)
        if other != short:
            yield (
                f"{short}: can't have {address}, which {other} has until it moves itself: give {other} another "
                "address in a run before this one"
            )


def _overlay_addresses(run: Run) -> Iterator[str]:
    """Yield the addresses of overlay networks that the hosts' new ones would lie in: such networks reach nothing."""
    infos = [run.live_state.host(hive).info.get("Swarm") or {} for hive in run.stage.hives]
    pools = {pool for swarm in infos for pool in (swarm.get("Cluster") or {}).get("DefaultAddrPool") or ()}
    for network in run.live_state.swarm.networks.values():
        configs = (network.get("IPAM") or {}).get("Config") or ()
        pools |= {config["Subnet"] for config in configs if config.get("Subnet")}
    addresses = [ipaddress.ip_address(host.address) for host in run.stage.hosts]
    for pool in sorted(_overlapping(run, pools, addresses)):
        yield (
            f"stages.{run.stage.name}.cidr: {run.stage.config.cidr or addresses[0]} overlaps with {pool}, from which "
            "the swarm's overlay networks have their addresses: set another"
        )


def _overlapping(run: Run, pools: Iterable[str], addresses: Sequence[object]) -> Iterator[str]:
    """Yield the pools that share addresses with the stage's network, or have a host's in them."""
    cidr = ipaddress.ip_network(run.stage.config.cidr) if run.stage.config.cidr is not None else None
    for text in pools:
        pool = ipaddress.ip_network(text, strict=False)
        shares = cidr is not None and cidr.version == pool.version and cidr.overlaps(pool)
        if shares or any(address in pool for address in addresses):
            yield text
