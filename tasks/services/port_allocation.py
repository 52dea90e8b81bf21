"""Published ports that site.toml leaves open: chosen once, kept for life.

One task chooses for the whole stage, so that no order of reading matters. What was chosen is on the services
themselves, as a label for each port, and read back from there when `state/` is gone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.errors import ServiceError
from model.keys.digest import Inputs
from model.keys.record import PortsRecord
from model.labels import PORT_LABEL, belongs_to, labels_of
from model.site.base import LAST_PORT
from model.site.services import FIRST_FREE_PORT
from model.stage import Stage
from remote.checks.host_facts import HostFacts
from tasks.names import PORTS_TASK, swarm_tasks
from tasks.run.context import Run
from tasks.services.host_facts import facts_of_hives
from tasks.services.published_ports import Choices, choice_name
from tasks.step import Step, Work


def wanted(stage: Stage) -> list[str]:
    """Return the ports that are to be chosen, by name."""
    return sorted(
        choice_name(name, port) for name, service in stage.services.items() for port in service.open_ports
    )


def named(stage: Stage) -> dict[int, str]:
    """Return the ports that site.toml names itself, where they may be among those to choose from."""
    return {
        port.published: name
        for name, service in stage.services.items()
        for port in service.ports
        if port.published >= FIRST_FREE_PORT
    }


def choose(wants: Iterable[str], kept: Choices, taken: Iterable[int]) -> dict[str, int]:
    """Return the choices: those that are kept, and the lowest free number for each other port. Pure.

    Args:
        wants: The ports that are to be chosen.
        kept: What was chosen before, for these and for others that are still there.
        taken: Numbers that somebody else has.

    Raises:
        ServiceError: No number is left.

    """
    chosen = dict(kept)
    used = {*kept.values(), *taken}
    for name in sorted(wants):
        if name in chosen:
            continue
        free = (number for number in range(FIRST_FREE_PORT, LAST_PORT + 1) if number not in used)
        number = next(free, None)
        if number is None:
            raise ServiceError(f"no port from {FIRST_FREE_PORT} to {LAST_PORT} is free for {name}")
        chosen[name] = number
        used.add(number)
    return chosen


def on_services(services: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Yield the choices that services of the swarm carry."""
    for service in services:
        for label, number in labels_of(service).items():
            if label.startswith(PORT_LABEL) and number.isdecimal():
                target, _, protocol = label.removeprefix(PORT_LABEL).partition(".")
                yield f"{service['Spec']['Name']} {target}/{protocol}", int(number)


def on_hosts(facts: Iterable[HostFacts]) -> set[int]:
    """Return the ports that are taken on a hive: by programs that listen, and by anybody's containers."""
    return {number for host in facts for number, _protocol in (*host.listeners, *host.published)}


class PublishedPorts(Step):
    """The choice of the published ports that site.toml leaves open.

    Args:
        run: The run.

    """

    task = PORTS_TASK
    doc = "the published ports that site.toml leaves open"
    is_observed = False

    def __init__(self, run: Run) -> None:
        self._run = run
        self.after = self.containers = swarm_tasks(run.stage)

    def inputs(self) -> Inputs:
        """Return the swarm, the ports that are to be chosen, and those that site.toml names itself."""
        return {
            "swarm": self._run.state.swarm_id(self._run.stage),
            **{f"open {name}": "yes" for name in wanted(self._run.stage)},
            **{f"taken {number}": name for number, name in named(self._run.stage).items()},
        }

    def ensure(self, work: Work) -> PortsRecord:
        """Choose a number for each port that has none, and keep the others."""
        own, foreign = self._services()
        kept = self._kept(own)
        wants = wanted(self._run.stage)
        taken = {*named(self._run.stage), *_published(foreign)}
        if not set(wants) <= kept.keys():
            taken |= on_hosts(facts_of_hives(self._run.stage, self._run.connections, work.log).values())
        chosen = choose(wants, kept, taken)
        for name in wants:
            work.log(f"{name}: {chosen[name]}")
        return PortsRecord(ports=chosen)

    def recall(self, work: Work) -> PortsRecord | None:
        """Return the choice, if the services that are deployed carry all of it."""
        del work
        kept = dict(on_services(self._run.live_state.swarm.services.values()))
        wants = wanted(self._run.stage)
        return PortsRecord(ports={name: kept[name] for name in wants}) if set(wants) <= kept.keys() else None

    def _services(self) -> tuple[list[Any], list[Any]]:
        """Return the swarm's services: the stage's own, and others."""
        from remote.engine.client import engine_errors

        host, client = self._run.connections.manager()
        with engine_errors(host.short, "listing services", ServiceError):
            services = client.api.services()
        own = [s for s in services if belongs_to(labels_of(s), self._run.stage.labels)]
        return own, [service for service in services if service not in own]

    def _kept(self, own: Iterable[Any]) -> dict[str, int]:
        """Return the choices that stay.

        Raises:
            ServiceError: site.toml names a number that was chosen for another service.

        """
        before = self._run.state.read(PORTS_TASK, PortsRecord)
        known = {**(before.ports if before is not None else {}), **dict(on_services(own))}
        wants, there = wanted(self._run.stage), {service["Spec"]["Name"] for service in own}
        # A service that is no longer in site.toml keeps its ports until `doit prune` removes it.
        kept = {name: n for name, n in known.items() if name in wants or name.partition(" ")[0] in there}
        if clashes := [
            f"services.{name}.ports: {number} was chosen for {other} which keeps it: publish another"
            for number, name in named(self._run.stage).items()
            for other, chosen in kept.items()
            if chosen == number
        ]:
            raise ServiceError("\n".join(clashes))
        return kept


def _published(services: Iterable[Any]) -> set[int]:
    """Return the ports that services of the swarm publish."""
    return {
        port["PublishedPort"]
        for service in services
        for port in (service.get("Endpoint") or {}).get("Ports") or ()
        if port.get("PublishedPort")
    }
