"""Mistakes of form as sentences: the path, the mistake, the remedy."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from model.places import may_be_a_secret
from model.site_file.foreign_keys import instead
from model.site_file.foreign_values import value_instead
from model.toml_text import key_path, key_text, short_text, toml_text

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


def leaves(error: "ValidationError", whole: Mapping[str, Any]) -> Iterator["ValidationError"]:
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
        # TOML has values that are no key of a table of Python's.
        if not isinstance(value, str) or value not in tagged["mapping"]:
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
        yield from leaves(sub, whole)


def sentences(error: "ValidationError") -> Iterator[str]:
    """Yield a mistake as a line: the path, the mistake, the remedy; one for each key that is not known."""
    path = key_path(error.absolute_path)
    where = f"{path}: " if path else ""
    value, schema = error.instance, error.schema
    tagged = schema.get("discriminator") if error.validator in {"anyOf", "oneOf"} else None
    if error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        table = str(schema.get("title", ""))
        for key in sorted(set(value) - set(known)):
            yield f"{where}unknown key {toml_text(key)}{way_out(table, key, known, value[key])}"
    elif error.validator == "required" and _is_told(error):
        return
    elif tagged is not None and isinstance(value, dict):
        key, legal = tagged["propertyName"], ", ".join(sorted(tagged["mapping"]))
        if key in value:
            lower = str(value[key]).lower()
            meant = f": write {toml_text(lower)}" if lower in tagged["mapping"] else ""
            yield f"{key_path([*error.absolute_path, key])}: {short_text(value[key])} is not one of {legal}{meant}"
        else:
            yield f"{where}the key {toml_text(key)} is missing; it is one of {legal}"
    else:
        yield f"{where}{_mistake(error)}"


_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


_TIME, _AGE, _SIZE, _DEVICE = "(ms|h|m|s)", "[hd]$", "[kKmMgGtT]?", "^/dev/"
"""What the patterns of durations, ages, sizes and block devices have in them."""
_WORDS = re.compile(r"\^\(?([\w.-]+(?:\|[\w.-]+)*)\)?\$")
"""A pattern of some words and nothing else."""
_MIB = 1 << 20


def _mistake(error: "ValidationError") -> str:
    """Return what is wrong with a value, without its path."""
    value, schema, rule = error.instance, error.schema, error.validator
    described = schema.get("description", "")
    place = list(error.absolute_path)
    is_hidden = may_be_a_secret(tuple(place)) and not isinstance(value, bool)
    shown = "this" if is_hidden else short_text(value)
    if "propertyNames" in error.absolute_schema_path:
        return f"{short_text(value)} is not allowed as a name: {described}"
    if rule == "required":
        return f"the key {toml_text(_missing(error))} is missing"
    if rule in {"anyOf", "oneOf", "type"}:
        options = [schema] if rule == "type" else error.validator_value
        if (text := _only_text(options)) and "description" in text:
            spelling = value_instead(place, value) or _with_unit(value, text["pattern"])
            described = text["description"]
            return f"{shown} is not a text{spelling or f': {described}'}"
        spelling = value_instead(place, value) or ("" if is_hidden else _spelling(value, options))
        return f"{shown} is not {_expected(options)}{spelling}"
    if rule == "pattern":
        spelling = value_instead(place, value)
        close = (
            spell
            for spell in _close(str(value), error.validator_value)
            if re.search(error.validator_value, spell)
        )
        if not spelling and (meant := next(close, "")):
            spelling = f": write {toml_text(meant)}"
        words = found[1].split("|") if (found := _WORDS.fullmatch(error.validator_value)) else []
        if not spelling and not all(word in described for word in words):
            return f"{shown} is not one of {', '.join(words)}{_slip(str(value), words)}"
        return f"{shown} is not allowed{spelling or f': {described or error.validator_value}'}"
    if rule in _BOUNDS:
        return f"{shown} must be {_BOUNDS[rule]} {error.validator_value}"
    return "must not be empty" if rule in {"minProperties", "minLength", "minItems"} else error.message


def _only_text(options: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the one alternative, beside none at all, if it is a text with a form; else nothing."""
    alternatives = [option for option in options if option.get("type") != "null"]
    return alternatives[0] if len(alternatives) == 1 and "pattern" in alternatives[0] else {}


