"""`[logs]`: what it makes of services, and what a run says of those that it does not reach."""

from typing import Any

import pytest

from model import site as types
from model.checks.monitoring import check_logs
from model.checks.services import check_collisions
from model.checks.warnings import warnings
from model.hosts.firewall import Rule, inbound
from model.site_file.load import parse_site
from model.stage import Stage

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24", "separate_repository": False}},
    "bases": {"a:1": {}},
    "services": {"web": {"image": "a:1"}},
}
RULE = Rule("tcp", 2514, "the stage's hosts")


def stage_of(**tables: Any) -> Stage:
    """Return the stage of a site with further tables."""
    site = parse_site({**SITE, **tables})
    return Stage(site, "private", site.stages["private"])


def test_services_get_files_that_can_be_read() -> None:
    """Without `[logs]` they have the engine's own; a service's own logging stays what it is."""
    own = {"driver": "json-file", "options": {"max-size": "1m"}}
    services = {"web": {"image": "a:1"}, "db": {"image": "a:1", "logging": own}}

    assert stage_of().services["web"].logging is None
    kept = stage_of(logs={}, services=services).services
    assert kept["web"].logging == types.Logging(
        driver="json-file", options={"max-size": "10m", "max-file": "10"}
    )
    assert kept["db"].logging == types.Logging(driver="json-file", options={"max-size": "1m"})


@pytest.mark.parametrize(
    ("keep", "days"), [({}, 30), ({"keep": "1h"}, 1), ({"keep": "25h"}, 2), ({"keep": "7d"}, 7)]
)
def test_lines_are_kept_for_whole_days(keep: dict[str, str], days: int) -> None:
    """Hours are rounded up; thirty days where nothing is said."""
    logs = stage_of(logs=keep).site.logs

    assert logs is not None
    assert logs.days == days


@pytest.mark.parametrize(
    ("logs", "most"), [({}, 20 << 30), ({"max_size": "512M"}, 512 << 20), ({"max_size": "1.5G"}, 1536 << 20)]
)
def test_a_size_limits_what_is_kept(logs: dict[str, str], most: int) -> None:
    """Of all services and hosts together; 20 GB where nothing is said."""
    kept = stage_of(logs=logs).site.logs

    assert kept is not None
    assert kept.max_size == most


def test_a_size_that_is_too_small() -> None:
    """Somebody forgot the unit."""
    site = parse_site({**SITE, "logs": {"max_size": "20"}})

    assert list(check_logs(site)) == ["logs.max_size: 20 is too little to keep a day: write 1M or more"]
    assert list(check_logs(parse_site({**SITE, "logs": {}}))) == []


def test_a_service_that_can_not_be_read_is_said(tmp_path: Any) -> None:
    """Only where logs are kept at all."""
    services = {"web": {"image": "a:1", "logging": {"driver": "journald"}}}
    said = (
        "services.web.logging: [logs] reads the drivers json-file and local alone, so what this service says is not "
        "kept: leave logging out"
    )

    assert said in list(warnings(stage_of(logs={}, services=services), tmp_path))
    assert said not in list(warnings(stage_of(services=services), tmp_path))


def test_the_port_is_open_to_the_stages_hosts_and_to_no_service() -> None:
    """The repository host has it, which is a hive here."""
    services = {"web": {"image": "a:1", "ports": ["2514:80"]}}

    assert RULE in inbound(stage_of(logs={}))
    assert RULE not in inbound(stage_of())
    assert list(check_collisions(stage_of(logs={}, services=services))) == [
        "services.web.ports: 2514/tcp is the log collector's already"
    ]
