"""Kinds of strings and numbers in a site, and the bases of its types."""

from typing import Annotated, Any

from msgspec import Meta, Struct

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits, `-` and `_`; at most 63 characters.",
    ),
]
Label = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="One label of a DNS name: lower-case letters, digits and `-`.",
    ),
]
Domain = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
        description="A DNS name in lower case.",
    ),
]
Variable = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="A shell variable: letters, digits and `_`."),
]
LAST_PORT = 65535
Port = Annotated[int, Meta(ge=1, le=LAST_PORT, description="A port's number.")]
Scalar = str | int | float | bool
Value = Scalar | list[Any] | dict[str, Any]


class Frozen(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The base of types that are tables of site.toml: immutable, without unknown keys."""


class ShortForm(Struct, frozen=True):
    """A part of a site that site.toml may write in a short form."""

    @property
    def short(self) -> str | int | None:
        """The short form; None if it would not say all."""
        raise NotImplementedError
