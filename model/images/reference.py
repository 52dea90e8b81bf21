"""Parse references of images, write them in full and in short, map them to mirrors. Pure."""

import re
from dataclasses import dataclass, replace

HUB = "docker.io"
"""The default registry."""

_OFFICIAL = "library/"
_ALIASES = {"index.docker.io": HUB, "registry-1.docker.io": HUB}
_REGISTRY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """A reference of an image.

    Args:
        registry: Host and port, as in `docker.io` or `registry.example:5000`.
        path: The repository there, as in `library/debian`.
        tag: The tag; `latest` where none is written and there is no digest.
        digest: `sha256:…`; empty if none is written.

    """

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository in its short form, without the default registry and `library/`."""
        if self.registry != HUB:
            return f"{self.registry}/{self.path}"
        short = self.path.removeprefix(_OFFICIAL)
        return short if "/" not in short else self.path

    def __str__(self) -> str:
        """Return the short form."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")

    def at(self, digest: str) -> "Reference":
        """Return the same repository at a digest instead of a tag."""
        return replace(self, tag="", digest=digest)

    def on(self, mirror: str) -> "Reference":
        """Return the same image on a mirror, which has it under the same path below its own host (and path)."""
        registry, _, below = mirror.partition("/")
        return replace(self, registry=registry, path=f"{below}/{self.path}" if below else self.path)


def parse(text: str) -> Reference:
    """Return a parsed reference, with defaults filled in.

    Raises:
        ValueError: It is none; the message says what of it.

    """
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest, which is sha256: and 64 hexadecimal digits")
    first, slash, below = rest.partition("/")
    # Docker's own rule: a first part with a dot or a port, or `localhost`, is a host and not part of the path.
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, below) if named else (HUB, rest)
    head, colon, tag = path.rpartition(":")
    path, tag = (head, tag) if colon else (path, "" if digest else "latest")
    if not _REGISTRY.fullmatch(registry):
        raise ValueError(f"{registry!r} is not a host with a port")
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a repository, which has lower-case letters, digits and . _ - /")
    if (tag or not digest) and not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a tag")
    registry = _ALIASES.get(registry, registry)
    if registry == HUB and "/" not in path:
        path = f"{_OFFICIAL}{path}"
    return Reference(registry, path, tag, digest)


def is_registry(text: str) -> bool:
    """Return whether a text is a registry's host in the form that references have; no alias of Docker Hub is."""
    return bool(_REGISTRY.fullmatch(text)) and text not in _ALIASES
