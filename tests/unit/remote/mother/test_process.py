"""Processes on the mother: their input and outputs, their end, and their environment."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from model.errors import ProviderError
from remote.mother.process import Completed, Running, run


def sh(script: str, **options: object) -> Completed:
    """Run a shell script, with ten seconds unless the test says otherwise."""
    return run(["sh", "-c", script], **{"timeout": 10, **options})  # type: ignore[arg-type]


def is_there(process: int) -> bool:
    """Return whether a process runs: neither gone nor waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(process: int) -> None:
    """Wait until a process is gone."""
    deadline = time.monotonic() + 5
    while is_there(process):
        assert time.monotonic() < deadline, f"process {process} still runs"
        time.sleep(0.02)


def test_outputs_apart_merged_and_discarded() -> None:
    """The error output is kept apart, written into the standard output in order, or thrown away."""
    script = "echo one; echo two >&2; echo three"

    apart, merged = sh(script), sh(script, stderr="merged")
    discarded = sh(script, stderr="discarded")

    assert (apart.output, apart.errors, apart.ok) == ("one\nthree\n", "two", True)
    assert sorted(apart.lines) == ["one", "three", "two"]
    assert (merged.output, merged.errors) == ("one\ntwo\nthree\n", "")
    assert (discarded.output, discarded.lines) == ("one\nthree\n", ("one", "three"))


def test_lines_come_while_it_runs() -> None:
    """A line is told as soon as it is whole, the last one without an end too; bytes that are no UTF-8 are no fault."""
    heard: list[tuple[float, str]] = []
    began = time.monotonic()

    sh(
        r"printf 'on'; printf 'e\r\n'; sleep 0.5; printf 'two\377'",
        log=lambda line: heard.append((time.monotonic() - began, line)),
    )

    assert [line for _, line in heard] == ["one", "two\ufffd"]
    assert heard[1][0] - heard[0][0] > 0.3


def test_input_and_output_larger_than_pipes() -> None:
    """Neither waits for the other, however much there is of both."""
    data = b"0123456789abcde\n" * 100_000

    assert run(["cat"], timeout=20, stdin=data).stdout == data
    assert sh("head -c 1", stdin=data).output == "0"  # the rest is nobody's


def test_input_in_pieces() -> None:
    """It is asked for piece by piece as the process takes it, empty ones too; nothing is asked for in vain."""
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for i in range(300):
            asked.append(i)
            yield b"" if i == 1 else b"%d\n" % i * 1000

    assert run(["cat"], timeout=20, stdin=pieces()).stdout == b"".join(
        b"" if i == 1 else b"%d\n" % i * 1000 for i in range(300)
    )
    asked.clear()
    assert sh("head -c 1", stdin=pieces()).output == "0"
    assert len(asked) < 300


def test_input_that_breaks_off() -> None:
    """An error while it is made is the caller's, and the process is not left behind."""

    def pieces() -> Iterator[bytes]:
        yield b"$$"
        raise ValueError("broke off")

    with pytest.raises(ValueError, match="broke off"):
        run(["sleep", "60"], timeout=20, stdin=pieces())


def test_without_input_it_reads_nothing() -> None:
    """A process that is given no input does not wait for this one's terminal."""
    assert sh("cat; echo end").output == "end\n"


def test_a_late_process_is_killed() -> None:
    """A process that does not end in time is killed; its lines until then are kept."""
    began = time.monotonic()
    late = sh("echo begun; exec sleep 60", timeout=0.5)

    assert (late.status, late.ok, late.ending, late.lines) == (None, False, "no end after 0.5 s", ("begun",))
    assert time.monotonic() - began < 5


def test_a_late_process_is_killed_with_its_group() -> None:
    """With a session of its own, all that it started goes with it, and nothing that holds its outputs is waited for."""
    late = sh("sleep 60 & echo $!; wait", timeout=0.5, new_session=True)

    assert late.status is None
    wait_until_gone(int(late.lines[0]))


def test_its_own_status_counts_where_a_child_holds_its_output() -> None:
    """A process that has ended is not late because its child keeps its output open; the child is killed."""
    ended = sh("sleep 60 & echo $!; exit 3", timeout=0.5, new_session=True)

    assert ended.status == 3
    wait_until_gone(int(ended.lines[0]))


def test_an_error_of_the_listener_ends_it() -> None:
    """Whoever listens and raises leaves no process behind."""
    told: list[str] = []

    def listen(line: str) -> None:
        told.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sh("echo $$; exec sleep 60", log=listen)
    wait_until_gone(int(told[0]))


