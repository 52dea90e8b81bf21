"""How tests of generations are noted for `doit status`, whoever asked for them."""

import time
from pathlib import Path
from typing import Any

import pytest

from agent.backup import verbs
from agent.backup.hive import journal, verify
from agent.backup.hive.noted_trial import noted_trial, try_due
from agent.backup.hive.verify import Verification
from agent.errors import AgentError, BadDataError
from agent.host.durable_files import write_json
from tests.doubles.hive import IDENTITY, Hive

LAST_GOOD = {"service": "web", "last_good": 5, "generation": "aa000001", "error": "", "since": None}


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive on which nothing is waited for, whose newest generation of `web` is there."""
    monkeypatch.setattr(verify, "START_PATIENCE", -1.0)
    monkeypatch.setattr(Verification._until, "__defaults__", (-1.0,))
    made = Hive(tmp_path)
    write_json(made.state / "status" / "web.json", LAST_GOOD)
    return made


def verification(hive: Hive) -> Verification:
    """Return the test of the service."""
    return Verification(hive.restoration, hive.state / "scratch")


def status(hive: Hive) -> dict[str, Any]:
    """Return what is noted of the service."""
    return dict(hive.note("status/web.json") or {})


def test_a_failure_is_said_until_a_test_goes_well(hive: Hive) -> None:
    """By hand as by the timer's run; the next good test, and no other thing, takes it away, and counts for `verify`."""
    hive.engine.failing["load"] = 1
    with pytest.raises(BadDataError):
        noted_trial(verification(hive), IDENTITY)
    found = status(hive)
    assert found["error"].startswith("the test of generation aa000001 failed: script db: ")
    assert found["since"] > time.time() - 60

    hive.engine.failing.clear()
    noted_trial(verification(hive), IDENTITY)
    found = status(hive)
    assert (found["error"], found["since"]) == ("", None)
    assert found["verified"] > time.time() - 60
    assert try_due([verification(hive)], "daily") == ({}, [])


def test_a_failed_backup_stays_said(hive: Hive) -> None:
    """A good test of the generation before says nothing of it."""
    write_json(hive.state / "status" / "web.json", {**LAST_GOOD, "error": "its disk is full", "since": 7})
    noted_trial(verification(hive), IDENTITY)
    assert (status(hive)["error"], status(hive)["since"]) == ("its disk is full", 7)


def test_one_that_could_not_be_tried(hive: Hive) -> None:
    """It is said since the first time, and it is no fault of the generation."""
    hive.repository.refused["stats"] = "restic: no such host"
    for _ in range(2):
        with pytest.raises(
            AgentError, match=r"^generation aa000001 could not be tried: restic: no such host$"
        ):
            noted_trial(verification(hive), IDENTITY)
    assert status(hive)["untried"]["why"] == "generation aa000001 could not be tried: restic: no such host"
    assert status(hive)["error"] == ""


def test_one_that_nothing_runs_for(hive: Hive) -> None:
    """It is noted as well, by the timer's run; and taken away by the next one that ends well."""
    hive.engine.replicas = 0
    assert try_due([verification(hive)], "daily")[1] != []
    why = status(hive)["untried"]["why"]
    assert why.startswith("generation aa000001 could not be tried: service web has no running task on ")
    hive.engine.replicas = 1
    noted_trial(verification(hive), IDENTITY)
    assert status(hive)["untried"] is None


def test_one_that_is_killed(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted before the trial, since the first one that did not end, and stays whatever ends it."""

    def killed(*_: object) -> None:
        assert "did not end" in status(hive)["untried"]["why"]
        raise KeyboardInterrupt

    monkeypatch.setattr(Verification, "verify", killed)
    with pytest.raises(KeyboardInterrupt):
        noted_trial(verification(hive), IDENTITY)
    found = status(hive)
    assert found["untried"]["why"] == (
        "generation aa000001 could not be tried: its test did not end, or is still at work"
    )
    assert found["untried"]["begun"] > time.time() - 60
    write_json(hive.state / "status" / "web.json", found | {"untried": found["untried"] | {"since": 7}})
    with pytest.raises(KeyboardInterrupt):
        noted_trial(verification(hive), IDENTITY)
    assert status(hive)["untried"]["since"] == 7


def test_an_older_generation(hive: Hive) -> None:
    """Its test says nothing of the newest one, which is what `doit status` is about."""
    hive.engine.failing["load"] = 1
    with pytest.raises(BadDataError):
        noted_trial(verification(hive), "bb".ljust(64, "0"))
    assert status(hive) == LAST_GOOD


def test_by_hand(hive: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The verb that `doit verify_backups` asks for notes it."""
    monkeypatch.setattr(journal, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(verbs, "_restoration", lambda *_: hive.restoration)
    monkeypatch.setattr(Verification.__init__, "__defaults__", (hive.state / "scratch",))
    assert verbs.main(["verify", IDENTITY, "--service", "web"]) == 0
    assert status(hive)["verified"] > time.time() - 60
