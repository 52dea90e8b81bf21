"""Load `site.toml` as the types of `model.site`, strictly, and report all mistakes at once.

msgspec reads into the types and stops at the first mistake. Only then is the JSON Schema that it makes from the same
types held against the file by jsonschema, which finds all of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import tomli

from model import checks
from model import site as types
from model.errors import ConfigError
from model.places import Place
from model.reasons import reason_of
from model.site_file import convert
from model.site_file.dotted import with_dotted_keys
from model.site_file.raw_values import TOO_DEEP, told, too_deep, without_odd_values
from model.site_file.sentences import leaves, sentences
from model.site_file.tables import SiteTable
from model.stage import Stage
from model.toml_syntax import syntax_mistake
from model.toml_text import key_path, printable, toml_text
from model.user_paths import content_of
from model.utf8 import utf8_text

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

DEFAULT_STAGE = "private"
_MANY_DIGITS = re.compile(r"[0-9A-Fa-f_]{1000}")


def load(path: Path, homes: Mapping[str, str] = MappingProxyType({})) -> types.Site:
    """Return the site that a file describes.

    Args:
        path: The file.
        homes: Stage to the host whose registry has its images, as far as that is known.

    Raises:
        ConfigError: The file can't be read, is no TOML, or holds mistakes: each in a line with its path.

    """
    return site_of(_read(path), path, homes)


def site_of(data: Mapping[str, Any], path: Path, homes: Mapping[str, str]) -> types.Site:
    """Return the site that a file with this content describes.

    Raises:
        ConfigError: All mistakes, each in a line with its path.

    """
    if deep := too_deep(data):
        raise _refused(path.name, [deep])
    flat, twice = with_dotted_keys(data)
    cleaned, odd = without_odd_values(flat)
    first = [*twice, *told(odd)]
    try:
        table = _table(cleaned, path.name)
    except ConfigError as error:
        form = [problem.removeprefix(f"{path.name}: ") for problem in error.problems]
        sense = _sense_of_the_rest(cleaned, path.parent, homes)
        raise _refused(path.name, [*first, *_but(odd, [*form, *sense])]) from error
    site, problems = convert.site(table, path.parent)
    problems += checks.check(site, path.parent, homes)
    if first or problems:
        raise _refused(path.name, [*first, *_but(odd, problems)])
    return site


def _refused(name: str, problems: Iterable[str]) -> ConfigError:
    """Return the error with a file's problems, each on one line that a terminal shows as it is."""
    return ConfigError([printable(f"{name}: {problem}") for problem in problems])


def _but(odd: Mapping[Place, str], problems: Iterable[str]) -> list[str]:
    """Return problems but for those of values that were odd already: they are about what stands in for them."""
    said = tuple(f"{key_path(place)}:" for place in odd)
    return [problem for problem in problems if not problem.startswith(said)]


def _read(path: Path) -> dict[str, Any]:
    """Return a file's content.

    Raises:
        ConfigError: The file can't be read or is no TOML.

    """
    text = ""
    try:
        text = utf8_text(path.name, content_of(path))
        return tomli.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(
            [f"{path}: there is no site.toml here; start doit in a site's directory, or make one: doit init"]
        ) from error
    except OSError as error:
        raise ConfigError([f"{path}: {reason_of(error)}"]) from error
    except tomli.TOMLDecodeError as error:
        raise _refused(path.name, [syntax_mistake(error)]) from error
    except RecursionError as error:
        # tomli has limits of its own. The line is that with most brackets and dots.
        lines = text.splitlines()
        line = max(range(len(lines)), key=lambda i: len(re.findall(r"[\[{.]", lines[i]))) + 1
        raise _refused(path.name, [f"line {line}: {TOO_DEEP}"]) from error
    except ValueError as error:
        # Python's limit of digits: tomli hands it on.
        found = _MANY_DIGITS.search(text)
        line = text.count("\n", 0, found.start() if found else 0) + 1
        raise _refused(path.name, [f"line {line}: a number has more than 64 bits"]) from error


def _sense_of_the_rest(data: Mapping[str, Any], directory: Path, homes: Mapping[str, str]) -> list[str]:
    """Return the mistakes of sense in a file that has mistakes of form, as far as they can be found.

    Each stage, image, service and so on with a mistake of form is left out, and so are complaints about its absence.
    """
    rest: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in data.items()
    }
    out: set[str] = set()
    for error in _validator().iter_errors(data):
        path = list(error.absolute_path)
        if error.validator == "additionalProperties" and not path:
            for key in set(data) - set(error.schema["properties"]):
                rest.pop(key, None)
        elif path:
            table = rest.get(path[0])
            # A name that is not allowed is no part of the path.
            name = path[1] if len(path) > 1 else error.instance
            if isinstance(table, dict) and isinstance(name, str):
                table.pop(name, None)
                out.add(name)
            else:
                rest.pop(path[0], None)
    try:
        site, problems = convert.site(msgspec.convert(rest, SiteTable), directory)
    except msgspec.ValidationError:
        return []
    problems += checks.check(site, directory, homes)
    return [line for line in problems if not any(toml_text(name) in line for name in out)]


def parse_site(data: Mapping[str, Any]) -> types.Site:
    """Return the site that a TOML file's content describes. Only its form is checked.

    Raises:
        ConfigError: All mistakes of form, each with its path.

    """
    site, problems = convert.site(_table(data, "site.toml"))
    if problems:
        raise ConfigError([f"site.toml: {problem}" for problem in problems])
    return site


def _table(data: Mapping[str, Any], name: str) -> SiteTable:
    """Return a TOML file's content as the types of its tables.

    Raises:
        ConfigError: All mistakes of form, each with its path.

    """
    try:
        return msgspec.convert(data, SiteTable)
    except msgspec.ValidationError as error:
        problems = list(dict.fromkeys(_problems(data))) or [str(error)]
        raise ConfigError([f"{name}: {problem}" for problem in problems]) from error


def select(site: types.Site, asked: str | None, homes: Mapping[str, str] = MappingProxyType({})) -> Stage:
    """Return the requested stage; by default the one that site.toml names, else `private`, else the only one.

    Args:
        site: The site.
        asked: The stage's name, if one was requested.
        homes: Stage to the host whose registry has its images, as far as that is known.

    Raises:
        ConfigError: There is no such stage, or none was requested and there is no default.

    """
    names = list(site.stages)
    name = asked or site.stage
    if name is None:
        name = DEFAULT_STAGE if DEFAULT_STAGE in names else names[0] if len(names) == 1 else None
    if name is None:
        raise ConfigError([f"say which stage: stage={'|'.join(names)} after doit, or SKEP_STAGE"])
    if name not in names:
        raise ConfigError([f"there is no stage {toml_text(name)} in site.toml; it has {', '.join(names)}"])
    return Stage(site, name, site.stages[name], homes.get(name, ""))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of site.toml, made from the types."""
    made = msgspec.json.schema(SiteTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "skep's site.toml", **made}


@cache
def _validator() -> "Draft202012Validator":
    """Return what holds data against the schema; made once, as that takes longer than to use it."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON takes 1.0 for a whole number, and msgspec does not.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    strict: type[Draft202012Validator] = extend(Draft202012Validator, type_checker=checker)
    return strict(schema())


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake of form."""
    for error in sorted(_validator().iter_errors(data), key=lambda e: list(map(str, e.absolute_path))):
        for leaf in leaves(error, _validator().schema):
            yield from sentences(leaf)
