"""Secrets and configs: where each comes from, and how a service gets it."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen, Name, ShortForm

_ID = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern="^[0-9]+$")]
_PERMISSIONS = "^[01]?[0-7]{3}$"


class SecretSource(Frozen, frozen=True):
    """Where a secret comes from: exactly one of these."""

    generate: (
        Annotated[
            int, Meta(ge=12, le=256, description="Made once, of this many letters and digits, and kept.")
        ]
        | None
    ) = None
    env: Annotated[str, Meta(description="An environment variable of doit's.")] | None = None
    file: (
        Annotated[
            str,
            Meta(
                description="A file, seen from the site's directory; one line break at its end is left out."
            ),
        ]
        | None
    ) = None
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="What prints it, run here in the site's directory: a text for the shell, or words; one "
                "line break at its end is left out. `doit list` and `doit why` don't run it."
            ),
        ]
        | None
    ) = None


class SecretUse(Frozen, ShortForm, frozen=True):
    """A secret as a service gets it, in long form."""

    source: Annotated[Name, Meta(description="A name of `[secrets]`.")]
    target: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="Its file: a name in `/run/secrets/`, or a path that begins with `/`; by default `source`.",
            ),
        ]
        | None
    ) = None
    uid: Annotated[_ID, Meta(description="Whose the file is, as a number.")] = 0
    gid: Annotated[_ID, Meta(description="Which group's the file is, as a number.")] = 0
    mode: Annotated[str, Meta(pattern=_PERMISSIONS, description="Its permissions, as in `0440`.")] = "0400"

    @property
    def short(self) -> str | None:
        """The secret's name, if nothing else is said."""
        return self.source if self == SecretUse(source=self.source) else None


class Config(Frozen, frozen=True):
    """A file that services get, from a text or a file: exactly one of these."""

    file: Annotated[str, Meta(description="A file, seen from the site's directory.")] | None = None
    text: Annotated[str, Meta(description="The text itself.")] | None = None
    template: Annotated[
        bool, Meta(description="Whether `{{ … }}` in it is Jinja2; else it is taken byte by byte.")
    ] = True


class ConfigUse(Frozen, ShortForm, frozen=True):
    """A config as a service gets it, in long form."""

    source: Annotated[Name, Meta(description="A name of `[configs]`.")]
    target: (
        Annotated[
            str,
            Meta(
                pattern="^/.",
                description="Its file: a path that begins with `/`; by default `source` in the root directory.",
            ),
        ]
        | None
    ) = None
    uid: Annotated[_ID, Meta(description="Whose the file is, as a number.")] = 0
    gid: Annotated[_ID, Meta(description="Which group's the file is, as a number.")] = 0
    mode: Annotated[str, Meta(pattern=_PERMISSIONS, description="Its permissions, as in `0440`.")] = "0444"

    @property
    def short(self) -> str | None:
        """The config's name, if nothing else is said."""
        return self.source if self == ConfigUse(source=self.source) else None
