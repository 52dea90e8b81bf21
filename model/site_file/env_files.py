r"""Files of environment variables, as compose's `env_file` names them, read when site.toml is.

A statement is `NAME=value`, or `NAME: value`. Lines that are empty or begin with `#` say nothing; `export ` before a
name does as little. A value in quotes may have several lines. Single quotes keep it as it is, but for `\'`; double ones
have escapes (`\n`, `\t`, `\"`, `\\`, `\$` and others); without quotes it ends with the line, or before ` #`. But for
single quotes `$$` is a `$`. Variables in values are compose's own and are refused.
https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax, and
compose-spec/compose-go, dotenv/parser.go
"""

import re
from collections.abc import Callable
from pathlib import Path

from model.errors import ConfigError
from model.user_paths import expanded, file_size
from model.utf8 import utf8_text

LARGEST = 1 << 20
"""Bytes of a file that are read. Linux gives a process two megabytes for arguments and environment together."""
_NAME = re.compile(r"\s*(?:export[^\S\n]+)?([\w.\[\]-]+)[^\S\n]*(?:([=:])[^\S\n]*|$)")
_QUOTED = {
    "'": re.compile(r"'((?:[^\\']|\\.)*)'", re.DOTALL),
    '"': re.compile(r'"((?:[^\\"]|\\.)*)"', re.DOTALL),
}
_REST = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|$)")
_DOLLAR = re.compile(r"\$(\$|\{|[A-Za-z_])")
_ESCAPE = re.compile(r"\\([abfnrtv$\"\\]|0[0-7]{1,3})")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}


def env_file(path: str, directory: Path, name: str) -> dict[str, str]:
    """Return the variables of a file.

    Args:
        path: The key's path in site.toml, for messages.
        directory: The site's directory.
        name: What site.toml has.

    Raises:
        ConfigError: It can't be read, or has lines that can't; all of them.

    """
    file = expanded(directory, name)
    try:
        size = file_size(file)
        if size > LARGEST:
            raise ConfigError(
                [f"{path}: {name}: has {size} bytes, which is more than a container's environment"]
            )
        text = utf8_text(f"{path}: {name}", file.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {name}: {error.strerror}"]) from error
    return env_variables(f"{path}: {name}", text, _without_dollars)


def env_variables(path: str, text: str, expand: Callable[[str, str], str]) -> dict[str, str]:
    """Return the variables of a file's text.

    Args:
        path: The file's, for messages.
        text: What is in it.
        expand: Makes of a name and its value, in which a `$` may begin a variable, the value.

    Raises:
        ConfigError: It has lines that can't be read; all of them.

    """
    found: dict[str, str] = {}
    problems: list[str] = []
    # Not `splitlines`: a value may have other characters that end a line elsewhere.
    lines, number = text.split("\n"), 0
    while number < len(lines):
        first = number + 1
        try:
            number, variable, value = _statement(lines, number, expand)
        except ValueError as error:
            number += 1
            problems.append(f"{path}: line {first}: {error}")
            continue
        if variable:
            found[variable] = value
    if problems:
        raise ConfigError(problems)
    return found


def _statement(lines: list[str], number: int, expand: Callable[[str, str], str]) -> tuple[int, str, str]:
    """Return the line after a statement, and its variable with its value; an empty name if the line says nothing.

    Raises:
        ValueError: It can't be read. The value is not shown: it may be a secret.

    """
    line = lines[number].rstrip()
    if not line or line.lstrip().startswith("#"):
        return number + 1, "", ""
    found = _NAME.match(line)
    if found is None:
        raise ValueError("is not NAME=value")
    if found[2] is None:
        raise ValueError(
            "is not NAME=value: a name alone takes nothing of the shell's environment here; [secrets] has env for that"
        )
    name, value = found[1], lines[number][found.end() :]
    used = 1
    if value[:1] in _QUOTED:
        rest = "\n".join([value, *lines[number + 1 :]])
        quoted = _QUOTED[value[0]].match(rest)
        if quoted is None or _REST.match(rest, quoted.end()) is None:
            where = "don't end" if quoted is None else "are followed by something else"
            raise ValueError(f"{name}: its quotes {where}")
        used += quoted[0].count("\n")
        value = _of_single(quoted[1]) if value[0] == "'" else expand(name, _of_double(quoted[1]))
    else:
        value = expand(name, value.partition(" #")[0].rstrip())
    if "\0" in value:
        raise ValueError(f"{name}: has a NUL in it, which no variable can have")
    return number + used, name, value


def _of_single(inner: str) -> str:
    r"""Return the text between single quotes, in which `\'` is a quote."""
    return inner.replace("\\'", "'")


def _of_double(inner: str) -> str:
    """Return the text between double quotes without its escapes. A `$` is still doubled."""
    return _ESCAPE.sub(
        lambda escape: (
            chr(int(escape[1], 8) & 0xFF) if escape[1][0] == "0" else _ESCAPED.get(escape[1], escape[1])
        ),
        inner,
    )


def _without_dollars(name: str, value: str) -> str:
    """Return a value with `$` for `$$`.

    Raises:
        ValueError: There are variables in it, which nobody would replace.

    """
    if any(found[1] != "$" for found in _DOLLAR.finditer(value)):
        raise ValueError(
            f"{name}: variables in values are not replaced: write the value, or put it in single quotes"
        )
    return _DOLLAR.sub("$", value)
