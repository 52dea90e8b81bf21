"""What of the registry and of the repository host's engine is kept, and how the rest goes. Pure but for `Engine` calls.

The registry's storage is changed only while the registry is stopped: its own garbage collection must not run beside
pushes, and its memory of which blobs there are would be wrong afterwards. That takes about a second; who pulls or
pushes just then tries again. A push that is at work, as from another mother, puts it off.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import BuildError
from model.json_types import Json
from remote.engine.client import engine_errors
from remote.images.builder import FAILED as _FAILED
from remote.images.builder import LAYERS as _LAYERS

if TYPE_CHECKING:
    from model.json_types import Json

STORAGE = "/var/lib/docker-registry/docker/registry/v2"
CONFIG = "/etc/skep/registry/config.yml"
BUSY = "busy"
_LOCAL = ("skep/base", "skep/dockerfile")
_TAG = re.compile(
    r"(?P<pushed>\d+(\.\d+)?) (?P<digest>\w+:\w+) "
    r"\./(?P<repository>\S+)/_manifests/tags/(?P<key>[^/\s]+)/current/link"
)
"""A line of what `list_script` prints."""
_END = 15
"""Lines that are kept of what the registry's garbage collection said before it failed."""


@dataclass(frozen=True)
class ImageTag:
    """A tag of the registry.

    Args:
        repository: Its repository.
        key: The tag, which is a key.
        digest: What it is a tag of.
        pushed: When, in seconds.

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
    """Return what `list_script` printed; a tag that went while it was read is none, and neither is any other line."""
    return [
        ImageTag(found["repository"], found["key"], found["digest"], float(found["pushed"]))
        for line in text.splitlines()
        if (found := _TAG.fullmatch(line))
    ]


def surplus(tags: Iterable[ImageTag], used: Collection[str], keep: int) -> list[ImageTag]:
    """Return what need not be kept: neither in use, nor one of the newest of its repository.

    Args:
        tags: All that there is.
        used: What is in use, as `repository@digest`.
        keep: How many of each repository stay.

    """
    by_repository: dict[str, list[ImageTag]] = {}
    for each in tags:
        by_repository.setdefault(each.repository, []).append(each)
    old = []
    for found in by_repository.values():
        newest = sorted(found, key=lambda each: (each.pushed, each.key), reverse=True)
        old += [each for each in newest[keep:] if f"{each.repository}@{each.digest}" not in used]
    return old


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
        storage: Where the registry keeps things.
        config: Its configuration.
        program: The registry's own.
        stop: Stops it.
        start: Starts it; this happens however the script ends.

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
{removed}
# It says a line for each blob, of which only those of a failure are of use.
said=$("$program" garbage-collect {quote(config)} 2>&1) || {{
    status=$?
    printf '%s\\n' "$said" | tail -n {_END} >&2
    exit "$status"
}}
echo "after $(du -s --block-size=1 {quote(storage)} | cut -f1)"
"""


def freed(text: str) -> int | None:
    """Return the bytes that `collect_script` says it freed; None if it was put off."""
    said = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(("before ", "after ")))
    if BUSY in text.splitlines():
        return None
    return int(said["before"]) - int(said["after"])


def remove_local(client: DockerClient, host: str, address: str, kept: Iterable[ImageTag]) -> int:
    """Remove local images and layers that no kept tag has; return how many tags went.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        address: The registry's, as references begin.
        kept: What the registry keeps.

    """
    kept = list(kept)
    wanted = {f"{address}/{each.repository}:{each.key}" for each in kept}
    wanted |= {f"{address}/{each.repository}@{each.digest}" for each in kept}
    wanted |= {f"{name}:{each.key}" for name in _LOCAL for each in kept}
    with engine_errors(host, "removing old images", BuildError):
        images = client.api.images()
        names = {image["Id"]: [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])] for image in images}
        stacks = [
            _layers(client, image)
            for image, known in names.items()
            # What a failed build has made is of use to the next one.
            if any(name in wanted or name.startswith(f"{_FAILED}:") for name in known)
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
    if name.startswith(f"{_LAYERS}:"):
        own = layers()
        return not any(list(stack[: len(own)]) == list(own) for stack in stacks)
    ours = name.startswith(f"{address}/") or name.partition(":")[0] in _LOCAL
    return ours and name not in wanted


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
