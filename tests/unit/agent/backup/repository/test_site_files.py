"""When the site's own files get a generation."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.backup.notes import data_tags, read_note
from agent.backup.repository.site_files import save_site
from tests.doubles.hive_repositories import RepositoryHost

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_whenever_the_repository_has_them_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each change; again where the repository was lost, or has data without its seal alone."""
    host = RepositoryHost(tmp_path, monkeypatch, ("site",))
    vault = tmp_path / "vault.json"
    config = host.configured(site={"vault.json": str(vault)})
    repository = host.hives["site"]

    def saved() -> int:
        return save_site(config, tmp_path / "note", tmp_path / "staging")

    vault.write_text("first")
    assert [saved() for _ in range(3)] == [1, 0, 0]
    vault.write_text("second")
    assert [saved() for _ in range(2)] == [1, 0]
    vault.write_text("first")
    assert [saved() for _ in range(2)] == [1, 0]
    repository.forget([each["id"] for each in repository.held])
    assert [saved() for _ in range(2)] == [1, 0]
    repository.forget([each["id"] for each in repository.held if read_note(each["tags"]) is not None])
    assert [saved() for _ in range(2)] == [1, 0]
    repository.forget([each["id"] for each in repository.held if read_note(each["tags"]) is None])
    repository.add(data_tags("", "site", "scheduled"), "site", NOW)
    assert [saved() for _ in range(2)] == [1, 0]
