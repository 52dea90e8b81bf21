"""The firewall of a host: which new connections it accepts, as iptables rules that are loaded at once and at boot.

They are in two chains of our own. Packets to the host itself pass `SKEP-INPUT` first. A published port that Docker
forwards to a container never comes there, and Docker accepts it: such packets pass `SKEP-DOCKER`, to which Docker's
chain `DOCKER-USER` leads. Others may write into that one; it is passed before all rules of Docker's, and the engine
neither empties it nor minds that it is there before (https://docs.docker.com/engine/network/packet-filtering-firewalls/).
In `SKEP-DOCKER` a port is the one that the packet was sent to, before Docker wrote the container's into it: the same
for `mode = "host"` and the routing mesh. What Docker's proxy takes comes to `SKEP-INPUT`: from a container of this
host, and over IPv6, where the engine does not write rules for that.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from model.hosts.firewall import (
    ANYWHERE,
    BACKUP_PORT,
    INSIDE,
    chosen_open_to,
    may_reach_metadata,
    metrics_ports,
    open_to,
    swarm_ports,
)
from model.keys.digest import Inputs
from model.site import PreparedStage
from model.site.base import LAST_PORT
from model.site.logs import LOGS_PORT
from model.site.services import FIRST_FREE_PORT
from model.stage import REGISTRY_PORT, Host, Stage
from remote.hostsetup.file_step import file_step
from remote.hostsetup.host_step import HostFile, HostStep

CHAIN = "SKEP-INPUT"
DOCKER_CHAIN = "SKEP-DOCKER"
SCRIPT = "/etc/skep/firewall"
METADATA = {4: "169.254.169.254", 6: "fd00:ec2::254"}
DNS_PORT = 53
_BRIDGES = ("docker0", "docker_gwbridge")
"""The engine's bridges on which the containers of a host are."""

_ALWAYS = {
    4: ("-p icmp", "-p udp --sport 67 --dport 68"),
    6: ("-p ipv6-icmp", "-s fe80::/10 -p udp --dport 546"),
}
"""By IP version: ICMP, without which IPv6 does not work and IPv4 badly; and DHCP, whose answers to a broadcast are not
known as answers."""

_UNIT = f"""\
# Made by skep.
[Unit]
Description=skep's firewall rules
# As early as the rules of a distribution: before there is a network that they should guard. Not ordered after
# sysinit.target, which cloud-init has wait for the network.
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
Wants=network-pre.target
Before=network-pre.target docker.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {SCRIPT} start
ExecReload=/bin/sh {SCRIPT} start
ExecStop=/bin/sh {SCRIPT} stop

[Install]
WantedBy=multi-user.target
"""

_FRAME = """\
#!/bin/sh
# Made by skep: the firewall of this host. Orders: start (load, or load anew), check (load nothing), stop (take out).
# The rules are loaded in one transaction: there is no moment at which half of them hold, and a mistake changes nothing.
set -eu
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
mkdir -p /run/sshd

# The ports that site.toml says, and those that sshd really has: seen through an address translation they may differ.
ssh_ports() {{
    {{
        printf '%s\\n' {ssh_ports}
        sshd -T -C user=root,host=localhost,addr=127.0.0.1 2>/dev/null | sed -n 's/^port //p'
    }} | sort -un
}}

ssh_rules() {{
    for port in $(ssh_ports); do
        for source in "$@"; do
            echo "-A {chain} -s $source -p tcp --dport $port -j ACCEPT"
        done
    done
}}

rules4() {{
    ssh_rules {ssh4}
    cat <<'END'
{rules4}
END
}}

rules6() {{
    ssh_rules {ssh6}
    cat <<'END'
{rules6}
END
}}

docker4() {{
    cat <<'END'
{docker4}
END
}}

docker6() {{
    cat <<'END'
{docker6}
END
}}

# load TOOL VERSION OPTION...
load() {{
    tool=$1
    version=$2
    shift 2
    {{
        printf '%s\\n' '*filter' ':{chain} - [0:0]' ':{docker_chain} - [0:0]' '-A {chain} -i lo -j ACCEPT' \\
            '-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'
        "rules$version"
        echo '-A {chain} -j DROP'
        "docker$version"
        echo COMMIT
    }} | "$tool-restore" -w 10 --noflush "$@"
}}

# hook TOOL: have the chains passed first. At boot the engine's chain is made before the engine, which keeps it.
hook() {{
    "$1" -w 10 -C INPUT -j {chain} 2>/dev/null || "$1" -w 10 -I INPUT 1 -j {chain}
    "$1" -w 10 -n -L DOCKER-USER >/dev/null 2>&1 || "$1" -w 10 -N DOCKER-USER
    "$1" -w 10 -C DOCKER-USER -j {docker_chain} 2>/dev/null || "$1" -w 10 -I DOCKER-USER 1 -j {docker_chain}
}}

# A host without IPv6, or whose kernel can't filter it but has no address that can be reached from elsewhere, is fine.
with6() {{
    grep -qs . /proc/net/if_inet6 || return 1
    if ip6tables -w 10 -n -L INPUT >/dev/null 2>&1; then
        return 0
    fi
    if awk '$4 == "00" {{ found = 1 }} END {{ exit !found }}' /proc/net/if_inet6; then
        echo "this host has an IPv6 address, but ip6tables does not work on it" >&2
        exit 1
    fi
    return 1
}}

case $1 in
start)
    load iptables 4
    hook iptables
    if with6; then
        load ip6tables 6
        hook ip6tables
    fi
    ;;
check)
    load iptables 4 --test
    if with6; then
        load ip6tables 6 --test
    fi
    ;;
stop)
    for tool in iptables ip6tables; do
        while "$tool" -w 10 -D INPUT -j {chain} 2>/dev/null; do :; done
        while "$tool" -w 10 -D DOCKER-USER -j {docker_chain} 2>/dev/null; do :; done
        for chain in {chain} {docker_chain}; do
            "$tool" -w 10 -F "$chain" 2>/dev/null || :
            "$tool" -w 10 -X "$chain" 2>/dev/null || :
        done
    done
    ;;
*)
    echo "usage: $0 start|check|stop" >&2
    exit 2
    ;;
esac
"""


