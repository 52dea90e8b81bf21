"""Keys and values of compose files and of hive-builder: one line says what to write instead."""

from pathlib import Path

import pytest

from model.site_file import docs
from model.site_file.foreign_keys import _INSTEAD
from tests.unit.model.good_site import GOOD, problems

STAGE = 'cidr = "172.31.0.0/24"'


def of_web(text: str) -> str:
    """Return the site with a key in its service."""
    return f"{GOOD}{text}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (of_web('backup_scripts = ["x"]'), "services.web: unknown key 'backup_scripts': skep has no such thing yet"),
        (of_web("monitor_error = []"), "services.web: unknown key 'monitor_error': skep has no such thing yet"),
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
