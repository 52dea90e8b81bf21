"""Load `site.toml` as the types of `model.site`, strictly, and report all mistakes at once.

msgspec reads into the types and stops at the first mistake. Only then is the JSON Schema that it makes from the same
types held against the file by jsonschema, which finds all of them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import tomli

from model import checks
from model import site as types
from model.errors import ConfigError
from model.reasons import reason_of
from model.site_file import convert
from model.site_file.tables import SiteTable
from model.stage import Stage

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

DEFAULT_STAGE = "private"


def load(path: Path, homes: Mapping[str, str] = MappingProxyType({})) -> types.Site:
    """Return the site that a file describes.

    Args:
        path: The file.
        homes: Stage to the host whose registry has its images, as far as that is known.

    Raises:
        ConfigError: The file can't be read, is no TOML, or holds mistakes: each in a line with its path.

    """
    try:
        # Editors of Windows begin a file with a mark of its encoding.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            [f"{path}: there is no site.toml here; start doit in a site's directory"]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {reason_of(error)}"]) from error
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError([f"{path.name}: {error}"]) from error
    try:
        table = _table(data, path.name)
    except ConfigError as error:
        more = [f"{path.name}: {problem}" for problem in _sense_of_the_rest(data, path.parent, homes)]
        raise ConfigError([*error.problems, *more]) from error
    site, problems = convert.site(table)
    problems += checks.check(site, path.parent, homes)
    if problems:
        raise ConfigError([f"{path.name}: {problem}" for problem in problems])
    return site


def _sense_of_the_rest(data: Mapping[str, Any], directory: Path, homes: Mapping[str, str]) -> list[str]:
    """Return the mistakes of sense in a file that has mistakes of form, as far as they can be found.

    Each stage, image, service and so on with a mistake of form is left out, and so are complaints about its absence.
    """
    from jsonschema import Draft202012Validator

    rest: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in data.items()
    }
    out: set[str] = set()
    for error in Draft202012Validator(schema()).iter_errors(data):
        path = list(error.absolute_path)
        if error.validator == "additionalProperties" and not path:
            for key in set(data) - set(error.schema["properties"]):
                rest.pop(key, None)
        elif path:
            table = rest.get(path[0])
            # A name that is not allowed is no part of the path.
            name = path[1] if len(path) > 1 else error.instance
            if isinstance(table, dict) and isinstance(name, str):
                table.pop(name, None)
                out.add(name)
            else:
                rest.pop(path[0], None)
    try:
        site, problems = convert.site(msgspec.convert(rest, SiteTable))
    except msgspec.ValidationError:
        return []
    problems += checks.check(site, directory, homes)
    return [line for line in problems if not any(repr(name) in line for name in out)]


def parse_site(data: Mapping[str, Any]) -> types.Site:
    """Return the site that a TOML file's content describes. Only its form is checked.

    Raises:
        ConfigError: All mistakes of form, each with its path.

    """
    site, problems = convert.site(_table(data, "site.toml"))
    if problems:
        raise ConfigError([f"site.toml: {problem}" for problem in problems])
    return site


def _table(data: Mapping[str, Any], name: str) -> SiteTable:
    """Return a TOML file's content as the types of its tables.

    Raises:
        ConfigError: All mistakes of form, each with its path.

    """
    try:
        return msgspec.convert(data, SiteTable)
    except msgspec.ValidationError as error:
        problems = list(_problems(data)) or [str(error)]
        raise ConfigError([f"{name}: {problem}" for problem in problems]) from error


def select(site: types.Site, asked: str | None, homes: Mapping[str, str] = MappingProxyType({})) -> Stage:
    """Return the requested stage; by default the one that site.toml names, else `private`, else the only one.

    Args:
        site: The site.
        asked: The stage's name, if one was requested.
        homes: Stage to the host whose registry has its images, as far as that is known.

    Raises:
        ConfigError: There is no such stage, or none was requested and there is no default.

    """
    names = list(site.stages)
    name = asked or site.stage
    if name is None:
        name = DEFAULT_STAGE if DEFAULT_STAGE in names else names[0] if len(names) == 1 else None
    if name is None:
        raise ConfigError([f"say which stage: stage={'|'.join(names)} after doit, or SKEP_STAGE"])
    if name not in names:
        raise ConfigError([f"there is no stage {name!r} in site.toml; it has {', '.join(names)}"])
    return Stage(site, name, site.stages[name], homes.get(name, ""))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of site.toml, made from the types."""
    made = msgspec.json.schema(SiteTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "skep's site.toml", **made}


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake of form."""
    from jsonschema import Draft202012Validator

    whole = schema()
    for error in sorted(
        Draft202012Validator(whole).iter_errors(data), key=lambda e: list(map(str, e.absolute_path))
    ):
        for leaf in _leaves(error, whole):
            yield _sentence(leaf)


def _leaves(error: "ValidationError", whole: Mapping[str, Any]) -> Iterator["ValidationError"]:
    """Yield the mistakes behind a value that fits none of several alternatives.

    Where the alternatives are told apart by a tag (`provider`), only the tagged one's count; else those of the
    alternative that the value comes closest to.
    """
    if error.validator not in {"anyOf", "oneOf"} or not error.context:
        yield error
        return
    branches: dict[int, list[ValidationError]] = {}
    for sub in error.context:
        branches.setdefault(int(sub.schema_path[0]), []).append(sub)
    tagged = error.schema.get("discriminator")
    if tagged is not None and isinstance(error.instance, dict):
        value = error.instance.get(tagged["propertyName"])
        if value not in tagged["mapping"]:
            yield error
            return
        wanted = tagged["mapping"][value]
        index = next(i for i, option in enumerate(error.validator_value) if option.get("$ref") == wanted)
        chosen = branches.get(index, [])
    else:
        same_type = [
            subs
            for subs in branches.values()
            if not any(sub.validator == "type" and sub.instance is error.instance for sub in subs)
        ]
        if not same_type:
            yield error
            return
        chosen = min(same_type, key=len)
    for sub in chosen:
        yield from _leaves(sub, whole)


def _sentence(error: "ValidationError") -> str:
    """Return a mistake as a line: the path, the mistake, the remedy."""
    path = key_path(error.absolute_path)
    where = f"{path}: " if path else ""
    value = error.instance
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(value) - set(known))
        return "; ".join(f"{where}unknown key {key!r}{_meant(key, known)}" for key in unknown)
    if error.validator == "required":
        missing = error.message.split("'")[1]
        return f"{where}the key {missing!r} is missing"
    if error.validator in {"anyOf", "oneOf"}:
        tagged = error.schema.get("discriminator")
        if tagged is not None and isinstance(value, dict):
            key, legal = tagged["propertyName"], sorted(tagged["mapping"])
            if key not in value:
                return f"{where}the key {key!r} is missing; it is one of {', '.join(legal)}"
            return f"{where.removesuffix(': ')}.{key}: {value[key]!r} is not one of {', '.join(legal)}"
        return f"{where}{_short(value)} is not what belongs here: {_expected(error.validator_value)}"
    if error.validator == "type":
        return f"{where}{_short(value)} is not {_expected([error.schema])}"
    if error.validator == "pattern":
        rule = error.schema.get("description") or f"must match {error.validator_value}"
        return f"{where}{_short(value)} is not allowed: {rule}"
    if "propertyNames" in error.absolute_schema_path:
        return f"{where}{error.message}"
    bounds = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    if error.validator in bounds:
        return f"{where}{_short(value)} must be {bounds[error.validator]} {error.validator_value}"
    if error.validator == "minProperties":
        return f"{where}must not be empty"
    return f"{where}{error.message}"


def key_path(parts: Any) -> str:
    """Return a path in a dotted form: `services.web.ports[1]`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
    "null": None,
}


def _expected(options: Any) -> str:
    """Return the types that a value may have, in words."""
    words = []
    for option in options:
        kinds = option.get("type", "object" if "$ref" in option else None)
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            word = _TYPES.get(kind)
            if word and word not in words:
                words.append(word)
    return " or ".join(words) or "allowed here"


def _short(value: object) -> str:
    """Return a value for a message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - what fits beside a path in a line


def _meant(key: str, known: list[str]) -> str:
    """Return a hint at a known key that is spelt alike; empty if there is none."""
    import difflib

    close = difflib.get_close_matches(key, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
