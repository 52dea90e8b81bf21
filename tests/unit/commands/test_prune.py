"""`doit prune`: orphans are found and listed, and go only if nothing that stays uses them."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from doit.doit_cmd import reset_vars, set_var
from doit.exceptions import InvalidCommand
from msgspec import structs
from requests import Response

from commands import prune as command
from commands.prune import PruneCommand
from model.errors import HostError
from model.keys.authorized_key import AuthorizedKey
from model.keys.record import FactRecord, HostRecord
from model.stage import Host
from model.swarm.volume_move import VolumeMove, journal_labels
from remote.hostsetup.markers import AppliedStep
from remote.ssh.connection import Connection
from remote.swarm import nodes as swarm_nodes
from remote.swarm import upkeep
from tasks.build_infra import OrphanHost
from tasks.build_volumes import OrphanVolume
from tasks.cleanup.orphans import line, orphans
from tasks.cleanup.prune import prune as remove_all
from tasks.hosts import decommission
from tasks.hosts.decommission import FormerHost
from tasks.hosts.volume_data import kept_for_move
from tasks.observe.states import SwarmState
from tasks.phase import Orphan
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.services.orphans import OrphanService
from tasks.setup_hosts import OrphanStep
from tests import made as rig
from tests.made import Made
from tests.unit.model.swarm.test_volume_move import config

pytestmark = pytest.mark.slow


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def labelled(made: Made, **more: Any) -> dict[str, Any]:
    """Return something of the swarm with the stage's labels."""
    return {"Spec": {"Labels": made.run().stage.labels, **more}}


def names(made: Made) -> list[str]:
    """Return the orphans' descriptions."""
    return [left.words for left in orphans(made.run())]


def without_services(made: Made) -> None:
    """Take images and services out of site.toml."""
    path = made.directory / "site.toml"
    path.write_text(path.read_text().partition("[images.web]")[0])


def test_nothing_is_left_over(made: Made) -> None:
    """A stage that is as site.toml says has nothing to be named."""
    assert orphans(made.run()) == []
    assert line([]) == ""


def test_the_order_in_which_things_go(made: Made) -> None:
    """Users go before the things that they use, and data last; nothing is held, as its users go as well."""
    without_services(made)
    made.edit("[networks.back]", "[networks.front]")
    made.look("hive0", steps={**made.hosts["hive0"].steps, "old": AppliedStep("k")}, accounts=("alice",))

    orphaned = orphans(made.run())

    assert [left.kind for left in orphaned] == [
        "service",
        "network",
        "Docker secret",
        "image",
        "image",
        "set-up step",
        "account",
        "volume",
    ]
    assert {left.held for left in orphaned} == {""}


def test_what_a_service_that_stays_uses_is_held(made: Made) -> None:
    """A network that site.toml no longer has waits for a run while its service still uses it."""
    made.edit("[networks.back]", "[networks.front]")

    (left,) = orphans(made.run())

    assert (left.words, left.held) == ("network back", "in use by web")
    assert not left.may_go(())


@pytest.mark.parametrize("spec", ["Spec", "PreviousSpec"])
def test_secrets_and_configs_in_use_are_none(made: Made, spec: str) -> None:
    """A secret or config stays while a service uses it or could roll back to it."""
    used = {"Secrets": [{"SecretID": "s"}], "Configs": [{"ConfigID": "c"}]}
    service = {"PreviousSpec": {"TaskTemplate": {}}, **made.swarm.services["web"]}
    service[spec]["TaskTemplate"]["ContainerSpec"] = used
    made.swarm = replace(
        made.swarm,
        services={"web": service},
        secrets={**made.swarm.secrets, "gone-1": {"ID": "s", **labelled(made)}},
        configs={"conf-1": {"ID": "c", **labelled(made)}, "conf-0": {"ID": "b", **labelled(made)}},
    )

    held = {left.name: left.held for left in orphans(made.run())}

    assert held == {"gone-1": "in use by web", "conf-0": ""}


def test_another_phases_config_is_none(made: Made) -> None:
    """A phase answers for the Docker configs that it made: this one is no content of `[configs]` and no revision."""
    config = labelled(made)
    config["Spec"]["Labels"] = {**config["Spec"]["Labels"], "skep.name": "info"}
    made.swarm = replace(made.swarm, configs={**made.swarm.configs, "info": {"ID": "i", **config}})

    assert orphans(made.run()) == []


