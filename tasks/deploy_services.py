"""Phase 6: services with their files, each service by its image's digest, waited for until it runs."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from model import site as types
from model.errors import ServiceError, SkepError
from model.json_types import Json
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import FactRecord, ImageRecord, ServiceRecord, SwarmRecord
from model.labels import KEY_LABEL, NAME_LABEL, REVISION_LABEL, labels_of
from model.log import Log
from model.stage import Stage, service_networks
from model.templates import Rendered
from remote.mother.files import write_whole
from remote.swarm.spec import ServiceParts, service_spec
from tasks.names import (
    PORTS_TASK,
    image_task,
    network_task,
    service_task,
    service_volume_tasks,
    swarm_task,
    vault_task,
)
from tasks.run.context import Run
from tasks.services import port_allocation, secrets_configs
from tasks.services.preflight import preflight
from tasks.services.rendering import rendered
from tasks.step import Step, Work

if TYPE_CHECKING:
    from docker import DockerClient

    from model.json_types import Json
    from remote.swarm.revisions import RevisionStore

PHASE = secrets_configs.PHASE
DOC = "deploy the services, and wait until they run"
LOG_LINES = 10
_NOT_INPUTS = {
    "depends_on",
    "available_on",
    "try",
    "converge_timeout",
    "initialize_roles",
    "networks",
    "secrets",
    "configs",
    "image",
}
"""What says how to deploy, or is an input in another form."""


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each secret, each config and each service of the stage."""
    if port_allocation.is_open(run.stage):
        yield port_allocation.step(run)
    yield from secrets_configs.steps(run)
    for name, service in run.stage.services.items():
        yield _service_step(run, name, service)


# -- services --------------------------------------------------------------------------------------------------------


def depends_on(stage: Stage, service: types.Service) -> list[str]:
    """Return the services of the stage that a service is started after."""
    return [name for name in service.depends_on if name in stage.services]


def _service_step(run: Run, name: str, service: types.Service) -> Step:
    """Return the step that deploys one service."""
    stage = run.stage
    image = image_task(stage, service)
    networks = tuple(network_task(n) for n in service_networks(service, stage.networks))
    files = secrets_configs.tasks_of(service)
    volumes = service_volume_tasks(stage, service)
    hives = (f"setup_hosts:{host.short}." for host in stage.hives)
    ready = tuple(f"{hive}{step}" for hive in hives for step in ("swarm", "node_labels", "trust"))
    chosen = (PORTS_TASK,) if port_allocation.is_open(stage) else ()

    def parts(made: Rendered) -> ServiceParts:
        return ServiceParts(
            image=run.state.record(image, ImageRecord).reference,
            networks={
                n: run.state.record(network_task(n), FactRecord).id
                for n in service_networks(service, stage.networks)
            },
            secrets=secrets_configs.secret_parts(run, service),
            configs=secrets_configs.config_parts(run, service),
            environment=made.environment,
            ports=port_allocation.published_ports(run, name),
        )

    def registry() -> str:
        return run.secrets.vault.stage.fingerprint(run.secrets.vault.stage.registry_password)

    def inputs() -> Inputs:
        made = rendered(run, name)
        needed = parts(made)
        said = {k: v for k, v in definition(made.service).items() if k not in _NOT_INPUTS}
        return {
            "image": needed.image.rpartition("@")[2],
            # The hives pull with the password that came with the service. A job has pulled, and must not run again.
            **({} if service.mode.endswith("-job") else {"registry": registry()}),
            **flatten("service", said),
            **{
                f"service.environment.{variable}": secret.fingerprint(run.secrets.pepper)
                for variable, secret in needed.environment.items()
            },
            **flatten(
                "network",
                {n: [i, service_networks(service, stage.networks)[n]] for n, i in needed.networks.items()},
            ),
            **secrets_configs.inputs_of(service, needed.secrets, needed.configs),
            **flatten("port", port_allocation.port_labels(service, needed.ports)),
            **flatten(
                "volume",
                {
                    m.source: list(stage.site.volumes[m.source].hosts)
                    for m in service.volumes
                    if m.type == "volume" and m.source
                },
            ),
        }

    def ensure(work: Work) -> ServiceRecord:
        from remote.swarm.convergence import ConvergencePolicy, NotRunningError, wait_until_converged
        from remote.swarm.services import ensure_service

        preflight(run, work.task, work.log)
        _, client = run.connections.manager()
        client.api.reload_config(str(docker_config(run)))
        made = rendered(run, name)
        needed = parts(made)
        labels = {**stage.labels, NAME_LABEL: name, KEY_LABEL: work.key}
        labels |= port_allocation.port_labels(service, needed.ports)
        spec = service_spec(name, made.service, stage, needed, labels)
        number, changed = ensure_service(client, spec, work.log)
        if changed:
            run.progress.redeployed.add(name)
        patience = ConvergencePolicy(
            service.converge_timeout, service.update_config.monitor, run.coordination.idle
        )
        wait = partial(
            wait_until_converged,
            run.connections.swarm_poller,
            name,
            patience,
            partial(log_tail, run),
            work.log,
            changed=changed,
        )
        try:
            wait(labels=lambda found: _kept(run, found, needed.environment))
        except NotRunningError as error:
            if not changed:
                raise
            raise ServiceError(f"{error}\n    {_undo(run, client, name, wait, work.log)}") from error
        run.progress.deployed = True
        return ServiceRecord(id=number)

    return Step(
        PHASE,
        name,
        ensure,
        inputs,
        real=lambda key: run.live_state.service(name, key),
        needs=(*networks, *files, image),
        # A service that another one depends on is done when it is healthy.
        after=(
            *ready,
            *volumes,
            *chosen,
            *map(service_task, depends_on(stage, service)),
            vault_task(run.stage),
        ),
        doc=f"service {name}",
    )


