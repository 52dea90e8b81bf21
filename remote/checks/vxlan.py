"""Check that packets of overlay networks arrive from host to host, by sending some. Pure.

Each hive makes VXLAN devices of its own, on the swarm's data port, in a network namespace of their own, one for each
other hive. Through them it sends datagrams to a port where nobody listens; the refusal that comes back says that one
arrived. No container is needed and no image, and nothing is left: the namespace ends with the process that holds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from shlex import quote

from model.site.networks import MTU

IPV6_OVERHEAD, IPV4_OVERHEAD = 70, 50
"""Bytes that VXLAN adds to a packet."""
_HEADERS = 28
"""Bytes of the inner IP and UDP headers."""
_HELD = 45
"""Seconds for which the namespace stays: as long as the other hives may still be sending."""
TIMEOUT = 40.0

_PROGRAM = r"""
arrives() {
    exec 3<>"/dev/udp/$1/9" || return 1
    head -c "$2" /dev/zero >&3 2>/dev/null
    read -r -t 0.4 -u 3 _ 2>/dev/null
    status=$?
    exec 3>&-
    # A timeout is more than 128; a refusal is 1.
    [ $status -le 128 ]
}
surely() {
    arrives "$@" || arrives "$@" || arrives "$@"
}
try() {
    tries=0
    until arrives "$2" 8; do
        tries=$((tries + 1))
        if [ $tries -ge 15 ]; then
            echo "$1 none"
            return
        fi
    done
    if surely "$2" "$SIZE"; then
        echo "$1 whole"
        return
    fi
    low=8 high=$SIZE
    while [ $((high - low)) -gt 4 ]; do
        middle=$(((low + high) / 2))
        if arrives "$2" $middle || arrives "$2" $middle; then low=$middle; else high=$middle; fi
    done
    echo "$1 $low"
}
for pair in "$@"; do
    try "${pair%%=*}" "${pair#*=}" &
