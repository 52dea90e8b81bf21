"""An image's configuration, put together by skep and not by a commit. Pure.

A commit merges the given configuration with the build container's own, so that where one is not given the other shows
through: the build's user, its working directory, its switched-off health check. And it makes another image each time.
So the configuration is written out whole and handed to the engine as a `docker load` archive without layers, which the
engine has already. Equal layers and equal definitions make the same image, byte for byte: the same digest.
"""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.json_types import Json
from model.keys.digest import canonical, sha256

_OF_A_CONTAINER = frozenset(
    [
        "Hostname",
        "Domainname",
        "AttachStdin",
        "AttachStdout",
        "AttachStderr",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "Image",
    ]
)
"""Parts of an image's configuration that belong to the container that it was committed from."""


@dataclass(frozen=True)
class ImageArchive:
    """An image without its layers, which the engine has already.

    Args:
        id: The image's id: the digest of its configuration.
        archive: The image as `docker load` takes it.

    """

    id: str
    archive: bytes


def merged_config(base: Json, config: Json, labels: Mapping[str, str]) -> Json:
    """Return a base's configuration with an image definition's on top of it, as a Dockerfile's lines would set it.

    Environment, ports and labels are added to the base's; all else takes the place of the base's.
    """
    inherited = {name: value for name, value in base.items() if name not in _OF_A_CONTAINER and value}
    merged = {**inherited, **{name: value for name, value in config.items() if value is not None}}
    variables = [*(base.get("Env") or ()), *(config.get("Env") or ())]
    merged["Env"] = list({variable.partition("=")[0]: variable for variable in variables}.values())
    merged["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), **(config.get("ExposedPorts") or {})}
    merged["Labels"] = {**(base.get("Labels") or {}), **labels}
    return {name: value for name, value in merged.items() if value not in (None, "", [], {})}


def image_archive(image: Json, config: Json) -> ImageArchive:
    """Return an image with the layers of another and a configuration of its own.

    Args:
        image: The attributes of the image whose layers it has.
        config: Its whole configuration.

    """
    layers: Sequence[str] = image["RootFS"]["Layers"]
    text = canonical(
        {
            **{key.lower(): image[key] for key in ("Architecture", "Os", "Variant") if image.get(key)},
            # When its last layer was made: the same for the same layers.
            "created": image["Created"],
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": layers},
            "history": [{"created": image["Created"], "created_by": "skep"} for _ in layers],
        }
    )
    digest = sha256(text)
    manifest = [
        {"Config": f"{digest}.json", "RepoTags": None, "Layers": [f"{n}.tar" for n in range(len(layers))]}
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in ((f"{digest}.json", text), ("manifest.json", json.dumps(manifest))):
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return ImageArchive(f"sha256:{digest}", buffer.getvalue())
