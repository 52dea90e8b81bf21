"""The repository stays where it is, or moves on purpose; who leaves the hives leaves the swarm."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ConfigError, HostError
from model.keys.record import ImageRecord, SwarmRecord
from model.secrets.stage_secrets import generate
from model.stage import Stage
from remote.hostsetup.markers import AppliedStep
from tasks.explain.plan import NOTHING, Planner
from tasks.explain.status import UP_TO_DATE
from tasks.hosts.former_member import FormerMember
from tasks.hosts.stage_vault import StageVault
from tasks.images.moved_registry import MovedRegistry
from tasks.names import swarm_task, vault_task
from tasks.run.context import Run
from tasks.run.vault import Vault
from tasks.step import Work
from tests import made as rig
from tests.made import Made

pytestmark = pytest.mark.slow

THREE, FOUR = "number_of_hosts = 3", "number_of_hosts = 4"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Give a stage of two hives, and hive2 with the registry."""
    site = rig.new(tmp_path)
    site.make()
    return site


def plan(made: Made) -> dict[str, str]:
    """Return what a run would do, but for what stays as it is."""
    table = made.table()
    planner = Planner(table)
    return {name: planner[name].action for name in table.names if planner[name].action != NOTHING}


def test_the_repository_stays_when_a_host_comes(made: Made) -> None:
    """The new host is a hive, though it is the last one. What is not about all hosts is up to date."""
    made.edit(THREE, FOUR)

    stage = made.run().stage

    assert stage.repository.short == "hive2"
    assert [hive.short for hive in stage.hives] == ["hive0", "hive1", "hive3"]
    table = made.table()
    stale = {
        name for name in table.names if table[name].status != UP_TO_DATE and table[name].step.host != "hive3"
    }
    assert stale == {f"setup_hosts:hive{n}.{step}" for n in range(3) for step in ("firewall", "hosts_file")}


def test_the_repository_stays_when_a_host_before_it_goes_elsewhere(made: Made) -> None:
    """A host more and a host less: it is where it was all the time, and nothing is left to be done."""
    made.edit(THREE, FOUR)
    made.make()
    assert made.run().stage.repository.short == "hive2"
    made.edit(FOUR, THREE)
    made.make()

    assert made.run().stage.repository.short == "hive2"
    assert [step.task for step in setup_steps(made.run()) if "left_swarm" in step.task] == [
        "setup_hosts:hive3.left_swarm"
    ]


def setup_steps(run: Run) -> list[Any]:
    """Return the steps of the hosts' set-up."""
    from tasks import setup_hosts

    return list(setup_hosts.steps(run))


def test_a_repository_that_would_leave_is_refused_with_the_line_to_add(made: Made) -> None:
    """Before anything is touched; with that line the site loads, and the registry moves."""
    made.edit(THREE, "number_of_hosts = 2")
    with pytest.raises(ConfigError) as error:
        made.run()
    assert str(error.value) == (
        "site.toml: stages.private: hive2 has the registry, and would no longer be a host of the stage: to move the "
        'registry with its images, write in [stages.private]: repository = "hive1"'
    )

    made.edit("number_of_hosts = 2", 'number_of_hosts = 2\nrepository = "hive1"')

    stage = made.run().stage
    assert (stage.repository.short, stage.former_repository) == ("hive1", "hive2")
    assert [hive.short for hive in stage.hives] == ["hive0"]


def test_a_repository_that_is_no_host_is_refused(made: Made) -> None:
    """A typing mistake is said with the names that there are."""
    made.edit(THREE, f'{THREE}\nrepository = "hvie2"')
    with pytest.raises(
        ConfigError, match=r"stages.private.repository: 'hvie2' is not one of its hosts \(there are: "
    ):
        made.run()


