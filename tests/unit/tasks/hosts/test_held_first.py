"""The stage's lock is held on hosts that a checkout does not know, before anything is changed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import ProviderError, StateError
from model.keys.digest import key_of
from model.keys.record import FactRecord
from remote.ssh.lock_session import holder_on
from remote.ssh.lock_words import lock_name
from tasks.hosts.held_first import hold_first
from tasks.names import infra_task
from tasks.run import stage_lock
from tasks.run.context import Run
from tasks.step import Work
from tests import made as rig
from tests.doubles.lock_hosts import LocalSession, LockHost

Begin = Callable[..., Run]
REPOSITORY = "hive2"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give the hosts of a stage, where the scripts of its lock run."""
    monkeypatch.setattr(stage_lock, "LockSession", LocalSession)
    made = {short: LockHost(tmp_path, short) for short in ("hive0", "hive1", "hive2")}
    yield made
    for host in made.values():
        host.end_sessions()


@pytest.fixture
def begin(tmp_path: Path, hosts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Return a function by which a checkout begins a run; the hosts are those of the first one."""
    first = rig.new(_made(tmp_path / "one"))
    first.make()
    runs: list[Run] = []

    def run(name: str, *knows: str, may_replace: str = "") -> Run:
        made = first
        if name != "one":
            made = rig.new(_made(tmp_path / name))
            made.edit(
                "separate_repository = true", f'separate_repository = true\nrepository = "{REPOSITORY}"'
            )
            made.cloud, made.hosts = first.cloud, first.hosts
            made.may_replace = frozenset(filter(None, [may_replace]))
        run = made.run()
        monkeypatch.setattr(run.connections, "to", lambda host: hosts[host.short])
        monkeypatch.setattr(run.connections, "reset", lambda *_: None)
        monkeypatch.setattr("tasks.build_infra.let_in_keys.settle", lambda *_: None)
        monkeypatch.setattr("tasks.build_infra._see_anew", lambda *_: None)
        is_made = run.state.host_record
        run.stage_lock._is_made = lambda host: is_made(host) is not None
        for short in knows:
            [resource] = [one for one in run.provider.resources() if one.name == short]
            run.state.write(infra_task(short), run.provider.ensure(resource, lambda _line: None))
        run.stage_lock.begin(f"doit of {name}")
        run.stage_lock.wait()
        runs.append(run)
        first.cloud.log.clear()
        return run

    yield run
    for each in runs:
        each.stage_lock.release()


def _made(directory: Path) -> Path:
    """Return a directory that is there."""
    directory.mkdir()
    return directory


def ensure(run: Run, name: str) -> None:
    """Have the task of a thing of the provider act."""
    from tasks.build_infra import ProviderResource

    [resource] = [one for one in run.provider.resources() if one.name == name]
    step = ProviderResource(run, resource)
    run.state.write("build_infra:ssh_key", FactRecord(id="key"))
    inputs = step.inputs()
    step.ensure(Work(step.task, inputs, key_of(inputs), lambda _line: None))


def on(run: Run, hosts: dict[str, Any]) -> dict[str, str]:
    """Return the command that holds the stage, by host."""
    found = {short: holder_on(host, lock_name(run.stage)) for short, host in hosts.items()}
    return {short: owner["command"] for short, owner in found.items() if owner is not None}


def other_key(run: Run, *names: str) -> None:
    """Have hosts be made from something else than site.toml says now."""
    cloud: Any = run.provider
    for (site, stage, name), thing in list(cloud.cloud.things.items()):
        if name in names:
            cloud.cloud.things[site, stage, name] = replace(thing, key="another")
    observe(run)


def observe(run: Run) -> None:
    """List the provider's things anew."""
    live_state: Any = run.live_state
    live_state._provider = rig.done(run.provider.found())


@pytest.mark.parametrize("knows", [(), ("hive1",)])
@pytest.mark.parametrize("task", ["hive1", "network"])
def test_a_fresh_clone_meets_the_other_run_before_it_changes_anything(
    begin: Begin, knows: tuple[str, ...], task: str
) -> None:
    """Also where it begins with a third host, or with a network, or knows that host alone; only a key is let in."""
    begin("one", "hive0", "hive1", "hive2")
    second = begin("two", *knows)
    other_key(second, task)

    with pytest.raises(StateError, match=r"another run holds this stage, as hive2 says: .*doit of one"):
        ensure(second, task)
    with pytest.raises(StateError, match="another run holds this stage"):
        ensure(second, "hive0")

    cloud: Any = second.provider
    assert set(cloud.cloud.log) <= {"admitted hive0", "admitted hive2"}


def test_it_holds_the_lock_where_it_should_be_before_a_third_host_is_changed(
    begin: Begin, hosts: dict[str, Any]
) -> None:
    """Of the two hosts that it finds first, and not on the one that its first task is about."""
    run = begin("two")
    assert on(run, hosts) == {}

    ensure(run, "hive1")

    assert on(run, hosts) == {"hive2": "doit of two", "hive0": "doit of two"}


def test_hosts_that_have_to_be_changed_are_not_asked(begin: Begin, hosts: dict[str, Any]) -> None:
    """To find them would be to replace them: the next hive is asked in their place."""
    run = begin("two")
    other_key(run, "hive0", REPOSITORY)

    hold_first(run, lambda _line: None)

    assert on(run, hosts) == {"hive1": "doit of two"}
    cloud: Any = run.provider
    assert cloud.cloud.log == []


def test_hosts_of_which_none_can_be_asked_are_left_alone(begin: Begin) -> None:
    """The message has the hosts and the ways out; who says that one may be replaced takes it upon himself."""
    run = begin("two")
    other_key(run, "hive0", "hive1", "hive2")

    with pytest.raises(
        ProviderError,
        match=r"^hive2, hive0, hive1: nobody can tell whether another run holds the stage .*replace=hive2,hive0,hive1$",
    ):
        ensure(run, "hive1")

    cloud: Any = run.provider
    assert cloud.cloud.log == []


def test_a_first_run_has_nobody_to_ask(begin: Begin, hosts: dict[str, Any]) -> None:
    """No host exists: it makes them, and joins each."""
    run = begin("two")
    cloud: Any = run.provider
    for name in ("hive0", "hive1", "hive2"):
        cloud.cloud.delete(run.stage, name)
    observe(run)

    ensure(run, REPOSITORY)

    assert cloud.cloud.log == ["created hive2", "started hive2", "admitted hive2"]
    assert on(run, hosts) == {"hive2": "doit of two"}
