"""The inbound rules of a stage's hosts, for the hosts' own firewalls and for a cloud's. Pure.

The hosts' own one (`remote/hostsetup/firewall.py`) knows each host's part; a cloud's is one list for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from model.keys.digest import Inputs
from model.stage import REGISTRY_PORT, Host, Stage

ANYWHERE = ("0.0.0.0/0", "::/0")
INSIDE = "the stage's hosts"
"""The source of a rule for traffic between the stage's hosts."""

SSH_PORT, NFS_PORT = 22, 2049


@dataclass(frozen=True, order=True)
class Rule:
    """An inbound rule.

    Args:
        protocol: `tcp`, `udp`, `sctp`, `icmp` or `esp`.
        port: The port; 0 where the protocol has none.
        source: The network that it may come from, or `INSIDE`.

    """

    protocol: str
    port: int
    source: str

    def __str__(self) -> str:
        return (
            f"{self.port}/{self.protocol} from {self.source}"
            if self.port
            else f"{self.protocol} from {self.source}"
        )


def swarm_ports(stage: Stage) -> tuple[tuple[str, int], ...]:
    """Return the ports of traffic between hives: management, gossip, overlay networks. Encrypted ones add ESP."""
    return ("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", stage.data_path_port)


def published(stage: Stage, host: Host) -> list[tuple[str, int]]:
    """Return protocol and number of each port that the stage's services publish on a host; only hives have any."""
    if not host.is_hive:
        return []
    return sorted(
        {
            (port.protocol, port.published)
            for service in stage.services.values()
            for port in service.ports
            if port.published
        }
    )


def left_open(stage: Stage, host: Host) -> list[str]:
    """Return the protocols of ports that skep chooses. As with hive-builder, only the stage's hosts may reach them."""
    if not host.is_hive:
        return []
    return sorted({port.protocol for s in stage.services.values() for port in s.open_ports})


def inbound(stage: Stage) -> list[Rule]:
    """Return the inbound rules of a cloud's firewall for a stage, in a fixed order; its networks have IPv4 alone."""
    return sorted(set(_inbound(stage)))


def rule_inputs(rules: list[Rule]) -> Inputs:
    """Return rules as inputs, one input each, so that a new port shows as a new input."""
    return {str(rule): "open" for rule in rules}


def _inbound(stage: Stage) -> Iterator[Rule]:
    """Yield the rules."""
    anywhere = ANYWHERE[0]
    # Hosts find out the path MTU by ICMP.
    yield Rule("icmp", 0, anywhere)
    for source in stage.config.ssh_source_ips or [anywhere]:
        if ":" not in source:
            yield Rule("tcp", SSH_PORT, source)
    for hive in stage.hives:
        for protocol, port in published(stage, hive):
            yield Rule(protocol, port, anywhere)
    for protocol, port in swarm_ports(stage):
        yield Rule(protocol, port, INSIDE)
    yield Rule("esp", 0, INSIDE)
    yield Rule("tcp", REGISTRY_PORT, INSIDE)
    if stage.has_nfs:
        yield Rule("tcp", NFS_PORT, INSIDE)
