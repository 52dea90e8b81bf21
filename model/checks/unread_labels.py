"""Labels that another program would act on, and that nothing reads where they are. They are a warning: labels are free.

Where programs read them: Traefik's and caddy-docker-proxy's swarm modes, swarm-cronjob, shepherd and Docker Flow Proxy
from services; watchtower, autoheal, ofelia, wud and docker-volume-backup from containers; hive-builder's
follow-swarm-service from services (skep has none).
"""

import re
from collections.abc import Iterator, Mapping

from model import site as types
from model.stage import Stage
from model.toml_text import key_path

_HIVE_BUILDERS = re.compile(r"HIVE_[A-Z0-9_]+|VIP[0-5](_V6)?")
_OF_SERVICES = ("traefik", "caddy", "swarm.cronjob", "shepherd", "com.df")
_OF_CONTAINERS = ("com.centurylinklabs.watchtower", "autoheal", "ofelia", "wud", "docker-volume-backup")
_NAMES = {
    "swarm.cronjob": "swarm-cronjob",
    "com.df": "docker-flow-proxy",
    "com.centurylinklabs.watchtower": "watchtower",
}
"""What the program is called whose labels begin otherwise."""


def unread_labels(stage: Stage) -> Iterator[str]:
    """Yield a line for each group of labels of a stage's services that nothing reads."""
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
            if not stage.external_networks and not any(_is(program, stage, one) for one in stage.services):
                yield f"services.{name}.labels: nothing reads those of {program}: stage {stage.name} has no {program}"


def _programs(labels: Mapping[str, object], programs: tuple[str, ...]) -> Iterator[str]:
    """Yield the programs that labels are for."""
    for program in programs:
        if any(label == program or label.startswith((f"{program}.", f"{program}_")) for label in labels):
            yield _NAMES.get(program, program)


def _is(program: str, stage: Stage, name: str) -> bool:
    """Return whether a service may be a program, by the names of it and of its image's parts."""
    service = stage.services[name]
    image = stage.site.images.get(service.image, types.Image())
    parts = [
        name,
        service.image,
        image.from_ or "",
        image.build.context if image.build else "",
        *(use.role for use in image.roles),
    ]
    return any(program in part.lower() for part in parts)
