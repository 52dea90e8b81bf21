"""A definition as plain values, as short as site.toml has it: without defaults, in short forms, numbers with units.

A default that is written out means nothing, so it must not be in a key; and a new attribute of a later skep, at its
default, must not change old keys. (msgspec's own `omit_defaults` compares some values by identity: not enough here.)
"""

from functools import cache
from typing import Any, get_args

import msgspec

from model.site.base import ShortForm
from model.units import Written


def definition(value: object) -> Any:
    """Return a type of `model.site` as tables, lists and scalars, under the keys of site.toml."""
    if isinstance(value, ShortForm) and value.short is not None:
        return value.short
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: written.form(held) if written is not None else definition(held)
            for field, written in _fields(type(value))
            if (held := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, list | tuple):
        return [definition(part) for part in value]
    if isinstance(value, dict):
        return {key: definition(part) for key, part in value.items()}
    return value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[msgspec.structs.FieldInfo, Written | None], ...]:
    """Return a type's fields with their written forms; cached, as finding them takes longer than all else here."""
    return tuple((field, _written(field.type)) for field in msgspec.structs.fields(kind))


def _written(annotation: object) -> Written | None:
    """Return a field's written form; None if the value is written as it is."""
    for part in (annotation, *get_args(annotation)):
        for metadata in getattr(part, "__metadata__", ()):
            if isinstance(metadata, Written):
                return metadata
    return None


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return a field's default; one without a default gets a value that equals no other."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
