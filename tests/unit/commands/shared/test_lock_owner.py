"""Who holds a stage: on this machine by its lock, elsewhere by what the hosts say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands.plan import PlanReport
from commands.shared.lock_owner import holder, holder_elsewhere
from tasks.observe.states import HostState
from tasks.run import stage_lock
from tasks.run.context import Run
from tests import made as rig
from tests.doubles.lock_hosts import LocalSession, LockHost


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, Any]:
    """Return the hosts of a stage."""
    return {short: LockHost(tmp_path, short) for short in ("hive0", "hive1", "hive2")}


@pytest.fixture
def runs(tmp_path: Path, hosts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Run, Run]]:
    """Give two runs, as of two machines, of which the first is at work on the hosts."""
    (tmp_path / "site").mkdir()
    site = rig.new(tmp_path / "site")
    site.make()
    monkeypatch.setattr(stage_lock, "LockSession", LocalSession)
    one, other = site.run(), site.run()
    for run in (one, other):
        monkeypatch.setattr(run.connections, "to", lambda host: hosts[host.short])
        monkeypatch.setattr(run.stage_lock, "_is_made", lambda _host: True)
    one.stage_lock.begin("doit build_images")
    one.stage_lock.wait()
    yield one, other
    one.stage_lock.release()
    for host in hosts.values():
        host.end_sessions()


def test_a_plan_says_who_is_at_work_elsewhere(runs: tuple[Run, Run]) -> None:
    """Who, where, since when, by which command: in the text, the JSON and the Markdown. Else there is no such line."""
    one, other = runs
    owner = holder_elsewhere(other)

    assert owner.startswith(f"{one.stage_lock.who} in {one.directory} on ")
    assert owner.endswith(" UTC (doit build_images)")
    plan = PlanReport(other, (), elsewhere=owner)
    line = f"a run is at work, and may change this: {owner}"
    assert plan.lines()[1] == line
    assert plan.data()["at_work"] == owner
    assert plan.text(str).remarks[0] == line

    one.stage_lock.release()
    assert holder_elsewhere(other) == ""
    assert PlanReport(other, ()).data()["at_work"] is None


def test_hosts_that_did_not_answer_are_not_asked_again(
    runs: tuple[Run, Run], hosts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan waits for none of them twice; a host that fails meanwhile says nothing."""
    _one, other = runs
    asked: list[str] = []
    script = LockHost.script

    def ask(self: LockHost, text: str, **_options: Any) -> str:
        asked.append(self.name)
        return script(self, text)

    monkeypatch.setattr(LockHost, "script", ask)
    other.live_state._hosts["hive2"] = rig.done(HostState(error="hive2: ssh: no answer"))
    hosts["hive0"].is_silent = True

    assert holder_elsewhere(other) == ""
    assert sorted(asked) == ["hive0", "hive1"]


def test_who_looks_turns_nobody_away(tmp_path: Path) -> None:
    """Whether the lock is held is seen by trying it: a run that begins at that moment tries again."""
    run = rig.new(tmp_path).run()
    run.state.lock("doit")
    assert (holder(run.state) or "").endswith("(doit)")
    run.state.unlock()

    with (run.state.root / "lock").open("rb") as looking:
        import fcntl
        import threading

        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.03, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        run.state.lock("doit")
        run.state.unlock()
