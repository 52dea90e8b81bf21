"""Labels that another program would act on, and that nothing reads where they are. They are a warning: labels are free.

Where programs read them: Traefik's and caddy-docker-proxy's swarm modes, swarm-cronjob, shepherd and Docker Flow Proxy
from services; watchtower, autoheal, ofelia, wud and docker-volume-backup from containers; hive-builder's
follow-swarm-service from services (skep has none).
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path

from model import site as types
from model.images import ansible, roles
from model.stage import Stage
from model.toml_text import key_path
from model.user_paths import content_of

_HIVE_BUILDERS = re.compile(r"HIVE_[A-Z0-9_]+|VIP[0-5](_V6)?")
_OF_SERVICES = ("traefik", "caddy", "swarm.cronjob", "shepherd", "com.df")
_OF_CONTAINERS = ("com.centurylinklabs.watchtower", "autoheal", "ofelia", "wud", "docker-volume-backup")
_NAMES = {
    "swarm.cronjob": "swarm-cronjob",
    "com.df": "docker-flow-proxy",
    "com.centurylinklabs.watchtower": "watchtower",
}
"""What the program is called whose labels begin otherwise."""
_SOCKET = "docker.sock"
"""The file by which programs ask the engine for labels."""


def unread_labels(stage: Stage, directory: Path) -> Iterator[str]:
    """Yield a line for each group of labels of a stage's services that nothing reads.

    Args:
        stage: The stage.
        directory: The site's directory.

    """
    # A program that many services have labels for is looked for once, by reading files.
    may_be_read = cache(partial(_may_be_read, stage=stage, directory=directory))
    for name, service in stage.services.items():
        for label in service.labels:
            if _HIVE_BUILDERS.fullmatch(label):
                yield (
                    f"{key_path(['services', name, 'labels', label])}: nothing acts on it: skep has no virtual "
                    "addresses, routes or marks as hive-builder has them"
                )
        for program in _programs(service.labels, _OF_CONTAINERS):
            yield f"services.{name}.labels: {program} reads the labels of containers: write container_labels"
        for program in _programs(service.container_labels, _OF_SERVICES):
            yield f"services.{name}.container_labels: in a swarm {program} reads the labels of services: write labels"
        for program in _programs(service.labels, _OF_SERVICES):
            if not may_be_read(program):
                yield f"services.{name}.labels: nothing reads those of {program}: stage {stage.name} has no {program}"


def _programs(labels: Mapping[str, object], programs: tuple[str, ...]) -> Iterator[str]:
    """Yield the programs that labels are for."""
    for program in programs:
        if any(label == program or label.startswith((f"{program}.", f"{program}_")) for label in labels):
            yield _NAMES.get(program, program)


def _may_be_read(program: str, stage: Stage, directory: Path) -> bool:
    """Return whether something may read a program's labels, in a stage or beside it.

    A service that has the engine's socket may be any program, whatever its image is called.
    """
    return bool(stage.external_networks) or any(
        program in name
        or any(_SOCKET in (mount.source or "") for mount in service.volumes)
        or _may_have(program, stage, service.image, directory, ())
        for name, service in stage.services.items()
    )


def _may_have(program: str, stage: Stage, name: str, directory: Path, below: tuple[str, ...]) -> bool:
    """Return whether an image may have a program, by the names and texts that it is made of.

    Args:
        program: The program.
        stage: The stage.
        name: The image, as site.toml or a Dockerfile names it.
        directory: The site's directory.
        below: The images that are built on it, which it may be named by in a circle.

    """
    image = None if name in below else stage.site.images.get(name)
    if image is None:
        base = stage.site.bases.get(name, types.Base())
        return any(
            program in (text or "").lower()
            for text in (name, base.image, base.archive, base.tarball, base.tag)
        )
    texts = [name, image.from_ or "", image.pull_from or ""]
    texts += [use.role for use in image.roles]
    for use in image.roles:
        role = roles.find(directory, use.role)
        texts += [_text(role / file) for file in (ansible.SCRIPT, *ansible.MAIN) if role is not None]
    if image.build is not None:
        # A Dockerfile that can't be read is a mistake elsewhere.
        texts += [image.build.context, _text(directory / image.build.context / image.build.dockerfile)]
    built_on = [image.from_ or "", *stage.site.froms.get(name, ())]
    return any(program in text.lower() for text in texts) or any(
        _may_have(program, stage, each, directory, (*below, name)) for each in built_on
    )


def _text(file: Path) -> str:
    """Return a file's text; nothing if it can't be read."""
    try:
        return content_of(file).decode(errors="replace")
    except (OSError, ValueError):
        return ""
