"""Services, Docker secrets and Docker configs that are in the swarm and no longer in site.toml."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.alarms.touched import Touched
from model.errors import HostError
from model.labels import NAME_LABEL, labels_of
from model.log import Log
from model.stage import Host, Stage
from remote.mother.wait import wait_for
from remote.swarm.revisions import files_of, is_revision, remove_revisions
from tasks.cleanup.removing import GONE_TIMEOUT, remove_when_free
from tasks.names import CONFIG, config_task, secret_task, service_task
from tasks.observe.states import SwarmState
from tasks.phase import PRUNES, Orphan
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.services.docker_names import docker_names_of

if TYPE_CHECKING:
    from docker import DockerClient

_SERVICE_LABEL = "com.docker.swarm.service.id"
_ENDED = {"created", "exited", "dead"}
"""The states of a container that does not run, and that nobody starts again once its service is gone."""
_BEING_REMOVED = 409


@dataclass(frozen=True)
class OrphanService(Orphan):
    """A service that site.toml no longer has.

    Args:
        grace: Seconds that its containers have to end.

    """

    kind, order = "service", 10
    grace: float = 0.0

    def remove(self, run: Run, log: Log) -> None:
        """Remove it with its revisions, and return when its containers have let go of ports and volumes."""
        host, client = run.connections.manager()
        remove_revisions(client, self.name, run.stage.labels)
        hives = [hive for hive in run.stage.hives if run.state.host_record(hive) is not None]
        longest = GONE_TIMEOUT + len(hives) * (GONE_TIMEOUT + self.grace)
        # A manager may still tell that it wants tasks as the hives tell that they have none.
        with run.silences.during(f"{self.words} is removed", Touched({self.name}), longest, log):
            remove_when_free(client.api.remove_service, self.id, host.short, self.words)
            for hive in hives:
                self._wait_until_gone(run.connections, hive, log)

    def _wait_until_gone(self, connections: Connections, hive: Host, log: Log) -> None:
        """Wait until a hive has none of its containers any more.

        The swarm removes those that run; one that has ended or was never started, as a job's, it leaves there with its
        volumes. If the engine refuses to remove it, it is asked again until the time is over. A hive that does not
        answer is not waited for, and the log says so: the service is removed all the same.

        Raises:
            HostError: There are some when the time is over.

        """
        from remote.engine.client import engine_errors

        doing = f"looking for the containers of {self.words}, which is removed"
        names: list[str] = []
        refused: list[str] = []

        def is_gone() -> bool:
            try:
                with engine_errors(hive.short, doing):
                    api = connections.engine(hive).api
                    found = api.containers(all=True, filters={"label": f"{_SERVICE_LABEL}={self.id}"})
            except HostError as error:
                log(f"containers of {self.words} on {hive.short} are not checked: {error}")
                return True
            names[:] = [name.lstrip("/") for container in found for name in container["Names"]]
            ended = [each["Id"] for each in found if each["State"] in _ENDED]
            refused[:] = filter(None, (_refusal(hive, api, container) for container in ended))
            return not found

        def reason() -> str:
            problem = "".join(f" ({text})" for text in refused)
            return f"{', '.join(names)} is still there{problem}; docker rm -f {' '.join(names)} ends it there"

        wait_for(
            is_gone,
            f"the containers of {self.words} on {hive.short} to end",
            GONE_TIMEOUT + self.grace,
            reason=reason,
        )


def _refusal(hive: Host, api: Any, container: str) -> str:
    """Remove a container that has ended; return why the engine refuses it, or an empty text."""
    from remote.engine.client import engine_errors

    try:
        with engine_errors(hive.short, f"removing container {container[:12]}"):
            _remove_ended(api, container)
    except HostError as error:
        return str(error)
    return ""


def _remove_ended(api: Any, container: str) -> None:
    """Remove a container that has ended, unless the swarm does so just now."""
    from docker.errors import APIError, NotFound

    try:
        api.remove_container(container, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != _BEING_REMOVED:
            raise


@dataclass(frozen=True)
class OrphanContent(Orphan):
    """A Docker secret or config that no service is to have.

    Args:
        of: Its label `skep.name`: the secret or config of site.toml that it is a content of.
        is_older: Whether site.toml still has that, with another content. Nobody has to know of it then.

    """

    of: str = ""
    is_older: bool = False

    @property
    def is_reported(self) -> bool:
        """Whether a person has to know of it."""
        return not self.is_older

    @abstractmethod
    def remover(self, client: "DockerClient") -> Callable[[str], Any]:
        """Return the engine's function that removes such a thing by its id."""

    def remove(self, run: Run, log: Log) -> None:
        """Remove it."""
        del log
        host, client = run.connections.manager()
        remove_when_free(self.remover(client), self.id, host.short, self.words)

    def forget(self, run: Run) -> None:
        """Remove its task's files from state/, unless the task makes a newer content."""
        if not self.is_older:
            super().forget(run)


