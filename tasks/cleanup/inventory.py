"""The inventory of a stage: its hosts, volumes and other things, for `doit destroy`."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model.errors import SkepError
from model.stage import Stage
from providers.base import Provider
from tasks.hosts.volumes_on import maybe_on, stage_volumes
from tasks.run.connections import Connections
from tasks.run.place import Place
from tasks.run.state import State


@dataclass(frozen=True)
class Inventory:
    """A stage's hosts, volumes and other things.

    Args:
        owned: Whether the provider made the hosts, so that they go, too.
        hosts: The hosts by short name; where they are not owned, those that were set up.
        others: The provider's other things, in the order in which it can be removed.
        volumes: Volume to the hosts that hold it.
        doubts: Host to why it could not be asked for its volumes. The volumes that it may hold are in `volumes`.
        docs: The provider's things, each in words.
        stopped: The hosts that do not run, as far as the provider tells.

    """

    owned: bool
    hosts: tuple[str, ...]
    others: tuple[str, ...]
    volumes: Mapping[str, tuple[str, ...]]
    doubts: Mapping[str, str]
    docs: Mapping[str, str]
    stopped: frozenset[str] = frozenset()


def inventory(
    stage: Stage, state: State, connections: Connections, provider: Provider, place: Place
) -> Inventory:
    """Take the inventory, by one listing of the provider and one question to each host. Changes nothing.

    Raises:
        SkepError: The provider's listing can't be had.

    """
    wanted = {resource.name: resource for resource in provider.resources()}
    others: list[str] = []
    stopped: set[str] = set()
    if provider.owns:
        found = place.listing()
        hosts = [name for name in found if found[name].is_host]
        others = [name for name in reversed(list(found)) if not found[name].is_host]
        stopped = {name for name in hosts if not found[name].running}
    else:
        hosts = [host.short for host in stage.hosts if state.host_record(host) is not None]
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        answers = dict(
            zip(
                hosts,
                pool.map(
                    lambda name: _volumes_on(stage, state, connections, name, running=name not in stopped),
                    hosts,
                ),
                strict=True,
            )
        )
    volumes: dict[str, list[str]] = {}
    for name, (held, _) in answers.items():
        for volume in held:
            volumes.setdefault(volume, []).append(name)
    return Inventory(
        provider.owns,
        tuple(sorted(hosts)),
        tuple(others),
        {volume: tuple(sorted(where)) for volume, where in sorted(volumes.items())},
        {name: why for name, (_, why) in sorted(answers.items()) if why},
        {name: resource.doc for name, resource in wanted.items()},
        frozenset(stopped),
    )


def _volumes_on(
    stage: Stage, state: State, connections: Connections, name: str, *, running: bool
) -> tuple[list[str], str]:
    """Return the volumes that a host holds, and why it could not be asked, if so; then those that it may hold."""
    host = next((host for host in stage.hosts if host.short == name), None)
    if host is None:
        return maybe_on(stage, state, name, None), "the stage has no such host any more"
    if state.host_record(host) is None or not connections.files.key.exists():
        return maybe_on(stage, state, name, host), "state/ does not say how to log in"
    if not running:
        return maybe_on(stage, state, name, host), "it does not run"
    try:
        return stage_volumes(stage, connections.to(host)), ""
    except SkepError as error:
        return maybe_on(stage, state, name, host), str(error).splitlines()[0]
