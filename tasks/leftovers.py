"""What is on a stage with its labels, and no longer in site.toml. A run leaves it; the plan names it.

What can be made again is to be removed; what holds data, or is an older version of what is still wanted, is only left.
"""

from model.errors import ConfigError
from tasks import build_images, build_infra, build_networks, build_volumes, deploy_services
from tasks.plan import LEFT, REMOVE, Item
from tasks.run import Run

NOT_IN_SITE = "no longer in site.toml; doit leaves it"


def leftovers(run: Run) -> list[Item]:
    """Return what is on the stage with its labels but no longer in site.toml. doit itself removes none of it."""
    return [*_left_of_provider(run), *_left_in_registry(run), *_left_in_swarm(run), *_left_volumes(run)]


def _left_of_provider(run: Run) -> list[Item]:
    """Return the provider's things that the stage does not want."""
    wanted = {resource.name for resource in run.provider.resources()}
    return [
        Item(f"{build_infra.PHASE}:{name}", REMOVE, (NOT_IN_SITE,))
        for name in sorted(run.probe.things)
        if name not in wanted
    ]


def _left_in_registry(run: Run) -> list[Item]:
    """Return the images that no service uses."""
    wanted = {resource.repository for resource in build_images.resources(run)}
    repository = run.stage.repository
    tags = [tag.rpartition(":")[0] for tag in run.probe.host(repository).tags]
    return [
        Item(build_images.PHASE + f":{name}", LEFT, (_in_registry(tags.count(name)),), host=repository.short)
        for name in sorted(set(tags) - wanted)
    ]


def _left_in_swarm(run: Run) -> list[Item]:
    """Return the swarm's services, networks and secrets that site.toml does not have."""
    swarm = run.probe.swarm
    found = [
        Item(deploy_services.service_task(name), REMOVE, (NOT_IN_SITE,))
        for name in sorted(swarm.services)
        if name not in run.stage.services
    ]
    found += [
        Item(f"{build_networks.PHASE}:{name}", REMOVE, (NOT_IN_SITE,))
        for name in sorted(swarm.networks)
        if name not in run.stage.networks
    ]
    for name, secret in sorted(swarm.secrets.items()):
        of = (secret["Spec"].get("Labels") or {}).get("skep.name", name)
        if of not in run.stage.secrets:
            found.append(Item(deploy_services.secret_task(of), REMOVE, (NOT_IN_SITE, f"as {name}")))
        elif name not in _current_secrets(run):
            said = f"an older content, as {name}"
            found.append(Item(deploy_services.secret_task(of), LEFT, (said,)))
    return found


def _current_secrets(run: Run) -> set[str]:
    """Return the names of the Docker secrets that services are to have; those that can't be told are left out."""
    names = set()
    for name in run.stage.secrets:
        try:
            names.add(deploy_services.docker_secret_name(run, name))
        except (KeyError, ConfigError):
            continue
    return names


def _left_volumes(run: Run) -> list[Item]:
    """Return the volumes that the stage does not want. They hold data: none is ever counted as to be removed."""
    labels = run.stage.labels.items()
    found = []
    for host in run.stage.hosts:
        for name, volume in sorted(run.probe.host(host).volumes.items()):
            wanted = name in run.stage.volumes and host in run.stage.volume_hosts(name)
            if labels <= (volume.get("Labels") or {}).items() and not wanted:
                said = "no longer in site.toml; left, since it may hold data"
                found.append(
                    Item(f"{build_volumes.PHASE}:{name}@{host.short}", LEFT, (said,), host=host.short)
                )
    return found


def _in_registry(count: int) -> str:
    """Return what is said of an image that is only kept."""
    return f"no service uses it; {count} {'version' if count == 1 else 'versions'} in the registry"
