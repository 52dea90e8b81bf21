"""The secrets of a run: read from their sources, and hidden."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site import DockerStage, SecretSource, Site
from model.stage import Stage
from tasks.run.secrets import Secrets
from tasks.run.state import State


def test_a_secret_too_short_to_be_hidden_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log without each `abc` would be no log, and would give it away."""
    source = SecretSource(env="SHORT")
    config = DockerStage(cidr="10.0.0.0/24", number_of_hosts=1)
    site = Site(site="short.test", stages={"private": config}, secrets={"short": source})
    secrets = Secrets(tmp_path, Stage(site, "private", config), State(tmp_path / "state"))
    monkeypatch.setenv("SHORT", "abc")

    with pytest.raises(ConfigError, match=r"secrets\.short: is shorter than 4 characters"):
        secrets.read("short")
    monkeypatch.setenv("SHORT", "abcd")
    assert secrets.read("short").reveal() == "abcd"
    assert secrets.redact("it is abcd.") == "it is [redacted]."
