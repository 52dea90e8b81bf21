"""What tests on real hosts begin with."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests import processes, rig


@pytest.mark.parametrize(("there", "then"), [("128\n", "1024\n"), ("1024\n", "1024\n"), ("4096\n", "4096\n")])
def test_room_for_hosts_beside_those_of_other_sites(tmp_path: Path, there: str, then: str) -> None:
    """The kernel's default has room for 14 hosts on a machine; a limit that somebody raised is left alone."""
    limit = tmp_path / "limit"
    limit.write_text(there)

    rig.make_room(limit)

    assert limit.read_text() == then


def test_a_machine_that_has_no_such_limit(tmp_path: Path) -> None:
    """Where it can't be read or written, the tests go on."""
    rig.make_room(tmp_path / "none")

    assert not (tmp_path / "none").exists()


def test_a_process_ends_with_its_block() -> None:
    """Also where the block ends by an error, and with what it has started."""
    words = ["sh", "-c", "sleep 60 & echo $!; wait"]
    options = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    with suppress(ValueError), processes.started(words, **options) as process:
        child = Path("/proc", rig.read_until(process, "")[0])
        raise ValueError("the test's time is over")

    assert process.returncode == -9
    rig.wait_until(lambda: not child.exists() or " Z " in (child / "stat").read_text(), "its child to end")


def test_no_block_waits_for_a_process_that_it_does_not_end() -> None:
    """A block of `subprocess.Popen` alone is in no test: it waits for ever, where the test's limit ends the block."""
    waits = re.compile(r"(?:with|enter_context\()[\s(]*subprocess\.Popen\(")
    paths = [path for path in (rig.ROOT / "tests").rglob("*.py") if path.name != "processes.py"]

    assert [str(path) for path in paths if waits.search(path.read_text())] == []


ENDLESS = """
import pytest, time
@pytest.mark.timeout({limit})
def test_first():
    try:
        time.sleep(600)
    finally:
        time.sleep(600)
def test_second(): assert "wrong" == "right"
"""


@pytest.mark.slow
def test_a_test_that_its_limit_does_not_end_ends_its_process(tmp_path: Path) -> None:
    """It says where it was, and the others run; a failure is told before the end of the run."""
    (tmp_path / "test_endless.py").write_text(ENDLESS.format(limit=0.2))
    (tmp_path / "quick.py").write_text("from tests import conftest\nconftest._WAY_OUT = 1\n")
    words = ["-n", "1", "-p", "tests.conftest", "-p", "quick", f"--rootdir={tmp_path}", str(tmp_path)]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=rig.ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=rig.PATIENCE,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert 'test_endless.py", line 8 in test_first' in done.stderr
    assert "crashed while running 'test_endless.py::test_first'" in done.stdout
    told, _, summary = done.stdout.partition("= FAILURES =")
    assert "test_endless.py::test_second failed (call):" in told
    assert "2 failed" in summary
