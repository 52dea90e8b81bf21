"""What is proposed in the place of values and keys of elsewhere is taken by skep itself."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tomli

from model.site_file.foreign_keys import _INSTEAD
from model.site_file.foreign_values import value_instead, value_of_key
from model.site_file.load import load, site_of
from tests.unit.model.good_site import GOOD, problems

MORE = """
[services.db]
image = "debian:12"
[services.other]
image = "debian:12"
[secrets.a]
generate = 20
"""
NAME, OPEN = "data", re.compile(r"<name>")


def value_of(text: str) -> Any:
    """Return the value with which a text begins, as TOML writes it."""
    for end in range(len(text), 0, -1):
        try:
            return tomli.loads(f"x = {text[:end]}")["x"]
        except tomli.TOMLDecodeError:
            continue
    raise AssertionError(f"no value of TOML: {text}")


def put(data: Any, place: list[str | int], value: object) -> None:
    """Set a value in a site's content, with the tables and lists that lead to it."""
    for key, beside in pairwise(place):
        if isinstance(data, dict) and key not in data:
            data[key] = [None] if beside == 0 else {}
        data = data[key]
    if isinstance(data, list) and place[-1] == len(data):
        data.append(value)
    else:
        data[place[-1]] = value


def site() -> dict[str, Any]:
    """Return a site's content without its mounts."""
    data = tomli.loads(GOOD + MORE)
    del data["services"]["web"]["volumes"]
    return data


WEB: list[str | int] = ["services", "web"]


@pytest.mark.parametrize(
    ("place", "value", "more"),
    [
        ([*WEB, "volumes", 0], "/z", {}),
        ([*WEB, "volumes", 0], "data:/z", {}),
        ([*WEB, "volumes", 0], "data:/z:ro,nocopy", {}),
        ([*WEB, "volumes", 0], "/dev:/z", {}),
        ([*WEB, "volumes", 0], "/srv:/z:ro", {}),
        ([*WEB, "depends_on"], {"db": {"condition": "service_started"}}, {}),
        ([*WEB, "depends_on"], "db", {}),
        ([*WEB, "networks"], {"front": {"aliases": ["x"]}}, {}),
        ([*WEB, "healthcheck"], "curl -f http://localhost", {}),
        ([*WEB, "healthcheck"], ["curl", "-f", "http://localhost"], {}),
        ([*WEB, "healthcheck"], False, {}),
        (["images", "web", "healthcheck"], "none", {}),
        ([*WEB, "logging"], "json-file", {}),
        ([*WEB, "env_file", 0], {"path": "a.env", "required": False}, {}),
        ([*WEB, "environment"], ["TOKEN"], {}),
        ([*WEB, "hosts"], ["db.test:10.0.0.1"], {}),
        ([*WEB, "ulimits", "nofile"], "1:2", {}),
        ([*WEB, "placement", "preferences", 0], {"spread": "node.labels.zone"}, {}),
        ([*WEB, "restart_config", "condition"], "always", {}),
        ([*WEB, "restart_config", "condition"], "no", {}),
        ([*WEB, "restart_config", "condition"], "on-failure:3", {}),
        ([*WEB, "secrets", 0, "mode"], 0o440, {"source": "a"}),
        (["networks", "front", "ipam", "config"], {"subnet": "10.99.0.0/24"}, {}),
        (["networks", "front", "ipam"], [{"subnet": "10.99.0.0/24"}], {}),
        (["volumes", "data", "hosts"], "every", {}),
        (["volumes", "data", "hosts"], "hive0", {}),
    ],
)
def test_a_proposed_value_is_taken(
    site_dir: Path, place: list[str | int], value: object, more: dict[str, Any]
) -> None:
    """It stands in the place of the value, with the table that goes with it."""
    (site_dir / "a.env").write_text("A=b\n")
    said = OPEN.sub(NAME, value_instead(place, value))
    assert said.startswith(": write ")
    data = site()
    if more:
        put(data, place[:-1], more)
    put(data, place, value_of(said.removeprefix(": write ")))

    site_of(data, site_dir / "site.toml", {})


@pytest.mark.parametrize("value", [{"name": "x"}, "x"])
def test_a_proposed_external_name_is_taken(site_dir: Path, value: object) -> None:
    """Two keys in the place of one."""
    said = value_instead(["networks", "front", "external"], value).removeprefix(": write ")
    data = site()
    data["networks"]["front"] = tomli.loads("\n".join(said.split(" and ")))

    site_of(data, site_dir / "site.toml", {})


