"""A run of doit that another command starts."""

from pathlib import Path
from typing import Any

import pytest

from commands.shared import run_again as command
from tests import made as rig


def test_it_has_the_secrets_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were taken out of this process's own environment, and no other run could read them."""
    made = rig.new(tmp_path)
    run = made.run()
    run.secrets._sources.taken = {"ROOT_PASSWORD": "secret"}
    monkeypatch.setenv("OTHER", "there")
    started: dict[str, Any] = {}

    def run_in_front(words: list[str], **options: Any) -> int:
        started.update(options, words=words[1:])
        return 3

    monkeypatch.setattr("remote.mother.process.run_in_front", run_in_front)

    assert command.run_again(run, "doit") == 3
    assert started["words"] == ["-m", "doit", "stage=private"]
    assert started["cwd"] == tmp_path
    assert (started["env"]["ROOT_PASSWORD"], started["env"]["OTHER"]) == ("secret", "there")
