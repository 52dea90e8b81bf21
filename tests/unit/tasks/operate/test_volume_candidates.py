"""Which copy of a volume is moved, and what is refused before anything stops."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.plan import plan_report
from model.keys.digest import key_of
from model.keys.record import VolumeRecord
from model.labels import BACKUP_STOP_LABEL
from model.swarm.volume_move import VolumeMove, journal_labels, journal_name, moves_in, wanted
from remote.swarm.spec import spec_digest
from tasks import build_volumes, initialize_services
from tasks.hosts import volume_data
from tasks.operate import volume_candidates
from tasks.operate.moved_markers import moved_markers
from tasks.operate.volume_candidates import Candidate, MoveRefusedError, candidate, together
from tasks.run.context import Run
from tasks.step import BLOCKED
from tests import made as rig
from tests.made import Made
from tests.unit.model.swarm.test_volume_move import config

TO_HIVE1 = ('hosts = ["hive0"]', 'hosts = ["hive1"]')


class Listings:
    """What engines list: the swarm's services, and containers that use the volume."""

    def __init__(self) -> None:
        self.of_others: list[Any] = []
        self.containers: list[Any] = []
        self.volumes: list[Any] = []
        self.with_data: set[str] = {"hive0"}


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> Listings:
    """Answer for engines and hosts."""
    listings = Listings()

    def answers(_connections: object, _name: str, host: Any) -> bool:
        return host.short in listings.with_data

    monkeypatch.setattr(volume_data, "has_data", answers)
    monkeypatch.setattr(volume_candidates, "has_data", answers)
    return listings


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, with the volume data on hive0."""
    site = rig.new(tmp_path)
    site.edit("number_of_hosts = 3", "number_of_hosts = 4")
    site.make()
    names = {host.short: host.name for host in site.run().stage.hosts}
    for identity, node in site.swarm.nodes.items():
        node["Description"] = {"Hostname": names[identity.removeprefix("node-of-")]}
    spec = site.swarm.services["web"]["Spec"]
    spec["Mode"] = {"Replicated": {"Replicas": 1}}
    spec["TaskTemplate"]["ContainerSpec"] = {"Mounts": [{"Type": "volume", "Source": "data"}]}
    spec["Labels"]["skep.spec"] = spec_digest(spec)
    return site


def asked(made: Made, listings: Listings) -> Run:
    """Return a run that reads these listings of engines."""
    run = made.run()

    def reader(_host: object) -> Any:
        return SimpleNamespace(
            services=lambda: [*made.swarm.services.values(), *listings.of_others],
            tasks=lambda **_filters: [],
            containers=lambda **_filters: listings.containers,
            volumes=lambda **_filters: {"Volumes": listings.volumes},
            close=lambda: None,
        )

    connections: Any = run.connections
    connections.reader = reader
    connections.manager = lambda: (run.stage.host("hive0"), None)
    return run


def moved(made: Made, listings: Listings, to: str = "hive1", from_: str | None = None) -> Candidate:
    """Ask for the move of the volume."""
    return candidate(asked(made, listings), "data", to, from_)


def refused(made: Made, listings: Listings, to: str = "hive1", from_: str | None = None) -> str:
    """Return why it is refused."""
    with pytest.raises(MoveRefusedError) as caught:
        moved(made, listings, to, from_)
    return str(caught.value)


def test_site_toml_has_to_agree_first(made: Made, listings: Listings) -> None:
    """The path, what is there, and what to write; then the same command goes."""
    text = refused(made, listings)
    assert text.startswith(
        "volumes.data.hosts: site.toml has hive0 there, and not hive1: put hive1 in the place"
    )

    made.edit(*TO_HIVE1)
    found = moved(made, listings)
    assert (found.move.source, found.target.short) == ("hive0", "hive1")
    spec = made.swarm.services["web"]["Spec"]
    incarnation = made.hosts["hive0"].volumes["data"]["Labels"]["skep.incarnation"]
    assert found.move == VolumeMove("data", "hive0", "hive1", {"web": wanted(spec)}, incarnation=incarnation)


def test_a_backup_needs_no_hive_that_has_the_data(made: Made, listings: Listings) -> None:
    """It is silent, or has left the stage: the journal has what is known of it; of one alone backups have the data."""
    silent(made, listings)
    incarnation = made.hosts["hive0"].volumes["data"]["Labels"]["skep.incarnation"]
    found = moved(made, listings, from_="backup")
    assert (found.source, found.move.source) == (made.run().stage.host("hive0"), "hive0")
    assert (found.move.backups, found.move.incarnation) == ({}, incarnation)

    made.hosts["hive0"] = replace(made.hosts["hive0"], error="", volumes={})
    made.swarm.nodes["node-of-hive0"]["Spec"]["Labels"].pop("skep.volume.data")
    found = moved(made, listings, from_="backup")
    assert (found.source, found.move.source, found.move.incarnation) == (None, "", "")
    assert "to give it up" not in found.move.refusal()

    made.edit(TO_HIVE1[1], 'hosts = ["hive1", "hive2"]')
    made.edit('image = "web"\nenv', 'image = "web"\nmode = "global"\nenv')
    text = refused(made, listings, from_="backup")
    assert text.startswith("volumes.data.hosts: hive1, hive2 each have data of their own, and backups have")


def test_a_copy_whose_hive_died_goes_on_with_a_backup(made: Made, listings: Listings) -> None:
    """Until the copy is whole: from then on the backup is of no use."""
    made.edit(*TO_HIVE1)
    under_way(made)
    made.hosts["hive0"] = replace(made.hosts["hive0"], error="no answer")
    found = moved(made, listings, from_="backup")
    assert (found.is_turned, found.has_begun, found.move.backups) == (True, True, {})

    under_way(made, copied=True)
    made.hosts["hive1"] = replace(made.hosts["hive1"], volumes=made.hosts["hive0"].volumes)
    found = moved(made, listings, from_="backup")
    assert (found.is_turned, found.move.backups) == (False, None)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_backup_under_way_goes_on_without_its_old_hive(
    made: Made, listings: Listings, *, is_there: bool
) -> None:
    """Which generation it is, the journal says; the old hive counts where it is given up."""
    made.edit(*TO_HIVE1)
    under_way(made, backups={"web": "aa000001"})
    if not is_there:
        made.hosts["hive0"] = replace(made.hosts["hive0"], error="no answer")
    found = moved(made, listings)
    assert (found.is_turned, found.has_begun, found.move.backups) == (False, True, {"web": "aa000001"})

    made.edit(TO_HIVE1[1], TO_HIVE1[0])
    if is_there:
        assert moved(made, listings, to="hive0").is_given_up
    else:
        assert "hive0 does not answer: no answer" in refused(made, listings, to="hive0")


def test_the_hive_that_gets_a_backup_is_lost(made: Made, listings: Listings) -> None:
    """The way out is another hive, and the backup again."""
    made.edit(*TO_HIVE1)
    under_way(made, backups={"web": "aa000001"})
    made.hosts["hive1"] = replace(made.hosts["hive1"], error="no answer")
    text = refused(made, listings)
    assert text.startswith("volume data is being brought from a backup to hive1, and hive1 does not answer")
    assert "then doit restore web at=latest" in text


def edited(text: str) -> Callable[[Made, Listings], None]:
    """Return an edit of the volume's definition."""
    return lambda made, _listings: made.edit(TO_HIVE1[0], text)


