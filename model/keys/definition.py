"""A definition as plain values, without what it leaves to its defaults: durations and sizes with their units.

A default that is written out means nothing, so it must not be in a key; and a new attribute of a later skep, at its
default, must not change old keys. (msgspec's own `omit_defaults` compares some values by identity: not enough here.)
"""

from functools import cache
from typing import Any, get_args

import msgspec

from model.units import Unit


def definition(value: object) -> Any:
    """Return a type of `model.site` as tables, lists and scalars, under the keys of site.toml."""
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: unit.text(held) if unit is not None else definition(held)
            for field, unit in _fields(type(value))
            if (held := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, list | tuple):
        return [definition(part) for part in value]
    if isinstance(value, dict):
        return {key: definition(part) for key, part in value.items()}
    return value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[msgspec.structs.FieldInfo, Unit | None], ...]:
    """Return a type's fields with their units; cached, as finding them takes longer than all else here."""
    return tuple((field, _unit(field.type)) for field in msgspec.structs.fields(kind))


def _unit(annotation: object) -> Unit | None:
    """Return the unit of a field's numbers."""
    for part in (annotation, *get_args(annotation)):
        for said in getattr(part, "__metadata__", ()):
            if isinstance(said, Unit):
                return said
    return None


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return what a field is where it is left out; what has no default equals nothing."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
