"""The ports that a service publishes."""

from model import site as types
from model.units import Port, short_port


def ports(service: types.Service) -> list[Port]:
    """Return a service's published ports in their long form; those that can't be read are left out.

    Where the host's port is to be chosen, it is 0: `tasks/services/port_allocation.py` knows which it is.
    """
    found = []
    for port in service.ports:
        if isinstance(port, types.PortMap):
            found.append(Port(port.target_port, port.published_port or 0, port.protocol, port.mode))
            continue
        try:
            found.append(short_port(port))
        except ValueError:
            continue
    return found
