"""The forms of a health check's `test`: those of site.toml, of compose and of Dockerfiles. Pure.

compose: https://github.com/compose-spec/compose-spec/blob/main/05-services.md#healthcheck. A list begins there with
`CMD`, `CMD-SHELL` or `NONE`, a text is for the shell. Here a list may also be the words of the command alone.
"""

import re

from model.toml_text import short_text, toml_text

COMMAND, SHELL, NONE = "CMD", "CMD-SHELL", "NONE"
_FORMS = (COMMAND, SHELL, NONE)
_OFF = "leave it out for the image's own check, or write test = ['NONE'] to switch that off"
_DOCKERFILE = re.compile(r"\s*(CMD-SHELL|CMD|NONE|HEALTHCHECK)\b(.*)", re.DOTALL)


def health_test(written: str | list[str]) -> str | list[str]:
    """Return a test in the form of the site: a text for the shell, the words of a command, no words for no check.

    Raises:
        ValueError: It is none of the forms; the message says what to write.

    """
    if isinstance(written, str):
        return _of_text(written)
    if not written or not written[0].strip():
        raise ValueError(f"is empty: {_OFF}")
    first, *rest = written
    if first not in _FORMS:
        if first.upper() in _FORMS:
            raise ValueError(f"{toml_text(first)} is written {toml_text(first.upper())}")
        return written
    if first == NONE:
        if rest:
            raise ValueError("'NONE' stands alone: it switches the image's check off")
        return []
    if not rest or not rest[0].strip():
        raise ValueError(f"has no command after {toml_text(first)}")
    if first == COMMAND:
        return rest
    if len(rest) > 1:
        raise ValueError(
            f"'CMD-SHELL' takes one text, and the shell would get the others as arguments: write "
            f"{short_text([SHELL, ' '.join(rest)])}"
        )
    return rest[0]


def _of_text(written: str) -> str:
    """Return a test that is a text."""
    if not written.strip():
        raise ValueError(f"is empty: {_OFF}")
    found = _DOCKERFILE.fullmatch(written)
    if found is not None:
        form, rest = found[1], found[2].strip()
        if form == NONE and not rest:
            raise ValueError("'NONE' as a text is a command: write test = ['NONE']")
        if form != NONE:
            raise ValueError(
                f"{short_text(written)} is a line of a Dockerfile: write the command itself, a text for the shell or a "
                "list of words"
            )
    return written
