"""The data that goes with a host: named beforehand, whether the host answers or not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from model.swarm.volume_move import VolumeMove, journal_labels
from tasks.hosts import host_losses
from tasks.hosts.host_losses import HostLosses
from tests import made as rig
from tests.doubles.agent import AgentHost, agents
from tests.made import Made
from tests.unit.model.swarm.test_volume_move import config


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Give a stage of two hives, whose volume holds data, and hive2 with the registry."""
    site = rig.new(tmp_path)
    site.make()
    monkeypatch.setattr(host_losses, "has_data", lambda *_: True)
    return site


def losses(made: Made, short: str) -> HostLosses:
    """Return what goes with a host."""
    run = made.run()
    return HostLosses(run, run.stage.host(short))


def test_volumes_of_the_host_alone_have_to_be_named(made: Made) -> None:
    """Each with its last backup, of which there is none; a host without volumes has nothing to be named."""
    here, elsewhere = losses(made, "hive0"), losses(made, "hive1")

    assert [*here.lines()] == [
        "volume data: its data is there alone, and goes with it; last backup: none, skep has made none of it"
    ]
    assert here.missing([]) == ["data"]
    assert here.missing(["data"]) == here.missing(["all"]) == []
    assert ([*elsewhere.lines()], elsewhere.missing([])) == ([], [])


def test_of_a_host_that_does_not_answer_all_that_may_be_there(made: Made) -> None:
    """Nobody can look whether it holds anything."""
    made.look("hive0", error="no answer")

    found = losses(made, "hive0")

    assert [*found.lines()] == [
        "volume data: its data may be there alone, and goes with it; last backup: none, skep has made none of it"
    ]
    assert found.missing([]) == ["data"]


