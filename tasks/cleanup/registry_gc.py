"""Removing image versions that nobody needs any more, at the end of a run that made one."""

from collections.abc import Collection, Sequence

from model.errors import SkepError
from model.keys.record import ImageRecord
from model.labels import NAME_LABEL, labels_of
from model.log import Log
from remote.images.registry_gc import ImageTag, collect_script, freed, list_script, parse_list, surplus
from remote.swarm.revisions import image_of, is_revision
from tasks.build_images import PHASE, resources
from tasks.run.context import Run

COLLECT_TIMEOUT = 900


def in_use(run: Run, except_: Collection[str] = ()) -> set[str]:
    """Return what site.toml and the swarm's services use, as `repository@digest`.

    Args:
        run: The run.
        except_: Services that don't count.

    Raises:
        SkepError: What runs can't be seen.

    """
    swarm = run.live_state.swarm
    if swarm.error:
        raise SkepError(swarm.error)
    found = set()
    for resource in resources(run):
        record = run.state.read(f"{PHASE}:{resource.name}", ImageRecord)
        if record is not None:
            found.add(record.reference)
    for name, service in swarm.services.items():
        if name in except_:
            continue
        # What a rollback would go back to is in use, too.
        for spec in (service.get("Spec"), service.get("PreviousSpec")):
            if spec:
                found.add(spec["TaskTemplate"]["ContainerSpec"]["Image"])
    for config in swarm.configs.values():
        if is_revision(config) and labels_of(config).get(NAME_LABEL) not in except_:
            found.add(image_of(config))
    return {
        reference.partition("/")[2] for reference in found if reference.startswith(f"{run.stage.registry}/")
    }


def prune(run: Run, log: Log) -> None:
    """Remove what is neither in use nor among the newest of its kind, and say what that freed.

    Raises:
        SkepError: The repository host does not do it.

    """
    found = image_tags(run)
    keep = run.stage.site.registry.keep
    # What runs is asked only if something would go: a new site has no swarm to ask.
    old = surplus(found, in_use(run), keep) if surplus(found, (), keep) else []
    if old:
        remove(run, old, [each for each in found if each not in old], log)


def image_tags(run: Run) -> list[ImageTag]:
    """Return all that the registry holds.

    Raises:
        SkepError: The repository host does not say.

    """
    connection = run.connections.to(run.stage.repository)
    return parse_list(connection.script(list_script(), label="listing the registry"))


def remove(run: Run, old: Sequence[ImageTag], kept: Sequence[ImageTag], log: Log) -> bool:
    """Remove images from the registry, and local ones that none of the kept is made of; return whether it was done.

    Raises:
        SkepError: The repository host does not do it.

    """
    from remote.images.registry_gc import remove_local

    repository = run.stage.repository
    said = run.connections.to(repository).script(
        collect_script(old, kept), timeout=COLLECT_TIMEOUT, label="collecting garbage"
    )
    space = freed(said)
    if space is None:
        log("the registry keeps its old images for now: somebody is pushing to it")
        return False
    local = remove_local(run.connections.engine(repository), repository.short, run.stage.registry, kept)
    versions = "version" if len(old) == 1 else "versions"
    log(
        f"removed {len(old)} old {versions} of images, which freed {space / 1e6:.1f} MB in the registry; "
        f"and {local} local names on {repository.short}"
    )
    return True
