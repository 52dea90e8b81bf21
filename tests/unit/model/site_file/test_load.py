"""Reading site.toml: strictly, and all mistakes at once."""

import json
from pathlib import Path

import pytest

from model.checks.shared import no_secret
from model.errors import ConfigError
from model.site import DockerStage, PreparedStage, PublishedPort, RoleUse
from model.site_file.load import load, parse_site, schema, select
from tests.unit.model.good_site import GOOD, problems

WRONG_INTERVAL = "services.web.healthcheck.interval: '5' is not allowed: write '5s'"


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
        f"services.other.secrets[0]: {no_secret([])}"
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


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'site = "x"\n# \xe4\n', "line 2, column 3: 0xE4 is not UTF-8: save it as UTF-8"),
        ('site = "x"\n'.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (
            b"a = " + b"[" * 3000 + b"]" * 3000,
            "line 1: tables and lists lie more than 40 deep in one another",
        ),
        (b"x = 1\n" + b".".join([b"a"] * 2000) + b" = 1", "line 2: tables and lists lie more than 40 deep"),
        (b"vars." + b".".join([b"a"] * 45) + b" = 1", "vars: tables and lists lie more than 40 deep"),
        (b"site = 'x'\na = " + b"9" * 5000, "line 2: a number has more than 64 bits"),
    ],
)
def test_a_file_that_is_no_text_or_nested_without_end_is_one_line(
    site_dir: Path, data: bytes, line: str
) -> None:
    """Bytes that are no UTF-8 are named with their line and column; nesting and digits end in no traceback."""
    (site_dir / "site.toml").write_bytes(data)

    with pytest.raises(ConfigError) as raised:
        load(site_dir / "site.toml")

    assert [problem.startswith(f"site.toml: {line}") for problem in raised.value.problems] == [True]


