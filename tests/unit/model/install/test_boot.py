"""Boot menus and iPXE scripts."""

import pytest

from model import install
from model.install import boot
from model.site import InstallNetwork
from tests.unit.model.install.example_plan import BOND, PLAIN, RELEASES, plan_of


@pytest.mark.parametrize("release", RELEASES)
def test_a_menu_names_hosts_and_boots_the_disk_by_itself(release: str) -> None:
    """Nothing is erased before a host was chosen."""
    plan = plan_of(release=release, kernel_arguments=["console=ttyS1,115200n8"])
    kernel = boot.KERNELS[plan.family][0]
    entry = boot.entry(plan, install.answers(plan), kernel=kernel, place="skep/0", label="An image")
    grub, isolinux = boot.grub([entry], volume="An image"), boot.isolinux([entry], has_menu=True)

    assert "set default=disk" in grub
    assert "DEFAULT disk" in isolinux
    assert "SERIAL 1 115200" in isolinux
    assert f"menuentry 'hive0: Install hive0.iron.test ({release}): erases /dev/sda' --id hive0" in grub
    assert f"linux /{kernel[0]} " in grub
    where = {"debian": "/skep/0/answers.img", "ubuntu": "'ds=nocloud;s=/cdrom/skep/0/'"}
    assert where.get(plan.family, r"'inst.ks=hd:LABEL=An\x20image:/skep/0/ks.cfg'") in grub


@pytest.mark.parametrize("nets", [[PLAIN], [BOND]], ids=["plain", "bond"])
def test_red_hats_initrd_has_the_network_before_the_answers(nets: list[InstallNetwork]) -> None:
    """The kickstart file itself is fetched over it."""
    plan = plan_of(release="rocky-9", networks=nets, mirror="http://m.test/9")
    script = boot.ipxe(
        plan,
        install.answers(plan),
        kernel=("vmlinuz", "initrd.img"),
        url="http://10.9.8.1",
        place="0",
        image="i.iso",
    )
    words = script.splitlines()[2].split()

    device = {1: "ens3", 2: "bond0.10"}[len(nets[0].nameservers)]
    assert f"ip=10.9.8.10::10.9.8.1:255.255.255.0:hive0.iron.test:{device}:none" in words
    assert "inst.ks=http://10.9.8.1/0/ks.cfg" in words
    assert "inst.stage2=http://m.test/9/BaseOS/x86_64/os" in words
    if nets == [BOND]:
        assert (
            "bond=bond0:eno1,eno2:mode=802.3ad,miimon=100,lacp_rate=fast,xmit_hash_policy=layer3+4" in words
        )
        assert "vlan=bond0.10:bond0" in words
