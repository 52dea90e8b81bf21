"""The hosts' set-up: what is left of it on hosts that stay when their stage is destroyed."""

from pathlib import Path
from typing import Any

import pytest

from tasks import setup_hosts
from tasks.cleanup.inventory import Inventory
from tests import made as rig


def test_a_destroyed_stage_sends_no_alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus and Alertmanager would go on saying that services do not run; before them nothing is removed."""
    made = rig.new(tmp_path)
    made.edit("[networks.back]\n", "[monitoring]\n\n[networks.back]\n")
    made.make()
    run = made.run()
    done: list[tuple[str, str]] = []

    class Host:
        def __init__(self, host: Any) -> None:
            self.host = host.short

        def script(self, _script: str, *, timeout: float, label: str) -> str:
            assert timeout > 0
            done.append((self.host, label))
            return ""

    run.connections.to = Host  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(setup_hosts, "_foreign_services", lambda *_: [])
    monkeypatch.setattr(setup_hosts, "_leave", lambda *_: None)
    there = Inventory(owned=False, hosts=run.stage.shorts, others=(), volumes={}, doubts={}, docs={})

    assert setup_hosts.destroy(run, there, (), lambda _line: None) == []
    repository = run.stage.repository_short
    assert [label for host, label in done if host == repository] == [
        "stopping prometheus",
        "stopping alertmanager",
        "removing the set-up markers",
    ]
    assert [label for host, label in done if host != repository] == ["removing the set-up markers"] * 2
