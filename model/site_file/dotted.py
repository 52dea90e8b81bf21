"""Tables whose keys may have dots, as `traefik.enable`, with or without quotes round them. Pure.

TOML takes `traefik.enable = true` for a table in a table. Where all values are plain, as in labels, that can only mean
the key `traefik.enable`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from model.toml_text import key_path

_FLAT = (
    ("services", "*", "labels"),
    ("services", "*", "container_labels"),
    ("services", "*", "environment"),
    ("services", "*", "sysctls"),
    ("services", "*", "hosts"),
    ("services", "*", "logging", "options"),
    ("images", "*", "labels"),
    ("images", "*", "env"),
    ("networks", "*", "labels"),
    ("networks", "*", "driver_opts"),
    ("networks", "*", "ipam", "options"),
    ("volumes", "*", "labels"),
    ("volumes", "*", "driver_opts"),
    ("setup_hosts", "hosts"),
    ("setup_hosts", "sysctls"),
    ("stages", "*", "sysctls"),
    ("stages", "*", "host_sysctls", "*"),
    ("stages", "*", "node_labels", "*"),
)
"""The places of these tables; `*` is any name."""


def with_dotted_keys(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a file's content with tables inside of these as keys with dots, and a line for each key given twice."""
    problems: list[str] = []
    made = dict(data)
    for place in _FLAT:
        made = _at(made, place, (), problems)
    return made, problems


def _at(
    table: Mapping[str, Any], place: tuple[str, ...], path: tuple[str, ...], problems: list[str]
) -> dict[str, Any]:
    """Return a table with the one at a place below it made flat."""
    made = dict(table)
    first, *rest = place
    for key in list(made) if first == "*" else [first] if first in made else []:
        below = made[key]
        if isinstance(below, Mapping):
            where = (*path, key)
            made[key] = _at(below, tuple(rest), where, problems) if rest else _flat(below, where, problems)
    return made


def _flat(table: Mapping[str, Any], path: tuple[str, ...], problems: list[str]) -> dict[str, Any]:
    """Return a table without tables in it."""
    made: dict[str, Any] = {}
    for key, value in _leaves("", table):
        if key in made:
            problems.append(f"{key_path([*path, key])}: is there twice, with and without quotes")
        made[key] = value
    return made


def _leaves(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a table and of those in it, each with its whole key. An empty table stays a value."""
    for key, value in table.items():
        whole = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping) and value:
            yield from _leaves(whole, value)
        else:
            yield whole, value
