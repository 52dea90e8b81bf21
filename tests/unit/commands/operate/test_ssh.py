"""`doit ssh`: how it ends."""

import os
import signal
from pathlib import Path

import pytest

from commands.operate.ssh import SshCommand
from remote.mother import process
from remote.ssh.connection import Connection
from tests import made as rig
from tests.unit.commands.operate.test_replace_host import Loader


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (lambda: 4, 4),
        (lambda: -signal.SIGKILL, 137),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143),
        (lambda: os.kill(os.getpid(), signal.SIGHUP), 129),
    ],
)
def test_its_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: object, status: int) -> None:
    """That of ssh; and where this process is told to end, ssh is ended with it."""
    made = rig.new(tmp_path)
    made.make()
    monkeypatch.setattr("sys.argv", ["doit", "ssh", "hive0"])
    monkeypatch.setattr(Connection, "open", lambda _self: None)
    monkeypatch.setattr(process, "run_in_front", lambda _words: ends() if callable(ends) else None)
    typed = SshCommand(task_loader=Loader(made.run()), bin_name="doit")

    assert typed.execute({}, ["hive0"]) == status
