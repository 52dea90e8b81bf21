"""What tests share, such as a site, and can't be made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rig

TESTS = """
import pytest
@pytest.fixture(scope="module")
def built(): {failure}
@pytest.fixture
def site(built): return built
def test_first(site): pass
def test_second(site): pass
def test_third(built): pass
def test_other(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["raise ValueError('no room')", "pytest.fail('no room in time')"])
def test_a_site_that_can_not_be_built_says_so_once(tmp_path: Path, failure: str) -> None:
    """The first of its tests has the whole error; the others don't run and name it, in one line; the run fails."""
    (tmp_path / "test_of_a_site.py").write_text(TESTS.format(failure=failure))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "tests.conftest",
        f"--rootdir={tmp_path}",
        str(tmp_path),
    ]

    done = subprocess.run(command, cwd=rig.ROOT, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 1, done.stdout
    assert "1 passed, 2 skipped, 1 error" in done.stdout
    assert done.stdout.count("_ ERROR at setup of ") == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert "SKIPPED [2]" in line
    assert line.endswith("could not be made: see the error of test_of_a_site.py::test_first")


@pytest.mark.slow
def test_what_was_not_run_is_run_with_what_failed(tmp_path: Path) -> None:
    """`--last-failed` has those that could not be run, too: they may fail as well."""
    (tmp_path / "test_of_a_site.py").write_text(TESTS.format(failure="raise ValueError('no room')"))
    words = ["-p", "tests.conftest", "-n", "1", "--dist", "loadscope", "-o", "cache_dir=.pytest_cache"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=rig.ROOT,
        capture_output=True,
        text=True,
        timeout=rig.PATIENCE,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    kept = json.loads((tmp_path / ".pytest_cache/v/cache/lastfailed").read_text())
    assert set(kept) == {f"test_of_a_site.py::test_{name}" for name in ("first", "second", "third")}
