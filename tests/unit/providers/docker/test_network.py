"""The bridge network of the hosts."""

from pathlib import Path

from providers.docker import network as docker_network


def test_routes(tmp_path: Path) -> None:
    """The mother's own networks are read from the kernel, without default routes and Docker's bridges."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )

    assert list(docker_network._routes(table)) == [("eth0", "192.0.2.0/255.255.255.0")]
