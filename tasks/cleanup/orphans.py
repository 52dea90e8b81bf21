"""What is on a stage with its labels, and no longer in site.toml. Told from the live look, without a further question.

A run leaves it and names it, the plan shows it, and `doit prune` removes it (`tasks/cleanup/prune.py`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.labels import NAME_LABEL, belongs_to, labels_of
from remote.swarm.revisions import files_of, is_revision
from tasks import build_images, build_infra, build_volumes, names, setup_hosts
from tasks.explain.plan import LEFT, REMOVE, Item
from tasks.names import config_task, network_task, secret_task, service_task, volume_task
from tasks.observe.states import SwarmState
from tasks.run.context import Run
from tasks.services import secrets_configs

SERVICE, NETWORK, SECRET, CONFIG = "service", "network", "Docker secret", "Docker config"
IMAGE, STEP, ACCOUNT, HOST, VOLUME = "image", "set-up step", "account", "host", "volume"
THING = "provider's"
"""What a provider has beside hosts, as a file system: it may hold data, and its words are its own."""
ORDER = (SERVICE, NETWORK, SECRET, CONFIG, IMAGE, STEP, ACCOUNT, HOST, VOLUME, THING)
"""In which order they go: what uses something before that which it uses, and data last."""
PRUNES = "no longer in site.toml; `doit prune` removes it"
NAMED = 6
_OLDER = "an older content"


@dataclass(frozen=True)
class Orphan:
    """One thing that is left over.

    Args:
        kind: One of the words above.
        name: What it is called.
        task: The task that it had.
        said: What is to be said of it.
        host: Where it is, if it is on one host.
        id: By which its engine knows it.
        held: Who still uses it, so that it can't go before a run; empty if nobody does.
        counts: Whether a person has to know of it: an older content of what is still wanted is only left.
        of: Of a Docker secret or config, of what it is a content: its label `skep.name`.

    """

    kind: str
    name: str
    task: str
    said: str = PRUNES
    host: str = ""
    id: str = ""
    held: str = ""
    counts: bool = True
    of: str = ""

    @property
    def is_on_host(self) -> bool:
        """Whether there may be one like it on another host."""
        return self.kind in {STEP, ACCOUNT, VOLUME}

    @property
    def words(self) -> str:
        """It, in words."""
        return f"{self.kind} {self.name}" + (f" on {self.host}" if self.is_on_host else "")


def orphans(run: Run) -> list[Orphan]:
    """Return what is on the stage with its labels but no longer in site.toml, in the order in which it can go."""
    found = [
        *_in_swarm(run),
        *_in_registry(run),
        *_on_hosts(run),
        *_of_provider(run),
        *_volumes(run),
    ]
    return sorted(found, key=lambda left: ORDER.index(left.kind))


def items(run: Run) -> list[Item]:
    """Return them as the plan shows them. What holds data, or is kept for going back to, is never to be removed."""
    return [
        Item(
            left.task,
            REMOVE if left.counts and left.kind not in {IMAGE, VOLUME, THING} else LEFT,
            (left.said, *([left.held] if left.held else ())),
            host=left.host,
        )
        for left in orphans(run)
    ]


def line(found: Sequence[Orphan]) -> str:
    """Return one line that names what is left over; empty if there is nothing that a person has to know of."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for left in found:
        if left.counts:
            hosts.setdefault((left.kind, left.name), []).extend([left.host] if left.is_on_host else [])
    names = [
        f"{kind} {name}" + (f" on {', '.join(where)}" if where else "")
        for (kind, name), where in hosts.items()
    ]
    if not names:
        return ""
    more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"no longer in site.toml, and left: {'; '.join(names[:NAMED])}{more} (see: doit prune)"


# -- the swarm ---------------------------------------------------------------------------------------------------------


def _in_swarm(run: Run) -> Iterator[Orphan]:
    """Yield the swarm's services, networks, secrets and configs that site.toml does not have."""
    swarm, stage = run.live_state.swarm, run.stage
    staying = {name: seen for name, seen in swarm.services.items() if name in stage.services}
    for name, service in sorted(swarm.services.items()):
        if name not in staying:
            yield Orphan(SERVICE, name, service_task(name), id=service.get("ID", ""))
    for name, network in sorted(swarm.networks.items()):
        if name not in stage.networks:
            users = [user for user, seen in staying.items() if network["Id"] in _networks(seen)]
            yield Orphan(NETWORK, name, network_task(name), id=network["Id"], held=_held(users))
    yield from _contents(run, swarm, staying)


def older_contents(run: Run, swarm: SwarmState) -> list[Orphan]:
    """Return the older contents of what site.toml still has that nothing in the swarm uses, nor would go back to.

    Args:
        run: The run.
        swarm: What the swarm looks like now.

    """
    known = secrets_configs.current(run)
    return [
        left
        for left in _contents(run, swarm, swarm.services)
        # Where the content that is wanted can't be told, none is older.
        if not (left.counts or left.held) and left.of in known
    ]


