"""The graph of resources: nodes, edges, what is left out."""

from collections.abc import Collection

from tasks.explain.recorded_status import FOLLOWS, RecordedStatus
from tasks.explain.resource_graph import ResourceEdge, ResourceGraph, resource_graph
from tasks.explain.status import NEVER, STALE, UP_TO_DATE


def graph_of(
    made_from: dict[str, Collection[str]], before: dict[str, Collection[str]], *, every_step: bool = True
) -> ResourceGraph:
    """Return the graph of resources that are up to date."""
    statuses = {
        name: RecordedStatus(name, "", "", UP_TO_DATE, (), frozenset(deps))
        for name, deps in made_from.items()
    }
    return resource_graph(statuses, before, every_step=every_step)


def test_edges_that_others_imply_are_left_out() -> None:
    """What is before something that is before needs no edge of its own, in whatever order they are named."""
    graph = graph_of({"p:c": ["p:a", "p:b"], "p:b": ["p:a"], "p:a": []}, {})

    assert set(graph.edges) == {
        ResourceEdge("p:a", "p:b", is_made_from=True),
        ResourceEdge("p:b", "p:c", is_made_from=True),
    }


def test_what_is_made_from_something_is_never_hidden_by_an_order() -> None:
    """That the image is done before the network, and that before the service, hides no "made from"."""
    graph = graph_of({"p:a": [], "p:b": [], "p:c": ["p:a"]}, {"p:b": ["p:a"], "p:c": ["p:a", "p:b"]})

    assert ResourceEdge("p:a", "p:c", is_made_from=True) in graph.edges
    assert ResourceEdge("p:a", "p:b", is_made_from=False) in graph.edges
    assert len(graph.edges) == 3


def test_a_hosts_steps_are_one_node() -> None:
    """It has the worst status of them, and says which are not up to date; edges among them are gone."""
    statuses = {
        each.task: each
        for each in (
            RecordedStatus("setup_hosts:hive0.a", "hive0", "", UP_TO_DATE),
            RecordedStatus(
                "setup_hosts:hive0.b",
                "hive0",
                "",
                FOLLOWS,
                ("a is stale",),
                frozenset({"setup_hosts:hive0.a"}),
            ),
            RecordedStatus("setup_hosts:hive1.a", "hive1", "", NEVER),
        )
    }
    graph = resource_graph(statuses, {"setup_hosts:hive1.a": ["setup_hosts:hive0.b"]}, every_step=False)

    first, second = graph.nodes
    assert (first.key, first.status, first.count) == ("setup_hosts:hive0", FOLLOWS, 2)
    assert first.reasons == (f"setup_hosts:hive0.b: {FOLLOWS}, a is stale",)
    assert (second.name, second.count) == ("hive1", 1)
    assert graph.edges == (ResourceEdge("setup_hosts:hive0", "setup_hosts:hive1", is_made_from=False),)


def test_resources_that_are_left_out_have_no_edges() -> None:
    """A part of a stage is drawn without the rest."""
    statuses = {"p:b": RecordedStatus("p:b", "", "", STALE, (), frozenset({"p:a"}))}

    assert resource_graph(statuses, {"p:b": ["p:a"]}, every_step=True).edges == ()
