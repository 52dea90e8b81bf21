"""`doit graph`: the drawings of a graph, and what is typed."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from commands.graph.dot import dot
from commands.graph.mermaid import mermaid
from commands.graph.svg import svg
from tasks.explain.recorded_status import RecordedStatus
from tasks.explain.resource_graph import resource_graph
from tasks.explain.status import FAILED, STALE, UP_TO_DATE

ROOT = Path(__file__).resolve().parents[4]
SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.232.99.0/24"
number_of_hosts = 2
"""
STATUSES = {
    each.task: each
    for each in (
        RecordedStatus("setup_hosts:hive0.engine", "hive0", "", UP_TO_DATE),
        RecordedStatus("setup_hosts:hive0.swarm", "hive0", "", STALE, ('a "quoted" <input>',)),
        RecordedStatus("build_images:web", "", "", FAILED, ("its last run failed",)),
        RecordedStatus("deploy_services:web", "", "", UP_TO_DATE, (), frozenset({"build_images:web"})),
    )
}
GRAPH = resource_graph(
    STATUSES, {"deploy_services:web": ["setup_hosts:hive0.swarm", "build_images:web"]}, every_step=False
)


def test_a_picture_is_whole_and_says_all_in_words() -> None:
    """It is XML; each node has name, status and reasons as text, and nothing is loaded from elsewhere."""
    text = svg(GRAPH, 'A & "B"')
    root = ET.fromstring(text)  # noqa: S314 - our own
    words = [each.text or "" for each in root.iter() if each.text]

    assert root.find("{*}title").text == 'A & "B"'  # type: ignore[union-attr]
    assert root.find("{*}desc").text == "4 resources in 3 phases: 1 failed, 2 stale, 1 up to date"  # type: ignore[union-attr]
    assert {"hive0", "stale (2 steps)", "setup_hosts", "failed", "is made from", "waits for"} <= set(words)
    assert any('a "quoted" <input>' in each for each in words)
    assert not re.search(r"href|url\((?!#)|@import", text)


def test_a_picture_is_light_or_dark_as_its_reader_wants() -> None:
    """Each status has colours for both."""
    before, _, dark = svg(GRAPH, "A").partition("prefers-color-scheme: dark")

    for part in (before, dark):
        for status in ("up-to-date", "stale", "failed", "never-run", "may-follow"):
            assert f".{status} rect" in part


def test_dot_quotes_what_has_to_be() -> None:
    """Names, reasons and titles may have quotes; one that only waits is dashed."""
    text = dot(GRAPH, 'A "B"')

    assert text.startswith('digraph "A \\"B\\"" {\n')
    assert '"build_images:web" -> "deploy_services:web";' in text
    assert '"setup_hosts:hive0" -> "deploy_services:web" [style=dashed];' in text
    assert 'a \\"quoted\\" <input>' in text


def test_mermaid_names_nodes_by_number() -> None:
    """Its own names can't have colons; quotes are entities."""
    text = mermaid(GRAPH, 'A "B"')

    assert 'title: "A #quot;B#quot;"' in text
    assert '    n0["hive0 (2)<br>stale"]:::stale' in text
    assert "  n1 --> n2\n" in text
    assert "  n0 -.-> n2\n" in text


def doit(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run doit in a site's directory."""
    return subprocess.run(
        [sys.executable, "-m", "doit", "-f", str(ROOT / "dodo.py"), *words],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_what_is_typed(tmp_path: Path) -> None:
    """A resource alone is drawn with all before it; two forms at once are refused; nothing is connected to."""
    (tmp_path / "site.toml").write_text(SITE)

    whole = doit(tmp_path, "graph", "--dot")
    assert whole.returncode == 0, whole.stderr
    assert '"build_infra:hive0" -> "setup_hosts:hive0"' in whole.stdout
    part = doit(tmp_path, "graph", "--mermaid", "build_infra:hive1")
    assert "hive1" in part.stdout
    assert "setup_hosts" not in part.stdout
    steps = doit(tmp_path, "graph", "--all", "--dot")
    assert '"setup_hosts:hive0.docker"' in steps.stdout
    both = doit(tmp_path, "graph", "--dot", "--svg")
    assert both.returncode == 3
    assert "type one of --svg, --dot" in both.stderr
    ET.fromstring(doit(tmp_path, "graph").stdout)  # noqa: S314 - our own
