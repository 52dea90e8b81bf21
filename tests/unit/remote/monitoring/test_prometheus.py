"""What is typed on the repository host to ask Prometheus, and how the answers are read."""

import subprocess
from pathlib import Path

import pytest

from remote.monitoring.prometheus import ranges

PROGRAM = """#!/bin/sh
for word; do printf '%s\\n' "$word" >>"$LOG"; done
for question; do :; done
case $question in nothing) echo null ;; *) echo '[{"metric": {"host": "hive0"}, "values": [[300, "0.5"]]}]' ;; esac
"""
"""Stands for promtool 2.53, whose answers were looked at on a real site."""


class Here:
    """A connection to this machine, whose promtool is a script."""

    def __init__(self, directory: Path) -> None:
        self.log, self.environment = directory / "log", {"PATH": f"{directory}:/usr/bin:/bin"}
        self.environment["LOG"] = str(self.log)
        (directory / "promtool").write_text(PROGRAM)
        (directory / "promtool").chmod(0o755)

    def script(self, text: str, *, timeout: float, label: str) -> str:
        """Run a script here."""
        assert label
        done = subprocess.run(
            ["sh", "-eu", "-s"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            timeout=timeout,
            env=self.environment,
        )
        return done.stdout


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Return the connection."""
    return Here(tmp_path)


def test_questions_arrive_as_they_are(here: Here) -> None:
    """No shell reads what stands in them; no answer is an empty one, and each is that of its question."""
    asked = ["max by (host) ({device!~\"a|$b\"} > 0) or vector('x')", "nothing", "up"]
    answers = ranges(here, asked, start=0, end=300, step=300)  # type: ignore[arg-type]

    line = {"metric": {"host": "hive0"}, "values": [[300, "0.5"]]}
    assert answers == [[line], [], [line]]
    words = here.log.read_text().splitlines()
    assert [word for word in words if word in asked] == asked
    assert words[:7] == [
        "query",
        "-o",
        "json",
        "range",
        "--start=0",
        "--end=300",
        "--step=300s",
    ]
    assert words[7] == "http://127.0.0.1:9090"
