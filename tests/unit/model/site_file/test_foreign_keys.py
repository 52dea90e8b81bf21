"""Keys and values of compose files and of hive-builder: one line says what to write instead."""

from pathlib import Path

import pytest

from model.site_file import docs
from model.site_file.foreign_keys import _INSTEAD, STAGES, instead
from tests.unit.model.good_site import GOOD, problems
from tests.unit.model.site_file.others_keys import HIVE_BUILDERS, WALKED

STAGE = 'cidr = "172.31.0.0/24"'


def of_web(text: str) -> str:
    """Return the site with a key in its service."""
    return f"{GOOD}{text}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (of_web('devices = ["/dev/kvm"]'), "services.web: unknown key 'devices': the swarm has no such setting for"),
        (of_web("privileged = true"), "services.web: unknown key 'privileged': the swarm has no such setting for"),
        (of_web("deploy.replicas = 2"), "services.web: unknown key 'deploy': its keys stand in the service itself:"),
        (of_web('build = "."'), "services.web: unknown key 'build': write an image, [images.<name>] with build = "),
        (of_web('restart = "always"'), "services.web: unknown key 'restart': write restart_config = { condition ="),
        (of_web('container_name = "x"'), "services.web: unknown key 'container_name': leave it out: others find"),
        (of_web("sise = 1"), "services.web: unknown key 'sise'"),
        (of_web('endpoint_mode = "DNSRR"'), "services.web.endpoint_mode: 'DNSRR' is not allowed: write 'dnsrr'"),
        (of_web('mode = "Global"'), "services.web.mode: 'Global' is not allowed: write 'global'"),
        (of_web('healthcheck = "true"'), "services.web.healthcheck: 'true' is not a table: write { test = 'true' }"),
        (of_web("depends_on.db.condition = 1"), "services.web.depends_on: {db = {condition = 1}} is not a list"),
        (
            GOOD.replace('image = "web"', 'image = { from = "debian:12", roles = ["nginx"] }'),
            "services.web.image: {from = 'debian:12', roles = ['nginx']} is not a text: write these keys in [images",
        ),
        (
            GOOD.replace('volumes = [{ source = "data", target = "/data" }]', 'volumes = ["data:/data:ro"]'),
            "services.web.volumes[0]: 'data:/data:ro' is not a table: write {source = 'data', target = '/data', read",
        ),
        (
            GOOD.replace('volumes = [{ source = "data", target = "/data" }]', 'volumes = ["/srv:/data"]'),
            "services.web.volumes[0]: '/srv:/data' is not a table: write {type = 'bind', source = '/srv'",
        ),
        (
            GOOD.replace('target = "/data" }', 'target = "/data", drbd = { fstype = "xfs" } }'),
            "services.web.volumes[0]: unknown key 'drbd': skep has no such thing yet",
        ),
        (GOOD.replace("[volumes.data]\n", "[volumes.data]\ndrbd.size = 1\n"), "volumes.data: unknown key 'drbd': skep"),
        (GOOD.replace(STAGE, f"{STAGE}\nshared_repository = true"), "stages.private: unknown key 'shared_repo"),
        (
            GOOD.replace(STAGE, f'{STAGE}\ninternal_cidr_v6 = "fd00::/64"'),
            "stages.private: unknown key 'internal_cidr_v6': skep has no such thing yet: Docker's networks have IPv4",
        ),
        (GOOD.replace('"docker"', '"Docker"'), "stages.private.provider: 'Docker' is not one of aws, azure, docker,"),
        (
            GOOD.replace("[networks.front]", '[networks.front]\nips = ["10.0.0.1"]'),
            "networks.front: unknown key 'ips': an overlay network has its addresses in ipam",
        ),
        (
            GOOD.replace('image = "web"', 'image = "hive3.pdns:5000/image_web:latest"'),
            "services.web.image: 'hive3.pdns:5000/image_web:latest' is what hive-builder calls its own image: write",
        ),
        (of_web("x-common = {}"), "services.web: unknown key 'x-common': leave it out: what several tables have in"),
        (of_web('models = ["m"]'), "services.web: unknown key 'models': skep has no such thing yet"),
        (of_web('restart = "no"'), "services.web: unknown key 'restart': write restart_config = { condition = 'none' "),
        (
            of_web('restart = "on-failure:3"'),
            "services.web: unknown key 'restart': write restart_config = { condition = 'on-failure', max_attempts = 3 ",
        ),
        (
            of_web('restart_config.condition = "unless-stopped"'),
            "services.web.restart_config.condition: 'unless-stopped' is not allowed: write 'any'",
        ),
        (
            of_web('network_mode = "service:db"'),
            "services.web: unknown key 'network_mode': a container of the swarm has its own network",
        ),
        (of_web("healthcheck.disable = true"), "services.web.healthcheck: unknown key 'disable': write test = ['NONE'"),
        (
            of_web('env_file = [{ path = "a.env", required = false }]'),
            "services.web.env_file[0]: {path = 'a.env', required = false} is not a text: write 'a.env'",
        ),
        (of_web('hosts = ["db:10.0.0.1"]'), "services.web.hosts: ['db:10.0.0.1'] is not a table: write { db = '10.0"),
        (of_web('environment = ["TOKEN"]'), "services.web.environment: ['TOKEN'] is not a table: write { TOKEN = '…' "),
        (
            of_web('ulimits.nofile = "1:2"'),
            "services.web.ulimits.nofile: '1:2' is not a whole number or a table: write { soft = 1, hard = 2 }",
        ),
        (
            of_web('placement.preferences = [{ spread = "node.labels.zone" }]'),
            "services.web.placement.preferences[0]: {spread = 'node.labels.zone'} is not a text: write 'node.labels.zo",
        ),
        (of_web('secrets = [{ source = "a", mode = 0o440 }]'), "services.web.secrets[0].mode: 288 is not a text: writ"),
        (of_web('cap_add = ["net_admin"]'), "services.web.cap_add[0]: 'net_admin' is not a capability: write 'NET_ADM"),
        (of_web('mem_limit = "512MiB"'), "services.web.mem_limit: '512MiB' is not allowed: write '512M'"),
        (of_web('stop_grace_period = "10"'), "services.web.stop_grace_period: '10' is not allowed: write '10s'"),
        (of_web('shm_size = "0"'), "services.web.shm_size: 0 would be no limit at all: leave it out for Docker's 64M"),
        (of_web('networks = ["hive_default_network"]'), "services.web.networks[0]: hive_default_network is hive-build"),
        (
            GOOD.replace('volumes = [{ source = "data", target = "/data" }]', 'volumes = ["./conf:/etc/x:ro"]'),
            "services.web.volumes[0]: './conf:/etc/x:ro' is not a table: write a config for a file ([configs.<name>]",
        ),
        (
            GOOD.replace('source = "data", target = "/data"', 'source = "/var/run/docker.sock", target = "/d"'),
            "services.web.volumes[0]: /var/run/docker.sock is a directory of the host: write type = 'bind' as well",
        ),
        (GOOD.replace("8080:80", "8080:80/TCP"), "services.web.ports[0]: '8080:80/TCP' is not of the form [published:"),
        (
            GOOD.replace("8080:80", "::1:8080:80"),
            "services.web.ports[0]: '::1:8080:80': the swarm publishes a port on all addresses of a host, never on",
        ),
        (GOOD.replace("8080:80", "${PORT}:80"), "services.web.ports[0]: '${PORT}:80' is not of the form [published:]"),
        (
            GOOD.replace('target_port = 443, published_port = 443, mode = "host"', "target = 443"),
            "services.web.ports[1]: unknown key 'target': write target_port",
        ),
        (
            GOOD.replace("[networks.front]", "[networks.front]\nexternal = { name = 'x' }"),
            "networks.front.external: {name = 'x'} is not true or false: write external = true and name = 'x'",
        ),
        (
            GOOD.replace("[networks.front]", "[networks.front]\nipam = [{ subnet = '10.9.0.0/24' }]"),
            "networks.front.ipam: [{subnet = '10.9.0.0/24'}] is not a table: write { config = [{subnet = '10.9.0.0/24'",
        ),
        (
            GOOD.replace(STAGE, f'{STAGE}\nregion = "x"'),
            "stages.private: unknown key 'region': stages of provider aws, azure, gcp, openstack have it",
        ),
        (GOOD.replace(STAGE, f"{STAGE}\nnot_support_az = true"), "stages.private: unknown key 'not_support_az': write"),
        (
            GOOD.replace(STAGE, f"{STAGE}\nkickstart_config = {{}}"),
            "stages.private: unknown key 'kickstart_config': write its keys in the stage itself",
        ),
        (f"hive_timezone = 'Asia/Tokyo'\n{GOOD}", "unknown key 'hive_timezone': write timezone in [setup_hosts]"),
        (f"hive_email = 'a@b'\n{GOOD}", "unknown key 'hive_email': it is a variable of hive-builder's: those of your"),
        (f"{GOOD}[secrets.a]\nvalue = 'hunter2'", "secrets.a: unknown key 'value': a secret is in no site.toml"),
        (f"version = '3'\n{GOOD}", "unknown key 'version': leave it out: it is compose's"),
    ],
)  # fmt: skip
def test_one_line_says_what_to_write(site_dir: Path, text: str, line: str) -> None:
    """Or that skep has no such thing; it is the only line, and guesses at no key that is merely alike."""
    assert [found[: len(line)] for found in problems(site_dir, text)] == [line]