def firewall_step(stage: Stage, host: Host) -> HostStep:
    """Return the step that sets up a host's firewall, or removes the one that it had set up."""
    if not stage.site.setup_hosts.firewall:
        return file_step("firewall", {"firewall": "false"}, [HostFile("/etc/skep/firewall.on", "no\n")])
    files = [
        HostFile("/etc/skep/firewall.on", "yes\n"),
        HostFile(SCRIPT, firewall_script(stage, host), 0o755),
        HostFile("/etc/skep/firewall.unit", _UNIT),
    ]
    return file_step("firewall", _inputs(stage, host), files, units=("firewall",))


def firewall_script(stage: Stage, host: Host) -> str:
    """Return the script that loads the rules of a host."""
    sources = stage.config.ssh_source_ips or ANYWHERE
    return _FRAME.format(
        chain=CHAIN,
        docker_chain=DOCKER_CHAIN,
        ssh_ports=" ".join(str(port) for port in _ssh_ports(stage, host)),
        ssh4=" ".join(_of_version(4, sources)),
        ssh6=" ".join(_of_version(6, sources)),
        rules4="\n".join(_rules(4, stage, host)),
        rules6="\n".join(_rules(6, stage, host)),
        docker4="\n".join(_docker_rules(4, stage, host)),
        docker6="\n".join(_docker_rules(6, stage, host)),
    )


def _ssh_ports(stage: Stage, host: Host) -> list[int]:
    """Return the ports of a host that ssh may be on."""
    found = {22}
    if isinstance(stage.config, PreparedStage):
        own = stage.config.hosts.get(host.short)
        found.add(own.ssh_port if own is not None and own.ssh_port is not None else stage.config.ssh_port)
    return sorted(found)


def _inputs(stage: Stage, host: Host) -> Inputs:
    """Return the inputs of the rules, each under a name of its own, so that one more port is one more input."""
    inputs: Inputs = {"firewall": "true"}
    inputs |= {f"ssh port {port}": "open" for port in _ssh_ports(stage, host)}
    inputs |= {f"ssh from {source}": "open" for source in stage.config.ssh_source_ips}
    if host.is_hive:
        inputs |= {f"swarm from {hive.address}": "open" for hive in stage.hives}
    for protocol, ports, sources in _ports(stage, host):
        name = f"published {ports}/{protocol}" if ports.isdigit() else f"chosen {protocol}"
        inputs |= (
            {name: "open"}
            if set(ANYWHERE) <= set(sources)
            else {f"{name} from {source}": "open" for source in _sources(stage, sources)}
        )
    if may_reach_metadata(stage, host):
        inputs |= {"metadata": "open"}
    if _has_registry(stage, host):
        inputs |= {f"registry from {other.address}": "open" for other in stage.hosts}
    if _has_backups(stage, host):
        inputs |= {f"backups from {hive.address}": "open" for hive in stage.hives}
    if metrics_ports(stage):
        inputs |= {f"metrics from {stage.repository.address}": "open"}
    if _has_logs(stage, host):
        inputs |= {f"logs from {other.address}": "open" for other in stage.hosts}
    return inputs