def _undo(run: Run, client: "DockerClient", name: str, wait: Callable[[], None], log: Log) -> str:
    """Put a service back to what it last ran well with, where the swarm has not; return what became of it."""
    from remote.swarm.restore import restore_service

    try:
        said = restore_service(client, name, run.stage.labels, lambda: secret_environment(run, name), log)
        if said is None:
            return "there is nothing that it ran well with before, to go back to: it stays as it is until the next run"
        run.progress.redeployed.discard(name)
        if not said:
            return "it is again what it was before"
        wait()
    except SkepError as error:
        return f"it could not be put back to what it was before: {error}"
    return f"{said} was put back, and runs"


def _kept(run: Run, found: "Json", secret: Collection[str]) -> dict[str, str]:
    """Keep what a service runs with, now that it is seen to run; return the label that says which one that is.

    One that has the label is kept already. One that has not may have been deployed by a run that did not see it run.
    """
    from remote.swarm.revisions import RevisionStore

    if REVISION_LABEL in labels_of(found):
        return {}
    return {
        REVISION_LABEL: str(run.connections.shared(RevisionStore, partial(_keeper, run)).keep(found, secret))
    }


def _keeper(run: Run, client: "DockerClient") -> "RevisionStore":
    """Return what keeps what the stage's services run with."""
    from remote.swarm.revisions import RevisionStore

    networks = {
        record.id: name
        for name in run.stage.networks
        if (record := run.state.read(network_task(name), FactRecord)) is not None
    }
    return RevisionStore(client, run.stage.labels, run.stage.site.registry.keep, networks)


def secret_environment(run: Run, name: str) -> list[str]:
    """Return the lines `NAME=value` of a service's environment that a secret is in, as they are today."""
    made = rendered(run, name).environment
    return [f"{variable}={value.reveal()}" for variable, value in made.items()]


def docker_config(run: Run) -> str:
    """Write the registry's password as Docker's own configuration file, and return its path.

    The SDK reads credentials from such a file, and hands them to the hives with the service.
    """
    import base64
    import json

    login = f"skep:{run.secrets.vault.stage.registry_password.reveal()}"
    path = run.state.secrets / "docker.json"
    auths = {run.stage.registry: {"auth": base64.b64encode(login.encode()).decode()}}
    write_whole(path, json.dumps({"auths": auths}).encode(), mode=0o600)
    return str(path)


def log_tail(run: Run, node: str, container: str) -> tuple[str, list[str]]:
    """Return the host of a node of the swarm, and the last log lines of a container there."""
    for host in run.stage.hives:
        record = run.state.read(swarm_task(host.short), SwarmRecord)
        if record is None or record.node != node:
            continue
        if not container:
            return host.short, []
        try:
            from remote.engine.client import engine_errors

            with engine_errors(host.short, "reading a container's log", ServiceError):
                text = run.connections.engine(host).api.logs(container, tail=LOG_LINES)
        except SkepError as error:
            return host.short, [f"(its log can't be read: {error})"]
        return host.short, str(text, errors="replace").splitlines()
    return f"node {node}", []