def _contents(run: Run, swarm: SwarmState, staying: Mapping[str, Any]) -> Iterator[Orphan]:
    """Yield the Docker secrets and configs that are not what site.toml wants of them.

    Args:
        run: The run.
        swarm: What the swarm looks like.
        staying: The services that count as users.

    """
    current = set(secrets_configs.current(run).values())
    configs = {f"{names.CONFIG}{name}" for name in run.stage.configs}
    # What an earlier revision of a service needs, it may go back to.
    kept: dict[str, set[str]] = {}
    for config in filter(is_revision, swarm.configs.values()):
        user = labels_of(config)[NAME_LABEL]
        if user in staying:
            kept.setdefault(user, set()).update(files_of(config))
    for kind, seen, wanted in (
        (SECRET, swarm.secrets, configs | run.stage.secrets.keys()),
        (CONFIG, swarm.configs, configs),
    ):
        for docker_name, thing in sorted(seen.items()):
            users = [user for user, service in staying.items() if thing.get("ID") in _files(service)]
            users += [user for user, files in kept.items() if thing.get("ID") in files and user not in users]
            if (
                kind == CONFIG
                and is_revision(thing)
                and labels_of(thing)[NAME_LABEL] in {*swarm.services, *run.stage.services}
            ):
                continue  # it goes with its service; one that somebody removed is deployed again
            of = labels_of(thing).get(NAME_LABEL, docker_name)
            if docker_name in current or (kind == CONFIG and users):
                continue
            is_older = of in wanted
            yield Orphan(
                kind,
                docker_name,
                _content_task(kind, of),
                f"{_OLDER} of {of.replace('.', ' ')}" if is_older else f"{PRUNES}; as {docker_name}",
                id=thing.get("ID", ""),
                held=_held(users),
                counts=not is_older,
                of=of,
            )


def _content_task(kind: str, of: str) -> str:
    """Return the task that makes a Docker secret or config, by its label `skep.name`."""
    if kind == CONFIG or of.startswith(names.CONFIG):
        return config_task(of.removeprefix(names.CONFIG))
    return secret_task(of)


def _held(users: Collection[str]) -> str:
    """Return who still uses something."""
    return f"in use by {', '.join(sorted(users))}" if users else ""


def _staying(run: Run, services: Collection[str]) -> list[str]:
    """Return those services that site.toml has."""
    return [name for name in services if name in run.stage.services]


def _specs(service: Any) -> list[Any]:
    """Return what a service's tasks are like, and were before its last update: what a rollback goes back to."""
    return [spec["TaskTemplate"] for spec in (service.get("Spec"), service.get("PreviousSpec")) if spec]


def _networks(service: Any) -> set[str]:
    """Return the ids of the networks that a service is in now."""
    return {joined["Target"] for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()}


def _files(service: Any) -> set[str]:
    """Return the ids of the secrets and configs that a service uses, or would go back to."""
    return {
        file[f"{kind}ID"]
        for spec in _specs(service)
        for kind in ("Secret", "Config")
        for file in (spec.get("ContainerSpec") or {}).get(f"{kind}s") or ()
    }


# -- the registry, hosts, the provider ---------------------------------------------------------------------------------


def _in_registry(run: Run) -> Iterator[Orphan]:
    """Yield the images that no service uses."""
    wanted = {resource.repository for resource in build_images.resources(run)}
    repository = run.stage.repository
    tags = [tag.rpartition(":")[0] for tag in run.live_state.host(repository).tags]
    for name in sorted(set(tags) - wanted):
        count = tags.count(name)
        said = f"no service uses it; {count} {'version' if count == 1 else 'versions'} in the registry"
        yield Orphan(IMAGE, name, f"{build_images.PHASE}:{name}", said, host=repository.short)


def _on_hosts(run: Run) -> Iterator[Orphan]:
    """Yield the set-up steps that a host no longer has, and the accounts of people who have none any more."""
    users = run.stage.site.setup_hosts.users
    for host in run.stage.hosts:
        look = run.live_state.host(host)
        wanted = {name for name, _ in setup_hosts.step_names(run, host)}
        if host.is_repository:
            wanted.add("vault")
        for name in sorted(look.steps.keys() - wanted):
            yield Orphan(STEP, name, f"{setup_hosts.PHASE}:{host.short}.{name}", host=host.short)
        for name in sorted(set(look.accounts) - users.keys()):
            task = f"{setup_hosts.PHASE}:{host.short}.users"
            yield Orphan(ACCOUNT, name, task, f"{name} is {PRUNES}", host=host.short)


def _of_provider(run: Run) -> Iterator[Orphan]:
    """Yield the provider's things that the stage does not want: of all but hosts there is one each."""
    wanted = {resource.name for resource in run.provider.resources()}
    for name in sorted(run.live_state.things):
        if name not in wanted:
            kind = HOST if run.live_state.things[name].is_host else THING
            yield Orphan(kind, name, f"{build_infra.PHASE}:{name}")


# -- volumes -----------------------------------------------------------------------------------------------------------


def _volumes(run: Run) -> Iterator[Orphan]:
    """Yield the volumes that the stage does not want. They may hold data: none goes unless a person names it."""
    for host in run.stage.hosts:
        for name, volume in sorted(run.live_state.host(host).volumes.items()):
            wanted = name in run.stage.volumes and host in run.stage.volume_hosts(name)
            if belongs_to(labels_of(volume), run.stage.labels) and not wanted:
                yield Orphan(
                    VOLUME,
                    name,
                    volume_task(name, host.short),
                    "no longer in site.toml; left, since it may hold data",
                    host=host.short,
                    held=_held(_staying(run, build_volumes.mounting(run, name, host))),
                )