def test_what_is_external_is_none(made: Made) -> None:
    """Not even if the stage once made it, so that it has the stage's labels, and whatever table now names it."""
    path = made.directory / "site.toml"
    path.write_text(
        path.read_text()
        + """
[networks.shared]
external = true
name = "old-net"
[networks.handed-over]
external = true
[volumes.kept]
external = true
name = "old_data"
[configs.page]
external = true
name = "page-0123456789ab"
"""
    )
    labels = made.run().stage.labels
    config = {"ID": "c", **labelled(made, Name="page-0123456789ab")}
    config["Spec"]["Labels"] = {**labels, "skep.name": "config.page"}
    networks = {
        name: {"Id": name, "Name": name, "Labels": labels} for name in ("old-net", "handed-over", "gone")
    }
    made.swarm = replace(
        made.swarm,
        networks={**made.swarm.networks, **networks},
        configs={**made.swarm.configs, "page-0123456789ab": config},
    )
    mine = {"Labels": labels}
    made.look(
        "hive1",
        volumes={"old_data": {"Name": "old_data", **mine}, "other": {"Name": "other", **mine}},
    )

    assert names(made) == ["network gone", "volume other on hive1"]


def test_an_older_content_is_not_worth_a_word(made: Made) -> None:
    """It is removed by the way; no run speaks of it."""
    secret = labelled(made)
    secret["Spec"]["Labels"] = {**secret["Spec"]["Labels"], "skep.name": "password"}
    made.swarm = replace(made.swarm, secrets={**made.swarm.secrets, "password-old": {"ID": "o", **secret}})

    (left,) = orphans(made.run())

    assert (left.name, left.note, left.may_go(())) == ("password-old", "an old version of password", True)
    assert line([left]) == ""


def test_a_vault_on_a_former_repository(made: Made) -> None:
    """A copy of the secrets that a host should no longer have is left over; the repository's is not."""
    made.look("hive0", steps={**made.hosts["hive0"].steps, "vault": AppliedStep("k")})

    assert names(made) == ["set-up step vault on hive0"]


def test_what_units_use_goes_after_them(made: Made) -> None:
    """Units without their agent would be started again and again, and a mount that they write to stays."""
    more = {
        name: AppliedStep("k")
        for name in ("agent", "backup_data", "backup_server", "logs_collector", "logs_data", "observe")
    }
    made.look("hive0", steps={**made.hosts["hive0"].steps, **more})

    last = {"agent", "backup_data", "logs_data"}
    assert [name.split()[2] in last for name in names(made)] == [False, False, False, True, True, True]


def test_somebody_elses_volume_is_none(made: Made) -> None:
    """Only things with this stage's labels are considered; a volume on a host that should not have it is an orphan."""
    other = {"Labels": {"skep.site": "example", "skep.stage": "staging"}}
    mine = {"Labels": made.run().stage.labels}
    made.look("hive1", volumes={"theirs": {"Name": "theirs", **other}, "data": {"Name": "data", **mine}})

    assert names(made) == ["volume data on hive1"]


def test_a_volume_goes_only_if_it_is_named() -> None:
    """Data is never destroyed on the way to something else; one in use does not even go then."""
    left = OrphanVolume("data", "build_volumes:data@hive0", host="hive0")

    assert not left.may_go(())
    assert not left.may_go({"other"})
    assert left.may_go({"data"})
    assert not replace(left, users=("web",)).may_go({"data"})