def test_a_failure_has_command_status_advice_and_last_lines() -> None:
    """A message that somebody can act on; a signal is no exit status."""
    failed = sh("seq 20; echo bad >&2; exit 4")

    with pytest.raises(ProviderError) as caught:
        failed.checked(ProviderError, "try another")
    lines = str(caught.value).splitlines()
    assert lines[0] == "sh -c seq 20; echo bad >&2; exit 4: exit status 4: try another"
    assert len(lines) == 16
    assert "    bad" in lines[1:]
    assert sh("kill -9 $$").ending == "signal 9"
    assert sh("true").checked(ProviderError).ok


def test_outputs_are_in_no_repr() -> None:
    """A traceback shows no output, which may be a secret."""
    assert "hidden" not in repr(sh("tee /dev/stderr", stdin=b"hidden"))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """It is looked up in today's PATH, and its lack is an OSError with its name."""
    with pytest.raises(FileNotFoundError) as caught:
        run(["no-such-program"], timeout=1)
    assert (caught.value.filename, caught.value.strerror) == ("no-such-program", "No such file or directory")

    (tmp_path / "no-such-program").write_text("#!/bin/sh\necho it is\n")
    (tmp_path / "no-such-program").chmod(0o755)
    there = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert run(["no-such-program"], timeout=5, env=there).output == "it is\n"
    assert run(["./no-such-program"], timeout=5, cwd=tmp_path).output == "it is\n"
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        run(["./no-such-program"], timeout=5)


def test_its_environment_and_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has this process's environment and directory as they are now, or the given ones and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKEP_TEST", "now")

    assert sh("echo $SKEP_TEST; pwd").output == f"now\n{tmp_path}\n"
    given = sh("echo ${SKEP_TEST:-none} $OTHER; pwd", env={"OTHER": "given", "PATH": "/bin"}, cwd=Path("/"))
    assert given.output == "none given\n/\n"


def test_no_process_inherits_a_variable_that_was_taken() -> None:
    """Plumbum copies the environment when it is imported: a variable that was taken out since is in no process's."""
    script = """
import os
from remote.mother.process import run
words = ["sh", "-c", "echo ${SKEP_TAKEN:-nothing}"]
before = run(words, timeout=9).output
del os.environ["SKEP_TAKEN"]
print(before + run(words, timeout=9).output, end="")
"""
    words = [sys.executable, "-c", script]
    done = subprocess.run(
        words, env={**os.environ, "SKEP_TAKEN": "told"}, capture_output=True, text=True, check=True
    )

    assert done.stdout == "told\nnothing\n"


def test_a_running_process_ends_with_its_input() -> None:
    """A process that waits for its input ends in order when it is stopped; another is killed."""
    with Running(["cat"], stdin=True, new_session=True) as process:
        assert process.is_running
        assert process.wait(0.05) is None
        process.stop(grace=5)
        assert process.wait(0) == 0

    with Running(["sleep", "60"]) as process:
        assert process.is_running
    assert process.wait(0) == -9


def test_an_interrupted_look_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C within `Popen.poll` leaves its lock held: the process is killed, and its end not waited for for ever."""
    monkeypatch.setattr("remote.mother.process._GONE", 0.1)
    process = Running(["sleep", "60"], new_session=True)
    popen: Any = process._process
    with popen._waitpid_lock:
        process.stop(grace=0.1)

    assert process.wait(5) == -9


def test_threads_end_an_input_one_after_the_other() -> None:
    """A thread that hears of the end and one that stops the process may close the same input at once."""
    with Running(["cat"], stdin=True) as process:
        closing, both = threading.Lock(), threading.Event()

        class Slow:
            def close(self) -> None:
                if not closing.acquire(blocking=False):
                    both.set()
                    return
                both.wait(0.05)
                closing.release()

        stream, slow = process._process.stdin, cast("IO[bytes]", Slow())
        process._process.stdin = slow
        threads = [threading.Thread(target=process.close_input) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process._process.stdin = stream

    assert not both.is_set()


def test_a_running_processes_outputs_are_read_as_they_come() -> None:
    """Its outputs are streams of bytes, for whoever passes them on."""
    with Running(["sh", "-c", "echo one; echo two >&2"], stdout=True, stderr=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == b"one\n"
        assert process.stderr.read() == b"two\n"
        assert process.wait(120) == 0
