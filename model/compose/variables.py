"""Variables in compose files: `${NAME}` and its forms, and the file `.env`.

https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md. A variable is kept as a mark in its text, so
that it can become a variable of site.toml where that takes templates, and its value elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model.compose.yaml_file import Overriding
from model.errors import ConfigError
from model.secrets.secret import SHORTEST

BEGIN, END = "\ue000", "\ue001"
"""Around the name of a variable in a text. They are characters of Unicode's private use."""
MARK = re.compile(f"{BEGIN}([^{END}]*){END}")
_ODD = re.compile(f"[{BEGIN}{END}\ud800-\udfff]")
"""What no text may have: the characters of a mark, and halves of characters, as of a variable that is no UTF-8."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BODY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])(.*))?", re.DOTALL)
_SECRET = re.compile(
    r"(^|_)(PASS(WORD|WD|PHRASE)?|PWD?|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|SECRET_?KEY|CREDENTIALS?)(_|\d|$)"
    r"|PASSWO?R?D|PASSPHRASE|SECRET|APIKEY",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(_FILE|_PATH|_NAME|_LENGTH)$|^O?L?D?PWD$", re.IGNORECASE)
_DEEPEST = 10


@dataclass(frozen=True)
class Variable:
    """A variable that a file uses.

    Args:
        name: Its name.
        value: Its value; None where it has none and no default.
        origin: `environment`, `.env`, `default`, or empty.
        asked: The message of `${NAME:?message}`; empty without one.
        written: As the file has it, as `${NAME:-default}`.
        is_bare_too: Whether it has no default elsewhere, where compose would have nothing.

    """

    name: str
    value: str | None
    origin: str = ""
    asked: str = ""
    written: str = ""
    is_bare_too: bool = False

    @property
    def is_secret(self) -> bool:
        """Whether it is to be a secret of the site's: by its name, if it has none that is in the file itself.

        A secret that is very short can't be kept out of logs, and is refused.
        """
        is_short = self.value is not None and len(self.value) < SHORTEST
        return self.origin != "default" and looks_secret(self.name) and not is_short


@dataclass
class Variables:
    """The variables of a compose file.

    Args:
        environment: Those of the process, which take precedence.
        dotenv: Those of `.env`.
        used: Those that were met, by name.
        chosen: The forms `${NAME:+text}` that were met, which are one text or none.

    """

    environment: Mapping[str, str]
    dotenv: Mapping[str, str] = field(default_factory=dict)
    used: dict[str, Variable] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)

    def beside(self, dotenv: Mapping[str, str]) -> "Variables":
        """Return the same with another `.env` below this one, as an included file has."""
        return Variables(self.environment, {**dotenv, **self.dotenv}, self.used, self.chosen)

    def value(self, name: str) -> str | None:
        """Return a variable's value, if it has one.

        Raises:
            ConfigError: It is no text.

        """
        value = self.environment.get(name, self.dotenv.get(name))
        if value is not None and _ODD.search(value):
            raise ConfigError(
                [f"the variable {name} is not UTF-8, or has U+E000 or U+E001 in it: set it to a text"]
            )
        return value

    def interpolated(self, place: str, value: Any) -> Any:
        """Return a part of a file with marks in the place of its variables. Keys have none.

        Args:
            place: Where it stands, for messages.
            value: The part.

        Raises:
            ConfigError: A `${…}` is in none of compose's forms.

        """
        if isinstance(value, dict):
            return {key: self.interpolated(f"{place}.{key}", part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.interpolated(f"{place}[{i}]", part) for i, part in enumerate(value)]
        if isinstance(value, Overriding):
            return Overriding(self.interpolated(place, value.value))
        if not isinstance(value, str):
            return value
        if (odd := _ODD.search(value)) is not None:
            raise ConfigError(
                [f"{place}: has U+{ord(odd[0]):04X}, which stands for no character: take it out"]
            )
        if "$" not in value:
            return value
        try:
            return self.marked(value)
        except ValueError as error:
            raise ConfigError([f"{place}: {error}"]) from error

    def marked(self, text: str) -> str:
        """Return a text with marks in the place of its variables, and `$` for `$$`.

        Raises:
            ValueError: A `${…}` is in none of compose's forms.

        """
        out: list[str] = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            out.append(text[at:dollar])
            following = text[dollar + 1 : dollar + 2]
            found = _NAME.match(text, dollar + 1)
            if following == "$":
                out.append("$")
                at = dollar + 2
            elif following == "{":
                end = _closing(text, dollar + 2)
                out.append(self._braced(text[dollar + 2 : end]))
                at = end + 1
            elif found:
                out.append(self._mark(found[0], None))
                at = found.end()
            else:
                out.append("$")
                at = dollar + 1
        return "".join([*out, text[at:]])

    def mark_of(self, name: str) -> str:
        """Return the mark of a variable; its value, where it has a name that no template can have."""
        return self._mark(name, None) if _NAME.fullmatch(name) else self.value(name) or ""

    def _braced(self, body: str) -> str:
        """Return what stands for the inside of `${…}`."""
        found = _BODY.fullmatch(body)
        if found is None:
            raise ValueError(f"${{{body}}} is not a form of compose's, as ${{NAME}} or ${{NAME:-default}}")
        name, form, rest = found[1], found[2] or "", self.marked(found[3] or "")
        value = self.value(name)
        is_there = bool(value) if form.startswith(":") else value is not None
        if form.endswith("+"):
            self.chosen.append(f"${{{body}}}")
            return rest if is_there else ""
        if form.endswith("-") and not is_there:
            return self._mark(name, rest, written=body)
        return self._mark(name, None, self.plain(rest) if form.endswith("?") else "", body)

    def _mark(self, name: str, default: str | None, asked: str = "", written: str = "") -> str:
        """Return the mark of a variable. Another default than at its first use stands for itself."""
        value = self.value(name) if default is None else default
        origin = "default" if default is not None else self._origin(name)
        before = self.used.get(name)
        if before is None or (before.value is None and value is not None):
            is_bare_too = before is not None and origin == "default"
            self.used[name] = Variable(name, value, origin, asked, f"${{{written or name}}}", is_bare_too)
        elif value is None and before.origin == "default":
            self.used[name] = replace(before, is_bare_too=True)
        elif value is not None and value != before.value:
            if origin == "default" or not looks_secret(name):
                return value
            name = f"{name}_2"  # of an included file with an .env of its own
            self.used.setdefault(name, Variable(name, value, origin, asked, f"${{{written or name}}}"))
        return f"{BEGIN}{name}{END}"

    def _origin(self, name: str) -> str:
        """Return where a variable's value comes from."""
        return "environment" if name in self.environment else ".env" if name in self.dotenv else ""

    def plain(self, text: str) -> str:
        """Return a text with the variables' values; nothing stands for one that has none, as in compose."""
        for _ in range(_DEEPEST):  # a default may have variables itself
            text = MARK.sub(lambda mark: self.used[mark[1]].value or "", text)
        return MARK.sub("", text)

    def unmarked(self, text: str) -> str:
        """Return a text with its variables as the file writes them, for comments: no value of theirs is in it."""
        return MARK.sub(lambda mark: self.used[mark[1]].written, text)


def looks_secret(name: str) -> bool:
    """Return whether a variable of this name mostly holds a secret.

    >>> looks_secret("ADMIN_PASSWORD"), looks_secret("PIHOLE_PW"), looks_secret("PASSWORD_FILE"), looks_secret("TZ")
    (True, True, False, False)
    """
    return bool(_SECRET.search(name)) and not _NOT_SECRET.search(name)


def _closing(text: str, at: int) -> int:
    """Return where the brace that was opened before a place is closed."""
    depth = 1
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError(f"a brace is not closed in {text[max(0, at - 2) : at + 30]}")
