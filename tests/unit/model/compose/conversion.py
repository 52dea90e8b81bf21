"""Compose files of these tests' own, made into sites."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from model import site as types
from model.compose.draft import Draft
from model.compose.fitting import fit
from model.compose.from_compose import given_labels, site_draft
from model.compose.project import read_project
from model.compose.site_text import site_text
from model.new_site.skeleton import schema_line
from model.new_site.stage_tables import stage_lines
from model.site_file.load import load


@dataclass(frozen=True)
class Converted:
    """A compose project as a site.

    Args:
        text: Its site.toml.
        site: The site, as it loads.
        draft: The draft that it was.

    """

    text: str
    site: types.Site
    draft: Draft

    @property
    def data(self) -> dict[str, Any]:
        """What site.toml says."""
        return tomli.loads(self.text)

    def service(self, name: str) -> dict[str, Any]:
        """Return what site.toml says of a service."""
        found: dict[str, Any] = self.data["services"][name]
        return found

    def remarks(self, kind: str, name: str) -> str:
        """Return the remarks beside a table."""
        return "\n".join(self.draft.notes.get((kind, name), []))

    @property
    def comments(self) -> str:
        """All comments, as one line."""
        lines = (line.removeprefix("#").strip() for line in self.text.splitlines() if line.startswith("#"))
        return " ".join(lines)


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write files."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def converted(
    directory: Path,
    compose: str,
    *more: str,
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    has_ip_vs: bool = True,
) -> Converted:
    """Return the site of compose files, which loads.

    Args:
        directory: Where they are, and where the site is to be.
        compose: The first file's text.
        more: Those of further files, which are merged into it.
        files: Other files beside them.
        environment: The variables of the process.
        has_ip_vs: Whether the hosts' kernel has ip_vs.

    """
    names = [f"compose{i or ''}.yml" for i in range(1 + len(more))]
    write(directory, {**(files or {}), **dict(zip(names, [compose, *more], strict=True))})
    project = read_project([directory / name for name in names], environment or {})
    draft = site_draft(project, "shop", directory, has_ip_vs=has_ip_vs)
    lines = stage_lines("docker", "172.30.1.0/24", given_labels(draft))
    for path, data in draft.files.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_bytes(data)
    fit(draft, tomli.loads("\n".join(lines))["stages"], directory)
    text = site_text(draft, lines, names, schema_line("site.schema.json"))
    (directory / "site.toml").write_text(text)
    return Converted(text, load(directory / "site.toml"), draft)
