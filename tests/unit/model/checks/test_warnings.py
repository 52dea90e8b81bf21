"""What is hardly meant is a warning: of labels, see test_unread_labels.py."""

from pathlib import Path

import pytest

from model.checks.warnings import warnings
from model.site_file.load import load, parse_site, select
from model.stage import Stage
from tests.unit.model.good_site import GOOD


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("${TOKEN}", "TOKEN"),
        ("${TOKEN:-none}", "TOKEN"),
        ("${TOKEN:?must be set}", "TOKEN"),
        ("$TOKEN", "TOKEN"),
        ("it costs 5$", ""),
        ("-Dhome=${user.home}", ""),
        ("a ${TOKEN}", ""),
        ("$(id)", ""),
    ],
)
def test_a_variable_of_composes_is_handed_on_as_it_is(site_dir: Path, value: str, name: str) -> None:
    """Nothing replaces it, and the service would start with it; what only has one in it may be for a program."""
    (site_dir / "site.toml").write_text(f'{GOOD}environment = {{ A = "{value}" }}\n')

    found = list(warnings(select(load(site_dir / "site.toml"), None), site_dir))

    told = f"services.web.environment.A: {name} is a variable of compose's, and handed on as it is: write the value, "
    assert [line.startswith(told) for line in found] == [True] * bool(name)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ('"pg_isready -U $$USER"', "$$USER"),
        ('["sh", "-c", "echo $${NAME:-x}"]', "$${NAME:-x}"),
        ('"echo $$(id)"', "$$("),
        ('"for i in 1 2; do echo $$i; done"', "$$i"),
        ('["psql", "-c", "DO $$BEGIN CREATE ROLE x; END$$"]', ""),
        ('["psql", "-c", "SELECT $$a$$ || $$B$$;"]', ""),
        ('"exec >/var/log/x.$$_log"', ""),
        ('"test -e /tmp/$$_ok"', ""),
        ('"echo $$ >/run/$$NAME"', ""),
        ('"echo $USER"', ""),
    ],
)
@pytest.mark.parametrize("key", ["command", "entrypoint", "healthcheck.test"])
def test_a_doubled_dollar_is_hardly_meant_before_a_name(
    site_dir: Path, key: str, command: str, told: str
) -> None:
    """Compose writes one for `$`. It is no mistake: shells, Perl and PostgreSQL have a `$$` of their own."""
    of_image = GOOD.replace('from = "debian:12"', f'from = "debian:12"\n{key} = {command}')
    for path, text in (("services.web", f"{GOOD}{key} = {command}\n"), ("images.web", of_image)):
        (site_dir / "site.toml").write_text(text)

        found = list(warnings(select(load(site_dir / "site.toml"), None), site_dir))

        line = f"{path}.{key}: {told} is handed on as it is: if it is compose's spelling, write {told[1:]}"
        assert found == [line] * bool(told)


@pytest.mark.parametrize(
    ("provider", "firewall", "told"),
    [("gcp", False, True), ("gcp", True, False), ("aws", False, False), ("openstack", False, True)],
)
def test_without_a_firewall_the_metadata_service_is_open(
    provider: str, *, firewall: bool, told: bool
) -> None:
    """Start-up data has the host's private key; at Amazon the limit of hops keeps containers out by itself."""
    regions = {"gcp": {"region": "europe-west3"}, "aws": {"region": "eu-central-1"}}
    table = {
        "provider": provider,
        "instance_type": "small",
        "cidr": "10.0.0.0/24",
        **regions.get(provider, {}),
    }
    site = parse_site({"site": "example", "stages": {"cloud": table}, "setup_hosts": {"firewall": firewall}})
    found = list(warnings(Stage(site, "cloud", site.stages["cloud"]), Path()))

    assert [line.startswith("setup_hosts.firewall: ") and "169.254.169.254" in line for line in found] == [
        True
    ] * told


@pytest.mark.parametrize(
    ("image", "service", "told"),
    [
        ("", 'start_interval = "1s"', ["services.web"]),
        ("", 'start_interval = "1s", start_period = "30s"', []),
        ("", 'start_period = "30s"', []),
        ('start_interval = "1s"', "", ["images.web"]),
        ('start_period = "30s"', 'start_interval = "1s"', []),
        ('interval = "5s"', 'start_interval = "1s"', ["services.web"]),
    ],
)
def test_a_start_interval_counts_within_start_period(
    site_dir: Path, image: str, service: str, told: list[str]
) -> None:
    """Without one, which a service may have from its image's check, the engine never tests at that pace."""
    check = "healthcheck = {{ test = 'true', {0} }}\n".format
    text = GOOD.replace('from = "debian:12"', f'from = "debian:12"\n{check(image) if image else ""}')
    (site_dir / "site.toml").write_text(text + (check(service) if service else ""))

    found = list(warnings(select(load(site_dir / "site.toml"), None), site_dir))

    assert [
        line.partition(".healthcheck.start_interval: counts within start_period alone")[0] for line in found
    ] == told


@pytest.mark.parametrize(
    ("daemon", "logging", "path"),
    [
        ("gelf", None, "setup_hosts.daemon.log-driver"),
        ("local", None, ""),
        ("", {"driver": "syslog"}, "services.web.logging"),
        ("", {"driver": "json-file", "options": {"max-size": "10m"}}, "services.web.logging.options"),
        (
            "",
            {"driver": "json-file", "options": {"max-size": "10m", "max-file": "1"}},
            "services.web.logging.options",
        ),
        (
            "",
            {"driver": "json-file", "options": {"max-size": "1m", "max-file": "3", "compress": "true"}},
            "",
        ),
        ("", {"driver": "local"}, ""),
        ("", {"driver": "local", "options": {"max-size": "1m"}}, ""),
        (
            "",
            {"driver": "local", "options": {"max-file": "1", "compress": "false"}},
            "services.web.logging.options",
        ),
        ("", {"driver": "json-file", "options": {"max-size": "10m", "max-file": 3}}, ""),
        ("", {"driver": "json-file"}, ""),
    ],
)
def test_logs_that_are_not_kept_whole(
    tmp_path: Path, daemon: str, logging: dict[str, object] | None, path: str
) -> None:
    """`[logs]` reads former files, where there are some, and takes services from the engines' own driver."""
    tables = {
        "site": "example",
        "stages": {"private": {"provider": "docker"}},
        "services": {"web": {"image": "web", **({"logging": logging} if logging else {})}},
        "setup_hosts": {"daemon": {"log-driver": daemon} if daemon else {}},
    }
    for is_kept, found in (True, [path] * bool(path)), (False, []):
        site = parse_site({**tables, "logs": {}} if is_kept else tables)
        stage = Stage(site, "private", site.stages["private"])
        assert [line.split(": ")[0] for line in warnings(stage, tmp_path)] == found
