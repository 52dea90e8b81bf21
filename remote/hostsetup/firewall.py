"""The firewall of a host: which new connections it accepts, as iptables rules that are loaded at once and at boot.

All of it is in one chain of our own, `SKEP-INPUT`, that packets to the host itself pass first. Docker's chains are
not touched: a published port that Docker forwards to a container never comes to `INPUT`, and Docker accepts it; one
that its proxy takes (from the host itself, or from a container of it) does, and the rules below accept it.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from model.hosts.firewall import ANYWHERE, left_open, published, swarm_ports
from model.keys.digest import Inputs
from model.site import PreparedStage
from model.site.base import LAST_PORT
from model.site.services import FIRST_FREE_PORT
from model.stage import REGISTRY_PORT, Host, Stage
from remote.hostsetup.file_step import file_step
from remote.hostsetup.host_step import HostFile, HostStep

CHAIN = "SKEP-INPUT"
SCRIPT = "/etc/skep/firewall"

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

# load TOOL RULES OPTION...
load() {{
    tool=$1
    rules=$2
    shift 2
    {{
        printf '%s\\n' '*filter' ':{chain} - [0:0]' '-A {chain} -i lo -j ACCEPT' \\
            '-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'
        "$rules"
        printf '%s\\n' '-A {chain} -j DROP' 'COMMIT'
    }} | "$tool-restore" -w 10 --noflush "$@"
}}

# hook TOOL: have the chain passed first.
hook() {{
    "$1" -w 10 -C INPUT -j {chain} 2>/dev/null || "$1" -w 10 -I INPUT 1 -j {chain}
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
    load iptables rules4
    hook iptables
    if with6; then
        load ip6tables rules6
        hook ip6tables
    fi
    ;;
check)
    load iptables rules4 --test
    if with6; then
        load ip6tables rules6 --test
    fi
    ;;
stop)
    for tool in iptables ip6tables; do
        while "$tool" -w 10 -D INPUT -j {chain} 2>/dev/null; do :; done
        "$tool" -w 10 -F {chain} 2>/dev/null || :
        "$tool" -w 10 -X {chain} 2>/dev/null || :
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
        ssh_ports=" ".join(str(port) for port in _ssh_ports(stage, host)),
        ssh4=" ".join(_of_version(4, sources)),
        ssh6=" ".join(_of_version(6, sources)),
        rules4="\n".join(_rules(4, stage, host)),
        rules6="\n".join(_rules(6, stage, host)),
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
    inputs |= {f"published {port}/{protocol}": "open" for protocol, port in published(stage, host)}
    for protocol in left_open(stage, host):
        inputs |= {f"chosen {protocol} from {other.address}": "open" for other in stage.hosts}
    if _has_registry(stage, host):
        inputs |= {f"registry from {other.address}": "open" for other in stage.hosts}
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
    for protocol in left_open(stage, host):
        for peer in _of_version(version, [other.address for other in stage.hosts]):
            yield _accept(f"-s {peer} -p {protocol} --dport {FIRST_FREE_PORT}:{LAST_PORT}")
    for protocol, port in published(stage, host):
        yield _accept(f"-p {protocol} --dport {port}")


def _has_registry(stage: Stage, host: Host) -> bool:
    """Return whether a host has the registry, or may have the former one, whose images services still go by."""
    return host.is_repository or stage.config.repository is not None


def _accept(packets: str) -> str:
    """Return the rule that accepts packets."""
    return f"-A {CHAIN} {packets} -j ACCEPT"


def _of_version(version: int, networks: Iterable[str]) -> list[str]:
    """Return the networks or addresses that are of one IP version."""
    return [text for text in networks if ipaddress.ip_network(text, strict=False).version == version]
