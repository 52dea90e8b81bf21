"""What runs for ever on every host is to need little memory: so it loads little."""

import re
import subprocess
import sys
from pathlib import Path

from agent.pack import packed

LARGE = {
    "argparse",
    "dataclasses",  # which loads inspect, ast and dis
    "hashlib",  # which loads half of OpenSSL
    "http.client",  # which loads ssl, and that all of OpenSSL: 5 MB
    "inspect",
    "ssl",
    "subprocess",
    "zoneinfo",
}


def test_the_observer_loads_little(tmp_path: Path) -> None:
    """None of the large modules of Python's own, and nothing of the agent's other wings."""
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(packed())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(archive), "observe", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    loaded = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "agent.observe.exposition" in loaded
    assert loaded.isdisjoint(LARGE), loaded & LARGE
    assert {name.split(".")[1] for name in loaded if name.startswith("agent.")} == {
        "cli",
        "container_logs",
        "errors",
        "host",
        "observe",
    }