def former_host(made: Made) -> None:
    """Have a host that the stage does not want, and of which state/ still knows how to log in."""
    there = made.cloud.things["example", "private", "hive0"]
    made.cloud.things["example", "private", "hive9"] = replace(there, name="hive9")
    record = made.run().state.record("build_infra:hive0", HostRecord)
    wanted = structs.replace(record, name="p-hive9.example", address="10.0.0.99")
    made.run().state.write("build_infra:hive9", wanted)


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ("", 2, "    host hive9, after it left the swarm; it has no volume\n"),
        (
            "data\nmore\n",
            0,
            "host hive9 stays: volume data,more would be lost with it: save the data that you need",
        ),
        (
            HostError("hive9: does not answer"),
            0,
            "host hive9 stays: volume data may be on it (hive9: does not answer)",
        ),
    ],
)
def test_a_host_goes_with_its_volumes_named(
    made: Made, monkeypatch: pytest.MonkeyPatch, asked: str | Exception, status: int, message: str
) -> None:
    """Its volumes are found by asking it; if it does not answer, those that it may have count."""

    def connect(_connection: Connection) -> None:
        if isinstance(asked, Exception):
            raise asked

    monkeypatch.setattr(Connection, "open", connect)
    monkeypatch.setattr(Connection, "script", lambda *_args, **_more: asked)
    former_host(made)

    assert [left.words for left in orphans(made.run())] == ["host hive9"]
    ended, text = prune(made)
    assert (ended, message in text) == (status, True), text
    if status == 0:
        named = ",".join(re.findall(r"volumes=([\w,]+)", text))
        assert prune(made, volumes=named)[0] == 2


def test_what_a_provider_has_beside_hosts_stays(made: Made) -> None:
    """A file system that is no longer wanted may hold data: it is named, and nothing removes it."""
    there = made.cloud.things["example", "private", "hive0"]
    made.cloud.things["example", "private", "files"] = replace(there, name="files", is_host=False)

    (left,) = orphans(made.run())

    assert (left.words, left.may_go(())) == ("provider resource files", False)
    assert "provider resource files stays: it may hold data" in prune(made)[1]


def test_a_host_leaves_the_swarm_before_it_goes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its node is retired while it is still there; then it is removed, and nothing is kept of it here."""
    former_host(made)
    run, order = made.run(), list[str]()
    for task in ("setup_hosts:hive9.swarm", "build_volumes:data@hive9"):
        run.state.write(task, FactRecord(id="x"))
    monkeypatch.setattr(Connection, "close", lambda _connection: None)
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], None))
    monkeypatch.setattr(decommission, "silent_hives", lambda *_args: frozenset())
    monkeypatch.setattr(swarm_nodes, "has_node", lambda *_args: True)
    monkeypatch.setattr(
        swarm_nodes, "check_expendable", lambda *args, **_options: order.append(f"may {args[2].name} go")
    )
    monkeypatch.setattr(swarm_nodes, "is_set_aside", lambda *_args: False)
    monkeypatch.setattr(upkeep, "task_counts", lambda *_args: {})
    monkeypatch.setattr(upkeep, "shortfalls", lambda *_args, **_options: [])
    monkeypatch.setattr(swarm_nodes, "set_aside", lambda *args: order.append(f"drain {args[2].address}"))
    monkeypatch.setattr(swarm_nodes, "remove_node", lambda *args: order.append(f"retire {args[2].address}"))
    monkeypatch.setattr(type(run.provider), "remove", lambda *args: order.append(f"remove {args[1]}"))

    remove_all(run, orphans(made.run()), lambda _line: None)

    assert order == ["may p-hive9.example go", "drain 10.0.0.99", "retire 10.0.0.99", "remove hive9"]
    assert run.state.tasks_of_host("hive9") == []
    assert run.state.tasks_of_host("hive0")


class Leaving:
    """The engines of a swarm from which a service goes: its container on `hive0` ends at the third question."""

    def __init__(self) -> None:
        self.api = self
        self.calls: list[str] = []

    def remove_service(self, service: str) -> None:
        """Remove it; its containers end later."""
        self.calls.append(f"remove {service}")

    def containers(self, *, all: bool, filters: dict[str, str]) -> list[dict[str, Any]]:  # noqa: A002 - as in the SDK
        """List those that are left, ended ones as well, since they hold volumes."""
        assert all
        self.calls.append(filters["label"])
        return [{"Names": ["/web.1.x"], "Id": "c1", "State": "running"}] if len(self.calls) < 4 else []


class Job(Leaving):
    """The engines of a swarm from which a job goes: as real ones do, they leave its containers where they ended."""

    def __init__(self) -> None:
        super().__init__()
        self.left = {"c1": "exited", "c2": "running", "c3": "created"}
        self.refusals = 0

    def containers(self, *, all: bool, filters: dict[str, str]) -> list[dict[str, Any]]:  # noqa: A002 - as in the SDK
        """List them; the one that runs ends by itself, and is removed by the swarm."""
        assert (all, filters) == (True, {"label": "com.docker.swarm.service.id=s1"})
        found = [{"Names": [f"/{name}"], "Id": name, "State": state} for name, state in self.left.items()]
        self.left.pop("c2", None)
        return found

    def remove_container(self, container: str, *, v: bool) -> None:
        """Remove one that has ended or never started, with its unnamed volumes; refuse it some times."""
        assert v
        assert self.left[container] != "running"
        if self.refusals > 0:
            self.refusals -= 1
            answer = Response()
            answer.status_code = 500
            raise APIError("500", answer, "device or resource busy")
        del self.left[container]
        self.calls.append(f"remove {container}")


def test_a_service_is_removed_when_its_containers_are_gone(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run right after the prune finds the ports free that the service had."""
    run, engine = made.run(), Leaving()
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], engine))
    monkeypatch.setattr(Connections, "engine", lambda _run, _host: engine)
    monkeypatch.setattr("tasks.services.orphans.remove_revisions", lambda *_: None)

    assert remove_all(run, [OrphanService("web", "deploy_services:web", id="s1")], lambda _line: None) == []

    label = "com.docker.swarm.service.id=s1"
    assert engine.calls[:4] == ["remove s1", label, label, label]
    assert len(engine.calls) == 3 + len(run.stage.hives)


