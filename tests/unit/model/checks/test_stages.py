"""Mistakes in the stages' tables."""

from pathlib import Path

import pytest

from model.checks import check
from model.site import Site
from model.site_file.load import parse_site
from tests.doubles.azure.cloud import stage_of as azure_stage
from tests.openstack.cloud import stage_of as openstack_stage


@pytest.mark.parametrize(
    "name",
    [
        "-oProxyCommand=id",
        " x.test",
        "%x.test",
        "'x.test",
        "a@b",
        "fe80::1%",
        "fe80::1%a b",
        "2001:db8::1%eth0",
    ],
)
def test_where_ssh_answers_is_a_name_or_an_address(name: str) -> None:
    """Nothing that ssh takes for an option or replaces; names and addresses, with an interface too, are fine."""
    (line,) = check(prepared(name), Path())

    assert line.startswith("stages.p.hosts.hive0.ssh_host: ")
    for fine in ("x.test", "2001:db8::1", "fe80::1%eth0"):
        assert check(prepared(fine), Path()) == []


def prepared(ssh_host: str) -> Site:
    """Return a site with one prepared host."""
    hosts = {"hive0": {"ssh_host": ssh_host}}
    stage = {
        "provider": "prepared",
        "ip_address_list": ["192.0.2.1"],
        "separate_repository": False,
        "hosts": hosts,
    }
    return parse_site({"site": "example", "stages": {"p": stage}})


def test_what_azure_does_otherwise_is_a_mistake() -> None:
    """Keys that mean something else here are refused, each with what to do."""
    said = check(azure_stage(disk_encrypted=False, kms_key_id="k").site, Path())

    assert "stages.production.disk_encrypted: Azure encrypts every disk: leave it out" in said
    assert any(line.startswith("stages.production.kms_key_id: at Azure it is the id") for line in said)
    assert check(azure_stage().site, Path()) == []


def test_what_openstack_does_otherwise_is_a_mistake() -> None:
    """Keys that other clouds have and that mean nothing here are refused, each with what to do."""
    said = check(openstack_stage(name="production", disk_encrypted=True, kms_key_id="k").site, Path())

    assert (
        "stages.production.disk_encrypted: OpenStack encrypts by a type of volumes: name one with volume_type"
        in said
    )
    assert any(line.startswith("stages.production.kms_key_id: ") for line in said)
    assert check(openstack_stage(disk_encrypted=True, volume_type="luks").site, Path()) == []
