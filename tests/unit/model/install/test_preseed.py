"""The preseed for Debian's installer."""

import subprocess
from typing import Any

from model import install
from model.install import preseed
from model.site import Partition
from tests.unit.model.install.example_plan import BOND, STORAGE, plan_of, text_of


def preseeded(**config: Any) -> dict[str, str]:
    """Return hive0's preseed: key to value."""
    lines = text_of("preseed.cfg", **config).splitlines()[1:]
    return {words[1]: words[3] if len(words) > 3 else "" for line in lines for words in [line.split(None, 3)]}


def test_a_preseed_gives_the_address_before_it_is_asked_for() -> None:
    """The files go into the initrd, with the whole static network in them."""
    answers = install.answers(plan_of())

    assert answers.in_initrd
    assert {key: value for key, value in preseeded().items() if key.startswith("netcfg/")} == {
        "netcfg/choose_interface": "ens3",
        "netcfg/disable_autoconfig": "true",
        "netcfg/get_ipaddress": "10.9.8.10",
        "netcfg/get_netmask": "255.255.255.0",
        "netcfg/get_gateway": "10.9.8.1",
        "netcfg/get_nameservers": "10.9.8.2",
        "netcfg/confirm_static": "true",
        "netcfg/target_network_config": "loopback",
        "netcfg/get_hostname": "hive0",
        "netcfg/hostname": "hive0",
        "netcfg/get_domain": "iron.test",
    }
    assert "preseed/early_command" not in preseeded()


def test_a_preseed_is_read_once() -> None:
    """The installer reads what its initrd has by itself: named as well it would be read, and its script run, again."""
    answers = install.answers(plan_of(networks=[BOND, STORAGE]))

    assert preseed.FILE == "preseed.cfg"
    assert answers.arguments == ("priority=critical", "DEBIAN_FRONTEND=text")


def test_a_preseed_makes_the_bond_before_the_network() -> None:
    """Debian's installer knows no bonds and VLANs: its kernel is told, and the VLAN is what is set up."""
    answers = install.answers(plan_of(networks=[BOND, STORAGE]))
    script = answers.files[preseed.EARLY].reveal()

    assert preseeded(networks=[BOND, STORAGE])["netcfg/choose_interface"] == "bond0.10"
    assert preseeded(networks=[BOND, STORAGE])["preseed/early_command"] == "sh /skep-early.sh"
    assert (
        "modprobe bonding max_bonds=0 mode=802.3ad miimon=100 lacp_rate=fast xmit_hash_policy=layer3+4"
        in script
    )
    assert "echo +eno2 >/sys/class/net/bond0/bonding/slaves" in script
    assert "ip link add link bond0 name bond0.10 type vlan id 10" in script
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_preseed_partitions_for_both_firmwares() -> None:
    """The recipe has GRUB's partition and the EFI system partition; what has no size takes the rest."""
    parts = [
        Partition(mount="swap", size=2048),
        Partition(mount="/var", size=4096, fstype="xfs"),
        Partition(mount="/"),
    ]

    assert preseeded(partitions=parts)["partman-auto/expert_recipe"] == (
        "skep :: 1 1 1 free $bios_boot{ } method{ biosgrub } . "
        "512 512 512 free $iflabel{ gpt } $reusemethod{ } method{ efi } format{ } . "
        "2048 2048 2048 linux-swap method{ swap } format{ } . "
        "4096 4096 4096 xfs method{ format } format{ } use_filesystem{ } filesystem{ xfs } mountpoint{ /var } . "
        "1024 10240 1000000000 ext4 method{ format } format{ } use_filesystem{ } filesystem{ ext4 } mountpoint{ / } ."
    )


def test_debians_installer_takes_the_mirror_apart() -> None:
    """Protocol, host with port, and directory are questions of their own."""
    said = preseeded(mirror="http://10.0.2.2:8080/debian/", install_proxy="http://10.0.2.9:3128")

    assert {key: value for key, value in said.items() if key.startswith("mirror/")} == {
        "mirror/country": "manual",
        "mirror/protocol": "http",
        "mirror/http/hostname": "10.0.2.2:8080",
        "mirror/http/directory": "/debian",
        "mirror/http/proxy": "http://10.0.2.9:3128",
        "mirror/suite": "bookworm",
    }
