"""A stage of two hosts to install, and the answers of its first one."""

from typing import Any

from model import install
from model.install.install_plan import InstallPlan
from model.secrets.secret import Secret
from model.site import InstallNetwork, KickstartStage, Site
from model.stage import Stage

BOND = InstallNetwork(
    interface="bond0",
    bonding_interfaces=["eno1", "eno2"],
    vlanid=10,
    gateway="10.9.8.1",
    nameservers=["10.9.8.2", "10.9.8.3"],
)


STORAGE = InstallNetwork(
    interface="bond0",
    bonding_interfaces=["eno1", "eno2"],
    vlanid=20,
    ips=["10.7.0.1", "10.7.0.2"],
    netmask="255.255.0.0",
)


PLAIN = InstallNetwork(interface="ens3", gateway="10.9.8.1", nameservers=["10.9.8.2"])


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nPRIVATE-HALF\n-----END OPENSSH PRIVATE KEY-----\n"


RELEASES = ["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "rhel-8", "almalinux-9", "rocky-10"]


def stage_of(**config: Any) -> Stage:
    """Return a stage of two hosts."""
    table = {
        "cidr": "10.9.8.0/24",
        "number_of_hosts": 2,
        "networks": [PLAIN],
        "target": "/dev/sda",
        "iso_src": "/in.iso",
        "iso_dest": "/out.iso",
        **config,
    }
    return Stage(
        Site(site="iron.test", stages={"production": KickstartStage(**table)}),
        "production",
        KickstartStage(**table),
    )


def plan_of(host: str = "hive0", **config: Any) -> InstallPlan:
    """Return what a host of such a stage is to become."""
    stage = stage_of(**config)
    return install.plan(stage, stage.host(host), "ssh-ed25519 STAGE skep\n", Secret(KEY), "ssh-ed25519 HOST")


def text_of(name: str, **config: Any) -> str:
    """Return a file of hive0's answers."""
    return install.answers(plan_of(**config)).files[name].reveal()
