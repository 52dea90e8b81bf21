"""What costs money as long as it exists."""

from typing import Any

import pytest

from model.secrets.secret import Secret
from model.stage import Stage
from providers import create
from providers.base import Resource
from tasks.explain.costs import HEAD, costs_of, lines
from tests import rig as make
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.azure import cloud as azure_cloud
from tests.doubles.gcp import cloud as gcp_cloud
from tests.openstack import cloud as openstack_cloud


def resources_of(stage: Stage, tmp_path: Any) -> list[Resource]:
    """Return what a stage wants of its provider."""
    return list(create(stage, make.ssh_files(tmp_path), tmp_path, Secret).resources())


@pytest.mark.parametrize(
    ("stage_of", "size", "disk", "system"),
    [
        (aws_cloud.stage_of, "t3.medium", 20, "1 file systems"),
        (azure_cloud.stage_of, "Standard_B2s", 30, "100 GiB of Azure Files"),
        (gcp_cloud.stage_of, "e2-medium", 20, "1024 GiB of Filestore"),
        (openstack_cloud.stage_of, "m1.small", 20, "100 GiB of file system"),
    ],
)
def test_what_a_stage_costs(tmp_path: Any, stage_of: Any, size: str, disk: int, system: str) -> None:
    """Hosts by their size, disks by their GiB, addresses and file systems; of a stopped host the disks go on."""
    stage = stage_of(number_of_hosts=2, mirrored_disk_size=5, nfs=True, instance_type=size)
    resources = resources_of(stage, tmp_path)
    # One of the two is the repository, which has no extra disk.
    [line] = lines(stage, costs_of(resources), HEAD)
    for part in (f"2 {size}", f"{2 * disk + 5} GiB of disk", "2 public addresses", system):
        assert part in line
    assert line.startswith("costs money while it exists: ")

    [line] = lines(stage, costs_of(resources, lambda name: name != "hive0"), HEAD)
    assert f"1 {size}, " in line
    assert f"{2 * disk + 5} GiB of disk" in line


def test_own_prices_are_summed_up(tmp_path: Any) -> None:
    """By month, with what goes on while hosts are stopped, and with what has no price."""
    prices = {"t3.medium": 30.4, "GiB of disk": 0.1}
    stage = aws_cloud.stage_of(number_of_hosts=2, prices=prices)

    assert list(lines(stage, costs_of(resources_of(stage, tmp_path)), HEAD)) == [
        "costs money while it exists: 2 t3.medium, 2 public addresses, at least 40 GiB of disk",
        (
            "that is at least 64.80 a month by stages.production.prices, 4.00 of it also while hosts are stopped; "
            "without a price there: public addresses"
        ),
    ]


def test_a_disk_without_a_size_may_be_larger(tmp_path: Any) -> None:
    """It is as large as its image needs, which is not known before the cloud is asked; a size of one's own is exact."""
    prices = {"GiB of disk": 0.1}
    for size, line, total in (
        (None, "at least 20 GiB of disk", "at least 2.00"),
        (40, "40 GiB of disk", "about 4.00"),
    ):
        config: dict[str, Any] = {} if size is None else {"disk_size": size}
        stage = aws_cloud.stage_of(
            number_of_hosts=1, separate_repository=False, public_addresses=[], prices=prices, **config
        )
        told = list(lines(stage, costs_of(resources_of(stage, tmp_path)), HEAD))

        assert told[0] == f"costs money while it exists: 1 t3.medium, {line}"
        assert told[1].startswith(f"that is {total} a month by ")


def test_what_costs_nothing(tmp_path: Any) -> None:
    """A provider on one's own machine has no line."""
    assert list(lines(make.docker_stage("costs", 1), costs_of([Resource("hive0", is_host=True)]), HEAD)) == []
    del tmp_path
