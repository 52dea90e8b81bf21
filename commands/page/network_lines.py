"""The lines of a picture that stand for networks: as many as there is room for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.page.site_parts import PageNetwork, PageService


@dataclass(frozen=True)
class NetworkLine:
    """A line on the left: a network, or all those for which there is no room.

    Args:
        name: What is written at its beginning.
        tooltip: What it is, in words.
        members: The services in it.
        is_well: Whether nothing is wrong with it.
        is_bundle: Whether it stands for several networks.

    """

    name: str
    tooltip: str
    members: frozenset[str]
    is_well: bool
    is_bundle: bool = False


def network_lines(
    networks: Sequence[PageNetwork], services: Sequence[PageService], most: int
) -> list[NetworkLine]:
    """Return the lines for the networks, the last one for all those for which there is no room.

    Args:
        networks: The networks.
        services: The services.
        most: How many lines there is room for.

    """
    found = []
    for network in networks:
        members = frozenset(each.name for each in services if network.name in each.networks)
        subnets = f" {', '.join(network.subnets)}" if network.subnets else ""
        tooltip = f"network {network.name}: {', '.join(sorted(members)) or 'no service'}"
        found.append(NetworkLine(f"network {network.name}{subnets}", tooltip, members, not network.problems))
    if len(found) <= most:
        return found
    own, others = found[: most - 1], found[most - 1 :]
    names = ", ".join(network.name for network in networks[most - 1 :])
    bundle = NetworkLine(
        f"{len(others)} more networks: {names}",
        "\n".join(each.tooltip for each in others),
        frozenset[str]().union(*(each.members for each in others)),
        all(each.is_well for each in others),
        is_bundle=True,
    )
    return [*own, bundle]
