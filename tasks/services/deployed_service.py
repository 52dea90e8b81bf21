"""A service in the swarm, by its image's digest, waited for until it runs."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from model import site as types
from model.errors import ServiceError, SkepError
from model.json_types import Json
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import FactRecord, ImageRecord, ServiceRecord, SwarmRecord
from model.labels import KEY_LABEL, NAME_LABEL, REVISION_LABEL, labels_of
from model.log import Log
from model.secrets.stage_secrets import REGISTRY_USER
from model.site.networks import HOST_NETWORK
from model.stage import REGISTRY_PORT, Stage
from model.swarm.time_to_run import time_to_run
from model.templates import RenderedService
from remote.mother.files import write_whole
from remote.swarm.endings import CHECK_CANT_RUN
from remote.swarm.revisions import RevisionStore
from remote.swarm.spec import MODES, ServiceParts, service_spec
from tasks.alarms.silenced import silenced_service
from tasks.hosts.former_member import former_member_tasks
from tasks.names import (
    PORTS_TASK,
    REGISTRY,
    image_task,
    network_task,
    service_task,
    service_volume_tasks,
    setup_task,
    swarm_task,
    swarm_tasks,
    vault_task,
)
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.secrets import Secrets
from tasks.run.state import State
from tasks.services import docker_names
from tasks.services.joined_networks import joined_networks, recorded_networks
from tasks.services.preflight import preflight
from tasks.services.published_ports import leaves_ports_open, port_labels, published_ports
from tasks.services.rendering import StageRenderer, renderer_of
from tasks.step import CHANGE, REPLACE, Finding, Names, Step, Work

if TYPE_CHECKING:
    from docker import DockerClient


LOG_LINES = 10
HEALTH_LINES = 5
_NOT_RUN = (126, 127)
"""A shell's exit statuses of a command that can't be run, or is not there."""
_NOT_THERE = "executable file not found"
_RETRIES = 3
"""The engine's default."""
_NO_REVISION = "it has no earlier revision to go back to"
_NOT_INPUTS = {
    "depends_on",
    "backup_scripts",
    "metrics",
    "alerts",
    "monitor_error",
    "ignore_error",
    "available_on",
    "try",
    "converge_timeout",
    "metadata",
    "initialize_roles",
    "networks",
    "secrets",
    "configs",
    "image",
}
"""What says how to deploy, or is an input in another form."""


def depends_on(stage: Stage, service: types.Service) -> list[str]:
    """Return the services of the stage that a service is started after."""
    return [name for name in service.depends_on if name in stage.services]


