"""A service that names no network keeps those that it was first deployed in."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from model.labels import DISCONNECTED_LABEL
from tasks.explain.status import UP_TO_DATE
from tasks.observe.states import SwarmState
from tasks.services.joined_networks import networks_in
from tests import made as rig
from tests.made import Made

EXTRA = ("[networks.back]", "[networks.extra]\n[networks.back]")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, of one network and a service that names none."""
    site = rig.new(tmp_path)
    site.make()
    return site


def stale(made: Made, *, live: bool) -> set[str]:
    """Return what a run, or `doit list`, takes for stale in a fresh process."""
    run = made.run()
    if not live:
        run.observer._current = None
    table = made.table_of(run)
    return {name for name in table.names if table[name].status != UP_TO_DATE}


@pytest.mark.parametrize("live", [True, False])
def test_a_network_that_is_added_changes_no_service_that_did_not_ask_for_it(
    made: Made, *, live: bool
) -> None:
    """Wherever it stands in the file, and also once it is made."""
    made.edit(*EXTRA)

    assert stale(made, live=live) == {"build_networks:extra"}
    made.make("build_networks:extra")
    assert stale(made, live=live) == set()


def test_what_a_service_asks_for_is_joined(made: Made) -> None:
    """Naming the network that it is in anyway changes nothing; another one does."""
    made.edit(*EXTRA)
    made.make("build_networks:extra")
    made.edit('image = "web"\n', 'image = "web"\nnetworks = ["back"]\n')
    assert stale(made, live=True) == set()

    made.edit('networks = ["back"]', 'networks = ["back", "extra"]')

    assert stale(made, live=True) == {"deploy_services:web"}


@pytest.mark.parametrize("live", [True, False])
def test_a_service_of_several_networks_that_names_none_is_in_all_of_them(
    tmp_path: Path, *, live: bool
) -> None:
    """All that there are when it is first deployed. A site that was built so stays as it is."""
    made = rig.new(tmp_path)
    made.edit(*EXTRA)
    made.make()

    web = made.swarm.services["web"]
    assert networks_in(web, made.swarm) == {"extra", "back"}
    assert stale(made, live=live) == set()


def test_another_checkout_reads_it_back_from_the_swarm(made: Made) -> None:
    """Without state/ the service's inputs, and so its key, come out as those of who deployed it."""
    made.edit(*EXTRA)
    made.make("build_networks:extra")
    before = made.run().state.last_inputs("deploy_services:web")
    shutil.rmtree(made.directory / "state/private/traces")

    run = made.run()
    step = made.tasks(run)["deploy_services:web"].meta["step"]

    assert step.inputs_now() == before
    assert [name for name in before if name.startswith("network.")] == ["network.back[0]", "network.back[1]"]


def test_a_service_that_was_put_aside_for_a_network_is_still_in_it() -> None:
    """While a network is replaced, its services are disconnected from it; a label says so."""
    spec: dict[str, Any] = {
        "Labels": {f"{DISCONNECTED_LABEL}front": "{}"},
        "TaskTemplate": {"Networks": [{"Target": "b1"}]},
    }
    swarm = SwarmState(networks={"back": {"Id": "b1"}, "front": {"Id": "f1"}, "other": {"Id": "o1"}})

    assert networks_in({"Spec": spec}, swarm) == {"front", "back"}


def test_where_no_network_is_left_all_are_joined(made: Made) -> None:
    """A service whose only network was renamed follows it."""
    made.edit("[networks.back]", "[networks.new]")

    assert stale(made, live=True) == {"build_networks:new", "deploy_services:web"}
