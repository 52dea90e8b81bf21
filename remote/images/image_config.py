"""An image's configuration, put together by skep and not by a commit. Pure.

A commit merges the given configuration with the build container's own, so that where one is not given the other shows
through: the build's user, its working directory, its switched-off health check. And it makes another image each time.
So the configuration is written out whole and handed to the engine as a `docker load` archive without layers, which the
engine has already. Equal layers and equal definitions make the same image, byte for byte: the same digest.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from model.json_types import Json
from model.keys.digest import canonical, sha256
from remote.images.archive import Archive

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
class ComposedImage:
    """An image as skep writes it.

    Args:
        layers: The digests of its layers.
        text: Its configuration, whose digest is its id.
        tag: The local name that it gets; nothing for none.

    """

    layers: tuple[str, ...]
    text: str
    tag: str = ""

    @property
    def id(self) -> str:
        """Its id: the digest of its configuration."""
        return f"sha256:{sha256(self.text)}"


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


def compose(image: Json, config: Json, more: Sequence[str] = (), tag: str = "") -> ComposedImage:
    """Return an image with the layers of another and a configuration of its own.

    Args:
        image: The attributes of the image whose layers it has.
        config: Its whole configuration.
        more: The digests of the layers that it has on top of them.
        tag: The local name that it gets.

    """
    layers = (*image["RootFS"]["Layers"], *more)
    text = canonical(
        {
            **{key.lower(): image[key] for key in ("Architecture", "Os", "Variant") if image.get(key)},
            # When the last layer was made that says a time: the same for the same layers.
            "created": image["Created"],
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": list(layers)},
            "history": [{"created": image["Created"], "created_by": "skep"} for _ in layers],
        }
    )
    return ComposedImage(layers, text, tag)


def image_archive(images: Sequence[ComposedImage], layers: Mapping[str, Archive]) -> Iterator[bytes]:
    """Yield images as `docker load` takes them.

    Args:
        images: The images, each after those whose layers it has.
        layers: The layers that the engine may not have, by their digests. It has the others.

    Raises:
        ConfigError: A file of a layer is not the one that was hashed, or can't be read.

    """
    for digest, layer in layers.items():
        size, _ = layer.measured()
        yield _header(_file(digest), size)
        yield from layer
    manifest = [
        {
            "Config": f"{image.id.rpartition(':')[2]}.json",
            "RepoTags": [image.tag] if image.tag else None,
            "Layers": [_file(digest) for digest in image.layers],
        }
        for image in images
    ]
    texts = {entry["Config"]: image.text for entry, image in zip(manifest, images, strict=True)}
    for name, text in {**texts, "manifest.json": json.dumps(manifest)}.items():
        data = text.encode()
        yield _header(str(name), len(data))
        yield data + bytes(-len(data) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(digest: str) -> str:
    """Return the name of a layer in an archive of images."""
    return f"{digest.rpartition(':')[2]}.tar"


def _header(name: str, size: int) -> bytes:
    """Return the header of a file in an archive."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()