class DeployedService(Step):
    """A service.

    Args:
        run: The run.
        name: Its name.
        service: Its definition.

    """

    weight = 10

    def __init__(self, run: Run, name: str, service: types.Service) -> None:
        stage = run.stage
        self._run, self._service = run, service
        self.task = service_task(name)
        self._image_task = image_task(stage, service)
        self._volumes = {volume: stage.site.volumes[volume].named_hosts for volume in service.named_volumes}
        recorded = recorded_networks(stage, run.state, name)
        networks = (network_task(network) for network in recorded if network != HOST_NETWORK)
        self.needs = (*networks, *docker_names.tasks_of(service), self._image_task)
        self.after = tuple(self._tasks_before())
        self.containers = swarm_tasks(run.stage)
        self.doc = f"service {name}"
        self.paths = {
            "service.": f"services.{name}.",
            "secret.": "the content of secret ",
            "config.": "the content of config ",
        }

    def _tasks_before(self) -> Iterator[str]:
        """Yield the tasks that only have to be done before it."""
        stage = self._run.stage
        for host in stage.hives:
            yield from (setup_task(host.short, step) for step in ("swarm", "node_labels", "trust"))
        # Its tasks move from a host that leaves before any of them is updated.
        yield from former_member_tasks(self._run)
        yield from service_volume_tasks(stage, self._service)
        if leaves_ports_open(stage):
            yield PORTS_TASK
        # A service that another one depends on is done when it is healthy.
        yield from map(service_task, depends_on(stage, self._service))
        yield vault_task(self._run.stage)

    @cached_property
    def _rendered(self) -> RenderedService:
        """The definition without templates, rendered once, so that the inputs are those that are deployed."""
        return renderer_of(self._run).service(self.name)

    @cached_property
    def _networks(self) -> dict[str, list[str]]:
        """The networks that it joins, each with its further names there."""
        return joined_networks(self._run, self.name, self._service)

    def _parts(self) -> ServiceParts:
        """Return the real things that the service is made from, by the records of their tasks."""
        run, names = self._run, docker_names.docker_names_of(self._run)
        return ServiceParts(
            image=run.state.record(self._image_task, ImageRecord).reference,
            networks={name: _network_id(run.state, name) for name in self._networks},
            secrets=docker_names.secret_parts(names, run.state, self._service),
            configs=docker_names.config_parts(names, run.state, self._service),
            environment=self._rendered.environment,
            ports=published_ports(run.stage, run.state, self.name),
        )

    def inputs(self) -> Inputs:
        """Return the definition without templates, and the real things that it is made from."""
        run, service, parts = self._run, self._service, self._parts()
        own = {
            k: v
            for k, v in definition(_without_open_to(self._rendered.service)).items()
            if k not in _NOT_INPUTS
        }
        environment = {
            name: secret.fingerprint(run.secrets.pepper) for name, secret in parts.environment.items()
        }
        networks = {name: [id_, self._networks[name]] for name, id_ in parts.networks.items()}
        return {
            "image": parts.image.rpartition("@")[2],
            # The hives pull with the password that came with the service. A job has pulled, and must not run again.
            **({} if service.is_job else {"registry": self._registry_password()}),
            **flatten("service", own),
            **{f"service.environment.{name}": digest for name, digest in environment.items()},
            **flatten("network", networks),
            **docker_names.inputs_of(service, parts.secrets, parts.configs),
            **flatten("port", port_labels(service, parts.ports)),
            **flatten("volume", self._volumes),
        }

    def _registry_password(self) -> str:
        """Return a digest of the registry's password."""
        secrets = self._run.secrets.vault.stage
        return secrets.fingerprint(secrets.registry_password)

    def ensure(self, work: Work) -> ServiceRecord:
        """Deploy the service and wait until it runs; restore its last good revision if it does not.

        Raises:
            ServiceError: It does not run.

        """
        from remote.swarm.convergence import NotRunningError
        from remote.swarm.services import ensure_service

        run = self._run
        preflight(run, work.task, work.log)
        _, client = run.connections.manager()
        client.api.reload_config(docker_config(run.stage, run.state, run.secrets))
        with silenced_service(run, self.name, f"service {self.name} is deployed", work.log):
            number, changed = ensure_service(
                client, self._spec(work.key), work.log, lambda image: not self._unusable(image)
            )
            if changed:
                run.progress.redeployed.add(self.name)
            wait = self._waiting(work.log, changed=changed)
            try:
                wait(labels=self._keep)
            except NotRunningError as error:
                if not changed:
                    raise
                raise ServiceError(f"{error}\n    {self._put_back(client, wait, work.log)}") from error
        run.progress.deployed = True
        return ServiceRecord(id=number)

    def recall(self, work: Work) -> ServiceRecord | None:
        """Return the service that runs as it should."""
        if self.real(work.key) is not None:
            return None
        return ServiceRecord(id=self._run.live_state.swarm.services[self.name]["ID"])

    def _spec(self, key: str) -> dict[str, Any]:
        """Return the specification that the swarm gets."""
        stage, parts = self._run.stage, self._parts()
        labels = {**stage.labels, NAME_LABEL: self.name, KEY_LABEL: key}
        labels |= port_labels(self._service, parts.ports)
        return service_spec(self.name, self._rendered.service, stage, parts, labels)

    def _waiting(self, log: Log, *, changed: bool) -> Callable[..., None]:
        """Return a function that waits until the service runs."""
        from remote.swarm.convergence import ConvergencePolicy, wait_until_converged

        run, service = self._run, self._service
        policy = ConvergencePolicy(
            time_to_run(service, len(run.stage.hives), run.stage.site.images),
            service.update_config.monitor,
            partial(run.coordination.idle, "the swarm to run it"),
        )
        return partial(
            wait_until_converged,
            run.connections.swarm_poller,
            self.name,
            policy,
            partial(log_tail, run.stage, run.state, run.connections),
            log,
            changed=changed,
        )

    def _put_back(self, client: "DockerClient", wait: Callable[[], None], log: Log) -> str:
        """Restore the service's last good revision, unless the swarm did; return the outcome in words."""
        from remote.swarm.restore import restore_service

        run, name = self._run, self.name
        try:
            revision = restore_service(
                client, name, run.stage.labels, lambda: secret_environment(renderer_of(run), name), log
            )
            if revision is None:
                return f"{_NO_REVISION}: it stays as it is until the next run"
            run.progress.redeployed.discard(name)
            if not revision:
                return "it runs as before the change"
            wait()
        except SkepError as error:
            return f"it could not be restored: {error}"
        return f"{revision} was restored and runs"

    def _keep(self, service: Json) -> dict[str, str]:
        """Keep the service's revision, now that it is seen to run; return the label with its number.

        One that has the label is kept already. One without may have been deployed by a run that did not see it run.
        """
        if REVISION_LABEL in labels_of(service):
            return {}
        store = self._run.connections.shared(
            RevisionStore, partial(_revision_store, self._run.stage, self._run.state)
        )
        number = store.keep(service, self._rendered.environment)
        self._run.progress.revisions[self.name] = number
        return {REVISION_LABEL: str(number)}

    def real(self, key: str) -> str | None:
        """Compare with the service in the swarm, and its image's registry with the stage's hosts."""
        state = self._run.live_state
        problem = state.service(self.name, key)
        found = state.swarm.services.get(self.name)
        if problem or found is None or self._service.is_job:
            return problem
        template = found["Spec"].get("TaskTemplate") or {}
        image = str((template.get("ContainerSpec") or {}).get("Image", ""))
        return self._unusable(image) or None

    def _unusable(self, image: str) -> str:
        """Return why nobody can pull by an image's reference any more: the registry that it names does not run."""
        stage = self._run.stage
        if stage.in_registry(image) is None:
            return ""
        registry, host = image.partition("/")[0], stage.registry_host(image)
        if host is None:
            return f"its image is in the registry {registry}, whose host left the stage"
        seen = self._run.live_state.host(host)
        # A former repository that was made anew runs none; one that does not answer may.
        if host.is_repository or seen.error or REGISTRY in seen.steps:
            return ""
        return f"its image is in the registry {registry}, which does not run any more"

    def effect(self, changed: Names) -> str:
        """Return REPLACE for another mode, else CHANGE."""
        return REPLACE if "service.mode" in changed else CHANGE

    def inspect(self, changed: Names) -> Finding:
        """Tell a service that is updated from one whose mode has to be another."""
        del changed
        mode = self._run.live_state.swarm.services.get(self.name, {}).get("Spec", {}).get("Mode", {})
        if mode and MODES[self._service.mode] not in mode:
            return Finding(REPLACE, "its mode can't be changed in place")
        return Finding(CHANGE)


