"""The autoinstall configuration for Ubuntu's installer."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from model.install import autoinstall
from model.site import InstallNetwork, Partition
from tests.unit.model.install.example_plan import (
    BOND,
    PLAIN,
    STORAGE,
    plan_of,
    text_of,
)


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


def test_user_data_is_json_behind_its_mark() -> None:
    """cloud-init knows it by its first line."""
    first, _, rest = text_of("user-data", release="ubuntu-24.04").partition("\n")

    assert first == "#cloud-config"
    assert json.loads(rest)["autoinstall"]["version"] == 1
