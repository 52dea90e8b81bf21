"""Check single values wherever they stand: empty texts, control characters, amounts, things named twice."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Annotated, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from model import site as types
from model.places import Place, fits, keys, may_be_a_secret, parts, texts
from model.toml_text import key_path, short_text, toml_text
from model.units import Age as AgeInSeconds
from model.units import Bytes, Seconds, duration, size

LONGEST_TIME = 10 * 365 * 86_400.0
"""Seconds that a duration may have. Docker counts nanoseconds in 64 bits, which is 292 years."""
MOST_BYTES = 2**53
LONGEST_TEXT = 4095
"""Characters of a text that is no content: Linux's PATH_MAX."""
_FREE: tuple[Place, ...] = (
    ("vars", "**"),
    ("stages", "*", "vars", "**"),
    ("images", "*", "vars", "**"),
    ("images", "*", "roles", "*", "vars", "**"),
    ("services", "*", "initialize_roles", "*", "vars", "**"),
    ("services", "*", "environment", "*"),
    ("images", "*", "env", "*"),
    ("images", "*", "build", "args", "*"),
    ("services", "*", "labels", "**"),
    ("services", "*", "container_labels", "*"),
    ("images", "*", "labels", "*"),
    ("networks", "*", "labels", "*"),
    ("volumes", "*", "labels", "*"),
    ("services", "*", "logging", "options", "*"),
    ("networks", "*", "driver_opts", "*"),
    ("networks", "*", "ipam", "options", "*"),
    ("volumes", "*", "driver_opts", "*"),
    ("stages", "*", "node_labels", "*", "*"),
    ("setup_hosts", "daemon", "**"),
    ("configs", "*", "text"),
    ("operators", "*", "*"),  # looked at by themselves, as a private key may be there
)
"""The places of texts that may be empty and may have several lines."""
_LINES: tuple[Place, ...] = (
    ("services", "*", "command", "**"),
    ("services", "*", "entrypoint", "**"),
    ("services", "*", "healthcheck", "test", "**"),
    ("images", "*", "command", "**"),
    ("images", "*", "entrypoint", "**"),
    ("images", "*", "healthcheck", "test", "**"),
    ("secrets", "*", "command", "**"),
    ("services", "*", "try", "*"),
)
"""The places of commands, which may have several lines."""
_SYSCTLS: tuple[Place, ...] = (
    ("setup_hosts", "sysctls", "*"),
    ("stages", "*", "sysctls", "*"),
    ("stages", "*", "host_sysctls", "*", "*"),
    ("services", "*", "sysctls", "*"),
)
"""The places of kernel parameters' values."""
_USERS: tuple[Place, ...] = (("stages", "*", "user"), ("services", "*", "user"), ("images", "*", "user"))
_WORDS: tuple[Place, ...] = (
    ("stages", "*", "kms_key_id"),
    ("stages", "*", "project"),
    ("stages", "*", "subscription_id"),
    ("stages", "*", "dev"),
    ("volumes", "*", "driver"),
    ("networks", "*", "ipam", "driver"),
    ("services", "*", "logging", "driver"),
    *_USERS,
)
"""The places of names in systems that have neither spaces nor quotes in names.

OpenStack's images, flavors, zones and regions may have any, so do Amazon's images, boxes and VirtualBox's interfaces.
"""
_WORD = re.compile(r"[^\s'\"`$\\]+|.*\{\{.*")
_USER = re.compile(r"[^\s'\"]+|.*\{\{.*")
"""Domains have users with a `\\` or a `$`: `CORP\\admin`."""
_ZONES: tuple[Place, ...] = (
    ("stages", "*", "available_zones", "*"),
    ("stages", "*", "subnets", "*", "available_zone"),
)
"""The places of zones. Empty is none, as in Azure's regions without zones."""
_KEY_LINES: tuple[Place, ...] = (
    ("setup_hosts", "users", "*", "public_keys", "*"),
    ("stages", "*", "hosts", "*", "host_keys", "*"),
)
"""The places of lines out of files, which may end as lines do."""
_NAMES: tuple[Place, ...] = (
    ("services", "*", "available_on"),
    ("services", "*", "depends_on"),
    ("services", "*", "networks", "*"),
    ("services", "*", "cap_add"),
    ("services", "*", "cap_drop"),
    ("services", "*", "dns"),
    ("services", "*", "placement", "constraints"),
    ("services", "*", "placement", "preferences"),
    ("images", "*", "pull_on"),
    ("images", "*", "secrets"),
    ("volumes", "*", "hosts"),
    ("stages", "*", "public_addresses"),
    ("setup_hosts", "users", "*", "groups"),
)
"""The places of lists that name each thing once."""


def check_values(site: types.Site) -> Iterator[tuple[str, str]]:
    """Yield a path and a sentence for each value that can't be meant."""
    yield from _texts(site)
    yield from _amounts((), site)
    yield from _named_twice((), site)


