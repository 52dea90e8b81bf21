"""Hosts that are to have other addresses: what is in the way is found before anything is changed."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from commands.plan import plan_report
from model.errors import ProviderError
from tasks import build_infra
from tasks.hosts import let_in_keys, moving, rolling_replace
from tasks.phases import PHASES
from tasks.step import BLOCKED, Work
from tests import made as rig
from tests.made import Made

pytestmark = pytest.mark.slow

NEW = 'cidr = "10.0.1.0/24"'


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a site that is wholly made, whose hosts leave a network that is replaced all at once."""
    # Nobody answers there, so nobody's key can be let in.
    monkeypatch.setattr(let_in_keys, "settle", lambda *_: None)
    site = rig.new(tmp_path)
    site.make()
    site.cloud.moves_at_once = True
    for host, state in site.hosts.items():
        swarm = state.info.get("Swarm", {})
        if swarm.get("NodeID"):
            record = site.run().state.host_record(site.run().stage.host(host))
            assert record is not None
            site.look(host, info={"Swarm": {**swarm, "NodeAddr": record.address}})
    return site


def run_all(made: Made) -> list[str]:
    """Ensure what the provider has, as a run does, and return what it did; its error ends it."""
    run, before = made.run(), len(made.cloud.log)
    for step in build_infra.steps(run):
        if isinstance(step, build_infra.ProviderResource):
            step.ensure(Work(step.task, {}, "", lambda _line: None))
    return made.cloud.log[before:]


def refused(made: Made) -> list[str]:
    """Return the errors of all tasks of the provider's resources; nothing may have been changed by them."""
    run, before, said = made.run(), len(made.cloud.log), []
    for step in build_infra.steps(run):
        if isinstance(step, build_infra.ProviderResource):
            with pytest.raises(ProviderError) as caught:
                step.ensure(Work(step.task, {}, "", lambda _line: None))
            said.append(str(caught.value))
    assert made.cloud.log[before:] == []
    return said


def actions(made: Made) -> dict[str, tuple[str, str]]:
    """Return the plan of what the provider has: its action and its reasons."""
    run = made.run()
    table = made.table_of(run)
    items = plan_report(run, table, table.names, PHASES).items
    return {item.task: (item.action, "; ".join(item.reasons)) for item in items if "build_infra" in item.task}


def test_another_cidr_is_refused_before_anything_is_changed(made: Made) -> None:
    """The first task says why, and what to do; the others who that was; and the plan says it too."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    [first, *others] = refused(made)

    assert "hive0 from 10.0.0.10 to 10.0.1.10" in first
    assert "put site.toml back" in first
    assert set(others) == {"nothing was changed: see the error of build_infra:image"}
    plan = actions(made)
    assert plan["build_infra:network"] == (BLOCKED, first)
    assert plan["build_infra:hive0"] == (BLOCKED, first)


def test_a_provider_s_obstacle_is_found_first(made: Made) -> None:
    """A cidr that somebody else has stops the run before the first host, and is what is said."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    made.cloud.obstacles = ["10.0.1.0/24 overlaps with another"]

    assert refused(made)[0] == "10.0.1.0/24 overlaps with another"
    assert actions(made)["build_infra:network"] == (BLOCKED, "10.0.1.0/24 overlaps with another")


def test_the_overlay_networks_addresses_are_not_taken(made: Made) -> None:
    """Hosts in the addresses that the swarm gives to overlay networks would reach nothing, and it can't be changed."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    swarm = made.hosts["hive0"].info["Swarm"]
    pool = {**swarm, "Cluster": {**swarm["Cluster"], "DefaultAddrPool": ["10.0.0.0/8"]}}
    made.look("hive0", info={"Swarm": pool})

    assert "overlaps with 10.0.0.0/8, from which the swarm's" in refused(made)[0]


def test_a_killed_move_goes_on(made: Made) -> None:
    """Where a hive knows itself by another address than it has, the swarm stands still anyway: the run goes on."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    made.make("build_infra:network", "build_infra:hive0")
    run = made.run()

    assert moving.refusal(run) == ""
    assert run.progress.moves
    assert [line for line in run_all(made) if line.startswith("created")] == [
        "created hive1",
        "created hive2",
    ]


def change_hosts(made: Made, *names: str, **changed: Any) -> None:
    """Have the provider list hosts otherwise; all of them, if none is named."""
    for where, thing in list(made.cloud.things.items()):
        if thing.is_host and (not names or thing.name in names):
            made.cloud.things[where] = dataclasses.replace(thing, **changed)


