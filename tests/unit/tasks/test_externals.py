"""Networks, volumes and configs of others: found, used, and never made; a service in the network of its host."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ServiceError
from model.hosts.firewall import published
from tasks import build_networks, build_volumes, deploy_services
from tasks.cleanup.inventory import Inventory
from tasks.hosts import volumes_on as volumes_on_host
from tasks.hosts.volumes_on import maybe_on, stage_volumes, volumes_on
from tasks.services import secrets_configs
from tasks.step import Step, Work
from tests import made as rig
from tests.made import Made

EXTERNAL = """
[networks.proxy]
external = true
name = "traefik-public"

[configs.page]
external = true

[services.seen]
image = "web"
networks = ["proxy"]
configs = ["page"]
volumes = [{ source = "theirs", target = "/theirs" }]

[services.exporter]
image = "web"
networks = ["host"]
ports = [{ target_port = 9100, published_port = 9100, mode = "host" }]

[volumes.theirs]
external = true
name = "old_data"
hosts = ["hive1"]
"""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site with things of others, wholly made."""
    site = rig.new(tmp_path)
    path = tmp_path / "site.toml"
    path.write_text(path.read_text() + EXTERNAL)
    site.make()
    site.swarm = replace(
        site.swarm,
        external_networks={"traefik-public": {"Id": "id-of-build_networks-proxy"}},
        external_configs={"page": {"ID": "id-of-deploy_services-config.page"}},
    )
    site.look("hive1", external_volumes=frozenset({"old_data"}))
    return site


class Engine:
    """An engine that has what a test says, and makes nothing."""

    def __init__(
        self, networks: list[dict[str, Any]], configs: list[dict[str, Any]], volumes: list[str]
    ) -> None:
        self.api = self
        self._networks, self._configs, self._volumes = networks, configs, volumes

    def networks(self, *, names: list[str]) -> list[dict[str, Any]]:
        """List those whose names begin so, as the engine does."""
        return [net for net in self._networks if net["Name"].startswith(names[0])]

    def configs(self, *, filters: dict[str, str]) -> list[dict[str, Any]]:
        """List those whose names begin so."""
        return [one for one in self._configs if one["Spec"]["Name"].startswith(filters["name"])]

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """Return one."""
        from docker.errors import NotFound

        if name not in self._volumes:
            raise NotFound(name)
        return {"Name": name}


ENGINE = Engine(
    [
        {"Name": "traefik-public-2", "Id": "n0", "Scope": "swarm"},
        {"Name": "traefik-public", "Id": "n1", "Scope": "swarm"},
    ],
    [{"ID": "c0", "Spec": {"Name": "page-2"}}, {"ID": "c1", "Spec": {"Name": "page"}}],
    ["old_data"],
)
EMPTY = Engine(
    [{"Name": "traefik-public", "Id": "n1", "Scope": "local"}], [{"ID": "c0", "Spec": {"Name": "page-2"}}], []
)
STEPS: dict[str, Callable[[Any], Any]] = {
    "build_networks:proxy": build_networks.steps,
    "deploy_services:config.page": secrets_configs.steps,
    "build_volumes:theirs@hive1": build_volumes.steps,
}


def ensured(made: Made, task: str, engine: Engine) -> Any:
    """Return the record of a step that is taken with an engine."""
    run = made.run()
    run.connections.__dict__["manager"] = lambda: (SimpleNamespace(short="hive0"), engine)
    run.connections.__dict__["engine"] = lambda _host: engine
    step: Step = next(one for one in STEPS[task](run) if one.task == task)
    return step.ensure(Work(task, step.inputs(), "k", lambda _line: None))


def test_what_is_there_is_found_by_its_exact_name(made: Made) -> None:
    """The engine's filters take the beginning of a name, too."""
    assert ensured(made, "build_networks:proxy", ENGINE).id == "n1"
    assert ensured(made, "deploy_services:config.page", ENGINE).id == "c1"
    ensured(made, "build_volumes:theirs@hive1", ENGINE)


