"""What runs for ever on every host is to need little memory: so it loads little."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.pack import packed

LARGE = {
    "argparse",
    "dataclasses",  # which loads inspect, ast and dis
    "http.client",
    "inspect",
    "shutil",  # which loads bz2 and lzma
    "zoneinfo",
}
NO_NETWORK = {
    "hashlib",  # which loads half of OpenSSL
    "ssl",  # which loads all of OpenSSL: 5 MB
    "subprocess",
}


@pytest.mark.parametrize(
    ("words", "large", "part"),
    [("observe", LARGE | NO_NETWORK, "observe"), ("logs ship", LARGE, "logs")],
)
def test_it_loads_little(tmp_path: Path, words: str, large: set[str], part: str) -> None:
    """None of the large modules of Python's own, and nothing of the agent's other parts."""
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(packed())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(archive), *words.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    loaded = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "agent.container_logs.followed_log" in loaded
    assert loaded.isdisjoint(large), loaded & large
    assert {name.split(".")[1] for name in loaded if name.startswith("agent.")} == {
        "cli",
        "container_logs",
        "errors",
        "host",
        part,
    }
