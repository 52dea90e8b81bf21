"""Suites beside each other: nothing is left out, and what fails is seen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import beside, rig
from tests.beside import LANES, Suite

GOOD = "def test_good():\n    pass\n"
BAD = "def test_bad():\n    assert 'this' == 'that'\n"


def lanes(directory: Path, **tests: str) -> dict[str, list[Suite]]:
    """Write a test for each lane, and return the lanes."""
    for name, text in tests.items():
        (directory / f"test_{name}.py").write_text(text)
    return {name: [Suite(f"test_{name}.py", 60)] for name in tests}


def test_each_file_is_in_one_lane() -> None:
    """No test that needs an engine is left out, none is run twice."""
    found = [path for suites in LANES.values() for suite in suites for path in suite.paths(rig.ROOT)]
    there = [
        str(path) for part in ("contract", "integration") for path in rig.ROOT.glob(f"tests/{part}/test_*.py")
    ]

    assert sorted(found) == sorted(there)


def test_the_shared_sites_files_are_in_one_lane() -> None:
    """What asks for the fixture `site` of the shared conftest runs in one pytest, in order."""
    (suite,) = LANES["site"]
    names = [Path(path).name for path in suite.paths(rig.ROOT)]

    assert names[0] == "test_1_still.py"
    assert names[-1] == "test_6_destroy.py"
    assert names == sorted(names)


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line says whose it is, and the exit status is 0."""
    status = beside.run(lanes(tmp_path, one=GOOD, two=GOOD), tmp_path, [])

    said = capsys.readouterr().out
    assert status == 0
    for name in ("one", "two"):
        assert f"{name}: test_{name}.py::test_good PASSED" in said
        assert f"{name}: ended after" in said


def test_a_failure_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It makes the exit status 1, whichever lane it is in, and is named at the end; its report is in one piece."""
    status = beside.run(lanes(tmp_path, one=BAD, two=GOOD), tmp_path, [])

    said = capsys.readouterr().out.splitlines()
    assert status == 1
    report = next(number for number, line in enumerate(said) if "= FAILURES =" in line)
    assert any("assert 'this' == 'that'" in line for line in said[report:])
    assert [line.split(" in ")[0] for line in said if "two:" in line and "= 1 passed" in line]
    end = "\n".join(said[-3:])
    assert "one: FAILED test_one.py::test_bad" in end
    assert "exit status 1" in end


@pytest.mark.parametrize(("words", "status"), [(["-k", "good"], 0), (["-k", "none_such"], 1)])
def test_some_may_be_asked_for(words: list[str], status: int, tmp_path: Path) -> None:
    """A lane that has none of them does not matter; that no lane has any is a failure."""
    assert beside.run(lanes(tmp_path, one=GOOD, two=BAD), tmp_path, words) == status


def test_an_interrupt_lets_them_clean_up(tmp_path: Path) -> None:
    """Each pytest hears of it once, ends its test, and runs its fixtures' ends; nothing is left running."""
    test = (
        "import os, pathlib, time, pytest\n"
        "@pytest.fixture\n"
        "def made():\n"
        "    yield\n"
        "    pathlib.Path('cleaned').touch()\n"
        "def test_long(made):\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    lanes(tmp_path, one=test)
    code = (
        "import pathlib, signal, sys\nfrom tests import beside\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "sys.exit(beside.run({'one': [beside.Suite('test_one.py', 60)] * 2}, pathlib.Path(sys.argv[1]), []))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=rig.ROOT, stdout=subprocess.DEVNULL
    )
    try:
        rig.wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", "a test")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        process.wait()

    assert (tmp_path / "cleaned").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
