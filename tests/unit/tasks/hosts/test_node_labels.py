"""Labels that site.toml gives to nodes: set, compared, and another host's from then on when it is made anew."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.hosts.node_labels import release_labels, with_held_labels
from tests import made as rig
from tests.made import Made

TASK = "setup_hosts:hive0.node_labels"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site with a labelled hive, wholly made."""
    site = rig.new(tmp_path)
    site.edit(
        "separate_repository = true\n",
        'separate_repository = true\nnode_labels.hive0 = { disk = "ssd", "a.b" = 1 }\n',
    )
    site.make()
    return site


def test_a_site_without_labels_keeps_its_keys(tmp_path: Path) -> None:
    """Sites that exist are up to date."""
    site = rig.new(tmp_path)
    site.make()

    assert not [name for name in site.table()[TASK].inputs if "disk" in name or "node-labels" in name]


def test_they_are_inputs_and_what_the_node_has(made: Made) -> None:
    """Nothing is stale afterwards; one more in the file is a reason."""
    assert made.table()[TASK].status == "up to date"

    made.edit('"a.b" = 1', '"a.b" = 2')

    assert made.table()[TASK].reasons() == ['labels.a.b: "1" → "2"']


def test_one_that_somebody_changed_is_drift(made: Made) -> None:
    """And one that somebody added is not."""
    [node] = [key for key in made.swarm.nodes if key == "node-of-hive0"]
    labels = made.swarm.nodes[node]["Spec"]["Labels"]
    nodes = dict(made.swarm.nodes)

    nodes[node] = {**nodes[node], "Spec": {"Labels": {**labels, "by": "hand"}}}
    made.swarm = replace(made.swarm, nodes=nodes)
    assert made.table()[TASK].step.real("k") is None

    nodes[node] = {**nodes[node], "Spec": {"Labels": {**labels, "disk": "hdd"}}}
    made.swarm = replace(made.swarm, nodes=nodes)
    assert made.table()[TASK].step.real("k") == "the node's labels differ"


def placed(made: Made, *constraints: str) -> None:
    """Have the deployed service ask for what the constraints say."""
    web = made.swarm.services["web"]
    template = {**web["Spec"]["TaskTemplate"], "Placement": {"Constraints": list(constraints)}}
    service = {**web, "Spec": {**web["Spec"], "TaskTemplate": template}}
    made.swarm = replace(made.swarm, services={**made.swarm.services, "web": service})


def wanted(made: Made) -> dict[str, str]:
    """Return the labels, but for skep's own, that the node of hive0 is to have."""
    run = made.run()
    labels = with_held_labels(run.stage, run.stage.host("hive0"), run.live_state.swarm, "node-of-hive0")
    return {name: value for name, value in labels.items() if not name.startswith("skep.")} | {
        "given": labels.get("skep.node-labels", "")
    }


def test_a_label_stays_while_a_deployed_service_asks_for_it(made: Made) -> None:
    """The swarm would end its tasks as the label goes, before it is deployed with other constraints."""
    placed(made, "node.labels.disk == ssd", "node.role == manager")
    made.edit('node_labels.hive0 = { disk = "ssd", "a.b" = 1 }\n', "")

    assert wanted(made) == {"disk": "ssd", "given": "disk"}

    placed(made, "node.role == manager")
    assert wanted(made) == {"given": ""}


def test_a_held_label_goes_at_the_end_of_the_run_that_deployed_the_service(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stays where the service still asks for it: its update failed, or another one does."""
    placed(made, "node.labels.disk == ssd")
    made.edit('node_labels.hive0 = { disk = "ssd", "a.b" = 1 }\n', "")
    run, before = made.run(), made.swarm
    placed(made)
    client = SimpleNamespace(short="hive0")
    monkeypatch.setattr(run.connections, "manager", lambda: (client, client))
    set_to: list[dict[str, str]] = []
    monkeypatch.setattr(
        "remote.swarm.nodes.ensure_node_labels",
        lambda _host, _client, _node, labels, _log, _keep: set_to.append(labels),
    )

    release_labels(run, lambda _line: None)
    assert set_to == []

    run.progress.deployed = True
    for swarm in (made.swarm, before):
        monkeypatch.setattr(run.live_state, "swarm_now", lambda swarm=swarm: swarm)
        release_labels(run, lambda _line: None)

    assert ["disk" in labels for labels in set_to] == [False, True]
