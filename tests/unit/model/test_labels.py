"""The labels by which skep knows its own things."""

import pytest

from model.labels import belongs_to, label_filter, labels_of, labels_of_others, own_labels

STAGE = {"skep.site": "example", "skep.stage": "private"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({**STAGE, "skep.name": "web"}, True),
        (STAGE, True),
        ({**STAGE, "skep.stage": "staging"}, False),
        ({"skep.site": "example"}, False),
        ({}, False),
    ],
)
def test_what_belongs_to_a_stage_carries_all_of_its_labels(labels: dict[str, str], *, expected: bool) -> None:
    """A thing of another stage of the site, or of nobody, does not belong to the stage."""
    assert belongs_to(labels, STAGE) is expected


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ({"Spec": {"Labels": {"a": "b"}}}, {"a": "b"}),
        ({"Labels": {"a": "b"}}, {"a": "b"}),
        ({"Spec": {"Labels": None}}, {}),
        ({"Labels": None}, {}),
        ({}, {}),
    ],
)
def test_labels_of_what_an_engine_lists(thing: dict[str, object], expected: dict[str, str]) -> None:
    """They are in the specification of what a swarm has, else in the thing itself; null and nothing are none."""
    assert labels_of(thing) == expected


def test_a_filter_takes_values_and_names() -> None:
    """Docker's filter has `name=value` for a label with a value, and the name for one with any."""
    assert label_filter(STAGE, "skep.key") == {
        "label": ["skep.site=example", "skep.stage=private", "skep.key"]
    }


def test_own_labels_and_those_of_others() -> None:
    """A label is skep's own by how it begins, and by nothing else."""
    labels = {**STAGE, "skeptic.note": "x", "own": "y"}
    assert own_labels(labels) == STAGE
    assert labels_of_others(labels) == {"skeptic.note": "x", "own": "y"}
