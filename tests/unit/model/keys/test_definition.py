"""Definitions as plain values."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from model.keys.definition import definition
from model.site import Base, Network, Volume
from tests.definitions import image_of, service_of


@pytest.mark.parametrize(
    ("made", "least", "written"),
    [
        (service_of, {"image": "a:1"}, {"mode": "replicated", "replicas": 1, "endpoint_mode": "vip"}),
        (
            service_of,
            {"image": "a:1"},
            {"restart_config": {}, "update_config": {"order": "stop-first"}, "ports": []},
        ),
        (service_of, {"image": "a:1"}, {"stop_grace_period": "10s", "placement": {"constraints": []}}),
        (
            partial(msgspec.convert, type=Base),
            {"debootstrap": "bookworm"},
            {"mirror": "http://deb.debian.org/debian", "include": []},
        ),
        (partial(msgspec.convert, type=Volume), {}, {"driver": "local", "driver_opts": {}}),
        (partial(msgspec.convert, type=Network), {}, {"attachable": True, "encrypted": False}),
        (image_of, {"from": "a:1"}, {"roles": [], "vars": {}, "timeout": "30m"}),
    ],
)
def test_a_default_that_is_written_out_means_nothing(
    made: Callable[[dict[str, Any]], Any], least: dict[str, Any], written: dict[str, Any]
) -> None:
    """What is said and what is left out are the same definition, so that nothing is replaced for it."""
    assert definition(made(least | written)) == definition(made(least)) == least


def test_what_differs_from_its_default_is_kept_under_its_toml_name() -> None:
    """Keys are those of site.toml, down to nested tables and lists."""
    service = service_of(
        {
            "image": "a:1",
            "try": ["curl"],
            "ports": ["80:80", {"target_port": 1, "published_port": 2, "mode": "host"}],
            "update_config": {"order": "start-first"},
        }
    )

    assert definition(service) == {
        "image": "a:1",
        "try": ["curl"],
        "ports": ["80:80", {"target_port": 1, "published_port": 2, "mode": "host"}],
        "update_config": {"order": "start-first"},
    }


def test_what_can_be_short_is_short() -> None:
    """One meaning has one definition, however it is written, and `doit why` shows it as most people write it."""
    service = service_of(
        {
            "image": "a:1",
            "ports": [{"target_port": 1, "published_port": 2}, {"target_port": 53, "protocol": "udp"}],
            "secrets": [{"source": "a"}, {"source": "b", "mode": "0440"}],
            "initialize_roles": [{"role": "r"}, {"role": "r", "vars": {"A": 1}}],
            "networks": [{"name": "n"}, {"name": "m", "aliases": ["x"]}],
            "ulimits": {"nofile": {"soft": 1, "hard": 1}, "nproc": {"soft": 1, "hard": 2}},
        }
    )

    assert definition(service) == {
        "image": "a:1",
        "ports": ["2:1", "53/udp"],
        "secrets": ["a", {"source": "b", "mode": "0440"}],
        "initialize_roles": ["r", {"role": "r", "vars": {"A": 1}}],
        "networks": ["n", {"name": "m", "aliases": ["x"]}],
        "ulimits": {"nofile": 1, "nproc": {"soft": 1, "hard": 2}},
    }


def test_numbers_are_written_with_their_units() -> None:
    """`doit why` shows what a person would write, and one number has one text."""
    service = service_of(
        {
            "image": "a:1",
            "stop_grace_period": "1m30s",
            "update_config": {"delay": "0.5s"},
            "mem_limit": "1024m",
        }
    )

    assert definition(service) == {
        "image": "a:1",
        "stop_grace_period": "90s",
        "update_config": {"delay": "500ms"},
        "mem_limit": "1G",
    }
    assert definition(image_of({"from": "a:1", "max_age": "48h"})) == {"from": "a:1", "max_age": "2d"}
