"""A service's published ports: those of site.toml, and those that were chosen where it leaves them open."""

from collections.abc import Iterable, Mapping

from model import site as types
from model.keys.record import PortsRecord
from model.labels import PORT_LABEL
from model.site import PublishedPort
from model.stage import Stage
from tasks.names import PORTS_TASK
from tasks.run.state import State

Choices = Mapping[str, int]
"""`<service> <container's port>/<protocol>` to the host's port."""


def leaves_ports_open(stage: Stage) -> bool:
    """Return whether any service leaves a published port open."""
    return any(service.open_ports for service in stage.services.values())


def published_ports(stage: Stage, state: State, name: str) -> list[PublishedPort]:
    """Return a service's published ports, with those that were chosen.

    Raises:
        KeyError: One is not chosen yet.

    """
    service = stage.services[name]
    if not service.open_ports:
        return service.ports
    chosen = state.record(PORTS_TASK, PortsRecord).ports
    return [port.at(_chosen(chosen, name, port)) if port.is_open else port for port in service.ports]


def _chosen(choices: Choices, name: str, port: PublishedPort) -> int:
    """Return the number that was chosen for a port."""
    try:
        return choices[choice_name(name, port)]
    except KeyError:
        raise KeyError(PORTS_TASK) from None


def choices_of(state: State) -> Choices:
    """Return all choices that were made; nothing before the first."""
    record = state.read(PORTS_TASK, PortsRecord)
    return record.ports if record is not None else {}


def port_labels(service: types.Service, published: Iterable[PublishedPort]) -> dict[str, str]:
    """Return the labels that keep a service's chosen ports."""
    left_open = {(port.target, port.protocol) for port in service.open_ports}
    return {
        f"{PORT_LABEL}{port.target}.{port.protocol}": str(port.published)
        for port in published
        if (port.target, port.protocol) in left_open
    }


def choice_name(name: str, port: PublishedPort) -> str:
    """Return the name of a choice; no two services and ports have the same."""
    return f"{name} {port.target}/{port.protocol}"
