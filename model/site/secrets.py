"""Secrets: where each comes from."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen


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