def test_a_volume_may_be_on_a_hive_behind_the_repository(made: Made) -> None:
    """Which hosts are hives is known where volumes are checked, too."""
    made.edit(THREE, FOUR)
    made.edit('hosts = ["hive0"]', 'hosts = ["hive3"]')
    assert made.run().stage.volume_hosts("data")[0].short == "hive3"
    made.edit('hosts = ["hive3"]', 'hosts = ["hive2"]')
    with pytest.raises(ConfigError, match="'hive2' is not a hive of stage private"):
        made.run()


def test_an_older_state_knows_the_repository_by_the_vault(made: Made) -> None:
    """A site that an older skep built has no repository.json."""
    (made.directory / "state/private/repository.json").unlink(missing_ok=True)
    made.edit(THREE, FOUR)

    assert made.run().state.home == "hive2"
    assert made.run().stage.repository.short == "hive2"


def test_moved_on_purpose_images_go_along(made: Made) -> None:
    """The images are not made again, and no service changes; the hive that is no hive any more leaves the swarm."""
    made.edit(THREE, f'{THREE}\nrepository = "hive1"')

    planned = plan(made)

    assert planned["build_images:registry.moved"] == "change"
    assert planned["build_images:web"] == "change"
    assert planned["setup_hosts:hive1.left_swarm"] == "change"
    assert "setup_hosts:hive2.swarm" in planned
    assert not [task for task in planned if task.startswith(("deploy_services", "initialize_services"))]
    table = made.table()
    assert table["build_images:registry.moved"].step.after[0].startswith("setup_hosts:hive1.")
    assert "build_images:registry.moved" in table["build_images:web"].step.after


