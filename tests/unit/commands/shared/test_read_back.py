"""A checkout without state/ learns what is as wanted, and changes nothing."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.dependency import Dependency

from commands.shared.read_back import fill_in, read_back
from commands.shared.statedb import StateDb
from model.errors import HostError
from model.keys.digest import key_of
from model.keys.record import HostRecord, ImageRecord, SwarmRecord
from providers.fake.provider import FakeProvider
from remote.ssh.connection import Connection
from tasks.hosts.ssh_key import SshKey
from tasks.images import registry_image
from tasks.images.bases import UpstreamDigest
from tasks.images.registry_image import RegistryImage
from tasks.names import host_task, swarm_task
from tasks.run.context import Run
from tasks.step import Work
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Give a site that is made, in a checkout that has its secrets alone, and hosts on which nothing can be run."""
    site = rig.new(tmp_path)
    site.make()
    for path in site.run().state.root.iterdir():
        if path.name != "secrets":
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def refuse(connection: Connection, *_: object, **__: object) -> str:
        raise HostError(f"{connection.name}: nothing is run there")

    monkeypatch.setattr("tests.made._MadeState.close", lambda _self: None)
    monkeypatch.setattr(Connection, "run", refuse)
    monkeypatch.setattr(Connection, "open", refuse)
    return site


def learned(made: Made, run: Run) -> set[str]:
    """Read all back, and return the tasks that have a record and a trace then."""
    run.observer._take = lambda: made._live_state(run)
    dep_manager = Dependency(StateDb, str(run.state.traces))
    tasks = made.tasks(run)
    count = read_back(run, tasks, dep_manager)
    found = {name for name, task in tasks.items() if task.actions and run.state.record_path(name).exists()}
    assert count == len(found)
    assert all(run.state.last_inputs(name) for name in found)
    return found


def test_hosts_and_what_is_on_them(made: Made) -> None:
    """Hosts, their steps, and their places in the swarm are known without anything being run."""
    run = made.run()

    found = learned(made, run)

    hosts = ("hive0", "hive1", "hive2")
    assert {host_task(host) for host in hosts} <= found
    assert {swarm_task(host) for host in hosts[:2]} <= found, "the third is the repository alone"
    assert {
        f"setup_hosts:{host}.{step}" for host in hosts for step in ("hostname", "docker", "users")
    } <= found
    assert run.state.record(host_task("hive1"), HostRecord).name == "p-hive1.example"
    assert run.state.record(swarm_task("hive1"), SwarmRecord).node
    assert "build_volumes:data@hive0" in found


def test_what_is_not_as_wanted_is_left_out(made: Made) -> None:
    """A host on which nothing is set up is known, and none of its steps is."""
    del made.hosts["hive1"]
    run = made.run()

    found = learned(made, run)

    assert "setup_hosts:hive0.hostname" in found
    assert host_task("hive1") in found
    assert not [name for name in found if name.startswith("setup_hosts:hive1.")]


def test_a_whole_site_is_read_back_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record is that which a run has written; neither a step nor the provider is asked to make anything."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    tasks = {name: task for name, task in made.tasks(run).items() if task.actions}
    wanted = {name: run.state.record_path(name).read_bytes() for name in tasks}
    images: list[str] = [json.loads(text)["reference"] for text in wanted.values() if b"@sha" in text]
    for path in run.state.root.iterdir():
        if path.name != "secrets":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for kind in {type(task.meta["step"]) for task in tasks.values()} - {UpstreamDigest, SshKey}:
        monkeypatch.setattr(kind, "ensure", lambda *_: pytest.fail("it was made"))
    monkeypatch.setattr(FakeProvider, "ensure", lambda *_: pytest.fail("it was made"))

    def find(repository: str, _key: str) -> str:
        name = repository.replace("base/", "base.", 1)
        return next(reference for reference in images if reference.startswith(f"registry:5000/{name}@"))

    def builder_for(*_: object, clear: bool) -> Any:
        assert not clear
        return SimpleNamespace(registry=SimpleNamespace(find=find))

    monkeypatch.setattr(registry_image, "builder_for", builder_for)
    upstream = ImageRecord(reference=json.loads(wanted["build_images:upstream.debian-12"])["reference"])
    monkeypatch.setattr(UpstreamDigest, "ensure", lambda *_: upstream)
    monkeypatch.setattr("tests.made._MadeState.close", lambda _self: None)

    run = made.run()
    found = learned(made, run)

    assert found == wanted.keys()
    # The others' records are made up: they are digests that nothing is made from.
    told = {name for name in found if not name.startswith(("setup_hosts:", "initialize_services:"))}
    told |= {swarm_task("hive0"), swarm_task("hive1")}
    assert {name for name in told if run.state.record_path(name).read_bytes() != wanted[name]} == set()


@pytest.mark.parametrize(
    "task", ["setup_hosts:hive0.node_labels", "build_images:web", "initialize_services:web.first"]
)
def test_nothing_is_made_where_another_run_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """It may have changed what was seen a moment ago: no image is built, no role run, no node takes tasks again."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    step = made.tasks(run)[task].meta["step"]
    found: list[str | None] = ["10.0.0.4:5000/web@sha256:1", None]

    def builder_for(*_: object, clear: bool) -> Any:
        assert not clear, "leftovers of builds are another run's matter"
        return SimpleNamespace(registry=SimpleNamespace(find=lambda *_: found.pop(0)))

    monkeypatch.setattr(type(step), "ensure", lambda *_: pytest.fail("it was made"))
    monkeypatch.setattr(registry_image, "builder_for", builder_for)
    inputs = step.inputs_now()
    work = Work(task, inputs, key_of(inputs), lambda _line: None)

    assert step.recall(work) is not None
    if isinstance(step, RegistryImage):
        assert step.recall(work) is None, "it went meanwhile"
    monkeypatch.setattr(type(step), "real", lambda *_: "another one than wanted")
    assert step.recall(work) is None


def test_a_checkout_that_knows_a_host_is_left_alone(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan there reads nothing back, and what is missing stays so; nor does one while a run is at work."""
    run = made.run()
    run.state.lock("doit")
    fill_in(made.run(), made.tasks(run), Dependency(StateDb, str(run.state.traces)))
    assert run.state.host_record(run.stage.host("hive0")) is None
    run.state.unlock()

    run.observer._take = lambda: made._live_state(run)
    fill_in(run, made.tasks(run), Dependency(StateDb, str(run.state.traces)))

    assert "state/ knew no host: " in capsys.readouterr().err
    assert run.state.host_record(run.stage.host("hive0")) is not None
    run = made.run()
    run.state.record_path(swarm_task("hive0")).unlink()
    fill_in(run, made.tasks(run), Dependency(StateDb, str(run.state.traces)))
    assert capsys.readouterr().err == ""
    assert run.state.read(swarm_task("hive0"), SwarmRecord) is None
