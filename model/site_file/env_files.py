r"""Files of environment variables, as compose's `env_file` names them, read when site.toml is.

A line is `NAME=value`. Lines that are empty or begin with `#` say nothing; `export ` before a name does as little.
A value may be in single quotes, which keep it as it is, or in double ones, which have escapes (`\n`, `\t`, `\"`, `\\`,
`\$`); without quotes it ends before ` #`. Variables in values are compose's own and are refused.
https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
"""

import re
from pathlib import Path

from model.errors import ConfigError
from model.user_paths import expanded
from model.utf8 import utf8_text

_LINE = re.compile(r"(?:export\s+)?([^\s=#'\"]+)\s*=\s*(.*)")
_VARIABLE = re.compile(r"(?<![\\$])\$(\{|[A-Za-z_])")
_ESCAPE = re.compile(r"\\([ntr\"\\$])")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def env_file(path: str, directory: Path, name: str) -> dict[str, str]:
    """Return the variables of a file.

    Args:
        path: The key's path in site.toml, for messages.
        directory: The site's directory.
        name: What site.toml has.

    Raises:
        ConfigError: It can't be read, or has lines that can't; all of them.

    """
    try:
        text = utf8_text(f"{path}: {name}", expanded(directory, name).read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {name}: {error.strerror}"]) from error
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            variable, value = _variable(line.strip())
        except ValueError as error:
            problems.append(f"{path}: {name}: line {number}: {error}")
            continue
        found[variable] = value
    if problems:
        raise ConfigError(problems)
    return found


def _variable(line: str) -> tuple[str, str]:
    """Return the variable of a line, and its value.

    Raises:
        ValueError: The line has none, or a value that can't be read. The value is not shown: it may be a secret.

    """
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("is not NAME=value")
    name, value = found[1], found[2]
    if value[:1] == "'":
        return name, _within(name, value, "'")
    if value[:1] == '"':
        inner = _within(name, value, '"')
        _refuse_variables(name, inner)
        return name, _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), inner)
    value = re.split(r"\s+#", value, maxsplit=1)[0].rstrip()
    _refuse_variables(name, value)
    return name, value


def _within(name: str, value: str, quote: str) -> str:
    """Return the text between quotes; only a comment may follow."""
    inside = r"(?:[^\\\"]|\\.)*" if quote == '"' else "[^']*"
    found = re.fullmatch(rf"{quote}({inside}){quote}\s*(#.*)?", value)
    if found is None:
        raise ValueError(f"{name}: its quotes don't end at the end of the line")
    return found[1]


def _refuse_variables(name: str, value: str) -> None:
    """Refuse variables in a value, which nobody would replace."""
    if _VARIABLE.search(value):
        raise ValueError(
            f"{name}: variables in values are not replaced: write the value, or put it in single quotes"
        )
