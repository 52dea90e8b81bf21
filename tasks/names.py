"""Names of tasks: who waits for a resource, or reads its record, takes its task's name from here.

A name is `<phase>:<resource>`. No function here reads anything; all are pure.
"""

from model import site as types
from model.stage import Stage

SSH_KEY_TASK = "build_infra:ssh_key"
"""The task that makes the stage's ssh key."""
NFS_TASK = "build_infra:nfs"
"""The task that makes the stage's shared file system."""
SWARM = "swarm"
"""The swarm's name in `replace=`, and of the set-up step that makes a hive a member of it."""
VAULT = "vault"
"""The name of the set-up step that makes the stage's own secrets."""
REGISTRY = "registry"
"""The name of the set-up step that runs the registry."""
ALERTMANAGER = "alertmanager"
"""The name of the set-up step that sends alarms to those who are to be told."""
PROMETHEUS, OBSERVE, NODE_METRICS = "prometheus", "observe", "node_metrics"
"""The names of the set-up steps that look for what is wrong, and that have a host tell of itself."""
NODE_LABELS = "node_labels"
"""The name of the set-up step that labels a hive's node."""
PORTS_TASK = "deploy_services:ports.chosen"
"""The task that chooses published ports. A service may be called `ports`; no service's name has a dot."""
SECRET, CONFIG = "secret.", "config."
"""How the names of the resources begin that are Docker secrets and configs. A service's name has no dot."""
BASE, UPSTREAM = "base.", "upstream."
"""How the names of the resources begin that are base images, and the digests of their tags."""


def infra_task(name: str) -> str:
    """Return the task that makes a resource of the provider."""
    return f"build_infra:{name}"


def host_task(short: str) -> str:
    """Return the task that makes a host."""
    return infra_task(short)


def setup_task(short: str, step: str) -> str:
    """Return the task of a host's set-up step."""
    return f"setup_hosts:{short}.{step}"


def vault_task(stage: Stage) -> str:
    """Return the task that makes or finds the stage's own secrets."""
    return setup_task(stage.repository.short, VAULT)


def swarm_task(short: str) -> str:
    """Return the task that makes a hive a member of the swarm."""
    return setup_task(short, SWARM)


def swarm_tasks(stage: Stage) -> tuple[str, ...]:
    """Return the tasks that make the swarm."""
    return tuple(swarm_task(host.short) for host in stage.hives)


def readable(reference: str) -> str:
    """Return an image reference's name in tasks, files and registries."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in reference.lower()).strip("-._")


def base_task(reference: str) -> str:
    """Return the task that brings a base image into the registry."""
    return f"build_images:{BASE}{readable(reference)}"


def upstream_task(reference: str) -> str:
    """Return the task that resolves a base's tag to a digest."""
    return f"build_images:{UPSTREAM}{readable(reference)}"


def moved_task() -> str:
    """Return the task that takes the registry's images along to another host."""
    return "build_images:registry.moved"


def own_image_task(name: str) -> str:
    """Return the task that brings an image of `[images]` into the registry."""
    return f"build_images:{name}"


def image_task(stage: Stage, service: types.Service) -> str:
    """Return the task that brings a service's image into the registry, built or pulled."""
    return own_image_task(service.image) if service.image in stage.site.images else base_task(service.image)


def network_task(name: str) -> str:
    """Return the task that makes an overlay network."""
    return f"build_networks:{name}"


def volume_task(name: str, short: str) -> str:
    """Return the task that makes a volume on a host."""
    return f"build_volumes:{name}@{short}"


def service_volume_tasks(stage: Stage, service: types.Service) -> tuple[str, ...]:
    """Return the tasks that make the named volumes that a service mounts, on all hosts that hold them."""
    return tuple(
        volume_task(volume, host.short)
        for volume in service.named_volumes
        for host in stage.volume_hosts(volume)
    )


def service_task(name: str) -> str:
    """Return the task that deploys a service."""
    return f"deploy_services:{name}"


def secret_task(name: str) -> str:
    """Return the task that makes a Docker secret."""
    return f"deploy_services:{SECRET}{name}"


def config_task(name: str) -> str:
    """Return the task that makes a Docker config."""
    return f"deploy_services:{CONFIG}{name}"


def initialization_task(service: str, role: str) -> str:
    """Return the task that runs a role inside a service."""
    return f"initialize_services:{service}.{role}"
