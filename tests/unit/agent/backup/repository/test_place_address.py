"""A place off the site with a login: which of its words restic gets, and which are shown."""

import os
from pathlib import Path

import pytest

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.repository.repositories import of_copy
from agent.backup.restic import Restic
from agent.errors import AgentError

PLACE = Copy("away", "rest:https://u@x/", {}, "rest:https://u:hidden@x/")
CONFIG = RepositoryConfig(Path("/nowhere"), "", {}, "", {}, (PLACE,))


def test_restic_gets_the_password() -> None:
    """In its environment; no text of the place has it."""
    assert of_copy(CONFIG, PLACE).environment["RESTIC_REPOSITORY"] == "rest:https://u:hidden@x/"
    assert "hidden" not in f"{PLACE} {CONFIG} {of_copy(CONFIG, PLACE)}"


def test_what_restic_says_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of restic's that names the address is told without the password."""
    restic = tmp_path / "restic"
    restic.write_text('#!/bin/sh\necho "Fatal: no answer of $RESTIC_REPOSITORY" >&2\nexit 1\n')
    restic.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(AgentError, match=r"^restic: no answer of rest:https://u:\*\*\*@x/$"):
        Restic(of_copy(CONFIG, PLACE).environment).check_opens()
