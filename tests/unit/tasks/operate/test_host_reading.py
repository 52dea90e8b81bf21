"""The script that reads a host, and its output."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agent.backup.hive.journal import STATE
from agent.host.shipping_notes import NOTES
from tasks.operate import host_reading
from tasks.operate.host_reading import (
    JOBS_ROOT,
    SHIPPING,
    FileSystem,
    VolumeFill,
    parse_reading,
    reading_script,
)

OUTPUT = """\
clock 1795974301.5
load 2.68 1.97 2.55 2/403 21915
cpus 2
uptime 57560.10 40649.82
memory MemTotal 1000 kB
memory MemAvailable 250 kB
disk / /dev/vda 1000 600 200 75% /
inodes / /dev/vda 100 25 75 25% /
reboot
fill data /dev/vdb ext4 500 100 300 25% /var/lib/docker/volumes/data/_data
fill gone
size 40 /var/lib/docker/volumes/data/_data
"""


def test_the_agents_notes_are_where_it_writes_them() -> None:
    """The script reads what skep's agent noted of its jobs, and of logs that have arrived."""
    assert (str(STATE), str(NOTES)) == (JOBS_ROOT, SHIPPING)


def test_parsed() -> None:
    """Kibibytes become bytes; a disk is as full as df says, what is reserved for root left out."""
    reading = parse_reading(OUTPUT)

    root = FileSystem(1000 * 1024, 600 * 1024, 200 * 1024, 0.25)
    assert (reading.clock, reading.load, reading.cpus, reading.uptime) == (
        1795974301.5,
        (2.68, 1.97, 2.55),
        2,
        57560.1,
    )
    assert (reading.memory, reading.available) == (1000 * 1024, 250 * 1024)
    assert reading.disks == {"/": root}
    assert root.fill == 0.75
    assert reading.volumes == {"data": VolumeFill(FileSystem(500 * 1024, 100 * 1024, 300 * 1024), 40 * 1024)}
    assert reading.wants_reboot


@pytest.mark.parametrize(
    "output",
    [
        "",
        "nonsense\n",
        "load\ncpus\n",
        "disk / - - - -\n",
        "clock 17.%N\nuptime\nload a b c\ncpus undefined\nmemory MemTotal\nsize x /a\nfill data\ninodes /\n",
    ],
)
def test_what_is_not_understood_is_left_out(output: str) -> None:
    """A host that answers oddly has no readings, and is no error."""
    reading = parse_reading(output)

    assert (reading.load, reading.cpus, dict(reading.disks)) == ((), 0, {})


def test_the_script_runs_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By sh with `set -eu`, with volumes that are there and others that are not; a volume has its size and its disk."""
    monkeypatch.setattr(host_reading, "VOLUMES_ROOT", str(tmp_path))
    data = tmp_path / "data" / "_data"
    data.mkdir(parents=True)
    (data / "file").write_bytes(b"x" * 200_000)

    done = subprocess.run(
        ["sh", "-eu", "-s"],
        input=reading_script(["data", "gone"]),
        capture_output=True,
        text=True,
        check=True,
    )
    reading = parse_reading(done.stdout)

    assert done.stderr == ""
    assert reading.cpus >= 1
    assert reading.memory > reading.available > 0
    assert reading.volumes.keys() == {"data"}
    assert 200_000 <= (reading.volumes["data"].size or 0) < 400_000


def test_restorations_that_have_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's notes of them are read, each with its service; one that is not whole is left out."""
    monkeypatch.setattr(host_reading, "JOBS_ROOT", str(tmp_path))
    for name, text in {
        "restore/web.json": '{\n "id": "aa"\n}\n',
        "swap/db.json": '{"id": "bb"}',
        "restore/x.json": "{",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        ["sh", "-eu", "-s"], input=reading_script([]), capture_output=True, text=True, check=True
    )
    reading = parse_reading(done.stdout)

    assert (reading.restoring, reading.swapped) == ({"web": {"id": "aa"}}, {"db": {"id": "bb"}})


def test_a_file_server_that_is_gone_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is df that waits for it, and neither the script nor whoever reads the script's output to its end."""
    monkeypatch.setattr(host_reading, "VOLUMES_ROOT", str(tmp_path))
    (tmp_path / "bin").mkdir()
    df = tmp_path / "bin" / "df"
    pids = tmp_path / "pids"
    df.write_text(
        f'#!/bin/sh\ncase $* in *far/_data) echo $$ >>{pids}; exec sleep 30 ;; esac\nPATH=/usr/bin:/bin exec df "$@"\n'
    )
    df.chmod(0o755)
    (tmp_path / "data" / "_data").mkdir(parents=True)
    began = time.monotonic()
    try:
        done = subprocess.run(
            ["sh", "-eu", "-s"],
            input=reading_script(["data", "far"]),
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            env={**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        )
    finally:
        for pid in pids.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    assert time.monotonic() - began < 15
    assert parse_reading(done.stdout).volumes.keys() == {"data"}
