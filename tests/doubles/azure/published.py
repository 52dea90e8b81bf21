"""The form of requests as Azure publishes it in its SDK: the keys, and the values that each may have.

Held against: the models of azure-mgmt-compute 34 and its like; those of later releases leave the form to the service.
"""

import enum
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from azure.mgmt.network._utils.serialization import Serializer

_KINDS = {"str": str, "int": int, "bool": bool, "float": (int, float)}
_DOT = re.compile(r"(?<!\\)\.")


def model_of(where: str) -> type:
    """Return a model by `module:name`."""
    module, _, name = where.partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


def mistakes(value: Any, model: Any, path: str = "") -> Iterator[str]:
    """Yield the mistakes in the body of a request, by the model's keys."""
    if not isinstance(value, dict):
        yield f"{path or 'the body'} is no object"
        return
    known: dict[str, Any] = {}
    module = importlib.import_module(model.__module__.rpartition(".")[0])
    for name, entry in model._attribute_map.items():
        words = [word.replace("\\.", ".") for word in _DOT.split(entry["key"])]
        at: dict[str, Any] = known
        for word in words[:-1]:
            at = at.setdefault(word, {})
        at[words[-1]] = None
        given: Any = value
        for word in words:
            given = given.get(word) if isinstance(given, dict) else None
        here = f"{path}.{'.'.join(words)}".strip(".")
        rules = dict(model._validation.get(name, {}))
        if given is None:
            if rules.get("required"):
                yield f"{here} is required"
            continue
        if rules.pop("readonly", False):
            yield f"{here} is read-only"
            continue
        yield from _limits(given, rules, here)
        yield from _typed(given, entry["type"], here, module)
        yield from _listed(given, model, name, here, module)
    yield from _unknown(value, known, path)


def _unknown(value: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the keys that there are not."""
    for key, inner in value.items():
        here = f"{path}.{key}".strip(".")
        if key not in known:
            yield f"could not find member {here!r}"
        elif known[key] is not None and isinstance(inner, dict):
            yield from _unknown(inner, known[key], here)


def _limits(value: Any, rules: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the limits that a value breaks."""
    for rule, limit in rules.items():
        refuses: Any = Serializer.validation.get(rule)
        if refuses is not None and refuses(value, limit):
            yield f"{path}: {value!r} breaks {rule} {limit!r}"


def _typed(value: Any, kind: str, path: str, module: Any) -> Iterator[str]:
    """Yield values of the wrong type, and go on inside."""
    if kind in _KINDS:
        if not isinstance(value, _KINDS[kind]) or (kind == "int" and isinstance(value, bool)):  # type: ignore[arg-type]
            yield f"{path}: {value!r} is no {kind}"
    elif kind.startswith("["):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for i, one in enumerate(value):
            yield from _typed(one, kind[1:-1], f"{path}[{i}]", module)
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        for name, one in value.items():
            yield from _typed(one, kind[1:-1], f"{path}.{name}", module)
    elif hasattr(module, kind):
        model = getattr(module, kind)
        if hasattr(model, "_attribute_map"):
            yield from mistakes(value, model, path)


def _listed(value: Any, model: Any, name: str, path: str, module: Any) -> Iterator[str]:
    """Yield a value that is none of its enum's, which the constructor's annotation names."""
    legal = _enums(model, module.__name__).get(name, ())
    if legal and isinstance(value, str) and value.lower() not in {one.lower() for one in legal}:
        yield f"{path}: {value!r} is none of {', '.join(legal)}"


@functools.cache
def _enums(model: Any, module: str) -> dict[str, tuple[str, ...]]:
    """Return the values that arguments of a model's constructor may have, for those that have an enum."""
    found: dict[str, tuple[str, ...]] = {}
    for name, parameter in inspect.signature(model.__init__).parameters.items():
        for word in re.findall(r"_models\.(\w+)", str(parameter.annotation)):
            kind = getattr(importlib.import_module(module), word, None)
            if inspect.isclass(kind) and issubclass(kind, enum.Enum):
                found[name] = tuple(str(one.value) for one in kind)
    return found