def test_keys_with_dots_need_no_quotes_where_all_values_are_plain(site_dir: Path) -> None:
    """TOML takes `traefik.enable` for a table in a table; labels, variables, sysctls and options have no tables."""
    extra = """
[services.web.labels]
traefik.enable = true
traefik.http.routers.web.rule = "Host(`x.test`)"
"traefik.http.port" = 80
list = ["a"]
[services.web.environment]
discovery.type = "single-node"
[services.web.sysctls]
net.core.somaxconn = 1024
[services.web.hosts]
db.example.test = "192.0.2.9"
[networks.front.driver_opts]
com.docker.network.driver.mtu = "1400"
"""
    (site_dir / "site.toml").write_text(GOOD + extra)
    site = load(site_dir / "site.toml")
    web = site.services["web"]

    assert web.labels == {
        "traefik.enable": True,
        "traefik.http.routers.web.rule": "Host(`x.test`)",
        "traefik.http.port": 80,
        "list": ["a"],
    }
    assert web.environment == {"discovery.type": "single-node"}
    assert web.sysctls == {"net.core.somaxconn": 1024}
    assert web.hosts == {"db.example.test": "192.0.2.9"}
    assert site.networks["front"].driver_opts == {"com.docker.network.driver.mtu": "1400"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('labels = { "a.b" = 1, a.b = 2 }', "services.web.labels.'a.b': is there twice, with and without quotes"),
        ("labels = { day = 2024-05-01 }", "services.web.labels.day: 2024-05-01 is a date of TOML: write it as a text"),
        ("environment = { AT = 07:32:00 }", "services.web.environment.AT: 07:32:00 is a time of TOML"),
        ("replicas = 1979-05-27T07:32:00Z", "services.web.replicas: 1979-05-27T07:32:00+00:00 is a date of TOML"),
        (f"replicas = {10**30}", f"services.web.replicas: {10**30} has more than 64 bits"),
        (f"replicas = 0x{'f' * 5000}", "services.web.replicas: 0xffffffff"),
        ("replicas = 20000", "services.web.replicas: 20000 must be at most 10000"),
        ("replicas = true", "services.web.replicas: true is not a whole number"),
        ("replicas = 2.0", "services.web.replicas: 2.0 is not a whole number: write 2"),
        ("ulimits.nofile = 1.0", "services.web.ulimits.nofile: 1.0 is not a whole number or a table: write 1"),
        ("environment.a = [1]", "services.web.environment.a: [1] is not a text or a number or true or false"),
        ("hosts = { 'a.b' = 'x' }", "services.web.hosts.'a.b': 'x' is not an address"),
        ("user = '--help'", "services.web.user: '--help' is not a user, or user:group (examples: www-data"),
        ("user = 'a:b:c'", "services.web.user: 'a:b:c' is not a user"),
        ("user = 'a b'", "services.web.user: 'a b' is not a name: it has white space or quotes in it"),
        ("user = '${UID}'", "services.web.user: '${UID}' is not a user"),
        ("user = ':'", "services.web.user: ':' is not a user"),
        ("user = '-1'", "services.web.user: '-1' is not a user"),
        ("user = ''", "services.web.user: is empty: leave it out for the image's own"),
        ("working_dir = ''", "services.web.working_dir: is empty: leave it out for the image's own"),
        ("stop_signal = ''", "services.web.stop_signal: is empty: leave it out for the image's own"),
        ("entrypoint = ''", "services.web.entrypoint: is empty: leave it out for the image's own, or write entrypoint"),
        ("entrypoint = ['']", "services.web.entrypoint: [''] takes the image's command away with its entrypoint"),
        ("entrypoint = ['', 'x']", "services.web.entrypoint[0]: is empty"),
        ("hostname = '-x'", "services.web.hostname: '-x' is not a host's name: letters, digits, `.`, `_` and `-`"),
        ("user = '4294967295'", "services.web.user: '4294967295' is not a user"),
        ("ulimits.nofile = -2", "services.web.ulimits.nofile: must be at least 0, or -1 for no limit"),
        ("entrypoint = ['nginx -g x', 'y']", "services.web.entrypoint: 'nginx -g x' is one word, and no program has"),
        ("volumes = [{ type = 'tmpfs', target = '//' }]", "services.web.volumes[0].target: / is the container's"),
        ("secrets = [{ source = 'x', uid = 'root' }]\n[secrets.x]\ngenerate = 20", "services.web.secrets[0].uid: 'roo"),
        ("[networks.a.driver_opts]\ncom.docker.network.driver.mtu = 'x'", "networks.a.driver_opts.'com.docker."),
        ("healthcheck = false", "services.web.healthcheck: false is not a table: write { test = ['NONE'] } to switch"),
        ('replicas = "3"', "services.web.replicas: '3' is not a whole number: write 3, without quotes"),
        ("user = 33", "services.web.user: 33 is not a text: write '33'"),
        ('init = "yes"', "services.web.init: 'yes' is not true or false: write true, without quotes"),
        ('networks = "front"', "services.web.networks: 'front' is not a list: write ['front']"),
        ('networks = ["front", "front"]', "services.web.networks: 'front' occurs twice"),
        ('environment = ["A=b c"]', "services.web.environment: ['A=b c'] is not a table: write { A = 'b c' }"),
        ("stop_grace_period = 30", "services.web.stop_grace_period: 30 is not a text: write '30s'"),
        ('stop_grace_period = "99999999h"', "services.web.stop_grace_period: must be at most 87600h (ten years)"),
        ('mem_limit = "1K"', "services.web.mem_limit: 1K is less than Docker takes: at least 6M"),
        ('stop_signal = "SIGFOO"', "services.web.stop_signal: 'SIGFOO' is not a signal (example: SIGTERM)"),
        ('stop_signal = "RTMIN+16"', "services.web.stop_signal: 'RTMIN+16' is not a signal"),
        ('cap_add = ["NET_FOO"]', "services.web.cap_add[0]: 'NET_FOO' is not a capability"),
        ("ulimits = { nofiles = 1 }", "services.web.ulimits: 'nofiles' is not a limit; there are core, cpu"),
        ('working_dir = "srv"', "services.web.working_dir: 'srv' is not an absolute path in the container"),
        ('command = "-v -h"', "services.web.command: '-v -h' is a text, which the shell runs; arguments are a"),
        ('command = ""', "services.web.command: is empty: leave it out for the image's own"),
        ('try = [""]', "services.web.try[0]: is empty"),
        ('hostname = "a\\u202eb"', 'services.web.hostname: "a\\u202Eb" has the character "\\u202E" in it'),
        ('user = "a\\u0000b"', 'services.web.user: "a\\u0000b" has a NUL, with which no program can be called'),
        ('volumes = [{ target = "/d" }]', "services.web.volumes[0]: the key 'source' is missing: the name of a volume"),
        ('placement.preferences = ["zone"]', "services.web.placement.preferences[0]: 'zone' is not a label"),
        ("networkz = 1", "services.web: unknown key 'networkz', did you mean 'networks'?"),
        ("environ = 1", "services.web: unknown key 'environ'"),
    ],
)  # fmt: skip
def test_values_that_can_not_be_meant_are_refused_with_the_right_spelling(
    site_dir: Path, text: str, line: str
) -> None:
    """Each is one line with the key's path and TOML's own words, and there is no other."""
    data = GOOD.replace('volumes = [{ source = "data", target = "/data" }]\n', "") + text.replace(
        "\\\\", "\\"
    )

    assert [found[: len(line)] for found in problems(site_dir, data)] == [line]


def test_a_date_in_every_kind_of_table_is_refused(site_dir: Path) -> None:
    """Also where any value may stand: in variables, in an engine's configuration, in a list."""
    found = problems(
        site_dir, GOOD + "[vars]\na = [{ b = 2024-05-01 }]\n[setup_hosts.daemon]\nx = 2024-05-01\n"
    )

    assert [line.partition(": ")[0] for line in found] == ["vars.a[0].b", "setup_hosts.daemon.x"]


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