def silent(made: Made, _listings: Listings) -> None:
    """Have the hive with the data not answer."""
    made.edit(*TO_HIVE1)
    made.hosts["hive0"] = replace(made.hosts["hive0"], error="hive0: ssh: no answer")


def filled(made: Made, listings: Listings) -> None:
    """Have data in a volume of that name on the target."""
    made.edit(*TO_HIVE1)
    made.hosts["hive1"] = replace(made.hosts["hive1"], volumes=made.hosts["hive0"].volumes)
    listings.with_data.add("hive1")


def used(made: Made, listings: Listings) -> None:
    """Have a container that somebody started use the volume."""
    made.edit(*TO_HIVE1)
    listings.containers.append({"Names": ["/backup"], "Labels": {}})


def mounted(made: Made, listings: Listings) -> None:
    """Have somebody else's service mount the volume."""
    made.edit(*TO_HIVE1)
    service = made.swarm.services["web"]
    spec = {**service["Spec"], "Name": "theirs", "Labels": {}}
    listings.of_others.append({**service, "Spec": spec})


def at_work(made: Made, listings: Listings) -> None:
    """Have a one-off task mount the volume."""
    made.edit(*TO_HIVE1)
    service = made.swarm.services["web"]
    labels = {**service["Spec"]["Labels"], "skep.one-off": "web"}
    listings.of_others.append({**service, "Spec": {**service["Spec"], "Name": "web-run-1", "Labels": labels}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited('hosts = "each"'), "volumes.data.hosts: every hive has data of its own"),
        (edited('driver_opts = { type = "nfs", device = ":/x" }'), "volumes.data: its data is not in files"),
        (silent, "hive0: has volume data as far as is known, and does not answer: hive0: ssh: no answer"),
        (filled, "hive1: its volume data has data in it, which would be lost"),
        (used, "hive0: container backup uses volume data"),
        (mounted, "volume data: service theirs, which is not this stage's, mounts it"),
        (at_work, "volume data: web-run-1, a command of doit run, is at work on it"),
    ],
)
def test_what_is_refused(
    made: Made, listings: Listings, change: Callable[[Made, Listings], None], said: str
) -> None:
    """Before anything stops, with what is in the way."""
    change(made, listings)

    assert refused(made, listings).startswith(said)


