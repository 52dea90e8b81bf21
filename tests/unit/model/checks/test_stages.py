"""Mistakes in the stages' tables."""

from pathlib import Path

from model.checks import check
from tests.doubles.azure.cloud import stage_of as azure_stage
from tests.openstack.cloud import stage_of as openstack_stage


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
