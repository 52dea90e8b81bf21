"""Mistakes of kickstart stages."""

from typing import Any

import pytest

from model.checks.stages import check_stage
from model.site import InstallHost, InstallNetwork, Partition
from tests.unit.model.install.example_plan import BOND, PLAIN, STORAGE, stage_of

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "ips": (
        {"networks": [InstallNetwork(interface="a0", ips=["10.9.8.10", "10.9.8.11"])]},
        "networks[0].ips: it has the stage's addresses: write ip_address_list =",
    ),
    "ips-count": (
        {"networks": [PLAIN, InstallNetwork(interface="a1", ips=["10.7.0.1"], netmask="255.255.0.0")]},
        "networks[1].ips: has 1 addresses for 2 hosts",
    ),
    "no-mask": (
        {"networks": [PLAIN, InstallNetwork(interface="a1", ips=["10.7.0.1", "10.7.0.2"])]},
        "netmask: is needed",
    ),
    "mask": (
        {"networks": [InstallNetwork(interface="a0", netmask="255.0.255.0")]},
        "netmask: '255.0.255.0' is not a netmask",
    ),
    "other-mask": (
        {"networks": [InstallNetwork(interface="a0", netmask="255.255.0.0")]},
        "is not that of cidr",
    ),
    "address": (
        {
            "networks": [
                PLAIN,
                InstallNetwork(interface="a1", ips=["10.7.0.1", "10.7.0.300"], netmask="255.255.0.0"),
            ]
        },
        "ips: '10.7.0.300' is not an IPv4 address",
    ),
    "nameserver": (
        {"networks": [InstallNetwork(interface="a0", nameservers=["dns"])]},
        "nameservers: 'dns' is not an address",
    ),
    "gateway": (
        {"networks": [InstallNetwork(interface="a0", gateway="10.9.9.1")]},
        "gateway: 10.9.9.1 is outside",
    ),
    "gateways": (
        {
            "networks": [
                PLAIN,
                InstallNetwork(
                    interface="a1", ips=["10.7.0.1", "10.7.0.2"], netmask="255.255.0.0", gateway="10.7.0.9"
                ),
            ]
        },
        "networks: have 2 gateways",
    ),
    "lost-gateway": (
        {"networks": [PLAIN, InstallNetwork(interface="a1", gateway="10.7.0.1")]},
        "gateway: has no effect",
    ),
    "twice": ({"networks": [PLAIN, InstallNetwork(interface="ens3")]}, "interface: ens3 occurs twice"),
    "port-used": (
        {
            "networks": [
                BOND,
                InstallNetwork(interface="eno1", ips=["10.7.0.1", "10.7.0.2"], netmask="255.0.0.0"),
            ]
        },
        "interface: eno1 is a port of bond0",
    ),
    "two-bonds": (
        {"networks": [BOND, InstallNetwork(interface="bond1", bonding_interfaces=["eno1", "eno3"])]},
        "eno1 is a port of two bonds",
    ),
    "other-ports": (
        {"networks": [BOND, InstallNetwork(interface="bond0", vlanid=3, bonding_interfaces=["eno1"])]},
        "bonding_interfaces: differ",
    ),
    "long": (
        {"networks": [InstallNetwork(interface="enp129s0f1np1", vlanid=4000)]},
        "longer than Linux's 15",
    ),
    "no-root": ({"partitions": [Partition(mount="/var")]}, "partitions: there is no partition for `/`"),
    "two-roots": (
        {"partitions": [Partition(mount="/"), Partition(mount="/", size=100)]},
        "'/' occurs twice",
    ),
    "two-rests": (
        {"partitions": [Partition(mount="/"), Partition(mount="/var")]},
        "only one may be without size",
    ),
    "efi": (
        {"partitions": [Partition(mount="/"), Partition(mount="/boot/efi", size=100)]},
        "/boot/efi is made",
    ),
    "no-medium": ({"iso_dest": None}, "needs iso_dest, for an image, or netboot_url"),
    "no-source": ({"iso_src": None}, "iso_dest: needs iso_src"),
    "same": ({"iso_dest": "/in.iso"}, "iso_dest: is iso_src itself"),
    "no-mac": (
        {"netboot_url": "http://10.9.8.1:80"},
        "hosts.hive0.mac: is needed for booting from the network",
    ),
    "same-mac": (
        {
            "netboot_url": "http://10.9.8.1:80",
            "hosts": {
                "hive0": InstallHost(mac="52:54:00:00:00:0A"),
                "hive1": InstallHost(mac="52:54:00:00:00:0a"),
            },
        },
        "hosts.hive1.mac: is that of hive0, too",
    ),
    "no-mirror": (
        {"release": "rocky-9", "netboot_url": "http://10.9.8.1:80"},
        "mirror: is needed for booting rocky-9 from the network",
    ),
    "no-host": ({"hosts": {"hive7": InstallHost()}}, "hosts.hive7: is not one of its hosts"),
    "firmware": ({"hosts": {"hive0": InstallHost(firmware="bios")}}, "only Ubuntu's installer has to know"),
    "secret": ({"root_password": "nothing"}, "root_password: takes the name of a secret in [secrets], not a"),
    "time-zone": ({"timezone": "berlin time"}, "timezone: 'berlin time' is not a time zone"),
    "package": ({"packages": ["vim; reboot"]}, "packages[0]: 'vim; reboot' is not a package's name"),
    "ipv6": (
        {"cidr": "fd00::/64", "networks": [InstallNetwork(interface="a0")]},
        "gives hosts addresses of IPv4",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_no_installer_would_notice_is_a_mistake(name: str) -> None:
    """It is said with its path, before anything is made."""
    config, said = MISTAKES[name]
    stage = stage_of(**config)

    problems = list(check_stage("stages.production", stage))

    assert [line for line in problems if said in line], problems


def test_a_good_stage_has_no_mistake() -> None:
    """Bonds, VLANs on one, and booting both ways go together."""
    macs = {f"hive{n}": InstallHost(mac=f"52:54:00:00:00:0{n}") for n in range(2)}
    configs: list[dict[str, Any]] = [
        {},
        {"networks": [BOND, STORAGE], "netboot_url": "http://10.9.8.1:8000", "hosts": macs},
    ]
    for config in configs:
        stage = stage_of(**config)

        assert list(check_stage("stages.production", stage)) == []
