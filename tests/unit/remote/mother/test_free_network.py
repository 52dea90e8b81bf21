"""A network for hosts on this machine."""

import ipaddress
from pathlib import Path

from remote.mother.free_network import free_network

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def routes(path: Path, *lines: str) -> Path:
    """Return a table of routes, as Linux has it."""
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


def test_sites_have_networks_of_their_own(tmp_path: Path) -> None:
    """Each name has its own, always the same one, and a default route takes none away."""
    table = routes(tmp_path / "route", "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0")

    found = {name: free_network(name, table) for name in ("shop", "blog", "wiki")}

    assert len(set(found.values())) == 3
    assert found == {name: free_network(name, table) for name in found}
    assert all(ipaddress.ip_network(each).prefixlen == 24 for each in found.values())


def test_networks_in_use_are_left_out(tmp_path: Path) -> None:
    """Those of which this machine has a route to a part, or to more."""
    wanted = ipaddress.IPv4Network(free_network("shop", tmp_path / "none"))
    # As the kernel prints it: in the byte order of this machine, which is little-endian on all that Docker knows.
    address = "".join(f"{byte:02X}" for byte in reversed(wanted.network_address.packed))
    table = routes(tmp_path / "route", f"br0\t{address}\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0")

    found = ipaddress.IPv4Network(free_network("shop", table))

    assert not found.overlaps(ipaddress.IPv4Network(f"{wanted.network_address}/22", strict=False))