def test_what_is_empty_is_no_loss(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that holds nothing needs no name; one that can't be looked into does."""
    monkeypatch.setattr(host_losses, "has_data", lambda *_: False)
    assert losses(made, "hive0").volumes == []

    def silent(*_: object) -> bool:
        raise HostError("hive0: its Docker Engine does not answer")

    monkeypatch.setattr(host_losses, "has_data", silent)
    assert losses(made, "hive0").volumes == ["data"]


def test_data_on_a_server_stays(made: Made) -> None:
    """A volume of NFS is on the hosts by name only."""
    made.edit('hosts = ["hive0"]', 'driver_opts = { type = "nfs", device = ":/x", o = "addr=10.9.9.9" }')

    assert losses(made, "hive0").volumes == []


def test_others_have_data_of_their_own(made: Made) -> None:
    """A local volume on several hosts is another one on each: no other host has its data."""
    made.edit('hosts = ["hive0"]', 'hosts = "each"')

    (line,) = losses(made, "hive0").lines()

    assert "is there alone (hive1: data of its own), and goes" in line


@pytest.mark.parametrize(
    ("copied", "said"), [(False, "(its copy on hive1 is not whole: doit move_volume"), (True, "")]
)
def test_a_copy_that_is_not_whole_is_none(made: Made, *, copied: bool, said: str) -> None:
    """While a volume is moved its new hive has a part of the data: that is said, and is no data of its own."""
    made.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')
    labels = made.run().stage.labels
    move = VolumeMove("data", "hive0", "hive1", {})
    configs = {"move": config(move.data, journal_labels(labels, "data"))}
    if copied:
        configs["copied"] = config(b"copied", journal_labels(labels, "data", copied=True))
    made.swarm = replace(made.swarm, configs={**made.swarm.configs, **configs})

    (line,) = losses(made, "hive0").lines()

    assert said in line
    assert ("data of its own" in line) == copied
    made.look("hive1", volumes=made.hosts["hive0"].volumes)
    assert losses(made, "hive1").missing([]) == (["data"] if copied else [])


def test_the_only_copy_of_the_secrets_has_to_be_named(made: Made) -> None:
    """A checkout that never read them would lose them with the repository host, and with no other."""
    made.run().secrets.vault_path.unlink()

    found = losses(made, "hive2")

    assert found.missing([]) == ["secrets"]
    assert [line.partition(":")[0] for line in found.lines()] == ["secrets"]
    assert found.missing(["secrets"]) == []
    assert losses(made, "hive1").missing([]) == []


def test_names_of_nothing_are_told(made: Made) -> None:
    """A typing mistake in volumes= is no consent."""
    assert losses(made, "hive0").unknown(["data", "all", "secrets", "dta"]) == ["dta"]


def test_the_registry_is_a_note(made: Made) -> None:
    """Its images are built again: that is said, and has not to be named."""
    assert ["registry" in line for line in losses(made, "hive2").notes()] == [True]
    assert [*losses(made, "hive0").notes()] == []


SAVED = """initialize_roles = ["first"]

[[services.web.backup_scripts]]
name = "files"
volume = "data"
"""


def generation(identity: str, day: int, **more: Any) -> dict[str, Any]:
    """Return a generation as the agent tells it."""
    whole = {"id": identity, "time": f"2026-11-{day}T16:00:40+00:00", "kind": "scheduled", "service": "web"}
    return {**whole, "begun": f"2026-11-{day}T15:10:00+00:00", "test": None, **more}


GOOD = generation("aa000001", 26)
BAD = generation("aa000002", 27, test={"ok": False, "why": "no rows"})


def asked(made: Made, answer: Any, short: str = "hive0") -> HostLosses:
    """Return what goes with a host, where the repository host answers so."""
    run = made.run()
    names = [host.short for host in run.stage.hosts]
    agents(run, {name: AgentHost(name, {"generations": lambda _: answer}) for name in names})
    return HostLosses(run, run.stage.host(short))


@pytest.mark.parametrize(
    ("answer", "said", "backups"),
    [
        (
            [GOOD, BAD],
            "its backup of 2026-11-26 16:00 (aa000001 of web) comes back: what came since 2026-11-26 15:10 is lost",
            {"data": {"web": "aa000001"}},
        ),
        ([BAD], "last backup: none that is of use (doit backups web)", {}),
        ([], "last backup: none that is of use (doit backups web)", {}),
        ("no restic", "last backup: not known: hive2: no restic (doit backups web)", {}),
    ],
)
def test_the_newest_good_backup_comes_back(made: Made, answer: Any, said: str, backups: Any) -> None:
    """It is asked of the repository host; where that can't tell, it is not claimed that there is none, or one."""
    made.edit("[networks.back]\n", "[backup]\n\n[networks.back]\n")
    made.edit('initialize_roles = ["first"]\n', SAVED)
    found = asked(made, answer)

    assert [line.rpartition("; ")[2] for line in found.lines()] == [said]
    assert found.backups == backups
    assert found.missing([]) == ["data"]


def test_all_volumes_of_a_service_come_back_together(made: Made) -> None:
    """It starts when they are there, also one that no backup has, and one that was empty."""
    made.edit("[networks.back]\n", '[backup]\n[volumes.logs]\nhosts = ["hive0"]\n\n[networks.back]\n')
    made.edit('initialize_roles = ["first"]\n', SAVED)
    made.edit('target = "/data" }]', 'target = "/data" }, { source = "logs", target = "/logs" }]')

    assert asked(made, [GOOD]).backups == {"data": {"web": "aa000001"}, "logs": {"web": "aa000001"}}


def test_what_does_not_come_back_by_itself(made: Made) -> None:
    """Data that is to be elsewhere by now, or on several hives; and what goes with the backups themselves."""
    made.edit("[networks.back]\n", "[backup]\n\n[networks.back]\n")
    made.edit('initialize_roles = ["first"]\n', SAVED)
    made.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')
    found = asked(made, [GOOD])
    assert "comes back" not in "".join(found.lines())
    assert "not all of it is to be on this host alone (data): doit restore" in "".join(found.lines())
    assert (found.backups, asked(made, [GOOD], "hive2").backups) == ({}, {})


def test_a_standby_is_the_quicker_way(made: Made) -> None:
    """The plan names the hive that has it, and what to type."""
    made.edit("[networks.back]\n", "[backup]\n\n[networks.back]\n")
    made.edit('initialize_roles = ["first"]\n', SAVED)
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.edit('hosts = ["hive0"]', 'hosts = ["hive0"]\nstandby = ["hive1"]')

    (line,) = asked(made, [GOOD]).lines()

    assert line.endswith(
        "quicker: hive1 has a standby of it: put hive1 in volumes.data.hosts, and type: doit move_volume data to=hive1 "
        "from=backup"
    )