def saved(made: Made, at: float) -> None:
    """Have a backup keep the service stopped since a time."""
    service = made.swarm.services["web"]
    service["Spec"]["Labels"][BACKUP_STOP_LABEL] = "2"
    service["Spec"]["Mode"] = {"Replicated": {"Replicas": 0}}
    service["UpdatedAt"] = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}Z"


def test_a_service_that_a_backup_has_stopped(made: Made, listings: Listings) -> None:
    """The backup would start it in the middle of the move: refused, unless that is lost; then it has its own number."""
    made.edit(*TO_HIVE1)
    saved(made, time.time() - 10)
    assert refused(made, listings).startswith("volume data: web is stopped while a backup of it is made")

    saved(made, time.time() - 22_000)
    assert moved(made, listings).move.stopped == {"web": {"replicas": 2}}

    saved(made, time.time() - 10)
    made.hosts["hive0"] = replace(made.hosts["hive0"], error="hive0: ssh: no answer")
    assert moved(made, listings, from_="backup").move.stopped == {"web": {"replicas": 2}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Spec": {"Availability": "drain"}}, "hive1: is set to drain, so that no service would start there"),
        (
            {"Status": {"State": "down"}},
            "hive1: the swarm sees it as down, so that no service would start there",
        ),
        ({"Description": {"Hostname": "other"}}, "hive1: is not in the swarm: run doit setup_hosts"),
    ],
)
def test_a_hive_on_which_no_service_would_start(
    made: Made, listings: Listings, change: dict[str, Any], said: str
) -> None:
    """Services would stop, and not start again: it is refused before."""
    made.edit(*TO_HIVE1)
    made.swarm.nodes["node-of-hive1"].update(change)

    assert refused(made, listings).startswith(said)


def test_hosts_and_volumes_that_there_are_not(made: Made, listings: Listings) -> None:
    """A volume that nobody mounts, and a host that is no hive."""
    with pytest.raises(MoveRefusedError, match=r"volumes.date: no service .* there are: data"):
        candidate(asked(made, listings), "date", "hive1", None)
    made.edit(*TO_HIVE1)
    assert refused(made, listings, to="hive3") == "to=hive3: is no hive, and runs no service"


def test_of_several_copies_one_is_named(made: Made, listings: Listings) -> None:
    """The one whose node has the label is the one in use; where none has it, a person says which."""
    made.edit(*TO_HIVE1)
    listings.with_data.add("hive2")
    made.hosts["hive2"] = replace(made.hosts["hive2"], volumes=made.hosts["hive0"].volumes)
    assert moved(made, listings).move.source == "hive0"
    assert moved(made, listings, from_="hive2").move.source == "hive2"

    for node in made.swarm.nodes.values():
        node["Spec"]["Labels"].pop("skep.volume.data", None)
    assert "hive0, hive2 each have a copy" in refused(made, listings)
    assert "from=hive1: has no copy" in refused(made, listings, from_="hive1")


def test_a_move_that_is_done_is_nothing_to_do(made: Made, listings: Listings) -> None:
    """The volume is there, and the node says so: typed again after a kill at the very end, it does nothing."""
    found = moved(made, listings, to="hive0")

    assert found.is_done


def under_way(made: Made, *, copied: bool = False, backups: Mapping[str, str] | None = None) -> VolumeMove:
    """Have a move from hive0 to hive1 in the swarm that a kill has stopped, be it of a backup."""
    move = VolumeMove("data", "hive0", "hive1", {"web": {"replicas": 1}})
    labels = {"skep.site": "example", "skep.stage": "private"}
    configs = {"move": config(move.data, journal_labels(labels, "data"))}
    if copied:
        configs["copied"] = config(b"copied", journal_labels(labels, "data", copied=True))
    if backups is not None:
        data = json.dumps(backups).encode()
        configs["backup"] = config(data, journal_labels(labels, "data", backup=True))
    made.swarm = replace(made.swarm, configs={**made.swarm.configs, **configs})
    return moves_in(configs.values())["data"]


