"""systemd-networkd's configuration of installed hosts."""

from model.install import networkd
from tests.unit.model.install.example_plan import BOND, STORAGE, plan_of


def test_networkd_has_every_interface() -> None:
    """Bond, its ports, the VLANs on it: each a file, and addresses only where they belong."""
    files = networkd.files(plan_of(networks=[BOND, STORAGE]).nets)

    assert sorted(files) == [
        "10-bond0-eno1.network",
        "10-bond0-eno2.network",
        "10-bond0.10.netdev",
        "10-bond0.20.netdev",
        "10-bond0.netdev",
        "20-bond0.10.network",
        "20-bond0.20.network",
        "20-bond0.network",
    ]
    assert "Mode=802.3ad" in files["10-bond0.netdev"]
    assert files["20-bond0.network"] == (
        "[Match]\nName=bond0\n\n[Network]\nLinkLocalAddressing=no\nVLAN=bond0.10\nVLAN=bond0.20\n"
    )
    assert files["20-bond0.10.network"] == (
        "[Match]\nName=bond0.10\n\n[Network]\nLinkLocalAddressing=no\n"
        "Address=10.9.8.10/24\nGateway=10.9.8.1\nDNS=10.9.8.2\nDNS=10.9.8.3\n"
    )
    assert files["20-bond0.20.network"].endswith("Address=10.7.0.1/16\n")
