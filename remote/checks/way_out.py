"""Check that containers reach the outside as their host does, by asking the host's name servers. Pure.

A cable from a network namespace of its own to the engine's bridge stands for a container: no image is needed, and
nothing is left, since the namespace ends with the process that holds it. Only name servers are asked that containers
get as they are: Docker leaves out those on the loopback, and takes those behind systemd-resolved's stub instead
(https://docs.docker.com/engine/network/#dns-services). The packets' size is compared and not tried: what is too large
for the host's way out may arrive or get lost, as the networks beyond will.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote

TIMEOUT = 30.0
_HELD = 20
"""Seconds for which the namespace stays at most."""

_ASK = r"""
# A question for the root's name servers, as each name server answers or refuses it; a refusal of the packet is none.
answers() {
    for try in 1 2; do
        if exec 3<>"/dev/udp/$1/53" &&
            printf 'sk\001\000\000\001\000\000\000\000\000\000\000\000\002\000\001' >&3 &&
            [ "$(timeout 1 head -c 2 <&3)" = sk ]; then
            return 0
        fi 2>/dev/null
        exec 3>&-
    done
    return 1
}
for server in "$@"; do
    { ! answers "$server" || echo "$server"; } &
done
wait
"""

_SCRIPT = r"""set +e
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{
for tool in unshare nsenter ip bash timeout; do
    command -v $tool >/dev/null || { echo "there is no $tool" >&2; exit 1; }
done
device=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
[ -z "$device" ] || echo "out $(cat "/sys/class/net/$device/mtu")"

servers=$(sed -n '/"dns": \[/,/\]/s/^ *"\([0-9.]*\)",*$/\1/p' "$DAEMON" 2>/dev/null)
if [ -z "$servers" ]; then
    [ "$(sed -n 's/^nameserver *//p' "$RESOLV")" != 127.0.0.53 ] || RESOLV=/run/systemd/resolve/resolv.conf
    servers=$(sed -n 's/^nameserver *\([0-9.]*\) *$/\1/p' "$RESOLV" | grep -v '^127[.]' | head -n 3)
fi
[ -n "$servers" ] || exit 0
for server in $servers; do
    echo "server $server"
done
heard=$(bash -c "$ASK" ask $servers)
for server in $heard; do
    echo "host $server"
done
[ -n "$heard" ] || exit 0

# The bridge of services' containers where the host has it; a new one of the engine's has no cable in it yet.
for bridge in docker_gwbridge docker0 ''; do
    [ ! -d "/sys/class/net/${bridge:-none}/bridge" ] || break
done
[ -n "$bridge" ] || exit 0
at=$(ip -4 -o addr show dev "$bridge" | sed -n 's/.* inet \([0-9./]*\) .*/\1/p' | head -n 1)
[ -n "$at" ] || exit 0
gateway=${at%/*} size=${at#*/}
# An address from the end of the bridge's network, from whose beginning the engine takes those of containers.
number=$(echo "$gateway" | { IFS=. read -r a b c d; echo $(((a << 24) + (b << 16) + (c << 8) + d)); })
number=$(((number | ((1 << (32 - size)) - 1)) - 2))
address=$((number >> 24 & 255)).$((number >> 16 & 255)).$((number >> 8 & 255)).$((number & 255))
unshare -n sleep HELD </dev/null >/dev/null 2>&1 &
holder=$!
trap 'kill $holder' EXIT
until [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
inside() {
    nsenter -t $holder -n "$@"
}
set -e
ip link add "skep$holder" type veth peer name eth0 netns $holder
ip link set "skep$holder" master "$bridge" up
inside ip addr add "$address/$size" dev eth0
inside ip link set eth0 up
inside ip route add default via "$gateway"
echo "tried $bridge"
inside bash -c "$ASK" ask $heard | sed 's/^/container /'
} </dev/null
""".replace("HELD", str(_HELD))


@dataclass(frozen=True)
class WayOut:
    """The way out of a host and of its containers.

    Args:
        servers: The name servers that containers get.
        host: Those that answer the host.
        container: Those of them that answer a container.
        bridge: The bridge at which a container was tried; empty if none was.
        mtu: The bytes of the largest packet that leaves the host; 0 if that is not known.

    """

    servers: frozenset[str] = frozenset()
    host: frozenset[str] = frozenset()
    container: frozenset[str] = frozenset()
    bridge: str = ""
    mtu: int = 0


def script(resolv: str = "/etc/resolv.conf", daemon: str = "/etc/docker/daemon.json") -> str:
    """Return the script that tries it, run by root; `parse` reads its output.

    Args:
        resolv: The host's list of name servers.
        daemon: The engine's configuration, which may have others.

    """
    return f"RESOLV={quote(resolv)} DAEMON={quote(daemon)}\nASK={quote(_ASK)}\n{_SCRIPT}"


def parse(text: str) -> WayOut:
    """Return the way out by a script's output."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        found.setdefault(kind, []).append(rest.strip())
    [mtu] = found.get("out", ["0"])
    return WayOut(
        frozenset(found.get("server", ())),
        frozenset(found.get("host", ())),
        frozenset(found.get("container", ())),
        next(iter(found.get("tried", ())), ""),
        int(mtu) if mtu.isdecimal() else 0,
    )


def warnings(host: str, found: WayOut, bridges: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each thing that keeps a host's containers from the outside.

    Args:
        host: The host.
        found: Its way out, and its containers'.
        bridges: The engine's bridges, each with the largest packet of its containers.

    """
    servers = ", ".join(sorted(found.servers))
    if found.servers and not found.host:
        yield (
            f"{host}: none of its name servers answers ({servers}), so that neither images that are built there nor "
            "services find names of the outside: see its /etc/resolv.conf, and whether a firewall lets its questions "
            "out (udp/53)"
        )
    elif found.bridge and found.host and not found.container:
        yield (
            f"{host}: {', '.join(sorted(found.host))} answers the host and not its containers (by {found.bridge}): "
            "they don't reach the outside. Is there a firewall that drops what the host forwards (`iptables -S "
            "FORWARD`, `nft list ruleset`)?"
        )
    large = {name: size for name, size in bridges.items() if found.mtu and size > found.mtu}
    if large:
        sizes = " and ".join(f"{name} sends up to {size}" for name, size in sorted(large.items()))
        yield (
            f"{host}: its network takes packets of at most {found.mtu} bytes, and {sizes}: what containers ask for may "
            f"get lost on its way back. `mtu = {found.mtu}` in [setup_hosts.daemon] mends docker0; a host that is "
            "replaced gets the right size everywhere"
        )
