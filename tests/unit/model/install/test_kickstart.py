"""The kickstart file for Anaconda."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.site import InstallHost, InstallNetwork, Partition
from tests.unit.model.install.example_plan import BOND, PLAIN, STORAGE, text_of


def kickstart_lines(**config: Any) -> list[str]:
    """Return hive0's kickstart file."""
    return text_of("ks.cfg", **{"release": "almalinux-9", **config}).splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["RHEL8", "RHEL9", "RHEL10"])
@pytest.mark.parametrize(
    ("nets", "mirror"), [([PLAIN], None), ([BOND, STORAGE], "http://mirror.test/9")], ids=["plain", "bond"]
)
def test_a_kickstart_file_is_of_its_releases_grammar(
    version: str, nets: list[InstallNetwork], mirror: str | None, tmp_path: Path
) -> None:
    """Each release's parser takes it, with every warning of it an error."""
    path = tmp_path / "ks.cfg"
    text = text_of(
        "ks.cfg",
        release=f"rhel-{version[4:]}",
        networks=nets,
        mirror=mirror,
        install_proxy="http://proxy.test:3128",
        packages=["vim-enhanced"],
        kernel_arguments=["console=ttyS0", "quiet"],
    )
    path.write_text(text)
    # A process of its own: pykickstart warns of what it does itself, too, and that must not fail other tests.
    done = subprocess.run(
        [Path(sys.executable).with_name("ksvalidator"), "-e", "-v", version, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.slow
def test_the_grammar_is_looked_at(tmp_path: Path) -> None:
    """The check before this one can fail: an option that the release does not have is refused."""
    path = tmp_path / "ks.cfg"
    path.write_text("\n".join(kickstart_lines()).replace("--erroronfail", "--erroronfial"))

    done = subprocess.run(
        [Path(sys.executable).with_name("ksvalidator"), "-e", "-v", "RHEL9", path],
        capture_output=True,
        check=False,
    )

    assert done.returncode != 0


def test_a_kickstart_has_each_network_in_one_line() -> None:
    """Bond, VLAN, address, route and name servers are said together, as the grammar wants it."""
    lines = [line for line in kickstart_lines(networks=[BOND, STORAGE]) if line.startswith("network")]

    bond = (
        "--bondslaves=eno1,eno2 --bondopts=mode=802.3ad,miimon=100,lacp_rate=fast,xmit_hash_policy=layer3+4"
    )
    address = (
        "--ip=10.9.8.10 --netmask=255.255.255.0 --gateway=10.9.8.1 --nameserver=10.9.8.2,10.9.8.3 --noipv6"
    )
    first = f"network --bootproto=static --device=bond0 {address} {bond} --vlanid=10 --activate --onboot=yes"
    assert lines == [first, "network --hostname=hive0.iron.test"]


def test_a_kickstart_names_a_user_beside_locked_root() -> None:
    """Anaconda would ask for one: it has no password, and the stage's key."""
    lines = kickstart_lines()

    assert [line for line in lines if line.startswith(("rootpw ", "user ", "sshkey "))] == [
        "rootpw --lock",
        "user --name=skep --groups=wheel --shell=/bin/bash --lock",
        'sshkey --username=skep "ssh-ed25519 STAGE skep"',
    ]


def test_a_kickstart_has_one_line_for_an_interface() -> None:
    """A further VLAN on it is written for NetworkManager, with no default route."""
    text = "\n".join(kickstart_lines(networks=[BOND, STORAGE]))

    path = "/etc/NetworkManager/system-connections/bond0.20.nmconnection"
    assert f"'>{path}" in text.replace("' >", "'>")
    assert (
        "[vlan]\nid=20\nparent=bond0\n\n[ipv4]\nmethod=manual\naddress1=10.7.0.1/16\nnever-default=true"
        in text
    )
    assert f"chmod 0600 {path}" in text


def test_a_kickstart_touches_its_disk_and_no_other() -> None:
    """Only the target is cleared and partitioned; what the firmware needs is made by the installer."""
    own = {"hive0": InstallHost(target="/dev/nvme0n1")}
    parts = [
        Partition(mount="swap", size=2048),
        Partition(mount="/", fstype="xfs"),
        Partition(mount="/var", size=9000),
    ]
    lines = kickstart_lines(hosts=own, partitions=parts)

    assert [line for line in lines if "nvme0n1" in line and not line.startswith("#")] == [
        "ignoredisk --only-use=nvme0n1",
        "clearpart --all --initlabel --disklabel=gpt --drives=nvme0n1",
        "bootloader --boot-drive=nvme0n1",
        "part swap --fstype=swap --ondisk=nvme0n1 --size=2048",
        "part / --fstype=xfs --ondisk=nvme0n1 --size=1024 --grow",
        "part /var --fstype=ext4 --ondisk=nvme0n1 --size=9000",
    ]
    assert "reqpart" in lines
    assert not any("sda" in line for line in lines)