def test_a_move_that_was_killed_goes_on_or_is_given_up(made: Made, listings: Listings) -> None:
    """To its target it goes on; to its source it is given up, which needs site.toml's word as well; nowhere else."""
    move = under_way(made)
    assert "volumes.data.hosts" in refused(made, listings)
    assert moved(made, listings, to="hive0") == Candidate(
        "data", *hosts_of(made), move, has_begun=True, is_given_up=True
    )

    made.edit(*TO_HIVE1)
    # Its own unfinished copy is in nobody's way.
    listings.with_data.add("hive1")
    assert moved(made, listings) == Candidate("data", *hosts_of(made), move, has_begun=True)
    made.edit(TO_HIVE1[1], 'hosts = ["hive2"]')
    assert "which has not ended: type: doit move_volume data to=hive1" in refused(made, listings, to="hive2")


def hosts_of(made: Made) -> tuple[Any, Any]:
    """Return source and target."""
    stage = made.run().stage
    return stage.host("hive0"), stage.host("hive1")


def test_a_whole_copy_is_not_given_up(made: Made, listings: Listings) -> None:
    """Its services may have written to it since. The old hive is no longer needed to end the move."""
    under_way(made, copied=True)
    assert "which has not ended" in refused(made, listings, to="hive0")

    made.hosts["hive1"] = replace(made.hosts["hive1"], volumes=made.hosts["hive0"].volumes)
    silent(made, listings)
    assert moved(made, listings).move.is_copied


@pytest.mark.parametrize("is_silent", [True, False])
@pytest.mark.parametrize(
    ("copied", "lost", "said"),
    [
        (
            False,
            "hive0",
            "doit replace=data, with hive1 in volumes.data.hosts, ends the move with an empty volume on",
        ),
        (
            True,
            "hive1",
            "hive0 has the data as it was when it was copied. Put hive0 back in volumes.data.hosts, and",
        ),
    ],
)
def test_a_hive_is_lost_in_the_middle_of_a_move(
    made: Made, listings: Listings, *, is_silent: bool, copied: bool, lost: str, said: str
) -> None:
    """It does not answer, or was made anew without the data: nothing is started there, and the way out is said."""
    made.edit(*TO_HIVE1)
    under_way(made, copied=copied)
    if is_silent:
        made.hosts[lost] = replace(made.hosts[lost], error="no answer")
    else:
        made.hosts[lost] = replace(made.hosts[lost], volumes={})
    text = refused(made, listings)
    how = "does not answer: no answer" if is_silent else "does not have volume data any more"
    assert f", and {lost} {how}\n" in text
    assert said in text


@pytest.mark.parametrize(("copied", "empties"), [(False, True), (True, False)])
def test_a_move_is_dropped_by_who_names_the_volume(
    made: Made, listings: Listings, *, copied: bool, empties: bool
) -> None:
    """A run with `replace=data` ends it, and empties a copy that is not whole, before services find it."""
    made.edit(*TO_HIVE1)
    move = under_way(made, copied=copied)
    made.hosts["hive1"] = replace(made.hosts["hive1"], volumes=made.hosts["hive0"].volumes)
    made.may_replace = frozenset({"data"})
    listings.volumes = [{"Name": "data", "Mountpoint": "/v/data"}]
    run = asked(made, listings)
    assert volume_data.refused_volumes(run) == []
    [step] = [each for each in build_volumes.steps(run) if each.name == "data@hive1"]
    assert step.real("") == "its move is dropped (replace=)"
    assert step.recall(SimpleNamespace()) is None  # type: ignore[arg-type]

    done: list[str] = []
    connections: Any = run.connections
    connections.to = lambda _host: SimpleNamespace(
        script=lambda text, **_: done.append(text.splitlines()[-1])
    )
    connections.manager = lambda: (
        run.stage.host("hive0"),
        SimpleNamespace(api=SimpleNamespace(remove_config=done.append)),
    )
    volume_data.drop_move(run, move, run.stage.host("hive1"), lambda _line: None)
    assert done == [
        *(["find /v/data -mindepth 1 -delete"] if empties else []),
        journal_name("data"),
        journal_name("data", copied=True),
        journal_name("data", backup=True),
    ]


