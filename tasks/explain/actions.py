"""What becomes of a real thing whose inputs changed: a small rule per phase. Pure.

`doit plan` says it before it happens, and both it and `doit why` need to know whether others will be made from
something new: what is changed in place stays the thing that it was, and its record with it.
"""

from collections.abc import Callable, Collection

from tasks import (
    build_images,
    build_infra,
    build_networks,
    build_volumes,
    deploy_services,
    initialize_services,
    setup_hosts,
)
from tasks.names import CONFIG, SECRET, host_task, swarm_tasks
from tasks.run.context import Run
from tasks.step import Step

CREATE, CHANGE, REPLACE, BLOCKED = "create", "change", "replace", "blocked"

Names = Collection[str]
"""The names of the inputs that changed."""


def _infra(step: Step, changed: Names) -> str:
    """A host takes a new ssh key as it is, and a provider its settings; all else makes it another thing."""
    return CHANGE if step.name == "ssh_key" or all(map(in_place, changed)) else REPLACE


def in_place(name: str) -> bool:
    """Return whether an input of the provider's things is one that is changed in place."""
    return name in {"ssh_key", "format"} or name.startswith(build_infra.SETTING)


def _deployed(step: Step, changed: Names) -> str:
    """A new content is another secret, or config; a service is updated, but for its mode."""
    if step.name.startswith((SECRET, CONFIG)):
        return CREATE
    return REPLACE if "service.mode" in changed else CHANGE


RULES: dict[str, Callable[[Step, Names], str]] = {
    build_infra.PHASE: _infra,
    setup_hosts.PHASE: lambda _step, _changed: CHANGE,
    build_images.PHASE: lambda _step, _changed: CREATE,  # under its new key; the old one stays
    build_networks.PHASE: lambda _step, _changed: REPLACE,
    build_volumes.PHASE: lambda _step, _changed: (
        BLOCKED
    ),  # data is never destroyed on the way to something else
    deploy_services.PHASE: _deployed,
    initialize_services.PHASE: lambda _step, _changed: CHANGE,
}


def effect(step: Step, changed: Names) -> str:
    """Return what making a resource anew does to the real thing, given which of its inputs changed."""
    return RULES[step.phase](step, changed) if step.phase in RULES else CHANGE


def is_made_anew(action: str) -> bool:
    """Return whether what others are made from (an id, a digest) is another one afterwards."""
    return action in {CREATE, REPLACE}


def containers_of(run: Run, step: Step) -> tuple[str, ...]:
    """Return the tasks that make what a resource is in; where all of them make it anew, it is not there any more."""
    if step.name.endswith(".node_labels"):
        return ()  # of a node, which a new host may become again
    if step.phase in {setup_hosts.PHASE, build_volumes.PHASE}:
        return (host_task(step.host),) if step.host else ()
    if step.phase == build_images.PHASE:
        return (host_task(run.stage.repository.short),)
    if step.phase in {build_networks.PHASE, deploy_services.PHASE}:
        return swarm_tasks(run.stage)
    if step.phase == initialize_services.PHASE:
        return tuple(task for task in step.needs if task.startswith(f"{deploy_services.PHASE}:"))
    return ()
