"""Check what the hosts of a stage get each: labels of their nodes, kernel parameters."""

import re
from collections.abc import Iterator, Mapping

from model import site as types
from model.checks.shared import known_are
from model.labels import LABEL_PREFIX
from model.stage import Stage, sysctl_name, sysctl_text
from model.swarm.constraints import NODE_LABEL, parse_constraint
from model.toml_text import short_text

_SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_:@-]+)+")
_OF_CONTAINERS = re.compile(
    r"net[./].+|fs[./]mqueue[./].+|kernel[./](msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|domainname)"
)
"""The kernel parameters that a container has for itself: opencontainers/runc, libcontainer/configs/validate."""

_FORWARDING = {"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding"}


def check_host_settings(path: str, stage: Stage) -> Iterator[str]:
    """Yield the mistakes in the settings of a stage's hosts."""
    own = {stage.repository_short} if stage.config.separate_repository else set()
    hives = [short for short in stage.shorts if short not in own]
    for short, labels in stage.config.node_labels.items():
        if short not in hives:
            yield f"{path}.node_labels.{short}: is not a hive of stage {stage.name}{known_are(hives)}"
        for label in labels:
            yield from _label(f"{path}.node_labels.{short}", label)
    for short, sysctls in stage.config.host_sysctls.items():
        if short not in stage.shorts:
            yield f"{path}.host_sysctls.{short}: is not one of its hosts{known_are(stage.shorts)}"
        yield from check_sysctls(f"{path}.host_sysctls.{short}", sysctls)
    yield from check_sysctls(f"{path}.sysctls", stage.config.sysctls)


def check_sysctls(path: str, sysctls: Mapping[str, object]) -> Iterator[str]:
    """Yield the names that no kernel parameter has, and the values that Docker could not run with."""
    names: dict[str, str] = {}
    for name, value in sysctls.items():
        if not _SYSCTL.fullmatch(name):
            yield f"{path}: {short_text(name)} is not a kernel parameter (example: vm.max_map_count)"
            continue
        other = names.setdefault(sysctl_name(name), name)
        if other != name:
            yield f"{path}: {short_text(name)} is {short_text(other)}, which is there already"
        if sysctl_name(name) in _FORWARDING and sysctl_text(value) == "0":
            yield f"{path}: {name} = 0 would cut off containers: Docker's networks need it, leave it out"


def check_container_sysctls(path: str, service: types.Service) -> Iterator[str]:
    """Yield the kernel parameters that a service's containers can't have for themselves."""
    sysctls: Mapping[str, object] = service.sysctls
    # What a container forwards is its own affair.
    yield from check_sysctls(path, dict.fromkeys(sysctls, ""))
    for name in sysctls:
        if not _SYSCTL.fullmatch(name):
            continue
        if not _OF_CONTAINERS.fullmatch(name):
            yield f"{path}: {name} is the whole host's, and no container's: write it in [setup_hosts.sysctls]"
        elif service.is_on_host_network and name.startswith("net"):
            yield f"{path}: {name} is the host's in the host's network: write it in [setup_hosts.sysctls]"


def _label(path: str, label: str) -> Iterator[str]:
    """Yield the mistake of a label that no constraint could name."""
    if label.startswith(LABEL_PREFIX):
        yield f"{path}: {short_text(label)} is skep's own"
        return
    try:
        parse_constraint(f"{NODE_LABEL}{label} == x")
    except ValueError:
        yield f"{path}: {short_text(label)} is not a label that constraints can name: letters, digits, `.`, `-`, `_`"