def test_the_task_of_the_hive_that_has_the_copy_drops_the_move(made: Made, listings: Listings) -> None:
    """Another hive's task would end the journal while the unfinished copy is there; without that hive it may."""
    made.edit(TO_HIVE1[0], 'hosts = "each"')
    move = under_way(made)
    run, ended = asked(made, listings), list[str]()
    connections: Any = run.connections
    connections.manager = lambda: (
        run.stage.host("hive0"),
        SimpleNamespace(api=SimpleNamespace(remove_config=ended.append)),
    )
    volume_data.drop_move(run, move, run.stage.host("hive2"), lambda _line: None)
    assert ended == []
    made.edit('hosts = "each"', TO_HIVE1[0])
    run = asked(made, listings)
    connections = run.connections
    connections.manager = lambda: (
        run.stage.host("hive0"),
        SimpleNamespace(api=SimpleNamespace(remove_config=ended.append)),
    )
    volume_data.drop_move(run, move, run.stage.host("hive0"), lambda _line: None)
    assert ended == [
        journal_name("data"),
        journal_name("data", copied=True),
        journal_name("data", backup=True),
    ]


def test_volumes_of_one_service_go_together(made: Made, listings: Listings) -> None:
    """A service that mounts another volume on the old hive would find no place to run: the message has both names."""
    made.edit("[images.web]", '[volumes.logs]\nhosts = ["hive1"]\n\n[images.web]')
    made.edit('target = "/data" }]', 'target = "/data" }, { source = "logs", target = "/logs" }]')
    made.edit(*TO_HIVE1)
    volumes = dict(made.hosts["hive0"].volumes)
    made.hosts["hive0"] = replace(made.hosts["hive0"], volumes={**volumes, "logs": volumes["data"]})
    run = asked(made, listings)
    data, logs = (candidate(run, name, "hive1", None) for name in ("data", "logs"))

    assert list(together(run, [data, logs])) == []
    [said] = together(run, [data])
    assert said.endswith("type: doit move_volume data logs to=hive1")


def plan_of(made: Made) -> dict[str, tuple[str, str]]:
    """Return the plan's action and reasons for each task that is not up to date."""
    run = made.run()
    table = made.table_of(run)
    report = plan_report(run, table, table.names, ["build_volumes"])
    return {
        item.task: (item.action, "; ".join(item.reasons)) for item in report.items if item.action != "nothing"
    }


def test_no_run_makes_a_volume_that_is_being_moved(made: Made, listings: Listings) -> None:
    """In between, plan and run refuse with the way out, whichever of both hives site.toml has; labels stay."""
    listings.with_data.clear()
    move = under_way(made)
    action, reasons = plan_of(made)["build_volumes:data@hive0"]
    assert (action, move.refusal() in reasons) == (BLOCKED, True)

    made.edit(*TO_HIVE1)
    action, reasons = plan_of(made)["build_volumes:data@hive1"]
    assert (action, move.refusal() in reasons) == (BLOCKED, True)
    assert volume_data.refused_volumes(made.run()) == ["build_volumes:data@hive1"]


def test_no_run_makes_an_empty_one_beside_a_silent_hive(made: Made, listings: Listings) -> None:
    """Its data may be on a hive that does not answer: refused, unless a person says that it is lost."""
    silent(made, listings)
    assert volume_data.refused_volumes(made.run()) == ["build_volumes:data@hive1"]

    made.may_replace = frozenset({"data"})
    assert volume_data.refused_volumes(made.run()) == []


def test_what_was_loaded_first_is_not_loaded_again(made: Made, listings: Listings) -> None:
    """The marker of an initialization goes along with the data; one of another definition does not."""
    made.edit(*TO_HIVE1)
    found = moved(made, listings)
    run = made.run()
    run.state.write("build_volumes:data@hive1", VolumeRecord(incarnation="new"))
    [step] = initialize_services.steps(run)
    today = key_of(step.inputs_now())
    labels = made.swarm.services["web"]["Spec"]["Labels"]
    assert labels["skep.initialized.first"] != today

    assert moved_markers(run, [found]) == {"web": {"skep.initialized.first": today}}
    # Nor where another checkout ends the move, which never deployed the service, and the old hive does not answer any
    # more: the swarm and the journal have their ids.
    run.state.forget("build_volumes:data@hive0")
    run.state.forget("deploy_services:web")
    made.hosts["hive0"] = replace(made.hosts["hive0"], volumes={})
    again = made.run()
    assert moved_markers(again, [found]) == {"web": {"skep.initialized.first": today}}
    # It had another role before: that is run. Of a backup whose volume nobody knows any more, what was loaded is in it.
    labels["skep.initialized.first"] = "other"
    assert moved_markers(run, [found]) == {}
    brought = replace(found, move=replace(found.move, backups={"web": "aa000001"}))
    assert moved_markers(run, [brought]) == {}
    unknown = replace(brought, move=replace(brought.move, source="", incarnation=""))
    assert moved_markers(run, [unknown]) == {"web": {"skep.initialized.first": today}}
    del labels["skep.initialized.first"]
    assert moved_markers(run, [found]) == {}
