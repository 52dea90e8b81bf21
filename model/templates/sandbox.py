"""The sandbox in which templates are rendered, and the names that it gives them. Pure.

jinja2 is imported when the first value is a template, never before.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, permutations
from typing import TYPE_CHECKING, Any

from model.site import PublishedPort
from model.toml_text import toml_text

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment


_STAND_INS = "\x1f\x1e\x1d\x1c\x0b\x0c"
"""What a CR may be replaced with, alone or as two of them: jinja2 takes each for white space."""
_COMMENT = re.compile(r"[\s=#-](.*[\s=#-])?", re.DOTALL)
"""The text between `{#` and `#}` where it is a comment."""
_TO_WRITE = (
    "write a comment with white space at both ends, `{# a word #}`, and a `{#` that is none `{{ '{#' }}`"
)


class LookupTable:
    """A table as templates see it: `vars.X`, `hosts["hive0"]`, `for name in hosts`.

    No mapping, whose methods (`items`, `get`) would hide what is called so.

    Args:
        what: The noun for its entries, for messages.
        known: The names.
        find: Returns the value of a name.

    """

    __slots__ = ("_find", "_known", "_what")

    def __init__(self, what: str, known: Sequence[str], find: Callable[[str], object]) -> None:
        self._what, self._known, self._find = what, known, find

    def __getitem__(self, name: object) -> object:
        """Return the value of a name; an unknown one raises KeyError, which jinja2 takes for undefined."""
        if not isinstance(name, str) or name not in self._known:
            raise KeyError(name)
        return self._find(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"the {self._what}s {', '.join(self._known)}"

    def lacking(self, name: object) -> str:
        """Return the message for a name that does not exist."""
        known = ", ".join(sorted(self._known))
        return f"there is no {self._what} {name!r} ({f'there are: {known}' if known else 'there are none'})"


class PortTable:
    """A service's published ports as templates see them: by the container's port, `80` or `53/udp`."""

    __slots__ = ("_ports", "_service")

    def __init__(self, service: str, ports: Sequence[PublishedPort]) -> None:
        self._service, self._ports = service, ports

    def __getitem__(self, target: object) -> int:
        """Return the host's port; without a protocol, tcp is preferred."""
        number, _, protocol = str(target).partition("/")
        found = [port for port in self._ports if str(port.target) == number]
        for port in sorted(found, key=lambda port: port.protocol != "tcp"):
            if protocol in {"", port.protocol}:
                return port.published
        raise KeyError(target)

    def __repr__(self) -> str:
        return f"the ports of {self._service}"

    def lacking(self, target: object) -> str:
        """Return the message for a port that is not published."""
        known = ", ".join(f"{port.target}/{port.protocol}" for port in self._ports)
        return f"service {self._service} publishes no port {target} ({f'it has: {known}' if known else 'it has none'})"


@cache
def environment() -> "SandboxedEnvironment":
    """Return jinja2's environment."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import missing

    class Undefined(StrictUndefined):
        """An undefined value with a message of ours."""

        __slots__ = ()

        @property
        def _undefined_message(self) -> str:
            """Return the message."""
            looked_at = self._undefined_obj
            if isinstance(looked_at, LookupTable | PortTable):
                return looked_at.lacking(self._undefined_name)
            if looked_at is not missing and not _is_value(looked_at):
                return f"it has a name of jinja2's own, which has no {toml_text(str(self._undefined_name))}"
            return super()._undefined_message

    class Environment(ImmutableSandboxedEnvironment):
        """jinja2's sandbox, in which the attributes of our tables are their entries only."""

        def getattr(self, obj: object, attribute: str) -> Any:
            """Return the value of `obj.attribute`."""
            return (
                self.getitem(obj, attribute)
                if isinstance(obj, LookupTable | PortTable)
                else super().getattr(obj, attribute)
            )

        def getitem(self, obj: object, argument: Any) -> Any:
            """Return the value of `obj[argument]`."""
            if not isinstance(obj, LookupTable | PortTable):
                return super().getitem(obj, argument)
            try:
                return obj[argument]
            except LookupError:
                return self.undefined(obj=obj, name=argument)

    # The result is not HTML, and keeps its line breaks.
    return Environment(undefined=Undefined, autoescape=False, keep_trailing_newline=True, finalize=_printed)


class NoTextError(Exception):
    """What a template would write is no text."""


def _is_value(found: object) -> bool:
    """Return whether something is a value of TOML, or none, and nothing of Python's or jinja2's own."""
    return found is None or isinstance(found, str | int | float | list | tuple | dict)


def _printed(found: object) -> object:
    """Return what an expression's value is written as: itself.

    Raises:
        NoTextError: It is a function or another object, which would be written as Python shows it.

    """
    from jinja2 import Undefined

    if isinstance(found, LookupTable | PortTable):
        raise NoTextError(
            "a whole table is no text: name one of its entries, or join them: {{ hosts | join(',') }}"
        )
    if not _is_value(found) and not isinstance(found, Undefined):
        raise NoTextError("its value is no text: for a list that map or select makes, add | join(',')")
    return found


@cache
def compiled(text: str) -> Callable[..., str]:
    """Return a template, compiled once, as the function that renders it.

    Line ends stay as they are written, where jinja2 would drop each CR of the template (but none of a value).
    """
    _refuse_comments(text)
    plain = environment().from_string(text)
    if "\r" not in text:
        return plain.render

    @cache
    def with_stand_in(cr: str) -> "Template":
        return environment().from_string(text.replace("\r", cr))

    def render(values: Mapping[str, object]) -> str:
        # What is rendered without any stand-in shows those that the values have themselves.
        cr = _stand_in(text + plain.render(values))
        return with_stand_in(cr).render(values).replace(cr, "\r")

    return render


def _stand_in(text: str) -> str:
    """Return white space that is not in a text: a character, else a pair of two, which never overlaps with itself."""
    pairs = map("".join, permutations(_STAND_INS, 2))
    return next((one for one in chain(_STAND_INS, pairs) if one not in text), "\r")


def _refuse_comments(text: str) -> None:
    """Refuse what jinja2 would take for a comment and leave out, but was hardly meant so.

    A comment has white space at both ends, as in `{# a word #}`, or a line: `{#---- a ----#}`, `{#=====#}`.
    `${#array[@]}` of a shell has none.

    Raises:
        TemplateSyntaxError: There is one.

    """
    from jinja2 import TemplateSyntaxError

    try:
        parts = list(environment().lex(text))
    except TemplateSyntaxError as error:
        if "comment" not in str(error.message):
            raise
        raise TemplateSyntaxError(
            f"`{{#` begins a comment, which has no end: {_TO_WRITE}", error.lineno
        ) from None
    for line, kind, value in parts:
        if kind == "comment" and not _COMMENT.fullmatch(value):
            raise TemplateSyntaxError(
                f"`{{#` begins a comment, which would be left out up to the next `#}}`: {_TO_WRITE}", line
            )
