"""Every key of site.toml with values that nobody there can mean: a line for each, and never a traceback."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli

from model.errors import ConfigError
from model.keys.definition import definition
from model.site_file import docs
from model.site_file.dotted import with_dotted_keys
from model.site_file.load import load, site_of
from model.site_file.raw_values import DEEPEST, without_odd_values
from model.site_file.tables import SiteTable
from tests.unit.model.good_site import GOOD

NESTED: list[Any] = []
for _ in range(DEEPEST - 10):
    NESTED = [NESTED]
ODD: dict[str, Any] = {
    "date": date(2024, 5, 1),
    "datetime": datetime(2024, 5, 1, 7, 32, tzinfo=UTC),
    "time": time(7, 32),
    "nan": float("nan"),
    "inf": float("-inf"),
    "huge": 10**30,
    "large": 2**63 - 1,
    "negative": -1,
    "fraction": 1.5,
    "true": True,
    "NUL": "a\0b",
    "empty": "",
    "blank": " ",
    "lines": "a\nb\r\x1b[31m",
    "reversed": "a\u202eb",
    "long": "x" * 5000,
    "quotes": 'it\'s "q" `id` $HOME \\',
    "template": "{{ nobody.knows }}",
    "broken template": "{{ site",
    "no items": [],
    "empty items": ["", ""],
    "twice": ["x", "x"],
    "dates": [date(2024, 5, 1)],
    "nested lists": NESTED,
    "empty table": {},
    "table": {"a": {"b": {"c": 1}}},
    "table of dates": {"a.b": date(2024, 5, 1)},
    "table of nan": {"a": [float("nan")]},
    "odd key": {"": 1, "a\nb": 1, "\u202e": 1, "a b": 1},
}
PYTHONS = (
    "datetime",
    "True",
    "False",
    "None",
    "Traceback",
    "OrderedDict",
    "\\x",
    "(b'",
    "object at",
    "<class",
)


Key = tuple[tuple[str, ...], str, str]
"""The place of a table, with `x` for names and `0` for items; one of its keys; its provider, if it is a stage."""


NEEDED: dict[str, dict[str, Any]] = {
    "aws": {"region": "eu-central-1", "instance_type": "t3.medium"},
    "gcp": {"region": "europe-west3", "project": "p", "instance_type": "e2-medium"},
    "azure": {"region": "westeurope", "instance_type": "Standard_B2s"},
    "openstack": {"instance_type": "m1", "image": "debian"},
    "kickstart": {"release": "debian-12", "mirror": "http://x.test", "iso_dest": "x.iso", "iso_src": "y.iso"},
    "services.x": {"image": "web"},
    "images.x": {"from": "debian:12"},
    "configs.x": {"text": "x"},
    "secrets.x": {"generate": 20},
    "services.x.healthcheck": {"test": "true"},
    "services.x.logging": {"driver": "json-file"},
    "services.x.volumes.0": {"target": "/x", "source": "data"},
    "services.x.ports.0": {"target_port": 81},
    "services.x.networks.0": {"name": "front"},
    "services.x.initialize_roles.0": {"role": "nginx"},
    "images.x.roles.0": {"role": "nginx"},
    "services.x.ulimits.x": {"soft": 1, "hard": 1},
    "services.x.secrets.0": {"source": "x"},
    "services.x.configs.0": {"source": "x"},
    "networks.x.ipam.config.0": {"subnet": "10.77.0.0/24"},
}
"""Keys that the table of a provider, or at a place, must have beside the odd one."""


def every_key() -> Iterator[Key]:
    """Yield every key of site.toml."""
    for table in docs.tables():
        place = table.paths[0].strip("[]").replace("<name>", "x")
        parts = tuple(place.split(".")) if place else ()
        parts += ("0",) if table.paths[0].startswith("[[") else ()
        for key in table.struct.fields:
            yield parts, key.encode_name, str(table.struct.tag or "")


KEYS = list(every_key())


def planted(where: Key, value: object) -> dict[str, Any]:
    """Return a good site with a value at a key."""
    place, key, provider = where
    data = tomli.loads(GOOD)
    table: Any = data
    for i, part in enumerate(place):
        if part == "0":
            table.append({})
            table = table[-1]
        else:
            if not isinstance(table.get(part), dict | list):
                table[part] = [] if place[i + 1 : i + 2] == ("0",) else {}
            table = table[part]
        if isinstance(table, dict):
            table |= NEEDED.get(".".join(place[: i + 1]), {})
    if provider:
        data["stages"]["x"] |= {"provider": provider, "cidr": "172.30.0.0/24", **NEEDED.get(provider, {})}
    elif place[:2] == ("stages", "x"):
        data["stages"]["x"] |= {"provider": "kickstart", "cidr": "172.30.0.0/24", **NEEDED["kickstart"]}
    table[key] = value
    return data


def lines_of(data: dict[str, Any], directory: Path) -> list[str]:
    """Return the lines with which a site is refused; none where it is taken."""
    try:
        site = site_of(data, directory / "site.toml", {})
    except ConfigError as error:
        return list(error.problems)
    json.dumps(definition(site), allow_nan=False)
    return []


def is_of_form(data: dict[str, Any]) -> bool:
    """Return whether msgspec takes a site, with stand-ins for values that no key takes."""
    try:
        msgspec.convert(without_odd_values(with_dotted_keys(data)[0])[0], SiteTable)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_a_value_that_no_key_can_mean_is_taken_or_refused_in_one_line(site_dir: Path, name: str) -> None:
    """At every key: each line is one, printable, in TOML's words, and begins with a path."""
    wrong = [where for where in KEYS if not is_of_form(planted(where, ODD[name]))]
    right = [where for where in KEYS if where not in wrong]
    # A mistake of form takes a tenth of a second to be told; a few have all kinds.
    for where in [*right, *wrong[::40]]:
        for line in lines_of(planted(where, ODD[name]), site_dir):
            assert line.startswith("site.toml: "), line
            assert line.isprintable(), line
            assert len(line) < 700 or name == "long", line
            assert not [word for word in PYTHONS if word in line], line