done
wait
sed -n 's/^ *skep\([0-9]*\): *[0-9]* *\([0-9]*\) .*/heard \1 \2/p' /proc/net/dev
"""


@dataclass(frozen=True)
class Measurements:
    """One hive's measurements.

    Args:
        sent: Other hive to the bytes of the largest packet that it received and refused; None if it received none.
        received: Other hive to the number of packets that came from there.

    """

    sent: Mapping[str, int | None] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)


def pairs(hives: Sequence[str]) -> list[tuple[str, str]]:
    """Return all pairs of hives, in the same order on every hive."""
    return list(combinations(sorted(hives), 2))


def overhead(address: str) -> int:
    """Return the bytes that VXLAN adds to a packet between addresses of this IP version."""
    return IPV6_OVERHEAD if ":" in address else IPV4_OVERHEAD


def script(me: str, addresses: Mapping[str, str], port: int, mtu: int, first: int) -> str:
    """Return the script with which a hive tests the paths to all others; run by root on all hives at once.

    Args:
        me: The hive.
        addresses: Hive to its address in the stage's network.
        port: The swarm's data port.
        mtu: The largest packet that is to arrive, VXLAN's overhead included.
        first: The first VXLAN identifier to use, of one for each pair; the swarm must use none of them.

    """
    inner = mtu - overhead(addresses[me])
    devices = "\n".join(_device(me, addresses, port, inner, first))
    tries = " ".join(f"{n}={_address(n, 1 - side)}" for n, _, side in _mine(me, addresses))
    return f"""\
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{{
for tool in unshare nsenter ip bridge bash; do
    command -v $tool >/dev/null || {{ echo "there is no $tool" >&2; exit 1; }}
done
unshare -n sleep {_HELD} </dev/null >/dev/null 2>&1 &
holder=$!
trap '[ "$?" -eq 0 ] || kill $holder' EXIT
until [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
inside() {{
    nsenter -t $holder -n "$@"
}}
# Of refusals only some would be sent, else.
inside sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit'
inside ip link set lo up
{devices}
SIZE={inner - _HEADERS} inside bash -c {quote(_PROGRAM)} try {tries}
}} </dev/null
"""


def _mine(me: str, hives: Mapping[str, str]) -> Iterator[tuple[int, str, int]]:
    """Yield the number of each pair that a hive is in, the other hive, and which side of it this one is."""
    for n, (one, other) in enumerate(pairs(list(hives))):
        if me in {one, other}:
            yield (n, other, 0) if me == one else (n, one, 1)


def _device(me: str, addresses: Mapping[str, str], port: int, inner: int, first: int) -> Iterator[str]:
    """Yield the commands that make a hive's devices, with all neighbours known beforehand."""
    for n, other, side in _mine(me, addresses):
        name = f"skep{n}"
        yield (
            f"ip link add {name} type vxlan id {first + n} dstport {port} local {addresses[me]} nolearning\n"
            f"ip link set {name} netns $holder || {{ ip link del {name}; exit 1; }}\n"
            f"inside ip link set {name} address {_mac(n, side)} mtu {inner}\n"
            f"inside ip addr add {_address(n, side)}/30 dev {name}\n"
            f"inside bridge fdb replace {_mac(n, 1 - side)} dev {name} dst {addresses[other]}\n"
            f"inside ip neigh replace {_address(n, 1 - side)} lladdr {_mac(n, 1 - side)} dev {name} nud permanent\n"
            f"inside ip link set {name} up"
        )


def _address(pair: int, side: int) -> str:
    """Return the address of one side of a pair, in the network that is reserved for trying things (RFC 2544)."""
    number = 4 * pair + 1 + side
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _mac(pair: int, side: int) -> str:
    """Return the hardware address of one side of a pair."""
    return f"02:73:6b:{pair >> 8:02x}:{pair & 255:02x}:{side:02x}"


def parse(me: str, hives: Sequence[str], mtu: int, address: str, text: str) -> Measurements:
    """Return the measurements in a script's output; sizes are those of whole packets, VXLAN's overhead included."""
    extra = _HEADERS + overhead(address)
    others = {str(n): other for n, other, _ in _mine(me, dict.fromkeys(hives, ""))}
    sent: dict[str, int | None] = {}
    received: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["heard"]:
            received[others[words[1]]] = int(words[2])
        elif len(words) == 2 and words[0] in others:  # noqa: PLR2004 - a pair and what became of it
            size = {"none": None, "whole": mtu}.get(words[1], -1)
            sent[others[words[0]]] = int(words[1]) + extra if size == -1 else size
    return Measurements(sent, received)


def problems(measured: Mapping[str, Measurements], port: int, networks: Mapping[str, int]) -> list[str]:
    """Return a line for each pair of hives between which packets do not arrive, with the measurements.

    Args:
        measured: Hive to its measurements.
        port: The swarm's data port.
        networks: Network to the largest packet that it sends; the largest of all was tested.

    """
    mtu, lines = max(networks.values()), []
    for one, other in pairs(list(measured)):
        way, back = measured[one].sent.get(other), measured[other].sent.get(one)
        if way is None and back is None:
            deaf = [
                f"{a} → {b}" for a, b in ((one, other), (other, one)) if not measured[b].received.get(a)
            ] or [f"{one} ↔ {other}"]
            lines.append(
                f"{', '.join(deaf)}: nothing arrives that overlay networks send (VXLAN, udp/{port}): open the port "
                "between the hives (firewall, security group), or set the stage's data_path_port to one that is open"
            )
            continue
        for a, b, size in ((one, other, way), (other, one, back)):
            if size is not None and size < mtu:
                large = sorted(name for name, most in networks.items() if most > size)
                lines.append(
                    f"{a} → {b}: packets of {mtu} bytes do not arrive, those of {size} do: let the path take more, or "
                    f'set networks.{", ".join(large)}.driver_opts = {{ "{MTU}" = "{size // 10 * 10}" }}'
                )
    return lines