def check_empty(site: types.Site) -> Iterator[tuple[str, str]]:
    """Yield a path and a sentence for each text that says nothing, and for each name that is none."""
    for place, text in texts((), site):
        if text.strip() or _is_of(place, _FREE) or place[-1] == "prefix" or _is_argument(place):
            continue
        if not text and (_is_of(place, _ZONES) or _clears_entrypoint(site, place)):
            continue
        yield key_path(place), f"is empty{_for_none(place)}"
    for place, key in keys((), site):
        if not key.strip():
            yield key_path(place), f"{toml_text(key)} is not a name"


def _texts(site: types.Site) -> Iterator[tuple[str, str]]:
    """Yield the texts with line breaks or other characters that they can't have, and those that are too long."""
    for place, whole in texts((), site):
        if _is_of(place, (*_FREE, *_LINES)) or not whole.strip():
            continue
        text = whole.strip() if _is_of(place, _KEY_LINES) else whole
        # The kernel itself writes tabs between several numbers.
        allowed = "\t" if _is_of(place, _SYSCTLS) else ""
        if odd := [char for char in text if not char.isprintable() and char not in allowed]:
            what = "a line break" if odd[0] == "\n" else f"the character {toml_text(odd[0])}"
            yield key_path(place), f"{_shown(place, text)} has {what} in it"
        elif len(text) > LONGEST_TEXT:
            yield (
                key_path(place),
                f"{_shown(place, text)} has {len(text)} characters, and may have {LONGEST_TEXT}",
            )
        elif _is_of(place, _WORDS) and not (_USER if _is_of(place, _USERS) else _WORD).fullmatch(text):
            yield key_path(place), f"{short_text(text)} is not a name: it has white space or quotes in it"


def _shown(place: Place, text: str) -> str:
    """Return what messages call a text."""
    return "this" if may_be_a_secret(place) else short_text(text)


def _is_of(place: Place, patterns: tuple[Place, ...]) -> bool:
    """Return whether a place is one of several patterns."""
    return any(pattern[0] == place[0] and fits(place, pattern) for pattern in patterns)


def _is_argument(place: Place) -> bool:
    """Return whether a place is a word of a command after the first; `["echo", ""]` is one."""
    return _is_of(place, _LINES) and isinstance(place[-1], int) and place[-1] > 0 and place[-2] != "try"


def _clears_entrypoint(site: types.Site, place: Place) -> bool:
    """Return whether an empty word is an entrypoint's only one, with which Docker takes none, not the image's.

    The engine resets `[""]` to nothing when a container is made (moby, daemon/create.go, `mergeAndVerifyConfig`).
    """
    if not _is_of(place, (("services", "*", "entrypoint", 0), ("images", "*", "entrypoint", 0))):
        return False
    table = (site.services if place[0] == "services" else site.images)[str(place[1])]
    return table.entrypoint == [""]


def _for_none(place: Place) -> str:
    """Return what to write where the empty text was meant for nothing."""
    key = place[2] if len(place) > 2 and place[0] in {"services", "images"} else ""  # noqa: PLR2004
    if key == "entrypoint":
        return ": leave it out for the image's own, or write entrypoint = [''] for none"
    if key in {"command", "user", "working_dir", "stop_signal"}:
        return ": leave it out for the image's own"
    return ": leave it out for Docker's own" if key == "hostname" else ""


def _amounts(place: Place, value: object) -> Iterator[tuple[str, str]]:
    """Yield the durations and sizes that are beyond all use."""
    if isinstance(value, Struct):
        for name, encoded, is_time in _measured(type(value)):
            held, where = getattr(value, name), (*place, encoded)
            if held is not None and is_time and held > LONGEST_TIME:
                yield key_path(where), f"must be at most {duration(LONGEST_TIME)} (ten years)"
            elif held is not None and not is_time and held > MOST_BYTES:
                yield key_path(where), f"must be at most {size(MOST_BYTES)}"
    for key, part in parts(value):
        yield from _amounts((*place, key), part)


@cache
def _measured(kind: type[Struct]) -> list[tuple[str, str, bool]]:
    """Return the durations and sizes of a type: attribute, key, and whether it is a duration."""
    return [
        (field.name, field.encode_name, _is_a(field.type, Seconds, AgeInSeconds))
        for field in fields(kind)
        if _is_a(field.type, Seconds, AgeInSeconds, Bytes)
    ]


def _is_a(annotation: object, *kinds: object) -> bool:
    """Return whether a field's type, or one of its alternatives, is one of these annotated types."""
    alternatives = [annotation] if get_origin(annotation) is Annotated else get_args(annotation)
    return annotation in kinds or any(alternative in kinds for alternative in alternatives)


def _named_twice(place: Place, value: object) -> Iterator[tuple[str, str]]:
    """Yield the names that occur twice in a list where each thing is named once."""
    if isinstance(value, list) and _is_of(place, _NAMES):
        for name, count in Counter(part for part in value if isinstance(part, str)).items():
            if count > 1:
                yield key_path(place), f"{_shown(place, name)} occurs twice"
    for key, part in parts(value):
        yield from _named_twice((*place, key), part)