def test_the_ended_containers_of_a_job_go_with_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the swarm to remove them, since it does not; those that run are left to it.

    So do those that never started, and those that the engine does not let go at once.
    """
    run, engine = made.run(), Job()
    engine.refusals = 1
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], engine))
    monkeypatch.setattr(Connections, "engine", lambda _run, _host: engine)
    monkeypatch.setattr("tasks.services.orphans.remove_revisions", lambda *_: None)

    assert remove_all(run, [OrphanService("once", "deploy_services:once", id="s1")], lambda _line: None) == []

    assert engine.calls == ["remove s1", "remove c3", "remove c1"]
    assert engine.left == {}


def test_an_ended_container_that_the_engine_keeps_is_a_problem(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prune is not done then, and has the engine's words; the hive was asked and counts as checked."""
    run, engine, told = made.run(), Job(), list[str]()
    engine.refusals, engine.left = 100, {"c1": "exited"}
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], engine))
    monkeypatch.setattr(Connections, "engine", lambda _run, _host: engine)
    monkeypatch.setattr("tasks.services.orphans.remove_revisions", lambda *_: None)
    monkeypatch.setattr("tasks.services.orphans.GONE_TIMEOUT", 0)

    (problem,) = remove_all(run, [OrphanService("once", "deploy_services:once", id="s1")], told.append)

    assert problem == (
        "service once: waited 0 s for the containers of service once on hive0 to end: c1 is still there "
        "(hive0: removing container c1: device or resource busy); docker rm -f c1 ends it there"
    )
    assert [line for line in told if "not checked" in line] == []


def test_a_hive_that_is_dead_is_not_waited_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is removed: the log says that the hive is not checked, and the other hives are."""
    run, engine, asked, told = made.run(), Leaving(), list[str](), list[str]()

    def engine_of(_run: Connections, host: Host) -> Leaving:
        asked.append(host.short)
        if host.short == "hive0":
            raise HostError("hive0: no answer")
        return engine

    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[1], engine))
    monkeypatch.setattr(Connections, "engine", engine_of)
    monkeypatch.setattr("tasks.services.orphans.remove_revisions", lambda *_: None)

    assert remove_all(run, [OrphanService("web", "deploy_services:web", id="s1")], told.append) == []

    assert [line for line in told if "not checked" in line] == [
        "containers of service web on hive0 are not checked: hive0: no answer"
    ]
    assert asked == ["hive0", "hive1", "hive1", "hive1"]


def test_a_container_that_does_not_end_is_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prune is not done then: the problem has the container and its host."""
    run, engine = made.run(), Leaving()
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], engine))
    monkeypatch.setattr(Connections, "engine", lambda _run, _host: engine)
    monkeypatch.setattr("tasks.services.orphans.remove_revisions", lambda *_: None)
    monkeypatch.setattr("tasks.services.orphans.GONE_TIMEOUT", 0)

    (problem,) = remove_all(run, [OrphanService("web", "deploy_services:web", id="s1")], lambda _line: None)

    assert problem == (
        "service web: waited 0 s for the containers of service web on hive0 to end: "
        "web.1.x is still there; docker rm -f web.1.x ends it there"
    )


