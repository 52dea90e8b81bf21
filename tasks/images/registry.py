"""The content of the site's registry: listed, and removed, on the repository host."""

from collections.abc import Sequence

from model.log import Log
from model.stage import Stage
from remote.images.registry_gc import (
    ImageTag,
    collect_script,
    freed,
    list_script,
    parse_list,
    passed_layers,
)
from remote.images.registry_storage import PUSHED_LAYERS
from tasks.run.connections import Connections

COLLECT_TIMEOUT = 900


def versions(stage: Stage, connections: Connections) -> list[ImageTag]:
    """Return the versions of all images in the registry.

    Raises:
        SkepError: The repository host does not say.

    """
    connection = connections.to(stage.repository)
    return parse_list(connection.script(list_script(), label="listing the registry"))


def remove(
    stage: Stage, connections: Connections, old: Sequence[ImageTag], kept: Sequence[ImageTag], log: Log
) -> bool:
    """Remove images from the registry, and local ones that none of the kept is made of; return whether it was done.

    Raises:
        SkepError: The repository host does not do it.

    """
    from remote.images.registry_gc import remove_local

    repository = stage.repository
    passed = passed_layers(kept)
    old, kept = [*old, *passed], [tag for tag in kept if tag not in passed]
    output = connections.to(repository).script(
        collect_script(old, kept), timeout=COLLECT_TIMEOUT, label="collecting garbage"
    )
    space = freed(output)
    if space is None:
        log("the registry keeps its old images for now: somebody is pushing to it")
        return False
    local = remove_local(connections.engine(repository), repository.short, stage.registry, kept)
    count = len([tag for tag in old if tag.repository != PUSHED_LAYERS])
    versions = "version" if count == 1 else "versions"
    log(
        f"removed {count} old {versions} of images, which freed {space / 1e6:.1f} MB in the registry; "
        f"and {local} local names on {repository.short}"
    )
    return True
