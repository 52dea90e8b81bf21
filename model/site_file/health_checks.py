"""The forms of a health check's `test`: those of site.toml, of compose and of Dockerfiles. Pure.

compose: https://github.com/compose-spec/compose-spec/blob/main/05-services.md#healthcheck. A list begins there with
`CMD`, `CMD-SHELL` or `NONE`, a text is for the shell. Here a list may also be the words of the command alone.
"""

import re

from model.toml_text import short_text, toml_text

COMMAND, SHELL, NONE = "CMD", "CMD-SHELL", "NONE"
_FORMS = (COMMAND, SHELL, NONE)
_OFF = "leave it out for the image's own check, or write test = ['NONE'] to switch that off"
_DOCKERFILE = re.compile(r"\s*(CMD\s|CMD-SHELL\s|HEALTHCHECK\s+(--\S+\s+)*(CMD|NONE)\b).*", re.DOTALL)
"""A line of a Dockerfile, in capitals: `healthcheck` and `healthcheck.sh` are programs."""
_WHOLE_COMMAND = re.compile(r"[^\s/]\S*\s.*|\S+\s+-.*", re.DOTALL)
"""A program and its arguments in one text. A program's path may have spaces in it: `/opt/my app/check`."""


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
        if (form := first.strip().upper()) in _FORMS:
            raise ValueError(f"{toml_text(first)} is written {toml_text(form)}")
        return _of_words(written)
    if first == NONE:
        if rest:
            raise ValueError("'NONE' stands alone: it switches the image's check off")
        return []
    if not rest or not rest[0].strip():
        raise ValueError(f"has no command after {toml_text(first)}")
    if first == COMMAND:
        return _of_words(rest)
    if len(rest) > 1:
        raise ValueError(
            f"'CMD-SHELL' takes one text, and the shell would get the others as arguments: write "
            f"{short_text([SHELL, ' '.join(rest)])}"
        )
    return rest[0]


def _of_words(words: list[str]) -> list[str]:
    """Return the words of a command, if they are words: no shell divides them."""
    if len(words) == 1 and _WHOLE_COMMAND.fullmatch(words[0].strip()):
        raise ValueError(
            f"{short_text(words[0])} is one word, and no program has that name: write each word by itself "
            f"({short_text(words[0].split())}), or the text without a list for the shell"
        )
    return words


def _of_text(written: str) -> str:
    """Return a test that is a text."""
    if not written.strip():
        raise ValueError(f"is empty: {_OFF}")
    if written.strip().upper() == NONE:
        raise ValueError(f"{toml_text(written)} as a text is a command: write test = ['NONE']")
    found = _DOCKERFILE.fullmatch(written)
    if found is not None:
        raise ValueError(
            f"{short_text(written)} is a line of a Dockerfile: write the command itself, a text for the shell or a "
            "list of words"
        )
    return written
