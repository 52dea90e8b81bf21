"""Removing the generations of images that nobody needs any more, at the end of a run that made one."""

from collections.abc import Callable

from model.errors import SkepError
from model.record import ImageRecord
from remote.retention import collect_script, freed, list_script, parse_list, surplus
from tasks.build_images import PHASE, resources
from tasks.run import Run

COLLECT_TIMEOUT = 900
Say = Callable[[str], None]


def in_use(run: Run) -> set[str]:
    """Return what site.toml and the swarm's services use, as `repository@digest`.

    Raises:
        SkepError: What runs can't be seen.

    """
    swarm = run.probe.swarm
    if swarm.error:
        raise SkepError(swarm.error)
    found = set()
    for resource in resources(run):
        record = run.state.read(f"{PHASE}:{resource.name}", ImageRecord)
        if record is not None:
            found.add(record.reference)
    for service in swarm.services.values():
        # What a rollback would go back to is in use, too.
        for spec in (service.get("Spec"), service.get("PreviousSpec")):
            if spec:
                found.add(spec["TaskTemplate"]["ContainerSpec"]["Image"])
    return {
        reference.partition("/")[2] for reference in found if reference.startswith(f"{run.stage.registry}/")
    }


def prune(run: Run, say: Say) -> None:
    """Remove what is neither in use nor among the newest of its kind, and say what that freed.

    Raises:
        SkepError: The repository host does not do it.

    """
    from remote.retention import remove_local

    repository = run.stage.repository
    connection = run.connection(repository)
    found = parse_list(connection.script(list_script(), shown="listing the registry"))
    keep = run.stage.site.registry.keep
    # What runs is asked only if something would go: a new site has no swarm to ask.
    old = surplus(found, in_use(run), keep) if surplus(found, (), keep) else []
    if not old:
        return
    kept = [each for each in found if each not in old]
    said = connection.script(collect_script(old, kept), timeout=COLLECT_TIMEOUT, shown="collecting garbage")
    space = freed(said)
    if space is None:
        say("the registry keeps its old images for now: somebody is pushing to it")
        return
    local = remove_local(run.engine(repository), repository.short, run.stage.registry, kept)
    versions = "version" if len(old) == 1 else "versions"
    say(
        f"removed {len(old)} old {versions} of images, which freed {space / 1e6:.1f} MB in the registry; "
        f"and {local} local names on {repository.short}"
    )
