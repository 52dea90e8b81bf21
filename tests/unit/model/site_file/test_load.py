"""Reading site.toml: strictly, and all mistakes at once."""

import json
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site import DockerStage, PreparedStage, PublishedPort, RoleUse
from model.site_file.load import load, parse_site, schema, select
from tests.unit.model.good_site import GOOD, problems

WRONG_INTERVAL = (
    "services.web.healthcheck.interval: '5' is not allowed: "
    "A duration with its unit, as in `90s`, `1m30s`, `500ms`."
)


def test_a_good_site_becomes_types(site_dir: Path) -> None:
    """What is written comes back as frozen types, stages by their provider."""
    (site_dir / "site.toml").write_text(GOOD)

    site = load(site_dir / "site.toml")

    assert isinstance(site.stages["private"], DockerStage)
    assert isinstance(site.stages["production"], PreparedStage)
    assert site.images["web"].roles == [RoleUse(role="nginx"), RoleUse(role="nginx", vars={"PORT": 80})]
    assert site.services["web"].ports == [PublishedPort(80, 8080), PublishedPort(443, 443, mode="host")]
    with pytest.raises(AttributeError):
        site.site = "other"  # type: ignore[misc]


def test_all_mistakes_of_form_come_at_once_each_with_its_path(site_dir: Path) -> None:
    """No mistake hides another, and each line begins with the path of its mistake."""
    found = problems(
        site_dir,
        """
site = "example"
colour = 1
[stages.private]
provider = "dockr"
[stages.staging]
provider = "docker"
cidrr = "172.31.0.0/24"
[services.web]
imag = "web"
replicas = -1
ports = [{ target_port = 1, published_prt = 3 }]
healthcheck = { test = "true", interval = "5" }
""",
    )

    assert sorted(found) == sorted(
        [
            "unknown key 'colour'",
            (
                "stages.private.provider: 'dockr' is not one of aws, azure, docker, gcp, kickstart, openstack, "
                "prepared, vagrant"
            ),
            "stages.staging: unknown key 'cidrr', did you mean 'cidr'?",
            "services.web: the key 'image' is missing",
            "services.web: unknown key 'imag', did you mean 'image'?",
            "services.web.replicas: -1 must be at least 0",
            "services.web.ports[0]: unknown key 'published_prt', did you mean 'published_port'?",
            WRONG_INTERVAL,
        ]
    )


def test_mistakes_of_form_hide_none_of_sense(site_dir: Path) -> None:
    """Both come at once. What has a mistake of form is left out, and nothing is said about its absence."""
    text = (
        GOOD.replace('ports = ["8080:80"', 'netwrks = []\nports = ["8080:80"')
        .replace('from = "debian:12"', "from = 12")
        .replace('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\nports = 1')
        .replace("[networks.front]", "colour = 1\n[networks.front]")
        .replace('site = "example"', 'site = "example"\nstage = "private"\ncolour = 1')
        .replace("192.0.2.3", "192.0.2.2")
    )
    text += """
[services.Bad]
image = "x:1"
[services.other]
image = "web"
secrets = ["key"]
available_on = ["private"]
[services.third]
image = "webb"
"""

    found = problems(site_dir, text)

    assert [line for line in found if "services.other" in line] == [
        "services.other.secrets[0]: there is no secret 'key' (there are none)"
    ]
    assert "stages.production.ip_address_list[2]: 192.0.2.2 occurs twice" in found
    assert any(line.startswith("services.third.image: 'webb' is not one of [images]") for line in found)
    assert any(line.startswith("services.web: unknown key 'netwrks'") for line in found)
    assert not [line for line in found if "stage: 'private'" in line]
    assert len(found) == len(set(found)) == 9, found


def test_bad_toml_names_the_line(site_dir: Path) -> None:
    """TOML's own mistakes come with their line and column."""
    assert "line 2, column" in problems(site_dir, 'site = "x"\nstages = [}\n')[0]


def test_a_byte_order_mark_is_no_mistake(site_dir: Path) -> None:
    """Editors of Windows write one at the beginning of a file."""
    path = site_dir / "site.toml"
    path.write_text(GOOD)
    before = load(path)

    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert load(path) == before


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    """Without site.toml the message says what is looked for and where."""
    with pytest.raises(ConfigError, match=r"there is no site\.toml here"):
        load(tmp_path / "site.toml")


def test_the_stage_is_the_one_asked_for(site_dir: Path) -> None:
    """Asked for wins over `stage =`, that over `private`; an unknown one is refused with the known ones."""
    (site_dir / "site.toml").write_text('stage = "production"\n' + GOOD)
    site = load(site_dir / "site.toml")

    assert select(site, None).name == "production"
    assert select(site, "private").name == "private"
    with pytest.raises(ConfigError, match=r"no stage 'prod' in site\.toml; it has private, production"):
        select(site, "prod")


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """Editors complete from the same types: the example site and the good one are valid under the schema."""
    import tomli
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    for text in (GOOD, (Path(__file__).parents[4] / "site.toml").read_text()):
        Draft202012Validator(schema()).validate(tomli.loads(text))
    assert json.loads(json.dumps(schema())) == schema()


def test_every_mistake_of_form_is_found_by_both() -> None:
    """What msgspec refuses, the message names; it never falls back to msgspec's single one for these."""
    with pytest.raises(ConfigError) as raised:
        parse_site({"site": "Example", "stages": {}, "services": {"Web": {"image": "x:1"}}})

    assert len(raised.value.problems) == 3
