"""A service is waited for as long as its own times need."""

from typing import Any

import pytest

from model.site_file.load import parse_site
from model.swarm.time_to_run import time_to_run
from tests.definitions import service_of


@pytest.mark.parametrize(
    ("definition", "seconds"),
    [
        ({}, 300),
        ({"converge_timeout": "20s"}, 20),
        ({"converge_timeout": "20s", "update_config": {"monitor": "40s"}}, 10 + 40),
        (
            {
                "converge_timeout": "15s",
                "healthcheck": {"test": "x", "interval": "2s", "start_period": "60s", "timeout": "3s"},
            },
            10 + 60 + 2 + 3 + 2,
        ),
        ({"converge_timeout": "15s", "healthcheck": {"test": ["NONE"], "start_period": "60s"}}, 15),
        ({"replicas": 20, "update_config": {"delay": "30s"}}, 20 * 10 + 19 * 30 + 2),
        ({"replicas": 20, "update_config": {"delay": "30s", "parallelism": 10}}, 300),
        ({"replicas": 20, "update_config": {"delay": "30s", "parallelism": 0}, "converge_timeout": "5s"}, 10 + 2),
        ({"mode": "global", "stop_grace_period": "2m"}, 4 * 120 + 2),
        ({"replicas": 0, "converge_timeout": "1s"}, 12),
        ({"converge_timeout": "5s", "healthcheck": {"test": "x", "interval": "0s", "timeout": "0s"}}, 10 + 60 + 2),
        ({"mode": "replicated-job", "stop_grace_period": "10m"}, 300),
    ],
)  # fmt: skip
def test_what_its_own_times_need(definition: dict[str, Any], seconds: float) -> None:
    """`converge_timeout` where that is more; four hives run a task of a global service each."""
    assert time_to_run(service_of({"image": "a:1", **definition}), 4) == seconds


@pytest.mark.parametrize(
    ("service", "seconds"),
    [
        ({"image": "derived"}, 10 + 90 + 5 + 5 + 2),
        ({"image": "derived", "healthcheck": {"test": ["NONE"]}}, 20),
        ({"image": "derived", "healthcheck": {"test": "x", "interval": "1s", "timeout": "1s"}}, 20),
        ({"image": "loop"}, 20),
        ({"image": "a:1"}, 20),
    ],
)
def test_an_images_health_check_counts(service: dict[str, Any], seconds: float) -> None:
    """It is the service's, unless that has its own; an image has that of the one it is built on."""
    check = {"test": "x", "interval": "5s", "timeout": "5s", "start_period": "90s"}
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
            "images": {
                "base": {"from": "a:1", "healthcheck": check},
                "derived": {"from": "base"},
                "loop": {"from": "loop"},
            },
        }
    )

    assert time_to_run(service_of({"converge_timeout": "20s", **service}), 4, site.images) == seconds