def test_taking_labels_off_nodes_is_not_said(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a volume goes is said; the labels that its hives still have in the swarm are nobody's concern."""
    run = made.run()
    node = next(iter(made.swarm.nodes.values()))
    node["Spec"]["Labels"]["skep.volume.old"] = "true"
    told, labelled = list[str](), list[str]()

    def ensure(_host: str, _client: object, node: str, _labels: object, log: Any, _stays: object) -> None:
        labelled.append(node)
        log("labels: skep.name=hive0")

    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], None))
    monkeypatch.setattr(decommission, "silent_hives", lambda *_args: frozenset())
    monkeypatch.setattr(swarm_nodes, "ensure_node_labels", ensure)

    assert remove_all(run, [], told.append) == []
    assert (len(labelled), told) == (1, [])


def test_a_host_that_the_swarm_needs_stays(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a majority that is left nothing of it is touched, and it is said why."""
    former_host(made)
    run, removed = made.run(), list[str]()
    monkeypatch.setattr(Connections, "manager", lambda _run, **_more: (run.stage.hives[0], None))
    monkeypatch.setattr(decommission, "silent_hives", lambda *_args: frozenset())
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    monkeypatch.setattr(swarm_nodes, "has_node", lambda *_args: True)

    def refuse(*_args: object, **_options: object) -> None:
        msg = "of its 2 other managers 1 are ready, which is not a majority"
        raise HostError(msg)

    monkeypatch.setattr(swarm_nodes, "check_expendable", refuse)
    monkeypatch.setattr(type(run.provider), "remove", lambda *args: removed.append(args[1]))

    problems = remove_all(run, orphans(made.run()), lambda _line: None)

    assert not removed
    assert "hive9 does not leave the swarm: " in problems[0]
    assert "not a majority" in problems[0]
    assert run.state.tasks_of_host("hive9") == ["build_infra:hive9"]


def test_a_run_says_it_in_one_line() -> None:
    """A thing on several hosts is named once; of many things only the first ones are."""
    steps = [OrphanStep("chrony", "t", host=f"hive{n}") for n in range(3)]
    services = [OrphanService(f"s{n}", "t") for n in range(7)]

    assert line(steps) == (
        "no longer in site.toml, but still there: set-up step chrony on hive0, hive1, hive2 (see: doit prune)"
    )
    assert line(services).endswith("service s5; and 1 more (see: doit prune)")


# -- the command -------------------------------------------------------------------------------------------------------


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _options: object) -> None:
        """Do nothing."""


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the orphans that are removed, and remove none."""
    gone: list[str] = []

    def prune(_run: Run, found: Sequence[Orphan], _say: object) -> list[str]:
        gone.extend(left.words for left in found)
        return []

    monkeypatch.setattr(command, "prune", prune)
    return gone


def prune(made: Made, *args: str, **variables: str) -> tuple[int, str]:
    """Run `doit prune` with these command-line variables; return its status and its output."""
    reset_vars()
    for name, value in variables.items():
        set_var(name, value)
    run = made.run()
    run.live_state.__dict__["close"] = lambda: None
    asked = PruneCommand(task_loader=Loader(run), bin_name="doit")
    asked.outstream = io.StringIO()
    try:
        return asked.execute({}, list(args)), asked.outstream.getvalue()
    finally:
        reset_vars()


def test_without_confirmation_it_only_says(made: Made, removed: list[str]) -> None:
    """The status is that of a plan, 2 if there are orphans, else 0; the output has the command to type."""
    assert prune(made) == (0, "nothing to remove: all of stage private of example is in site.toml\n")
    without_services(made)

    status, message = prune(made)

    assert status == 2
    assert removed == []
    assert message.splitlines() == [
        "this would remove of stage private of example:",
        "    service web",
        f"    Docker secret {next(iter(made.swarm.secrets))}",
        "    image base/debian-12",
        "    image web",
        "  volume data on hive0 stays: it may hold data; to remove it: volumes=data",
        "to do it, type: doit prune confirm=example",
    ]


def test_a_swarm_of_which_no_hive_answers_is_not_said_once_more(made: Made) -> None:
    """Each host that was not checked has one line; the swarm has its own where a hive answers."""
    made.swarm = SwarmState(error="hive0 refuses this checkout's key; hive1 is not a manager of a swarm")
    made.look("hive0", error="hive0 refuses this checkout's key: ask")
    assert [line for line in prune(made)[1].splitlines() if "not checked" in line] == [
        "  not checked: hive0 refuses this checkout's key; hive1 is not a manager of a swarm",
        "  not checked: hive0 refuses this checkout's key: ask",
    ]
    made.look("hive1", error="hive1: no answer")

    assert [line for line in prune(made)[1].splitlines() if "not checked" in line] == [
        "  not checked: hive0 refuses this checkout's key: ask",
        "  not checked: hive1: no answer",
    ]


def test_with_the_sites_name_all_but_volumes_goes(made: Made, removed: list[str]) -> None:
    """A volume that is named goes as well."""
    without_services(made)

    assert prune(made, confirm="example")[0] == 0
    assert "volume data on hive0" not in removed
    assert "service web" in removed
    assert prune(made, confirm="example", volumes="data")[0] == 0
    assert "volume data on hive0" in removed


@pytest.mark.parametrize("copied", [False, True])
def test_a_volume_that_is_being_moved_stays(made: Made, removed: list[str], *, copied: bool) -> None:
    """The hive that it is taken from may have the only copy, and no container uses it: to name it removes nothing.

    That holds for a host that left the stage meanwhile as well, and where the swarm can't be asked.
    """
    made.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')
    made.look("hive0", services={})
    move = VolumeMove("data", "hive0", "hive1", {})
    labels = made.run().stage.labels
    configs = {"move": config(move.data, journal_labels(labels, "data"))}
    if copied:
        configs["copied"] = config(b"copied", journal_labels(labels, "data", copied=True))
    made.swarm = replace(made.swarm, configs={**made.swarm.configs, **configs})

    status, text = prune(made, confirm="example", volumes="data")

    assert (status, "volume data on hive0" in removed) == (0, False)
    assert (
        "volume data on hive0 stays: volume data is being moved from hive0 to hive1, which has not ended"
        in text
    )
    host = OrphanHost(
        "hive0", "build_infra:hive0", former=FormerHost(made.run().stage.host("hive0"), ("data",))
    )
    assert host.may_go({"data"})
    assert not replace(host, kept=kept_for_move(made.run(), "hive0", ["data"])).may_go({"data"})
    assert kept_for_move(made.run(), "hive2", ["data"]) == ""

    made.swarm = SwarmState(error="no manager answers")
    assert "nobody can tell whether it is being moved: no manager answers" in prune(made)[1]


@pytest.mark.parametrize(
    ("args", "words", "message"),
    [
        ((), {"confirm": "other"}, "confirm=other is not this site; type: doit prune confirm=example"),
        (("web",), {}, "takes no web"),
        ((), {"confirm": "example", "volumes": "daat"}, "volumes=daat: is not a volume that can be pruned"),
    ],
)
def test_a_slip_removes_nothing(
    made: Made, removed: list[str], args: tuple[str, ...], words: dict[str, str], message: str
) -> None:
    """Another site's name, a word too many, a volume that is not left over."""
    without_services(made)

    with pytest.raises(InvalidCommand) as caught:
        prune(made, *args, **words)

    assert message in str(caught.value)
    assert removed == []


# -- ssh keys ----------------------------------------------------------------------------------------------------------

OWN = AuthorizedKey("ssh-ed25519", "AAAAown0", "me@here", "2026-11-28T08:00:00Z")
OTHER = AuthorizedKey("ssh-ed25519", "AAAAothr", "ci@runner", "2026-11-27T08:00:00Z")


@pytest.fixture
def two_keys(made: Made, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have two checkouts be let in, and note the keys that are taken out, and where."""
    made.run().connections.files.key.with_suffix(".pub").write_text(f"{OWN.public} skep@example.private\n")
    for host in made.run().stage.hosts:
        made.look(host.short, authorized_keys=(OWN, OTHER))
    taken: list[str] = []

    def script(connection: Connection, text: str, **_: Any) -> str:
        if "BLOBS=" in text:
            assert OWN.blob not in text
            taken.extend([f"{connection.name} {OTHER.name}"] if OTHER.blob in text else [])
        return f"{OWN.line}\n"

    monkeypatch.setattr(Connection, "script", script)
    return taken


def test_ssh_keys_are_shown_and_stay(made: Made, two_keys: list[str], removed: list[str]) -> None:
    """A plain prune says who is let in, and takes nobody out."""
    status, message = prune(made)

    assert (status, removed) == (0, [])
    assert message.splitlines()[1:] == [
        "ssh keys that the hosts let in; key=NAME takes one out:",
        f"    {OWN.name}  since 2026-11-28 08:00 UTC (this checkout)",
        f"    {OTHER.name}  since 2026-11-27 08:00 UTC",
    ]
    without_services(made)
    prune(made, confirm="example")
    assert two_keys == []


def test_an_operator_goes_by_site_toml(made: Made, two_keys: list[str]) -> None:
    """The next run would let him in again: the message says which line to take out; a pattern means no operator."""
    ann = AuthorizedKey.of_operator("ann", "ssh-ed25519 AAAAann0")
    made.look("hive0", authorized_keys=(OWN, ann))

    with pytest.raises(InvalidCommand, match=f"key={ann.name}: ann is an operator: take the line out of"):
        prune(made, confirm="example", key=ann.name)
    with pytest.raises(InvalidCommand, match=r"key=ann\*: is not a key that the hosts let in"):
        prune(made, confirm="example", key="ann*")
    assert two_keys == []


def test_an_ssh_key_goes_by_its_name(made: Made, two_keys: list[str], removed: list[str]) -> None:
    """It goes on all hosts, and nothing else does; without the site's name prune only says so."""
    without_services(made)
    status, message = prune(made, key=OTHER.name)
    assert (status, two_keys) == (2, [])
    assert message.splitlines() == [
        "this would take out of stage private of example:",
        f"    ssh key {OTHER.name}, since 2026-11-27 08:00 UTC",
        f"to do it, type: doit prune confirm=example key={OTHER.name}",
    ]

    assert prune(made, confirm="example", key=OTHER.id)[0] == 0

    assert sorted(two_keys) == [f"hive{n} {OTHER.name}" for n in range(3)]
    assert removed == []


def test_several_ssh_keys_go_by_a_pattern(made: Made, two_keys: list[str]) -> None:
    """It names what it would take out, and never means this checkout's own."""
    status, message = prune(made, key="*@*")
    assert (status, two_keys) == (2, [])
    assert message.splitlines()[1:] == [
        f"    ssh key {OTHER.name}, since 2026-11-27 08:00 UTC",
        "to do it, type: doit prune confirm=example 'key=*@*'",
    ]

    assert prune(made, confirm="example", key="*@*")[0] == 0

    assert sorted(two_keys) == [f"hive{n} {OTHER.name}" for n in range(3)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no*", f"key=no*: is not a key that the hosts let in; these can be taken out: {OTHER.name}"),
        ("nobody", f"key=nobody: is not a key that the hosts let in; these can be taken out: {OTHER.name}"),
        (OWN.name, f"key={OWN.name}: is this checkout's own key, without which it can't log in"),
    ],
)
@pytest.mark.usefixtures("two_keys")
def test_an_ssh_key_that_is_not_taken_out(made: Made, name: str, message: str) -> None:
    """One that nobody has, and one's own."""
    with pytest.raises(InvalidCommand) as caught:
        prune(made, confirm="example", key=name)

    assert message in str(caught.value)


@pytest.mark.parametrize("public", [None, "", "ssh-ed25519"])
def test_no_ssh_key_is_taken_out_where_the_own_one_is_unknown(
    made: Made, two_keys: list[str], public: str | None
) -> None:
    """Without a usable `.pub` the own key looks like any other: nothing is taken out, and the way out is said."""
    path = made.run().connections.files.key.with_suffix(".pub")
    path.unlink()
    if public is not None:
        path.write_text(public)
    for words in ({}, {"confirm": "example"}):
        for key in (OWN, OTHER):
            with pytest.raises(InvalidCommand) as caught:
                prune(made, key=key.name, **words)
            assert "id_ed25519.pub: is missing or not a public key" in str(caught.value)
            assert "doit build_infra:ssh_key" in str(caught.value)

    assert two_keys == []
