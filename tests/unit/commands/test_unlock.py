"""`doit unlock`: whose run holds the stage, and how it is ended."""

import io
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doit.doit_cmd import reset_vars, set_var
from doit.exceptions import InvalidCommand

from commands.unlock import UnlockCommand
from tasks.run import stage_lock
from tasks.run.context import Run
from tests import made as rig
from tests.doubles.lock_hosts import LocalSession, LockHost


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _params: Any) -> None:
        """Do nothing: it is loaded."""


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, Any]:
    """Return the hosts of a stage."""
    return {short: LockHost(tmp_path, short) for short in ("hive0", "hive1", "hive2")}


@pytest.fixture
def run(tmp_path: Path, hosts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Give the run of a stage that is made."""
    (tmp_path / "site").mkdir()
    site = rig.new(tmp_path / "site")
    site.make()
    made = site.run()
    monkeypatch.setattr(made.connections, "to", lambda host: hosts[host.short])
    monkeypatch.setattr(made.stage_lock, "_is_made", lambda _host: True)
    monkeypatch.setattr(stage_lock, "LockSession", LocalSession)
    yield made
    made.stage_lock.release()
    for host in hosts.values():
        host.end_sessions()


def unlock(run: Run, **words: str) -> tuple[int, str]:
    """Run `doit unlock`, and return its exit status and its output."""
    reset_vars()
    for name, value in words.items():
        set_var(name, value)
    command = UnlockCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    try:
        return command.execute({}, ()), out.getvalue()
    finally:
        reset_vars()


def test_it_says_whose_it_is_before_it_is_broken(run: Run) -> None:
    """Exit status 2 and who, where, since when, by which command; confirmed, that run has lost it."""
    assert unlock(run) == (0, "nobody holds stage private of example\n")
    run.stage_lock.begin("doit build_images")
    run.stage_lock.wait()

    status, text = unlock(run)

    assert status == 2
    assert f" in {run.directory} on " in text
    assert "(doit build_images), on hive2, hive0\n" in text
    assert text.splitlines()[-1] == "wait for it; or, to end it, type: doit unlock confirm=example"

    status, text = unlock(run, confirm="example")

    assert (status, text.startswith("taken away from ")) == (0, True)
    assert unlock(run) == (0, "nobody holds stage private of example\n")


def test_hosts_that_do_not_answer_are_named(run: Run, hosts: dict[str, Any]) -> None:
    """With none that answers nobody knows; with some the answer is theirs."""
    hosts["hive1"].is_silent = True
    assert unlock(run) == (0, "not asked: hive1: ssh: no answer\nnobody holds stage private of example\n")

    hosts["hive0"].is_silent = hosts["hive2"].is_silent = True
    status, text = unlock(run)
    assert (status, text.splitlines()[-1]) == (
        1,
        "nobody knows who holds stage private of example: no host answers",
    )


def test_a_run_of_this_checkout_without_hosts_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the stage on this machine alone, and can be ended only there."""
    monkeypatch.setattr("commands.unlock.holder", lambda _state: "process 7 on laptop (doit build_infra)")

    status, text = unlock(run)

    assert (status, "(doit build_infra); end that process to free it" in text) == (2, True), text


def test_a_killed_run_of_this_checkout_holds_nothing(run: Run) -> None:
    """Its file is still there, and its process id another doit's by now, as after a reboot: the lock is asked."""
    about = {"pid": os.getpid(), "host": socket.gethostname(), "since": "yesterday", "command": "doit"}
    (run.state.root / "lock").write_text(json.dumps(about))
    assert unlock(run) == (0, "nobody holds stage private of example\n")

    run.state.lock("doit build_infra")
    try:
        status, text = unlock(run)
    finally:
        run.state.unlock()

    assert (status, "(doit build_infra); end that process to free it" in text) == (2, True), text


def test_another_site_is_refused(run: Run) -> None:
    """As by the other commands that have to be confirmed."""
    with pytest.raises(
        InvalidCommand, match="confirm=other is not this site; type: doit unlock confirm=example"
    ):
        unlock(run, confirm="other")


def test_a_fresh_clone_knows_nobody(tmp_path: Path) -> None:
    """It has asked no host, so it does not say that the stage is free."""
    status, text = unlock(rig.new(tmp_path).run())

    assert status == 1
    assert text.startswith(
        "nobody knows who holds stage private of example: state/ knows no host; in a fresh"
    )
