"""Garbage collection of image versions, in the registry and on the repository host's engine.

The registry's storage is changed only while the registry is stopped: its own garbage collection must not run beside
pushes, and its memory of which blobs there are would be wrong afterwards. That takes about a second; who pulls or
pushes just then tries again. A push that is at work, as from another mother, puts it off.
"""

import re
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import BuildError
from remote.engine.client import engine_errors
from remote.images.builder import FAILED as _FAILED
from remote.images.builder import LAYERS as _LAYERS
from remote.images.registry_storage import LOCAL_BASES, PUSHED_LAYERS

if TYPE_CHECKING:
    from model.json_types import Json

STORAGE = "/var/lib/docker-registry/docker/registry/v2"
CONFIG = "/etc/skep/registry/config.yml"
BUSY = "busy"
_TAG = re.compile(
    r"(?P<pushed>\d+(\.\d+)?) (?P<digest>\w+:\w+) "
    r"\./(?P<repository>\S+)/_manifests/tags/(?P<key>[^/\s]+)/current/link"
)
"""A line of the output of `list_script`."""
_YOUNG = 3600.0
"""Seconds for which a layer may be one of a build, as another checkout's, whose image is not pushed yet."""
_LAYER_KEPT = 24 * 3600.0
"""Seconds after which a layer that was pushed before its image is removed, also if nothing else is."""
_END = 15
"""Lines of the output of a failed garbage collection that are kept."""


@dataclass(frozen=True)
class ImageTag:
    """A tag of the registry: one version of an image.

    Args:
        repository: Its repository.
        key: The tag, which is the image's key.
        digest: The digest that it points to.
        pushed: When it was pushed, in seconds since 1970.

    """

    repository: str
    key: str
    digest: str
    pushed: float


def list_script(storage: str = STORAGE) -> str:
    """Return a script that prints every tag with its time and digest."""
    return f"""
cd {quote(storage)}/repositories 2>/dev/null || exit 0
find . -path '*/_manifests/tags/*/current/link' -printf '%T@ %p\\n' | while read -r pushed link; do
    # It has no end of line. Without a process for each: there may be hundreds.
    read -r digest <"$link" || [ -n "$digest" ] || continue
    echo "$pushed $digest $link"
done
"""


def parse_list(text: str) -> list[ImageTag]:
    """Return the tags in the output of `list_script`. Tags that went meanwhile, and other lines, are left out."""
    return [
        ImageTag(found["repository"], found["key"], found["digest"], float(found["pushed"]))
        for line in text.splitlines()
        if (found := _TAG.fullmatch(line))
    ]


def surplus(tags: Iterable[ImageTag], used: Collection[str], keep: int) -> list[ImageTag]:
    """Return the tags that need not be kept: neither in use, nor among the newest of their repository.

    Of layers that were pushed before their image those that are a day old. They go sooner where others go
    (`passed_layers`), but to stop the registry for nothing else than them would be a pity.

    Args:
        tags: All tags of the registry.
        used: The images in use, as `repository@digest`.
        keep: How many of each repository stay.

    """
    tags = list(tags)
    by_repository: dict[str, list[ImageTag]] = {}
    for tag in tags:
        if tag.repository != PUSHED_LAYERS:
            by_repository.setdefault(tag.repository, []).append(tag)
    old = passed_layers(tags, _LAYER_KEPT)
    for of_repository in by_repository.values():
        newest = sorted(of_repository, key=lambda tag: (tag.pushed, tag.key), reverse=True)
        old += [tag for tag in newest[keep:] if f"{tag.repository}@{tag.digest}" not in used]
    return old


def passed_layers(tags: Iterable[ImageTag], age: float = _YOUNG) -> list[ImageTag]:
    """Return the tags of layers that were pushed before their image, long enough ago that this has them, or never will.

    Args:
        tags: All tags of the registry.
        age: The seconds for which they are kept: no image takes as long as an hour after its last big layer.

    """
    return [tag for tag in tags if tag.repository == PUSHED_LAYERS and time.time() - tag.pushed > age]


