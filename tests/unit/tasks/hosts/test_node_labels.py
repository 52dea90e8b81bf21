"""Labels that site.toml gives to nodes: set, compared, and another host's from then on when it is made anew."""

from dataclasses import replace
from pathlib import Path

import pytest

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
