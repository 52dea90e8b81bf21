"""The values of a site, each with the keys and indices that lead to it. Pure."""

from collections.abc import Iterator

from msgspec import Struct

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

_OF_SECRETS = ("secrets", "password", "root_password", "operators")
_OF_OTHERS = ("base64", "hex", "key_pair", "gid", "mode", "target", "uid")
"""Keys below those that are no place for a secret: of its kind, and of the file that services get it as."""


def texts(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    """Yield every text in a part of a site."""
    if isinstance(value, str):
        yield place, value
    for key, part in parts(value):
        yield from texts((*place, key), part)


def keys(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    """Yield every key that site.toml chooses, with the place of its table."""
    for key, part in parts(value):
        if isinstance(value, dict):
            yield place, str(key)
        yield from keys((*place, key), part)


def parts(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield the parts of a table or list."""
    if isinstance(value, Struct):
        for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield key, getattr(value, name)
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def fits(place: Place, pattern: Place) -> bool:
    """Return whether a place is one of a pattern: `*` is any one key or index, `**` at its end all that is below."""
    if pattern and pattern[-1] == "**":
        place, pattern = place[: len(pattern) - 1], pattern[:-1]
    return len(place) == len(pattern) and all(
        wanted in {"*", key} for key, wanted in zip(place, pattern, strict=True)
    )


def may_be_a_secret(place: Place) -> bool:
    """Return whether a password may stand at a place by mistake, which no message shows.

    That is where a secret's source or name belongs: `[secrets]`, `secrets` of a service or image, `password`; and
    `[operators]`, where a private key may be pasted for a public one.
    """
    return bool(place) and place[-1] not in _OF_OTHERS and any(key in _OF_SECRETS for key in place)