def test_destroy_leaves_what_is_external(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A swarm that stays keeps what others use, even if the stage once made it, and with its labels."""
    run, removed = made.run(), list[str]()
    config, mine = {"ID": "theirs", "Spec": {"Name": "page"}}, {"ID": "own", "Spec": {"Name": "page-0"}}
    api = SimpleNamespace(
        networks=lambda **_: [{"Id": "theirs", "Name": "traefik-public"}, {"Id": "own", "Name": "back"}],
        services=lambda **_: [],
        secrets=lambda **_: [],
        configs=lambda **_: [config, mine],
        remove_network=removed.append,
        remove_config=removed.append,
    )
    monkeypatch.setattr(
        run.connections, "manager", lambda: (SimpleNamespace(short="hive0"), SimpleNamespace(api=api))
    )
    monkeypatch.setattr(build_volumes, "_remove", lambda _connections, volume, _host: removed.append(volume))
    there = Inventory(
        owned=False,
        hosts=("hive1",),
        others=(),
        volumes={"old_data": ("hive1",), "data": ("hive1",)},
        doubts={},
        docs={},
    )

    for phase in (deploy_services, build_networks, build_volumes):
        assert phase.destroy(run, there, ["old_data", "data"], lambda _line: None) == []

    assert removed == ["own", "own", "data"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            "build_networks:proxy",
            "networks.proxy: traefik-public is a network of hive0 alone, and services join networks of the swarm: make",
        ),
        (
            "deploy_services:config.page",
            "configs.page: the swarm has no Docker config page: make it (docker config create page FILE on hive0), or",
        ),
        (
            "build_volumes:theirs@hive1",
            "volumes.theirs: there is no volume old_data on hive1: make it there (docker volume create old_data), name",
        ),
    ],
)
def test_what_is_not_there_is_not_made(made: Made, task: str, message: str) -> None:
    """The message has the command that makes it; an empty volume in the place of data is made by nobody."""
    with pytest.raises(ServiceError) as raised:
        ensured(made, task, EMPTY)

    assert str(raised.value).startswith(message)


def test_nothing_is_stale_while_they_stay(made: Made) -> None:
    """A site with things of others is up to date after a run."""
    table = made.table()

    assert {table[name].status for name in STEPS} == {"up to date"}
    assert table["deploy_services:exporter"].status == "up to date"


def test_one_that_is_gone_or_was_made_anew_is_drift(made: Made) -> None:
    """The next run finds it again, or fails before a service is touched."""
    made.swarm = replace(made.swarm, external_networks={}, external_configs={"page": {"ID": "another"}})
    made.look("hive1", external_volumes=frozenset())
    steps = {one.task: one for task in STEPS for one in STEPS[task](made.run())}

    assert [str(steps[task].real("k")) for task in STEPS] == [
        "the external network is gone",
        "the external config was made anew",
        "the external volume is gone from hive1",
    ]


def test_services_that_name_no_network_join_no_external_one(made: Made) -> None:
    """And the networks of the site are made without it."""
    run = made.run()

    assert list(run.stage.networks) == ["back"]
    assert run.stage.networks_of(run.stage.services["web"]) == {"back": []}


def test_ports_in_the_hosts_network_are_open_in_the_firewall(made: Made) -> None:
    """Nothing is published for them, so the hosts' firewall is all that has to know."""
    stage = made.run().stage

    assert ("tcp", 9100) in published(stage, stage.hives[0])


def test_a_host_does_not_go_with_the_data_of_others(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local volume that a service mounts counts among those that a replaced or destroyed host would take along."""
    run, hive = made.run(), made.run().stage.host("hive1")
    there = {"Volumes": [{"Name": "old_data", "Labels": None}, {"Name": "of_nobody", "Labels": {"a": "b"}}]}
    monkeypatch.setattr(
        volumes_on_host, "Reader", lambda *_, **__: SimpleNamespace(volumes=lambda: there, close=lambda: None)
    )
    connection: Any = SimpleNamespace(name="hive1", docker_socket="", open=lambda: None)

    assert volumes_on(run.stage, run.state, hive, run.live_state.host(hive)) == ["old_data"]
    assert stage_volumes(run.stage, connection) == ["old_data"]
    assert maybe_on(run.stage, run.state, "hive1", hive) == ["old_data"]


def test_a_volume_of_others_elsewhere_goes_with_no_host(made: Made) -> None:
    """A driver of its own keeps the data on a server."""
    made.edit('name = "old_data"', 'name = "old_data"\ndriver = "rexray"')
    run, hive = made.run(), made.run().stage.host("hive1")

    assert volumes_on(run.stage, run.state, hive, run.live_state.host(hive)) == []
    assert maybe_on(run.stage, run.state, "hive1", hive) == []
