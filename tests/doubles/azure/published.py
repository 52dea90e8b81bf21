"""The form of requests as Azure published it in its SDK: the keys, and the values that each may have.

Held against: the models of azure-mgmt-compute 34 and its like, of which `extract.py` made `forms.json`; those of later
releases, which people install, leave the form to the service.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMS = Path(__file__).with_name("forms.json")
Forms = dict[str, dict[str, dict[str, Any]]]
"""Model, as `module:name`, to its keys; the words of a key that is further inside are separated by tabs."""

_KINDS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


@functools.cache
def forms() -> Forms:
    """Return the forms of all models."""
    found: Forms = json.loads(FORMS.read_text())
    return found


def mistakes(value: Any, model: str, path: str = "") -> Iterator[str]:
    """Yield the mistakes in the body of a request, by the model's keys."""
    if not isinstance(value, dict):
        yield f"{path or 'the body'} is no object"
        return
    known: dict[str, Any] = {}
    for key, form in forms()[model].items():
        words = key.split("\t")
        at: dict[str, Any] = known
        for word in words[:-1]:
            at = at.setdefault(word, {})
        at[words[-1]] = None
        given: Any = value
        for word in words:
            given = given.get(word) if isinstance(given, dict) else None
        here = f"{path}.{'.'.join(words)}".strip(".")
        rules = dict(form.get("rules", {}))
        if given is None:
            if rules.get("required"):
                yield f"{here} is required"
            continue
        if rules.pop("readonly", False):
            yield f"{here} is read-only"
            continue
        yield from _limits(given, rules, here)
        yield from _typed(given, form["type"], here, model.partition(":")[0])
        legal = form.get("values", ())
        if legal and isinstance(given, str) and given.lower() not in {one.lower() for one in legal}:
            yield f"{here}: {given!r} is none of {', '.join(legal)}"
    yield from _unknown(value, known, path)


def _unknown(value: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the keys that there are not."""
    for key, inner in value.items():
        here = f"{path}.{key}".strip(".")
        if key not in known:
            yield f"could not find member {here!r}"
        elif known[key] is not None and isinstance(inner, dict):
            yield from _unknown(inner, known[key], here)


_BROKEN = {
    "minimum": lambda value, limit: value < limit,
    "maximum": lambda value, limit: value > limit,
}
"""A limit to how it is broken, as the SDK checked it before it sent anything."""


def _limits(value: Any, rules: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the limits that a value breaks."""
    for rule, limit in rules.items():
        if rule in _BROKEN and _BROKEN[rule](value, limit):
            yield f"{path}: {value!r} breaks {rule} {limit!r}"


def _typed(value: Any, kind: str, path: str, home: str) -> Iterator[str]:
    """Yield values of the wrong type, and go on inside.

    Args:
        value: The value.
        kind: Its type, in the SDK's words.
        path: Where it is.
        home: The module whose models it may be of.

    """
    if kind in _KINDS:
        if not isinstance(value, _KINDS[kind]) or (kind == "int" and isinstance(value, bool)):  # type: ignore[arg-type]
            yield f"{path}: {value!r} is no {kind}"
    elif kind.startswith("["):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for i, one in enumerate(value):
            yield from _typed(one, kind[1:-1], f"{path}[{i}]", home)
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        for name, one in value.items():
            yield from _typed(one, kind[1:-1], f"{path}.{name}", home)
    elif (model := f"{home}:{kind}") in forms():
        yield from mistakes(value, model, path)
