"""Answers for Ubuntu's installer: autoinstall, delivered by cloud-init."""

import json
from typing import Any

from model.install.install_plan import BOND, ESP_MIB, Answers, InstallPlan, links
from model.keys.record import ADMIN
from model.secrets.secret import Secret
from model.site import Partition

FILE = "user-data"
_MIB = 1024**2


def answers(host: InstallPlan) -> Answers:
    """Return a host's `user-data` and `meta-data`."""
    # JSON is YAML as well, and needs no library.
    text = "#cloud-config\n" + json.dumps({"autoinstall": config(host)}, indent=1) + "\n"
    meta = json.dumps({"instance-id": f"skep-{host.short}"}) + "\n"
    return Answers(
        {FILE: Secret(text), "meta-data": Secret(meta)},
        # A `;` ends a command in GRUB's language, and so is quoted there.
        ("autoinstall", "ds=nocloud;s={url}/", *host.kernel_arguments),
    )


def config(host: InstallPlan) -> dict[str, Any]:
    """Return the answers by version 1 of Ubuntu's schema."""
    table: dict[str, Any] = {
        "version": 1,
        "interactive-sections": [],
        "refresh-installer": {"update": False},
        "locale": host.locale,
        "keyboard": {"layout": host.keyboard},
        "timezone": host.timezone,
        "network": _network(host),
        "storage": _storage(host),
        "ssh": {"install-server": True, "allow-pw": False},
        "packages": list(host.packages),
        "updates": "security",
        "user-data": _user_data(host),
        "late-commands": _late_commands(host),
        "shutdown": "reboot",
    }
    if host.proxy:
        table["proxy"] = host.proxy
    if host.mirror:
        table["apt"] = {"geoip": False, "mirror-selection": {"primary": [{"uri": host.mirror}]}}
    return table


def _late_commands(host: InstallPlan) -> list[str]:
    """Return the commands for the installed system before its first boot."""
    if not host.kernel_arguments:
        return []
    words = " ".join(host.kernel_arguments)
    return [
        "mkdir -p /target/etc/default/grub.d",
        f"echo 'GRUB_CMDLINE_LINUX=\"{words}\"' >/target/etc/default/grub.d/90-skep.cfg",
        "curtin in-target --target=/target -- update-grub",
    ]


def _user_data(host: InstallPlan) -> dict[str, Any]:
    """Return cloud-init's configuration for the first boot: the admin user, without a password, and the host key."""
    return {
        "hostname": host.name.partition(".")[0],
        "fqdn": host.name,
        "manage_etc_hosts": False,
        "users": [
            {
                "name": ADMIN,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [host.authorized_key],
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host.host_key.reveal(), "ed25519_public": host.host_key_public},
    }


def _network(host: InstallPlan) -> dict[str, Any]:
    """Return the networks in netplan's format."""
    made: dict[str, dict[str, Any]] = {"ethernets": {}, "bonds": {}, "vlans": {}}
    for link in links(host.nets):
        if link.ports:
            made["ethernets"].update({port: {"dhcp4": False, "dhcp6": False} for port in link.ports})
            made["bonds"][link.interface] = {
                "interfaces": list(link.ports),
                "parameters": {
                    "mode": BOND["mode"],
                    "mii-monitor-interval": int(BOND["miimon"]),
                    "lacp-rate": BOND["lacp_rate"],
                    "transmit-hash-policy": BOND["xmit_hash_policy"],
                },
                "dhcp4": False,
                "dhcp6": False,
            }
        else:
            made["ethernets"][link.interface] = {"dhcp4": False, "dhcp6": False}
    for net in host.nets:
        if net.vlan is not None:
            made["vlans"][net.device] = {"id": net.vlan, "link": net.interface}
            table = made["vlans"][net.device]
        else:
            table = made["bonds" if net.ports else "ethernets"][net.interface]
        if net.address:
            table["addresses"] = [net.address]
        if net.gateway:
            table["routes"] = [{"to": "default", "via": net.gateway}]
        if net.nameservers:
            table["nameservers"] = {"addresses": list(net.nameservers)}
    return {"version": 2, **{kind: table for kind, table in made.items() if table}}


def _storage(host: InstallPlan) -> dict[str, Any]:
    """Return the disk and its partitions in curtin's format."""
    bios = host.firmware == "bios"
    disk = {
        "id": "disk",
        "type": "disk",
        "path": host.target,
        "ptable": "gpt",
        "wipe": "superblock-recursive",
        "preserve": False,
        "grub_device": bios,
    }
    actions: list[dict[str, Any]] = [disk]
    if bios:
        actions.append(_part("bios", 1, flag="bios_grub"))
    else:
        actions.append(_part("esp", ESP_MIB, flag="boot", grub_device=True))
        actions.append({"id": "esp-fs", "type": "format", "volume": "esp", "fstype": "fat32"})
        actions.append({"id": "esp-mount", "type": "mount", "device": "esp-fs", "path": "/boot/efi"})
    # Only the last partition can take the rest of the disk.
    for n, part in enumerate(sorted(host.partitions, key=lambda part: part.size is None)):
        actions += _filesystem(f"part{n}", part)
    return {"config": actions, "swap": {"size": 0}}


def _filesystem(name: str, part: Partition) -> list[dict[str, Any]]:
    """Return a partition, its file system and its mount."""
    is_swap = part.mount == "swap"
    kind = "swap" if is_swap else part.fstype
    return [
        _part(name, part.size, **({"flag": "swap"} if is_swap else {})),
        {"id": f"{name}-fs", "type": "format", "volume": name, "fstype": kind},
        {
            "id": f"{name}-mount",
            "type": "mount",
            "device": f"{name}-fs",
            "path": "none" if is_swap else part.mount,
        },
    ]


def _part(name: str, size: int | None, **more: Any) -> dict[str, Any]:
    """Return a partition of the disk."""
    extent = -1 if size is None else size * _MIB
    return {"id": name, "type": "partition", "device": "disk", "size": extent, "preserve": False, **more}
