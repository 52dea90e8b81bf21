"""What an installer is told: networks, disks, who is let in, and what must not be told."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import install
from model.checks.stages import check_stage
from model.install import autoinstall, boot, networkd, preseed
from model.install.install_plan import InstallPlan
from model.secrets.secret import Secret
from model.site import InstallHost, InstallNetwork, KickstartStage, Partition, Site
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


def kickstart_lines(**config: Any) -> list[str]:
    """Return hive0's kickstart file."""
    return text_of("ks.cfg", **{"release": "almalinux-9", **config}).splitlines()


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


def autoinstalled(**config: Any) -> dict[str, Any]:
    """Return hive0's autoinstall."""
    table: dict[str, Any] = autoinstall.config(plan_of(**{"release": "ubuntu-24.04", **config}))
    return table


def test_an_autoinstall_has_netplans_bond() -> None:
    """Ports, bond and VLANs are one another's, and only VLANs have addresses."""
    assert autoinstalled(networks=[BOND, STORAGE])["network"] == {
        "version": 2,
        "ethernets": {name: {"dhcp4": False, "dhcp6": False} for name in ("eno1", "eno2")},
        "bonds": {
            "bond0": {
                "interfaces": ["eno1", "eno2"],
                "parameters": {
                    "mode": "802.3ad",
                    "mii-monitor-interval": 100,
                    "lacp-rate": "fast",
                    "transmit-hash-policy": "layer3+4",
                },
                "dhcp4": False,
                "dhcp6": False,
            }
        },
        "vlans": {
            "bond0.10": {
                "id": 10,
                "link": "bond0",
                "addresses": ["10.9.8.10/24"],
                "routes": [{"to": "default", "via": "10.9.8.1"}],
                "nameservers": {"addresses": ["10.9.8.2", "10.9.8.3"]},
            },
            "bond0.20": {"id": 20, "link": "bond0", "addresses": ["10.7.0.1/16"]},
        },
    }


@pytest.mark.parametrize("firmware", ["uefi", "bios"])
def test_an_autoinstall_suits_the_firmware(firmware: str) -> None:
    """GRUB goes into the EFI system partition, or to the disk beside a partition of its own: one of both."""
    actions = autoinstalled(firmware=firmware)["storage"]["config"]
    grub = [action["id"] for action in actions if action.get("grub_device")]
    ids = {action["id"] for action in actions}

    assert grub == {"uefi": ["esp"], "bios": ["disk"]}[firmware]
    assert [a["flag"] for a in actions if "flag" in a] == [
        {"uefi": "boot", "bios": "bios_grub"}[firmware],
        "swap",
    ]
    assert {action[key] for action in actions for key in ("device", "volume") if key in action} <= ids
    assert actions[-3]["size"] == -1


def test_what_takes_the_rest_is_the_last_partition_for_curtin() -> None:
    """What follows nothing is all that curtin grows."""
    parts = [Partition(mount="/"), Partition(mount="/var", size=4096)]
    actions = autoinstalled(partitions=parts)["storage"]["config"]

    assert [a["path"] for a in actions if a["type"] == "mount"] == ["/boot/efi", "/var", "/"]


@pytest.mark.skipif(
    "SKEP_AUTOINSTALL_SCHEMA" not in os.environ,
    reason="no package has Ubuntu's autoinstall-schema.json, whose licence (GPL 3) keeps it out of here as well",
)
@pytest.mark.parametrize("release", ["ubuntu-22.04", "ubuntu-24.04"])
@pytest.mark.parametrize("firmware", ["uefi", "bios"])
@pytest.mark.parametrize("nets", [[PLAIN], [BOND, STORAGE]], ids=["plain", "bond"])
def test_an_autoinstall_is_valid_by_ubuntus_schema(
    release: str, firmware: str, nets: list[InstallNetwork]
) -> None:
    """The schema that subiquity publishes takes all that is said; it is read where SKEP_AUTOINSTALL_SCHEMA says."""
    from jsonschema import Draft7Validator

    schema = json.loads(Path(os.environ["SKEP_AUTOINSTALL_SCHEMA"]).read_text())
    said = autoinstalled(
        release=release,
        firmware=firmware,
        networks=nets,
        mirror="http://mirror.test/ubuntu",
        kernel_arguments=["console=ttyS0"],
    )

    assert [error.message for error in Draft7Validator(schema).iter_errors(said)] == []
    assert list(Draft7Validator(schema).iter_errors({**said, "updates": "never"}))


