"""A site in the making: its tables, what of the compose files is in none of them, and the files that it needs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.compose.variables import MARK, Variables, looks_secret

Place = tuple[str, ...]
SECRETS_DIRECTORY = "secrets"
"""Beside site.toml, ignored by git: the values of secrets that were in `.env`."""
_TEMPLATE = re.compile(r"\{\{|\{%")
_BRACES = re.compile(r"\{\{[^{}'\"]*\}\}|\{\{|\{%|\{#|\{$")
_LONGEST_NAME = 50


@dataclass
class Draft:
    """A site in the making.

    Args:
        site: Its name.
        variables: Those of the compose files.
        tables: Its tables, as `services`, `networks`: names to what is said of them.
        vars: The variables that templates use.
        notes: Table to the remarks beside it; () has those at the beginning.
        left_out: Tables that can't be in a site, and stay as a remark.
        files: Paths from the site's directory to the content of new files.

    """

    site: str
    variables: Variables
    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    vars: dict[str, str] = field(default_factory=dict)
    notes: dict[Place, list[str]] = field(default_factory=dict)
    left_out: dict[Place, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def table(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the tables of a kind, by name."""
        return self.tables.setdefault(name, {})

    def note(self, place: Place, text: str) -> None:
        """Keep a remark beside a table, once."""
        notes = self.notes.setdefault(place, [])
        if text not in notes:
            notes.append(text)

    def lost(self, place: Place, key: str, value: Any, reason: str) -> None:
        """Keep a key that goes nowhere as a remark, with its value and the reason."""
        self.note(place, f"{key}: {self.shown(value)} -- {reason}")

    def shown(self, value: Any) -> str:
        """Return a value for a remark: on one line, with variables as the compose file writes them."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return "".join(char if char.isprintable() else " " for char in self.variables.unmarked(text))

    def name(self, kind: str, wanted: str, *, dashes: bool = False) -> str:
        """Return a name that a table of a kind can have, and none has yet.

        Args:
            kind: As `configs`.
            wanted: What it is called in compose.
            dashes: Whether it is a label of the DNS, which has no `_`.

        """
        allowed = "a-z0-9-" if dashes else "a-z0-9_-"
        base = (
            re.sub(rf"[^{allowed}]+", "-", wanted.lower()).strip("-_")[:_LONGEST_NAME].strip("-_")
            or kind[:-1]
        )
        taken = self.table(kind)
        return next(
            name for i in range(1, 10_000) if (name := base if i == 1 else f"{base}-{i}") not in taken
        )

    def secret_of(self, name: str) -> str:
        """Return the secret that a variable becomes."""
        made = name.lower()
        if made in self.table("secrets"):
            return made
        variable = self.variables.used[name]
        if variable.origin == ".env":
            path = f"{SECRETS_DIRECTORY}/{made}"
            self.files[path] = self.variables.plain(variable.value or "").encode()
            self.table("secrets")[made] = {"file": path}
            self.note(("secrets",), f"{made} was {name} in a file of variables, as .env")
        else:
            self.table("secrets")[made] = {"env": name}
            state = "" if variable.origin else ", which had no value when this was made"
            asked = f": {variable.asked}" if variable.asked else ""
            self.note(("secrets",), f"{made} is the environment variable {name}{state}{asked}")
        return made

    def templated(self, value: Any, *, secrets: bool) -> Any:
        """Return a value for a place where site.toml takes templates.

        Args:
            value: With marks; braces in it are another program's.
            secrets: Whether a template there may have secrets.

        """
        if isinstance(value, Mapping):
            return {key: self.templated(part, secrets=secrets) for key, part in value.items()}
        if isinstance(value, list):
            return [self.templated(part, secrets=secrets) for part in value]
        if not isinstance(value, str):
            return value
        if not MARK.search(value) and not _TEMPLATE.search(value):
            return value
        pieces = MARK.split(value)  # texts and names in turn
        return "".join(
            self._reference(piece, secrets=secrets) if i % 2 else _BRACES.sub(_literal, piece)
            for i, piece in enumerate(pieces)
        )

    def _reference(self, name: str, *, secrets: bool) -> str:
        """Return the template for a variable."""
        variable = self.variables.used[name]
        if variable.is_secret and secrets:
            return f"{{{{ secrets.{self.secret_of(name)} }}}}"
        if name not in self.vars:
            self.vars[name] = str(self.templated(variable.value or "", secrets=False))
            if variable.value is None:
                asked = f": {variable.asked}" if variable.asked else ""
                self.note(("vars",), f"{name} had no value when this was made{asked}")
            elif variable.is_bare_too:
                self.note(
                    ("vars",), f"{name} has no default everywhere in the compose file; here it has one value"
                )
            elif looks_secret(name):
                self.note(("vars",), f"{name} looks like a secret: one in [secrets] is not in this file")
        return f"{{{{ vars.{name} }}}}"


def _literal(found: re.Match[str]) -> str:
    """Return braces so that a template leaves them as they are."""
    return f"{{{{ '{found[0]}' }}}}"