def test_what_is_said_is_of_tables_that_there_are_and_of_keys_that_they_lack() -> None:
    """A key that is added to a table is no longer said to be of elsewhere."""
    keys = {
        table.struct.cls.__name__: {field.encode_name for field in table.struct.fields}
        for table in docs.tables()
    }

    assert _INSTEAD.keys() <= keys.keys()
    assert [(table, key) for table, known in _INSTEAD.items() for key in known if key in keys[table]] == []


def test_each_missing_key_is_told(site_dir: Path) -> None:
    """Not the first one twice."""
    text = GOOD.replace('provider = "docker"', 'provider = "aws"')

    assert problems(site_dir, text) == [
        "stages.private: the key 'region' is missing",
        "stages.private: the key 'instance_type' is missing",
    ]


@pytest.mark.parametrize("table", sorted(WALKED))
def test_every_key_of_compose_is_known_or_has_its_own_sentence(table: str) -> None:
    """Those of the compose specification's schema (compose-spec.json) as of July 2026."""
    known = {
        field.encode_name
        for one in docs.tables()
        if one.struct.cls.__name__ == table
        for field in one.struct.fields
    }

    assert [key for key in WALKED[table].split() if key not in known and not instead(table, key)] == []


def test_every_key_of_hive_builder_is_known_or_has_its_own_sentence() -> None:
    """In the stages of every provider; services, images, networks and volumes have theirs."""
    tables = {
        table.struct.cls.__name__: {field.encode_name for field in table.struct.fields}
        for table in docs.tables()
    }

    lacking = [
        (stage, key)
        for stage in STAGES
        for key in HIVE_BUILDERS.split()
        if key not in {"provider", *tables[stage]} and not instead(stage, key)
    ]

    assert lacking == []