def _network_id(state: State, name: str) -> str:
    """Return a network's id; the engine knows the host's own by its name."""
    return name if name == HOST_NETWORK else state.record(network_task(name), FactRecord).id


def _without_open_to(service: types.Service) -> types.Service:
    """Return a service without whom its ports are open to: that is the firewalls' alone."""
    ports = [replace(port, open_to=[]) for port in service.ports]
    return replace(service, ports=ports) if ports != service.ports else service


def _revision_store(stage: Stage, state: State, client: "DockerClient") -> "RevisionStore":
    """Return the store of the stage's services' revisions."""
    networks = {
        record.id: name
        for name in (*stage.networks, *stage.external_networks)
        if (record := state.read(network_task(name), FactRecord)) is not None
    }
    return RevisionStore(client, stage.labels, stage.site.registry.keep, networks)


def secret_environment(renderer: StageRenderer, name: str) -> list[str]:
    """Return the lines `NAME=value` of a service's environment that a secret is in, as they are today."""
    made = renderer.service(name).environment
    return [f"{variable}={value.reveal()}" for variable, value in made.items()]


def docker_config(stage: Stage, state: State, secrets: Secrets) -> str:
    """Write the registry's password as Docker's own configuration file, and return its path.

    The SDK reads credentials from such a file, and hands them to the hives with the service.
    """
    login = f"{REGISTRY_USER}:{secrets.vault.stage.registry_password.reveal()}"
    path = state.secrets / "docker.json"
    auth = {"auth": base64.b64encode(login.encode()).decode()}
    # Services that were deployed before the registry moved have its former name.
    auths = {f"{host.name}:{REGISTRY_PORT}": auth for host in stage.hosts}
    write_whole(path, json.dumps({"auths": auths}).encode(), mode=0o600)
    return str(path)


def log_tail(
    stage: Stage, state: State, connections: Connections, node: str, container: str
) -> tuple[str, list[str]]:
    """Return the host of a node of the swarm, and the last words of a container there; see `LogTail`."""
    for host in stage.hives:
        record = state.read(swarm_task(host.short), SwarmRecord)
        if record is None or record.node != node:
            continue
        if not container:
            return host.short, []
        try:
            from remote.engine.client import engine_errors

            with engine_errors(host.short, "reading a container's log", ServiceError):
                api = connections.engine(host).api
                health = failed_check(api.inspect_container(container))
                text = str(api.logs(container, tail=LOG_LINES), errors="replace")
        except SkepError as error:
            return host.short, [f"(its log can't be read: {error})"]
        return host.short, [*health, *(f"| {line}" for line in text.splitlines())]
    return f"node {node}", []


def failed_check(container: Json) -> list[str]:
    """Return the outcome of a container's last health check, if that failed: its exit status and its last lines.

    A status of -1 is the engine's own: the check took too long, or could not be started.
    """
    health = (container.get("State") or {}).get("Health") or {}
    log = health.get("Log") or []
    if not log or not log[-1].get("ExitCode"):
        return []
    status, output = log[-1]["ExitCode"], str(log[-1].get("Output", ""))
    lines = [line.rstrip() for line in output.splitlines() if line.strip()][-HEALTH_LINES:]
    how = (
        "its health check could not be done"
        if status == -1
        else f"its health check failed with exit status {status}"
    )
    # A streak begins when start_period is over. The container's own start may still install the program: all but the
    # last of the check's tries are left to it.
    check = (container.get("Config") or {}).get("Healthcheck") or {}
    enough = max(1, (check.get("Retries") or _RETRIES) - 1)
    cant_run = status in _NOT_RUN or (status == -1 and _NOT_THERE in output)
    if cant_run and health.get("FailingStreak", 0) >= enough:
        how = CHECK_CANT_RUN
    return [f"{how}{':' if lines else ''}", *(f"| {line}" for line in lines)]