def test_the_move_is_done_when_the_images_are_there(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it is not, a killed run's successor goes on with it; then the step is gone."""
    made.edit(THREE, f'{THREE}\nrepository = "hive1"')
    run = made.run()
    asked: list[str] = []
    ssh = {host.short: Host(host.short, asked) for host in run.stage.hosts}
    monkeypatch.setattr(run.connections, "to", lambda host: ssh[host.short])
    step = MovedRegistry(run)
    work = Work(step.task, step.inputs(), "key", asked.append)

    ssh["hive2"].fails = True
    with pytest.raises(HostError, match="cut off"):
        step.ensure(work)
    assert made.run().stage.former_repository == "hive2"

    ssh["hive2"].fails = False
    step.ensure(work)
    assert "hive2 to hive1" in asked
    assert made.run().stage.former_repository == ""
    assert made.run().stage.repository.short == "hive1"


def test_a_former_repository_that_does_not_answer_is_not_given_up(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come back with all its images; only of one that is gone they are pushed back from the hives."""
    made.edit(THREE, f'{THREE}\nrepository = "hive1"')

    def silent(_host: Any) -> Any:
        raise HostError("hive2: no route to host")

    def move() -> None:
        run = made.run()
        ssh = SimpleNamespace(script=lambda *_, **__: silent(run))
        monkeypatch.setattr(run.connections, "to", lambda _host: ssh)
        step = MovedRegistry(run)
        step.ensure(Work(step.task, step.inputs(), "key", lambda _line: None))

    with pytest.raises(
        HostError,
        match=r"^hive2 has the registry's images, and does not answer: hive2: no route to host\n .*remove the host at",
    ):
        move()
    assert made.run().state.home == "hive2"

    made.cloud.delete(made.run().stage, "hive2")
    move()
    assert made.run().state.home == "hive1"


class Host:
    """A host that keeps what it is asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked, self.fails, self.vault = name, asked, False, ""

    def script(self, text: str, **_: object) -> str:
        """Answer with the vault, or a size."""
        return self.vault if "vault.json" in text else "1000"

    def pipe(self, _command: str, receiver: "Host", _receiving: str, **_: object) -> None:
        """Send."""
        if self.fails:
            raise HostError("the stream was cut off")
        self.asked.append(f"{self.name} to {receiver.name}")


def test_a_record_of_a_registry_that_is_gone_is_stale_by_itself(made: Made) -> None:
    """Known without a connection, so that `doit list` says so as well."""
    run = made.run()
    digest = "sha256:" + "0" * 64
    run.state.write("build_images:web", ImageRecord(reference=f"p-hive9.example:5000/web@{digest}"))

    assert "it was in the registry p-hive9.example:5000" in made.table()["build_images:web"].reasons()


@pytest.mark.parametrize(
    ("host", "look", "problem"),
    [
        ("hive9", {}, "whose host left the stage"),
        ("hive2", {"steps": {}}, ""),
        ("hive0", {"steps": {"registry": AppliedStep("key")}}, ""),
        ("hive0", {"error": "hive0: no route to host"}, ""),
        ("hive0", {"steps": {}}, "which does not run any more"),
    ],
)
def test_a_service_by_the_name_of_a_registry_that_is_gone_is_updated(
    made: Made, monkeypatch: pytest.MonkeyPatch, host: str, look: dict[str, Any], problem: str
) -> None:
    """Nobody could pull its image any more: its host left, or was made anew. By another's name it stays as it is."""
    if host != "hive9":
        made.look(host, **look)
    found = made.swarm.services["web"]
    image = f"p-{host}.example:5000/web@sha256:0"
    services = {
        "web": {**found, "Spec": {**found["Spec"], "TaskTemplate": {"ContainerSpec": {"Image": image}}}}
    }
    run = replace_swarm(made, services)
    step = next(step for step in deployed(run) if step.name == "web")
    monkeypatch.setattr(type(run.live_state), "service", lambda *_: None)

    expected = f"its image is in the registry p-{host}.example:5000, {problem}" if problem else None
    assert step.real("key") == expected


def replace_swarm(made: Made, services: Any) -> Run:
    """Return a run that sees these services."""
    made.swarm = replace(made.swarm, services=services)
    return made.run()


def deployed(run: Run) -> list[Any]:
    """Return the steps of the services."""
    from tasks import deploy_services

    return list(deploy_services.steps(run))


# -- a checkout without state/ -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["", 'repository = "hive3"'])
def test_a_checkout_without_state_finds_the_repository(
    made: Made, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Nothing is set up on the wrong host; the message has the line to add, and the next run knows."""
    made.edit(THREE, f"{FOUR}\n{line}")
    made.make("build_infra:hive3")
    for name in ("repository.json", "setup_hosts", "secrets"):
        path = made.directory / "state/private" / name
        assert not path.is_dir() or name != "repository.json"
        _remove(path)
    run = made.run()
    assert run.stage.home == ""
    assert run.stage.repository.short == "hive3"
    asked: list[str] = []
    ssh = {host.short: Host(host.short, asked) for host in run.stage.hosts}
    ssh["hive2"].vault = Vault(generate("example", "private"), {}).to_bytes().decode()
    monkeypatch.setattr(run.connections, "to", lambda host: ssh[host.short])
    step = StageVault(run)

    with pytest.raises(HostError) as error:
        step.ensure(Work(vault_task(run.stage), {}, "key", asked.append))

    assert str(error.value).startswith("hive2 has the registry" if line else "hive2 is the repository")
    assert line or str(error.value).endswith('write in [stages.private]: repository = "hive2"')
    again = made.run().stage
    assert (again.repository.short, again.former_repository) == (
        ("hive3", "hive2") if line else ("hive2", "")
    )


@pytest.mark.parametrize("why", ["failed", "network failed", "not chosen", "goes down"])
@pytest.mark.parametrize("was_set_up", [False, True])
def test_a_host_that_this_run_does_not_make_is_not_waited_for(
    made: Made, monkeypatch: pytest.MonkeyPatch, why: str, *, was_set_up: bool
) -> None:
    """A new stage goes on without it. Where the others were set up it may have the secrets: no new ones are made."""
    state = made.directory / "state/private"
    for name in ("repository.json", "setup_hosts", "secrets", "build_infra/hive1.json"):
        _remove(state / name)
    run = made.run()
    if why == "goes down":
        thing = made.cloud.things["example", "private", "hive1"]
        made.cloud.things["example", "private", "hive1"] = replace(thing, must_stop=True)
        run = made.run()
    elif why == "not chosen":
        run.progress.chosen = {vault_task(run.stage)}
    else:
        run.progress.failed.add("build_infra:hive1" if why == "failed" else "build_infra:network")
    waited: list[str] = []

    def wait_for(settled: Any, what: str, _timeout: float) -> None:
        if not settled():
            waited.append(what)

    monkeypatch.setattr("tasks.hosts.stage_vault.wait_for", wait_for)
    said: list[str] = []
    monkeypatch.setattr(
        run.connections,
        "to",
        lambda _host: SimpleNamespace(
            script=lambda text, **_: "docker" if was_set_up and text.startswith("ls ") else ""
        ),
    )
    step = StageVault(run)
    work = Work(vault_task(run.stage), {}, "key", said.append)

    if was_set_up:
        with pytest.raises(
            HostError, match=r"^hive1 may have the registry with the stage's secrets, and can't be"
        ):
            step.ensure(work)
        assert not (state / "secrets/vault.json").exists()
        assert made.run().stage.home == ""
    else:
        step.ensure(work)
        assert made.run().stage.home == "hive2"
    assert waited == []


def _remove(path: Path) -> None:
    """Remove a file or directory."""
    import shutil

    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


# -- who leaves the hives ----------------------------------------------------------------------------------------------


def test_who_leaves_the_hives_leaves_the_swarm(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is only the repository now, and one that left the stage: each is planned, done, then forgotten."""
    made.edit(THREE, f'{THREE}\nrepository = "hive1"')
    made.make("setup_hosts:hive2.swarm")
    run = made.run()
    run.state.write("setup_hosts:hive9.swarm", SwarmRecord(cluster="c", node="node-of-hive9"))
    steps = {step.host: step for step in setup_steps(run) if isinstance(step, FormerMember)}
    assert set(steps) == {"hive1", "hive9"}
    assert steps["hive1"].inputs() == {"node": "node-of-hive1"}
    assert set(steps["hive1"].after) >= {swarm_task("hive0"), swarm_task("hive2")}
    removed: list[str] = []
    monkeypatch.setattr(
        "tasks.hosts.former_member.leave_swarm",
        lambda _run, host, node, _log: removed.append(f"{host.short} {node}"),
    )
    left: list[str] = []
    connection = SimpleNamespace(open=lambda: None, docker_socket="")
    monkeypatch.setattr(run.connections, "to", lambda _host: connection)
    monkeypatch.setattr("remote.engine.client.connect", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr("remote.swarm.membership.leave", lambda host, _engine: left.append(host.short))

    for step in steps.values():
        step.ensure(Work(step.task, step.inputs(), "key", removed.append))

    assert "hive1 node-of-hive1" in removed
    assert "hive9 node-of-hive9" in removed
    # Nothing is known of how to log in on hive9.
    assert left == ["hive1"]
    assert made.run().state.members() == ["hive0", "hive2"]


def test_a_stage_alone_has_its_last_host_as_the_repository(made: Made) -> None:
    """As long as nothing was made."""
    run = made.run()
    assert Stage(run.stage.site, "private", run.stage.config).repository.short == "hive2"


def test_an_earlier_revision_is_pulled_from_todays_registry(made: Made) -> None:
    """Its specification names the registry of its time; images of elsewhere are left alone."""
    stage = made.run().stage
    assert (
        stage.in_own_registry("p-hive9.example:5000/base/x@sha256:0")
        == "p-hive2.example:5000/base/x@sha256:0"
    )
    for other in ("hub.example.org:5000/x@sha256:0", "debian:12", "p-hive2.example/x"):
        assert stage.in_own_registry(other) == other
