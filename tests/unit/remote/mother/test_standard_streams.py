"""A process that was started without some of its standard streams."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
REPORT = """\
import json, os, sys
import commands
opened = os.open(os.devnull, os.O_RDONLY)
print("to nobody", end="")
streams = [sys.stdin, sys.stdout, sys.stderr]
with open(sys.argv[1], "w") as file:
    json.dump({"opened": opened, "streams": [each.fileno() for each in streams], "read": sys.stdin.read()}, file)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""])
def test_what_is_closed_is_the_null_device(tmp_path: Path, closed: str) -> None:
    """Nothing else takes its place, so that no connection is read or written for it; and a command may ask of each."""
    report = tmp_path / "report"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", REPORT, report],
        input="piped in",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if ">&-" in closed.split() else "to nobody")
    found = json.loads(report.read_text())
    assert found["streams"] == [0, 1, 2]
    assert found["opened"] > 2
    assert found["read"] == ("" if "<&-" in closed else "piped in")
