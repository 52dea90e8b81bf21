"""A definition as plain values, without what it leaves to its defaults.

A default that is written out means nothing, so it must not be in a key; and a new attribute of a later skep, at its
default, must not change old keys. (msgspec's own `omit_defaults` compares some values by identity: not enough here.)
"""

from functools import cache
from typing import Any

import msgspec


def definition(value: object) -> Any:
    """Return a type of `model.site` as tables, lists and scalars, under the keys of site.toml."""
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: definition(held)
            for field in _fields(type(value))
            if (held := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, list | tuple):
        return [definition(part) for part in value]
    if isinstance(value, dict):
        return {key: definition(part) for key, part in value.items()}
    return value


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return a type's fields; to find them out takes longer than all else here, and a site has few types."""
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return what a field is where it is left out; what has no default equals nothing."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
