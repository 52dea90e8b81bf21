"""A service on its way from compose to the site: what the functions that convert its keys share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.compose.draft import Draft
from model.compose.keys import ComposeKey, why_not
from model.compose.local_files import LocalFiles
from model.compose.scalars import text

FIRST_HOST = "hive0"
"""The host of data that is on one host, as long as nobody says which one."""


@dataclass
class Scope:
    """A service on its way.

    Args:
        draft: The site.
        files: The compose project's files.
        wanted: Its name in compose.
        name: Its name in the site.
        source: What compose says of it, in long forms.
        services: The names of all services in compose, to those in the site.
        networks: The same for networks; `host` is the host's.
        volumes: The same for volumes.
        secrets: The same for secrets.
        configs: The same for configs.
        table: What the site says of it.

    """

    draft: Draft
    files: LocalFiles
    wanted: str
    name: str
    source: Mapping[str, Any]
    services: Mapping[str, str]
    networks: Mapping[str, str]
    volumes: dict[str, str]
    secrets: Mapping[str, str]
    configs: Mapping[str, str]
    table: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """Its table."""
        return ("services", self.name)

    @property
    def deploy(self) -> Mapping[str, Any]:
        """Its `deploy`."""
        return self.source.get("deploy") or {}

    @property
    def mode(self) -> str:
        """Its mode."""
        return text(self.deploy.get("mode")) or "replicated"

    @property
    def is_global(self) -> bool:
        """Whether each host runs a task of it."""
        return self.mode.startswith("global")

    @property
    def build_directory(self) -> Path | None:
        """The context that its image is built from, if it is built."""
        build = self.source.get("build")
        return self.files.path(text(build.get("context")) or ".") if isinstance(build, Mapping) else None

    def note(self, text: str) -> None:
        """Keep a remark beside it."""
        self.draft.note(self.place, text)

    def lost(self, key: str, value: Any, reason: str) -> None:
        """Keep a key that goes nowhere as a remark."""
        self.draft.lost(self.place, key, value, reason)

    def lost_of(self, section: Mapping[str, ComposeKey], prefix: str, keys: Mapping[str, Any]) -> None:
        """Keep the keys of a part of it that go nowhere as remarks."""
        for key, value in keys.items():
            if reason := why_not(section, str(key)):
                self.lost(f"{prefix}{key}", value, reason)

    def plain(self, value: Any) -> Any:
        """Return a value with those of its variables."""
        return self.draft.variables.plain(value) if isinstance(value, str) else value
