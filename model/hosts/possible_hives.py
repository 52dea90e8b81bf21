"""The hives that a service may run on, as far as site.toml shows it. Pure."""

from model import site as types
from model.labels import NAME_LABEL
from model.stage import Host, Stage
from model.swarm.constraints import parse_constraint, with_full_name
from model.swarm.scheduling import Node, meets_constraint

_KNOWN = ("node.hostname", "node.ip", "node.role")


def possible_hives(stage: Stage, service: types.Service) -> list[Host]:
    """Return the hives that a service may run on: those that nothing in site.toml rules out."""
    return [hive for hive in stage.hives if may_run_on(hive, stage, service)]


def are_apart(stage: Stage, name: str, other: str) -> bool:
    """Return whether two services can't run on the same hive, as far as site.toml shows it.

    They can't where their constraints contradict each other, or no hive is possible for both.
    """
    one, two = stage.services[name], stage.services[other]
    names = {short: stage.host_name(short) for short in stage.shorts}
    ones, twos = (
        [with_full_name(text, names) for text in service.placement.constraints] for service in (one, two)
    )
    if any(_contradict(a, b) for a in ones for b in twos):
        return True
    return not {hive.short for hive in possible_hives(stage, one)} & {
        hive.short for hive in possible_hives(stage, two)
    }


def is_of_hosts(constraint: str) -> bool:
    """Return whether a constraint is on what site.toml says of each host alone: name, address, role."""
    try:
        return parse_constraint(constraint).key.lower() in _KNOWN
    except ValueError:
        return False


def _contradict(constraint: str, other: str) -> bool:
    """Return whether no node can meet both of two constraints."""
    try:
        a, b = parse_constraint(constraint), parse_constraint(other)
    except ValueError:
        return False
    if a.key.lower() != b.key.lower() or a.key.lower() == "node.ip":
        return False
    is_same = a.value.lower() == b.value.lower()
    return not is_same if a.operator == b.operator == "==" else is_same and a.operator != b.operator


def places_of_data(stage: Stage, service: types.Service) -> dict[str, list[str]]:
    """Return each path of site.toml that says where a service's data is, to the hives that it names."""
    volumes = {name: stage.site.volumes.get(name) for name in service.named_volumes}
    places = {f"volumes.{name}.hosts": volume.named_hosts for name, volume in volumes.items() if volume}
    places |= {f"hosts of {mount.source}": [mount.hive] for mount in service.volumes if mount.hive}
    return {path: named for path, named in places.items() if named}


def may_run_on(hive: Host, stage: Stage, service: types.Service) -> bool:
    """Return whether nothing in site.toml keeps a service from a hive."""
    if any(hive.short not in named for named in places_of_data(stage, service).values()):
        return False
    facts = {"node.ip": hive.address, "node.role": "manager"}
    nodes = [
        Node(
            hive.short, {**facts, "node.hostname": name}, {**stage.given_labels(hive), NAME_LABEL: hive.short}
        )
        for name in (hive.name, hive.short)
    ]
    return all(_meets(text, nodes) for text in service.placement.constraints if _is_known(text, stage))


def _is_known(text: str, stage: Stage) -> bool:
    """Return whether a constraint can be answered from site.toml: by a host's name, or a label that the stage gives.

    All others depend on what the nodes have when services run.
    """
    try:
        constraint = parse_constraint(text)
    except ValueError:
        return False
    given = {NAME_LABEL, *(label for labels in stage.config.node_labels.values() for label in labels)}
    return constraint.key.lower() in _KNOWN or constraint.label in given


def _meets(constraint: str, nodes: list[Node]) -> bool:
    """Return whether a hive meets a constraint under one of its names; for `!=`, under all."""
    met = [meets_constraint(constraint, node) for node in nodes]
    return all(met) if "!=" in constraint else any(met)