@pytest.mark.parametrize("release", RELEASES)
def test_nobody_gets_a_password(release: str) -> None:
    """Root is locked, the admin user has the stage's key, and no password is anywhere, not even a given one."""
    files = install.answers(plan_of(release=release, root_password="root")).files
    whole = "\n".join(text.reveal() for text in files.values())

    assert "ssh-ed25519 STAGE skep" in whole
    assert "PRIVATE-HALF" in whole
    assert not re.search(r"\$[56y]\$|chpasswd|plain_text_passwd|password-again", whole)
    assert (
        "root-password-crypted password *" in whole
        or "rootpw --lock" in whole
        or '"lock_passwd": true' in whole
    )


@pytest.mark.parametrize("release", RELEASES)
def test_answers_print_no_secret(release: str) -> None:
    """The installation's host key is one, wherever an answer is shown."""
    answers = install.answers(plan_of(release=release))

    assert "PRIVATE-HALF" not in repr(answers)


def test_the_second_host_has_its_own() -> None:
    """Address, name and further addresses go by the host's place."""
    plan = plan_of("hive1", networks=[BOND, STORAGE])

    assert (plan.name, [net.address for net in plan.nets]) == (
        "hive1.iron.test",
        ["10.9.8.11/24", "10.7.0.2/16"],
    )


def test_the_late_script_makes_who_is_let_in(tmp_path: Path) -> None:
    """Run as it stands, with the commands that change accounts told apart, it writes keys, modes and sudo's line."""
    # The script's paths are moved below a directory; it is otherwise run as it is.
    root = tmp_path / "root"
    for directory in ("etc/ssh", "etc/sudoers.d", "etc/systemd/network", "etc/network", "home/skep", "bin"):
        (root / directory).mkdir(parents=True)
    calls = root / "calls"
    for name in ("useradd", "usermod", "chown", "systemctl", "restorecon"):
        (root / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n')
        (root / "bin" / name).chmod(0o755)
    (root / "bin/getent").write_text(f"#!/bin/sh\necho skep:x:1000:1000::{root}/home/skep:/bin/bash\n")
    (root / "bin/id").write_text("#!/bin/sh\nexit 1\n")
    for name in ("getent", "id"):
        (root / "bin" / name).chmod(0o755)
    script = preseed.late_script(plan_of()).reveal().replace("/etc/", f"{root}/etc/")

    subprocess.run(
        ["sh"],
        input=script,
        text=True,
        check=True,
        env={"PATH": f"{root}/bin:/usr/bin:/bin"},
        capture_output=True,
    )

    key = root / "etc/ssh/ssh_host_ed25519_key"
    assert key.read_text() == KEY
    assert key.stat().st_mode & 0o777 == 0o600
    assert (root / "home/skep/.ssh/authorized_keys").read_text() == "ssh-ed25519 STAGE skep\n"
    assert (root / "home/skep/.ssh").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/sudoers.d/skep").read_text() == "skep ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert (root / "etc/systemd/network/20-ens3.network").exists()
    assert "usermod --password ! root" in calls.read_text()


def test_user_data_is_json_behind_its_mark() -> None:
    """cloud-init knows it by its first line."""
    first, _, rest = text_of("user-data", release="ubuntu-24.04").partition("\n")

    assert first == "#cloud-config"
    assert json.loads(rest)["autoinstall"]["version"] == 1


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "ips": (
        {"networks": [InstallNetwork(interface="a0", ips=["10.9.8.10", "10.9.8.11"])]},
        "networks[0].ips: the first",
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
    "secret": ({"root_password": "nothing"}, "root_password: there is no secret 'nothing'"),
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

    problems = list(check_stage("stages.production", "production", stage.config, stage.site))

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

        assert list(check_stage("stages.production", "production", stage.config, stage.site)) == []


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