def _rules(version: int, stage: Stage, host: Host) -> Iterator[str]:
    """Yield the rules of one IP version, but for those of ssh."""
    yield from (_accept(packets) for packets in _ALWAYS[version])
    if host.is_hive:
        for peer in _of_version(version, [hive.address for hive in stage.hives]):
            for protocol, port in swarm_ports(stage):
                yield _accept(f"-s {peer} -p {protocol} --dport {port}")
            yield _accept(f"-s {peer} -p esp")
    if _has_registry(stage, host):
        for peer in _of_version(version, [other.address for other in stage.hosts]):
            yield _accept(f"-s {peer} -p tcp --dport {REGISTRY_PORT}")
    if _has_backups(stage, host):
        for peer in _of_version(version, [hive.address for hive in stage.hives]):
            yield _accept(f"-s {peer} -p tcp --dport {BACKUP_PORT}")
    for peer in _of_version(version, [stage.repository.address]):
        for port in metrics_ports(stage):
            yield _accept(f"-s {peer} -p tcp --dport {port}")
    if _has_logs(stage, host):
        for peer in _of_version(version, [other.address for other in stage.hosts]):
            yield _accept(f"-s {peer} -p tcp --dport {LOGS_PORT}")
    for protocol, ports, sources in _ports(stage, host):
        for source in _allowed(version, stage, sources):
            yield _accept(f"{source}-p {protocol} --dport {ports}")


def _docker_rules(version: int, stage: Stage, host: Host) -> Iterator[str]:
    """Yield the rules of one IP version for packets that Docker forwards to containers.

    Only ports of the stage are closed: others' containers may be on the host as well. What is chosen lies in a range,
    in which ports that site.toml names come first.
    """
    chain = f"-A {DOCKER_CHAIN}"
    yield from (f"{chain} {rule}" for rule in _metadata_rules(version, stage, host))
    yield f"{chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
    yield f"{chain} -m conntrack ! --ctstate DNAT -j RETURN"
    for protocol, port, sources in _ports(stage, host):
        to_port = f"-p {protocol} -m conntrack --ctorigdstport {port}"
        for source in _allowed(version, stage, sources):
            yield f"{chain} {source}{to_port} -j RETURN"
        if not set(ANYWHERE) <= set(sources):
            yield f"{chain} {to_port} -j DROP"


def _metadata_rules(version: int, stage: Stage, host: Host) -> Iterator[str]:
    """Yield the rules that keep containers from the cloud's metadata service, which gives out a role's credentials.

    Amazon, Azure, Google and OpenStack have it at one address, Amazon over IPv6 as well
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html). At Google the same address
    answers for names (https://cloud.google.com/compute/docs/internal-dns), which containers ask themselves.
    """
    address = METADATA[version]
    if may_reach_metadata(stage, host):
        yield f"-i docker_gwbridge -d {address} -j RETURN"
    for protocol in ("udp", "tcp"):
        yield f"-d {address} -p {protocol} --dport {DNS_PORT} -j RETURN"
    yield f"-d {address} -j DROP"


def _ports(stage: Stage, host: Host) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield protocol, port or range, and sources of the ports that are published on a host; chosen ones at last."""
    for (protocol, port), sources in open_to(stage, host).items():
        yield protocol, str(port), sources
    for protocol, sources in chosen_open_to(stage, host).items():
        yield protocol, f"{FIRST_FREE_PORT}:{LAST_PORT}", sources


def _sources(stage: Stage, sources: Iterable[str]) -> list[str]:
    """Return the addresses and networks of sources; the stage's hosts stand for what is inside."""
    inside = [host.address for host in stage.hosts]
    return [address for source in sources for address in (inside if source == INSIDE else [source])]


def _allowed(version: int, stage: Stage, sources: tuple[str, ...]) -> list[str]:
    """Return the beginnings of the rules that let sources in: one without any, if everybody may.

    A host's containers reach other hosts under its own address; its own ports they reach by a bridge of the engine.
    """
    if set(ANYWHERE) <= set(sources):
        return [""]
    bridges = [f"-i {bridge} " for bridge in _BRIDGES] if INSIDE in sources else []
    return [*bridges, *(f"-s {source} " for source in _of_version(version, _sources(stage, sources)))]


def _has_registry(stage: Stage, host: Host) -> bool:
    """Return whether a host has the registry, or may have the former one, whose images services still go by."""
    return host.is_repository or stage.config.repository is not None


def _has_backups(stage: Stage, host: Host) -> bool:
    """Return whether a host keeps the hives' backups."""
    return host.is_repository and stage.site.backup is not None


def _has_logs(stage: Stage, host: Host) -> bool:
    """Return whether a host takes what services and hosts say."""
    return host.is_repository and stage.site.logs is not None


def _accept(packets: str) -> str:
    """Return the rule that accepts packets."""
    return f"-A {CHAIN} {packets} -j ACCEPT"


def _of_version(version: int, networks: Iterable[str]) -> list[str]:
    """Return the networks or addresses that are of one IP version."""
    return [text for text in networks if ipaddress.ip_network(text, strict=False).version == version]