@pytest.mark.parametrize("value", [{"a": 1}, ["docker"], True, 1, 1.5, [], {}], ids=str)
def test_a_provider_that_is_no_text_is_a_line(site_dir: Path, value: object) -> None:
    """Tables and lists, by which nothing can be looked up, too."""
    data = tomli.loads(GOOD)
    data["stages"]["private"]["provider"] = value

    assert [
        line for line in lines_of(data, site_dir) if line.startswith("site.toml: stages.private.provider: ")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["date", "datetime", "time", "nan", "inf", "huge", "NUL", "dates", "table of dates"]
)
def test_what_no_key_takes_is_refused_at_each(site_dir: Path, name: str) -> None:
    """Dates, numbers without end and NUL are nowhere: the line has the key's path."""
    for where in KEYS[::9]:
        place, key, _ = where
        path = ".".join([part for part in place if part != "0"] + [key])
        lines = lines_of(planted(where, ODD[name]), site_dir)
        assert any(
            key in line and line.replace("[0]", "").startswith(f"site.toml: {path}") for line in lines
        ), path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["app/Dockerfile", "app/.gitignore", "site.toml"])
def test_a_pipe_in_a_files_place_is_not_waited_for(site_dir: Path, path: str) -> None:
    """Nobody may ever write into it: a Dockerfile or site.toml is refused, rules of git are none."""
    (site_dir / "app").mkdir()
    subprocess.run(["git", "init", "-q", site_dir], check=True)
    (site_dir / "app" / "Dockerfile").write_text("FROM debian:12\n")
    (site_dir / "site.toml").write_text(f"{GOOD}[images.app]\nbuild = 'app'\n")
    (site_dir / path).unlink(missing_ok=True)
    os.mkfifo(site_dir / path)

    with pytest.raises(ConfigError) as raised:
        load(site_dir / "site.toml")

    assert len(raised.value.problems) == 1
    assert path in raised.value.problems[0]