VALUES = {
    "build": "app",
    "context": "app",
    "device": "/dev/vdb",
    "driver": "json-file",
    "dockerfile": "Dockerfile",
    "gateway": "10.99.0.1",
    "mode": "0440",
    "o": "ro",
    "propagation": "rprivate",
    "source": "/dev",
    "subnet": "10.99.0.0/24",
    "target": "/z",
    "type": "ext4",
    "com.docker.network.driver.mtu": "1400",
}
TABLES: dict[str, tuple[list[str | int], dict[str, Any]]] = {
    "ServiceTable": (WEB, {"image": "debian:12"}),
    "ImageTable": (["images", "x"], {}),
    "HealthcheckTable": ([*WEB, "healthcheck"], {}),
    "Volume": (["volumes", "data"], {"hosts": ["hive0"]}),
    "MountTable": ([*WEB, "volumes", 0], {"source": "data", "target": "/z"}),
    "Network": (["networks", "front"], {}),
}
"""Where a type's tables stand, and what they must have."""
BIND = {"type": "bind", "source": "/dev", "target": "/z"}
OF_VALUES = [
    ("ServiceTable", "restart", "always"),
    ("ServiceTable", "restart", "on-failure:3"),
    ("ServiceTable", "restart_policy", "unless-stopped"),
    ("ServiceTable", "network_mode", "host"),
]


def proposals() -> list[tuple[str, str, str]]:
    """Return each proposed key with its value: its table's type, the key of elsewhere, and what is said."""
    told = [(table, key, said) for table, known in _INSTEAD.items() for key, said in known.items()]
    told += [(table, key, value_of_key(table, key, value)) for table, key, value in OF_VALUES]
    # What is in the words of the user can't be tried.
    return [
        (table, key, begun[1])
        for table, key, said in told
        for begun in re.finditer(r"(?:write|with|for|do:) ([\w.]+ = (?:['\[{]|true|\d).*)", said)
        if table in TABLES and "<" not in begun[1]
    ]


@pytest.mark.parametrize(("table", "key", "said"), proposals())
def test_a_proposed_key_is_taken(site_dir: Path, table: str, key: str, said: str) -> None:
    """In the table where the key of elsewhere stood, `…` being the user's own."""
    (site_dir / "app").mkdir()
    (site_dir / "app" / "Dockerfile").write_text("FROM debian:12 AS x\n")
    place, needed = TABLES[table]
    name, _, text = said.partition(" = ")
    text = re.sub(
        r"'?([\w.]+)'? = '(/dev/)?…'",
        lambda found: f"{found[0].partition(' =')[0]} = '{VALUES[found[1]]}'",
        text,
    )
    text = text.replace("'…'", repr(VALUES.get(name, "front"))).replace("{ … }", "{ A = 'b' }")
    if table == "ImageTable":
        text = text.replace("'/z'", "'x'")
    data = site()
    put(data, place, dict(BIND if key == "bind" else needed))
    put(data, [*place, *name.split(".")], value_of(text))

    site_of(data, site_dir / "site.toml", {})


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("volumes = [", "mem_limit = 512\nvolumes = [", "services.web.mem_limit: 512 is not a text: write '512M'"),
        ("volumes = [", "mem_limit = true\nvolumes = [", "services.web.mem_limit: true is not a text: The memory"),
        ("volumes = [", "shm_size = 64000000\nvolumes = [", "services.web.shm_size: 64000000 is not a text: write '6"),
        ("volumes = [", "stop_grace_period = 1.5\nvolumes = [", "services.web.stop_grace_period: 1.5 is not a text:"),
        (
            'source = "data", target = "/data"',
            'type = "tmpfs", target = "/data", tmpfs_size = 64',
            "services.web.volumes[0].tmpfs_size: 64 is not a text: write '64M', with its unit; without one these are",
        ),
        ('from = "debian:12"', 'from = "debian:12"\nmax_age = 7', "images.web.max_age: 7 is not a text: write '7d'"),
        ('from = "debian:12"', 'from = "debian:12"\nmax_age = "7"', "images.web.max_age: '7' is not allowed: write"),
        (
            'provider = "docker"',
            'provider = "vagrant"\nprovider_backend = "kvm"',
            "stages.private.provider_backend: 'kvm' is not one of libvirt, virtualbox",
        ),
        (
            'provider = "docker"',
            'provider = "gcp"\nregion = "europe-west3"\nproject = "p"\ninstance_type = "e2"\ndisk_type = "pd-sdd"',
            "stages.private.disk_type: 'pd-sdd' is not one of pd-standard, pd-balanced, pd-ssd, hyperdisk-balanced, d",
        ),
        ('["hive0"]', '["each"]', "volumes.data.hosts[0]: 'each' is not in a list: write hosts = 'each', or name the "),
        ('["hive0"]', '"hive0"', "volumes.data.hosts: 'hive0' is not allowed: write ['hive0']"),
    ],
)  # fmt: skip
def test_a_number_or_word_has_its_way_out(site_dir: Path, old: str, new: str, line: str) -> None:
    """Sizes and ages with their units, as durations have them; the words that a key takes."""
    assert [found[: len(line)] for found in problems(site_dir, GOOD.replace(old, new))] == [line]


def test_what_is_proposed_for_a_number_is_taken(site_dir: Path) -> None:
    """Each has the form of its key."""
    more = "mem_limit = '512M'\nshm_size = '64000000'\nstop_grace_period = '1.5s'\n"
    (site_dir / "site.toml").write_text(
        GOOD.replace('from = "debian:12"', 'from = "debian:12"\nmax_age = "7d"') + more
    )

    load(site_dir / "site.toml")