@pytest.mark.parametrize("outside", [("hive1", "hive2"), ("hive1",)])
def test_the_old_cidr_in_the_middle(made: Made, outside: tuple[str, ...]) -> None:
    """Putting the old one back is one more move, of hosts that are on their way already, the repository or not yet."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    made.make("build_infra:network", "build_infra:hive0")
    change_hosts(made, *outside, is_displaced=True)
    made.edit(NEW, 'cidr = "10.0.0.0/24"')

    assert [line for line in run_all(made) if line.startswith("created")] == [
        "created network",
        "created hive0",
    ]


def test_a_move_that_was_killed_goes_on_when_all_hosts_are_out(made: Made) -> None:
    """Each was taken out of the network that is still there: the next run goes on."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    change_hosts(made, is_displaced=True, running=False)

    assert "created network" in run_all(made)


@pytest.mark.parametrize(
    ("hosts", "changed"),
    [
        ((), {"running": False}),
        (("hive1",), {"is_displaced": True, "running": False}),
        (("hive0", "hive1"), {"is_displaced": True}),
        ((), {"key": "", "running": False}),
    ],
    ids=["halted", "a hive is out", "the repository is in", "volumes alone"],
)
def test_hosts_that_stand_still_are_not_moved(
    made: Made, hosts: tuple[str, ...], changed: dict[str, Any]
) -> None:
    """After `doit halt`, or with a host out of its network, another cidr is refused: a swarm is there to be lost."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    change_hosts(made, *hosts, **changed)

    assert "their swarm can't follow" in refused(made)[0]


@pytest.mark.parametrize(("displaced", "moves"), [(1, False), (2, True)])
def test_a_hive_that_is_alone_out_of_the_swarm_is_no_move(made: Made, displaced: int, *, moves: bool) -> None:
    """As long as most hives are where the swarm knows them, hosts are changed in their turn."""
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.make()
    for number in range(displaced):
        swarm = made.hosts[f"hive{number}"].info["Swarm"]
        made.look(f"hive{number}", info={"Swarm": {**swarm, "NodeAddr": "10.9.9.9"}})

    assert moving.is_under_way(made.run()) is moves


def test_one_host_s_new_address_is_its_own_turn(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts whose addresses change in the same network are replaced one after the other, as for another size."""
    turns: list[str] = []

    def give_up(_run: Any, host: Any, _log: Any, **_: Any) -> None:
        turns.append(host.short)

    monkeypatch.setattr(rolling_replace, "_give_up_place", give_up)
    made.edit(
        "number_of_hosts = 3",
        'number_of_hosts = 3\nip_address_list = ["10.0.0.10", "10.0.0.21", "10.0.0.12"]',
    )

    assert "created hive1" in run_all(made)
    assert turns == ["hive1"]


def test_addresses_are_not_exchanged_in_one_run(made: Made) -> None:
    """A host can't have an address that another has as long as that one was not moved."""
    made.edit(
        "number_of_hosts = 3",
        'number_of_hosts = 3\nip_address_list = ["10.0.0.11", "10.0.0.21", "10.0.0.12"]',
    )

    assert refused(made)[0].startswith("hive0: can't have 10.0.0.11, which hive1 has until it moves itself")


def test_borrowed_hosts_that_lose_their_majority_are_refused(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines that a person gave other addresses are followed one by one, but not where no majority stays."""
    monkeypatch.setattr("providers.fake.provider.FakeProvider.owns", False)
    few = 'number_of_hosts = 3\nip_address_list = ["10.0.0.20", "10.0.0.11", "10.0.0.12"]'
    made.edit("number_of_hosts = 3", few)
    assert "can't follow" in moving.refusal(made.run())  # one of two hives: the other is no majority


def test_hosts_whose_network_is_gone_are_not_moved(made: Made) -> None:
    """That somebody removed the network of halted hosts is no reason to give them other addresses."""
    made.edit('cidr = "10.0.0.0/24"', NEW)
    for where, thing in list(made.cloud.things.items()):
        if thing.name == "network":
            del made.cloud.things[where]
    change_hosts(made, is_displaced=True, has_no_network=True, running=False)

    [first, *_] = refused(made)
    assert "all hosts would have to move" in first
    assert actions(made)["build_infra:network"] == (BLOCKED, first)

    made.edit(NEW, 'cidr = "10.0.0.0/24"')
    assert "created network" in run_all(made)


def test_list_tells_that_the_hosts_are_in_another_network(made: Made) -> None:
    """It opens no connection, so it says who knows more."""
    assert moving.outside_cidr(made.run()) == ""
    made.edit('cidr = "10.0.0.0/24"', NEW)

    assert moving.outside_cidr(made.run()) == (
        "stages.private.cidr: 10.0.1.0/24 is another network than that of the hosts (hive0 has 10.0.0.10): see doit "
        "plan"
    )
