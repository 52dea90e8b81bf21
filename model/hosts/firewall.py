"""The inbound rules of a stage's hosts, for the hosts' own firewalls and for a cloud's. Pure.

The hosts' own one (`remote/hostsetup/firewall.py`) knows each host's part; a cloud's is one list for all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model.hosts.possible_hives import may_run_on
from model.keys.digest import Inputs
from model.site.base import LAST_PORT
from model.site.logs import LOGS_PORT
from model.site.monitoring import ENGINE_METRICS_PORT, NODE_METRICS_PORT
from model.site.services import FIRST_FREE_PORT, OPEN_TO_ALL, OPEN_TO_STAGE
from model.stage import REGISTRY_PORT, Host, Stage

ANYWHERE = ("0.0.0.0/0", "::/0")
INSIDE = "the stage's hosts"
"""The source of a rule for traffic between the stage's hosts."""

SSH_PORT, NFS_PORT = 22, 2049
BACKUP_PORT = 8843
"""The port of the backup server on the repository host."""


@dataclass(frozen=True, order=True)
class Rule:
    """An inbound rule.

    Args:
        protocol: `tcp`, `udp`, `sctp`, `icmp` or `esp`.
        port: The port, or the first one; 0 where the protocol has none.
        source: The network that it may come from, or `INSIDE`.
        last: The last port; 0 where there is only one.

    """

    protocol: str
    port: int
    source: str
    last: int = 0

    @property
    def ports(self) -> str:
        """The port, or the range of ports; empty where the protocol has none."""
        return "" if not self.port else f"{self.port}-{self.last}" if self.last else str(self.port)

    def __str__(self) -> str:
        return (
            f"{self.ports}/{self.protocol} from {self.source}"
            if self.port
            else f"{self.protocol} from {self.source}"
        )


def range_of(protocol: str, first: int, last: int, source: str) -> Rule:
    """Return the rule of a range of ports, which may have only one."""
    return Rule(protocol, first, source, last if last != first else 0)


def swarm_ports(stage: Stage) -> tuple[tuple[str, int], ...]:
    """Return the ports of traffic between hives: management, gossip, overlay networks. Encrypted ones add ESP."""
    return ("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", stage.data_path_port)


def metrics_ports(stage: Stage) -> tuple[int, ...]:
    """Return the ports at which hosts tell their metrics; none if the site does not watch itself."""
    return (NODE_METRICS_PORT, ENGINE_METRICS_PORT) if stage.site.monitoring is not None else ()


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


def open_to(stage: Stage, host: Host) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return whom each port that is published on a host is open to: networks, `INSIDE`, or `ANYWHERE` for all."""
    found: dict[tuple[str, int], set[str]] = {key: set() for key in published(stage, host)}
    for service in stage.services.values():
        for port in service.ports:
            if (port.protocol, port.published) not in found:
                continue
            # Two services may have one port, each on hives of its own.
            if port.mode != "host" or may_run_on(host, stage, service):
                found[port.protocol, port.published].update(_sources(port.sources))
    return {key: tuple(sorted(sources)) for key, sources in found.items()}


def chosen_open_to(stage: Stage, host: Host) -> dict[str, tuple[str, ...]]:
    """Return the protocols of the ports that skep chooses, each with whom one of them is open to.

    Their numbers are not known before services are deployed: all are open to whom any of them is.
    """
    return {
        protocol: tuple(
            sorted(
                {
                    source
                    for service in stage.services.values()
                    for port in service.open_ports
                    if port.protocol == protocol
                    for source in _sources(port.sources)
                }
            )
        )
        for protocol in left_open(stage, host)
    }


def _sources(words: Iterable[str]) -> Iterator[str]:
    """Yield the sources of rules for whom a port is open to."""
    for word in words:
        if word == OPEN_TO_ALL:
            yield from ANYWHERE
        else:
            yield INSIDE if word == OPEN_TO_STAGE else word


def _network(source: str) -> str:
    """Return a source as clouds take it: an address alone as the network of one host."""
    return source if source == INSIDE or "/" in source else f"{source}/32"


def left_open(stage: Stage, host: Host) -> list[str]:
    """Return the protocols of ports that skep chooses. Only the stage's hosts may reach them, unless they say more."""
    if not host.is_hive:
        return []
    return sorted({port.protocol for s in stage.services.values() for port in s.open_ports})


def may_reach_metadata(stage: Stage, host: Host) -> bool:
    """Return whether containers on a host may reach the cloud's metadata service: a service that says so may run there.

    Containers of all services leave a host by one bridge, so that they can't be told from one another.
    """
    return any(service.metadata and may_run_on(host, stage, service) for service in stage.services.values())


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
            yield Rule("tcp", SSH_PORT, _network(source))
    for hive in stage.hives:
        for (protocol, port), sources in open_to(stage, hive).items():
            yield from (Rule(protocol, port, _network(source)) for source in sources if ":" not in source)
        for protocol, sources in chosen_open_to(stage, hive).items():
            for source in sources:
                if ":" not in source:
                    yield Rule(protocol, FIRST_FREE_PORT, _network(source), LAST_PORT)
    for protocol, port in swarm_ports(stage):
        yield Rule(protocol, port, INSIDE)
    yield Rule("esp", 0, INSIDE)
    yield Rule("tcp", REGISTRY_PORT, INSIDE)
    if stage.site.backup is not None:
        yield Rule("tcp", BACKUP_PORT, INSIDE)
    for port in metrics_ports(stage):
        yield Rule("tcp", port, INSIDE)
    if stage.site.logs is not None:
        yield Rule("tcp", LOGS_PORT, INSIDE)
    if stage.has_nfs:
        yield Rule("tcp", NFS_PORT, INSIDE)