def collect_script(
    old: Sequence[ImageTag],
    kept: Iterable[ImageTag],
    *,
    storage: str = STORAGE,
    config: str = CONFIG,
    program: str = "$(command -v docker-registry || command -v registry)",
    stop: str = "systemctl stop $unit",
    start: str = "systemctl start $unit",
) -> str:
    """Return a script that removes tags from the registry and frees their space; it prints the bytes before and after.

    Args:
        old: The tags to remove.
        kept: All others. A digest that one of them has stays.
        storage: The directory of the registry's data.
        config: Its configuration.
        program: The registry's program.
        stop: The command that stops it.
        start: The command that starts it; it runs however the script ends.

    """
    stays = {(each.repository, each.digest) for each in kept}
    revisions = sorted({(each.repository, each.digest) for each in old} - stays)
    paths = [f"{each.repository}/_manifests/tags/{each.key}" for each in old]
    paths += [f"{name}/_manifests/revisions/{digest.replace(':', '/')}" for name, digest in revisions]
    removed = "\n".join(f"rm -rf {quote(path)}" for path in paths)
    return f"""
cd {quote(storage)}/repositories
# One at a time, whoever asks; and not while somebody pushes.
exec 9>/run/skep-registry.lock
flock -w 60 9
if [ -n "$(find . -path '*/_uploads/*' -name data -mmin -10 | head -n 1)" ]; then echo {BUSY}; exit 0; fi
program={program}
unit=docker-registry.service
[ -e /lib/systemd/system/$unit ] || unit=docker-distribution.service
echo "before $(du -s --block-size=1 {quote(storage)} | cut -f1)"
trap '{start}' EXIT
# Nobody may be left to hear what it says: a shell that such a signal ends would leave the registry stopped.
trap '' PIPE HUP
{stop}
# What a full disk left: a link without a digest ends the collection.
find . -name link -size 0 -delete
{removed}
# It says a line for each blob, of which only those of a failure are of use.
output=$("$program" garbage-collect {quote(config)} 2>&1) || {{
    status=$?
    printf '%s\\n' "$output" | tail -n {_END} >&2
    exit "$status"
}}
echo "after $(du -s --block-size=1 {quote(storage)} | cut -f1)"
"""


def freed(text: str) -> int | None:
    """Return the bytes that `collect_script` says it freed; None if it was put off."""
    sizes = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(("before ", "after ")))
    if BUSY in text.splitlines():
        return None
    return int(sizes["before"]) - int(sizes["after"])


def remove_local(client: DockerClient, host: str, address: str, kept: Iterable[ImageTag]) -> int:
    """Remove local images and layers that no kept tag has; return how many tags went.

    Layers stay that a build made or used within the last hour: another checkout may be building on them.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        address: The registry's, as references begin.
        kept: The tags that the registry keeps.

    """
    kept = list(kept)
    wanted = {f"{address}/{each.repository}:{each.key}" for each in kept}
    wanted |= {f"{address}/{each.repository}@{each.digest}" for each in kept}
    wanted |= {f"{name}:{each.key}" for name in LOCAL_BASES for each in kept}
    with engine_errors(host, "removing old images", BuildError):
        images = client.api.images()
        names = {image["Id"]: [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])] for image in images}
        layers = {image for image, known in names.items() if any(map(_is_layer, known))}
        young = {image for image in layers if time.time() - _last_used(client, image) < _YOUNG}
        stacks = [
            _layers(client, image)
            for image, known in names.items()
            # What a failed build has made is of use to the next one.
            if any(name in wanted or name.startswith(f"{_FAILED}:") for name in known) or image in young
        ]
        old = [
            name
            for image, known in names.items()
            for name in known
            if _is_old(name, address, wanted, lambda image=image: _layers(client, image), stacks)
        ]
        for name in old:
            # In use by a container, or gone with another of its names.
            with suppress(NotFound):
                _remove(client, name)
    return len(old)


def _is_old(
    name: str, address: str, wanted: Collection[str], layers: Any, stacks: Sequence[Sequence[str]]
) -> bool:
    """Return whether a local name is skep's, and of no more use."""
    if _is_layer(name):
        own = layers()
        return not any(list(stack[: len(own)]) == list(own) for stack in stacks)
    ours = name.startswith(f"{address}/") or name.partition(":")[0] in LOCAL_BASES
    return ours and name not in wanted


def _is_layer(name: str) -> bool:
    """Return whether a local name is a layer's."""
    return name.startswith(f"{_LAYERS}:")


def _last_used(client: DockerClient, image: str) -> float:
    """Return when an image was last given a name, as a build does that uses a layer; in seconds since 1970.

    That it was created is no more than what its configuration says: of a layer of files it is its base's time.
    """
    found: Json = client.api.inspect_image(image)
    named = (found.get("Metadata") or {}).get("LastTagTime")
    return datetime.fromisoformat(named).timestamp() if named else 0.0


def _layers(client: DockerClient, image: str) -> Sequence[str]:
    """Return an image's layers."""
    found: Json = client.api.inspect_image(image)
    layers: Sequence[str] = found["RootFS"].get("Layers") or []
    return layers


def _remove(client: DockerClient, name: str) -> None:
    """Remove a name, unless a container uses the image."""
    try:
        client.images.remove(name)
    except APIError as error:
        if error.status_code != 409:  # noqa: PLR2004 - HTTP's "conflict"
            raise
