"""Amazon's file systems."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ProviderError
from model.hosts.placement import subnets
from model.site import AwsStage
from providers.aws.nfs import AwsFileSystem, target_address
from providers.cloud.provider import config_of
from tests.doubles.aws.cloud import stage_of


@pytest.mark.parametrize(("region", "end"), [("eu-central-1", ""), ("cn-north-1", ".cn")])
def test_amazons_name(region: str, end: str) -> None:
    """EFS is mounted by its name, whose root is the file system's."""
    stage = stage_of(region=region, nfs=True)
    api: Any = SimpleNamespace(region=region)
    system = AwsFileSystem(stage, config_of(stage, AwsStage), api, SimpleNamespace())  # type: ignore[arg-type]

    assert system.mount_source({"FileSystemId": "fs-1"}) == f"fs-1.efs.{region}.amazonaws.com{end}:/"


def test_a_target_has_the_last_address_that_no_host_has() -> None:
    """Amazon keeps the last one; where hosts have all others, the message names the key to set."""
    stage = stage_of(number_of_hosts=1, available_zones=["eu-central-1a"])
    config = config_of(stage, AwsStage)
    [plan] = subnets(config)
    assert target_address(stage, config, plan) == "10.1.0.254"

    full = stage_of(
        cidr="10.1.0.0/28", number_of_hosts=11, separate_repository=False, available_zones=["eu-central-1a"]
    )
    config = config_of(full, AwsStage)
    with pytest.raises(
        ProviderError, match=r"nfs: 10\.1\.0\.0/28 has no address left for it: set a larger cidr"
    ):
        target_address(full, config, subnets(config)[0])