def _with_unit(value: object, pattern: str) -> str:
    """Return how a number is written where a duration, age or size is wanted; empty if it can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return ""
    if _SIZE in pattern and not value:
        return ""
    if _SIZE in pattern and value < _MIB:
        said = f": write {toml_text(f'{value}M')}, with its unit; without one these are bytes"
    elif _AGE in pattern:
        said = f": write {toml_text(f'{value}d')} for days, {toml_text(f'{value}h')} for hours"
    else:
        said = f": write {toml_text(f'{value}s' if _TIME in pattern else f'{value}')}"
    first = re.search("'(.*?)'", said)
    return said if first and re.search(pattern, first[1]) else ""


def _missing(error: "ValidationError") -> str:
    """Return the key that a table lacks: there is an error for each."""
    return next(str(key) for key in error.validator_value if error.message.startswith(repr(key)))


def _is_told(error: "ValidationError") -> bool:
    """Return whether a missing key is the one that another key of the table is to be written as."""
    table, known = str(error.schema.get("title", "")), error.schema.get("properties", {})
    meant = re.compile(rf": write {re.escape(_missing(error))}\b")
    return any(
        meant.match(instead(table, key, error.instance[key])) for key in set(error.instance) - set(known)
    )


def _close(text: str, pattern: str) -> Iterator[str]:
    """Yield texts that may be meant by one that is not allowed."""
    bare = text.strip()
    for spelling in (bare, bare.lower(), bare.replace(" ", ""), re.sub(r"iB?$", "", bare)):
        if spelling != text:
            yield spelling
    if bare.isdecimal():
        yield f"{bare}s"
        yield f"{bare}d"
    if pattern.startswith(_DEVICE):
        yield f"{_DEVICE[1:]}{bare}"


def way_out(table: str, key: str, known: Iterable[str], value: object) -> str:
    """Return what to write instead of an unknown key, or a known key that is spelt alike; empty if there is neither.

    Args:
        table: The name of its table's type.
        key: The key.
        known: The keys that the table has.
        value: The key's value.

    """
    if said := instead(table, key, value):
        return said
    return _slip(key, known)


def _slip(text: str, known: Iterable[str]) -> str:
    """Return the known word that is spelt alike, as the end of a message; empty if there is none."""
    close = [name for name in known if distance(text, name) <= (2 if len(text) > 6 else 1)]  # noqa: PLR2004 - slips
    close.sort(key=lambda name: distance(text, name))
    return f", did you mean {toml_text(close[0])}?" if close else ""


def distance(text: str, other: str) -> int:
    """Return how many slips lead from one text to another: a character too many, too few, another, or two swapped."""
    before, last = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, char in enumerate(text, 1):
        row = [i]
        for j, beside in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (char != beside))
            if i > 1 and j > 1 and char == other[j - 2] and text[i - 2] == beside:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
    "null": None,
}


def _expected(options: Iterable[Mapping[str, Any]]) -> str:
    """Return the types that a value may have, in words."""
    kinds = _kinds(options)
    words = [
        word for kind in kinds if (word := _TYPES.get(kind)) and not (kind == "integer" and "number" in kinds)
    ]
    return " or ".join(words) or "allowed here"


def _kinds(options: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the types that a value may have, each once."""
    found: list[str] = []
    for option in options:
        kinds = option.get("type", "object" if "$ref" in option else "")
        found += kinds if isinstance(kinds, list) else [kinds]
    return list(dict.fromkeys(found))


def _spelling(value: object, options: Iterable[Mapping[str, Any]]) -> str:
    """Return how to write a value that is of another type than is wanted; empty if that can't be told."""
    options = list(options)
    kinds = _kinds(options)
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and abs(value) < 1 << 53:
        return f": write {int(value)}"
    if isinstance(value, bool | int | float) and any(_takes_text(option) for option in options):
        return f": write {toml_text(toml_text(value))}"
    if isinstance(value, str) and "array" in kinds:
        return f": write {short_text([value])}"
    if isinstance(value, str) and value.lower() in {"true", "false", "yes", "no"} and "boolean" in kinds:
        return f": write {toml_text(value.lower() in {'true', 'yes'})}, without quotes"
    if isinstance(value, str) and _NUMBER.fullmatch(value) and {"integer", "number"} & set(kinds):
        return f": write {value}, without quotes"
    if "object" in kinds and isinstance(value, list) and _are_pairs(value):
        name, _, text = str(value[0]).partition("=")
        return f": write {{ {key_text(name)} = {toml_text(text)} }}"
    return ""


def _takes_text(option: Mapping[str, Any]) -> bool:
    """Return whether any text is taken, and not only some words."""
    return "string" in _kinds([option]) and "pattern" not in option and "enum" not in option


_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?")


def _are_pairs(value: list[Any]) -> bool:
    """Return whether a list is that of `NAME=value`, as compose takes it for a table."""
    return bool(value) and all(isinstance(part, str) and "=" in part for part in value)
