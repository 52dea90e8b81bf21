"""Constraints on hosts' names: a host that no stage has is a slip."""

import re
from collections.abc import Iterable, Iterator

from model import templates
from model.checks.shared import known_are
from model.stage import Stage
from model.swarm.constraints import HOSTNAME, Constraint, parse_constraint
from model.toml_text import toml_text


def check_placement(stages: Iterable[Stage]) -> Iterator[str]:
    """Yield the constraints on a host that none of the stages which have the service has.

    A name in another form than skep's may be that of a node which joined the swarm otherwise.
    """
    stages = list(stages)
    named = {name: service for stage in stages for name, service in stage.services.items()}
    for name, service in named.items():
        its = [stage for stage in stages if name in stage.services]
        hosts = [host for stage in its for host in stage.hosts]
        known = {one.lower() for host in hosts for one in (host.short, host.name)}
        for i, text in enumerate(service.placement.constraints):
            wanted = _wanted(text)
            if wanted and wanted not in known and any(_is_as_skep_calls_them(wanted, stage) for stage in its):
                listed = known_are({host.short for host in hosts})
                yield (
                    f"services.{name}.placement.constraints[{i}]: {toml_text(text)}: no stage with this service has "
                    f"such a host{listed}"
                )


def only_workers(stage: Stage) -> Iterator[str]:
    """Yield the constraints that a stage's own hives, which are all managers, don't meet."""
    for name, service in stage.services.items():
        for i, text in enumerate(service.placement.constraints):
            found = _parsed(text)
            if found is None or found.key.lower() != "node.role":
                continue
            if (found.value.lower() == "worker") == (found.operator == "=="):
                yield (
                    f"services.{name}.placement.constraints[{i}]: {toml_text(text)}: all hives are managers, and skep "
                    "lets no workers join: leave it out"
                )


def _parsed(text: str) -> Constraint | None:
    """Return a constraint, if it is one; what is none is said elsewhere."""
    try:
        return None if templates.is_template(text) else parse_constraint(text)
    except ValueError:
        return None


def _wanted(text: str) -> str:
    """Return the host's name that a constraint asks for, in lower case; empty if it asks for none."""
    found = _parsed(text)
    is_host = found and found.key.lower() == HOSTNAME and found.operator == "=="
    return found.value.lower() if found and is_host else ""


def _is_as_skep_calls_them(name: str, stage: Stage) -> bool:
    """Return whether a name has the form of a stage's hosts: `hive9`, or as a whole name."""
    short = rf"{re.escape(stage.config.custom_hostname)}\d+"
    full = re.escape(stage.host_name("@")).replace("@", short)
    return re.fullmatch(f"{short}|{full}", name) is not None