@dataclass(frozen=True)
class OrphanSecret(OrphanContent):
    """A Docker secret."""

    kind, order = "Docker secret", 30

    def remover(self, client: "DockerClient") -> Callable[[str], Any]:
        """Return the engine's function for secrets."""
        return client.api.remove_secret  # type: ignore[no-any-return]


@dataclass(frozen=True)
class OrphanConfig(OrphanContent):
    """A Docker config."""

    kind, order = "Docker config", 40

    def remover(self, client: "DockerClient") -> Callable[[str], Any]:
        """Return the engine's function for configs."""
        return client.api.remove_config  # type: ignore[no-any-return]


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the swarm's services, secrets and configs that site.toml does not have."""
    swarm = run.live_state.swarm
    staying = {name: seen for name, seen in swarm.services.items() if name in run.stage.services}
    for name, service in sorted(swarm.services.items()):
        if name not in staying:
            container = service["Spec"].get("TaskTemplate", {}).get("ContainerSpec") or {}
            grace = container.get("StopGracePeriod", 0) / 1e9
            yield OrphanService(name, service_task(name), id=service.get("ID", ""), grace=grace)
    yield from _contents(run.stage, docker_names_of(run).wanted(), swarm, staying)


def older_contents(run: Run, swarm: SwarmState) -> list[OrphanContent]:
    """Return the older contents of wanted secrets and configs that no service uses or would go back to.

    Args:
        run: The run.
        swarm: The swarm as it is now.

    """
    wanted = docker_names_of(run).wanted()
    return [
        orphan
        for orphan in _contents(run.stage, wanted, swarm, swarm.services)
        # Where the wanted content can't be read, none is known to be older.
        if orphan.is_older and not orphan.users and orphan.of in wanted
    ]


def _contents(
    stage: Stage, wanted: Mapping[str, str], swarm: SwarmState, staying: Mapping[str, Any]
) -> Iterator[OrphanContent]:
    """Yield the Docker secrets and configs other than those that site.toml wants.

    Args:
        stage: The stage.
        wanted: The Docker names of those that it wants, by their label `skep.name`.
        swarm: The swarm.
        staying: The services that count as users.

    """
    current = {*wanted.values(), *stage.external_names["configs"]}
    configs = {f"{CONFIG}{name}" for name in stage.configs}
    users = _users(swarm, staying)
    for docker_name, thing in sorted(swarm.secrets.items()):
        if docker_name not in current:
            yield _orphan(OrphanSecret, docker_name, thing, configs | stage.secrets.keys(), users)
    deployed = {*swarm.services, *stage.services}
    for docker_name, thing in sorted(swarm.configs.items()):
        name = labels_of(thing).get(NAME_LABEL, CONFIG)
        if is_revision(thing):
            if name in deployed:
                continue  # it goes with its service; one that somebody removed is deployed again
        elif not name.startswith(CONFIG):
            continue  # another phase's
        if docker_name not in current and not users.get(thing.get("ID", "")):
            yield _orphan(OrphanConfig, docker_name, thing, configs, users)


def _orphan(
    kind: type[OrphanContent],
    docker_name: str,
    thing: Mapping[str, Any],
    wanted: Iterable[str],
    users: Mapping[str, tuple[str, ...]],
) -> OrphanContent:
    """Return a Docker secret or config as an orphan, with its users."""
    of = labels_of(thing).get(NAME_LABEL, docker_name)
    is_older = of in wanted
    is_config = kind is OrphanConfig or of.startswith(CONFIG)
    task = config_task if is_config else secret_task
    return kind(
        docker_name,
        task(of.removeprefix(CONFIG) if is_config else of),
        f"an old version of {of.replace('.', ' ')}" if is_older else f"{PRUNES}; as {docker_name}",
        id=thing.get("ID", ""),
        users=users.get(thing.get("ID", ""), ()),
        of=of,
        is_older=is_older,
    )


def _users(swarm: SwarmState, staying: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the ids of secrets and configs, each with the services that use it, or would go back to it."""
    used = [(name, file) for name, service in staying.items() for file in _files(service)]
    # What an earlier revision of a service needs, it may go back to.
    for config in filter(is_revision, swarm.configs.values()):
        user = labels_of(config)[NAME_LABEL]
        if user in staying:
            used += [(user, file) for file in files_of(config)]
    users: dict[str, dict[str, None]] = {}
    for name, file in used:
        users.setdefault(file, {})[name] = None
    return {file: tuple(names) for file, names in users.items()}


def _files(service: Any) -> set[str]:
    """Return the ids of the secrets and configs that a service uses, or used before its last update.

    A rollback goes back to the latter.
    """
    templates = [spec["TaskTemplate"] for spec in (service.get("Spec"), service.get("PreviousSpec")) if spec]
    return {
        file[f"{kind}ID"]
        for template in templates
        for kind in ("Secret", "Config")
        for file in (template.get("ContainerSpec") or {}).get(f"{kind}s") or ()
    }
