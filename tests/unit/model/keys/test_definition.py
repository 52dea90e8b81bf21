"""Definitions as plain values."""

from typing import Any

import pytest
from msgspec import convert

from model.keys.definition import definition
from model.site import Base, Image, Network, Service, Volume


@pytest.mark.parametrize(
    ("kind", "least", "written"),
    [
        (Service, {"image": "a:1"}, {"mode": "replicated", "replicas": 1, "endpoint_mode": "vip"}),
        (
            Service,
            {"image": "a:1"},
            {"restart_config": {}, "update_config": {"order": "stop-first"}, "ports": []},
        ),
        (Service, {"image": "a:1"}, {"stop_grace_period": "10s", "placement": {"constraints": []}}),
        (Base, {"debootstrap": "bookworm"}, {"mirror": "http://deb.debian.org/debian", "include": []}),
        (Volume, {}, {"driver": "local", "driver_opts": {}}),
        (Network, {}, {"attachable": True, "encrypted": False}),
        (Image, {"from": "a:1"}, {"roles": [], "vars": {}, "timeout": "30m"}),
    ],
)
def test_a_default_that_is_written_out_means_nothing(
    kind: Any, least: dict[str, Any], written: dict[str, Any]
) -> None:
    """What is said and what is left out are the same definition, so that nothing is made anew for it."""
    assert definition(convert(least | written, kind)) == definition(convert(least, kind)) == least


def test_what_differs_from_its_default_is_kept_under_its_toml_name() -> None:
    """Keys are those of site.toml, down to nested tables and lists."""
    service = convert(
        {
            "image": "a:1",
            "try": ["curl"],
            "ports": ["80:80", {"target_port": 1, "published_port": 2}],
            "update_config": {"order": "start-first"},
        },
        Service,
    )

    assert definition(service) == {
        "image": "a:1",
        "try": ["curl"],
        "ports": ["80:80", {"target_port": 1, "published_port": 2}],
        "update_config": {"order": "start-first"},
    }
