"""Hosts that are containers: when one is replaced."""

from typing import Any

import pytest

from model import site as types
from model.stage import Stage
from providers.docker import host as docker_host


def a_stage(**config: Any) -> Stage:
    """Return a stage of two docker hosts."""
    table = types.DockerStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    return Stage(types.Site(site="s.test", stages={"private": table}), "private", table)


@pytest.mark.parametrize(
    "config",
    [
        {"cidr": "10.9.9.0/24"},
        {"host_image": "debian:12"},
        {"cpus": 1.5},
        {"memory_size": 512},
        {"publish": True},
        {"prefix": "x-"},
    ],
)
def test_a_host_is_another_for(config: dict[str, Any]) -> None:
    """Whatever its container is made with makes a host another host."""
    stage, other = a_stage(), a_stage(**config)

    assert docker_host.inputs(stage, stage.hosts[0]) != docker_host.inputs(other, other.hosts[0])


@pytest.mark.parametrize(
    "config", [{"mirror": "http://other"}, {"number_of_hosts": 3}, {"ssh_source_ips": ["::1"]}]
)
def test_a_host_is_the_same_for(config: dict[str, Any]) -> None:
    """A change of other settings does not replace a host."""
    stage, other = a_stage(), a_stage(**config)

    assert docker_host.inputs(stage, stage.hosts[0]) == docker_host.inputs(other, other.hosts[0])
