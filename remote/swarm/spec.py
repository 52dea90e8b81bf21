"""Definitions of images and services as Docker's API takes them. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model import site as types
from model.json_types import Json
from model.keys.digest import canonical, sha256
from model.labels import DISCONNECTED_LABEL, MOVING_LABEL, NAME_LABEL, SPEC_LABEL, VOLUME_LABEL, labels_of
from model.secrets.secret import Secret
from model.site import PublishedPort
from model.site.services import SHARED_MEMORY
from model.stage import Stage, scalar_text, sysctl_name, sysctl_text
from model.swarm.backup_stop import as_before_backup
from model.swarm.spread import without_extra
from remote.images import systemd

MODES = {
    "replicated": "Replicated",
    "global": "Global",
    "replicated-job": "ReplicatedJob",
    "global-job": "GlobalJob",
}
"""A service's `mode` to Docker's name for it."""
JOBS = {"ReplicatedJob", "GlobalJob"}
_INIT_TMPFS = ("/run", "/run/lock", "/tmp")  # noqa: S108 - where systemd wants them


def words(command: str | list[str] | None) -> list[str] | None:
    """Return a command as words; a text is one for the shell."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else command


def environment(table: Mapping[str, types.Scalar]) -> list[str]:
    """Return an environment as `NAME=value`, by name: the order of a table's keys means nothing."""
    return [f"{name}={scalar_text(table[name])}" for name in sorted(table)]


def healthcheck(check: types.Healthcheck | None) -> Json | None:
    """Return a health check."""
    if check is None:
        return None
    if not check.test:
        return {"Test": ["NONE"]}
    return {
        "Test": ["CMD-SHELL", check.test] if isinstance(check.test, str) else ["CMD", *check.test],
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "Retries": check.retries,
        "StartPeriod": _nanoseconds(check.start_period),
        # Where it is not said there is no such key: those that were made before there was one are as wanted.
        **({"StartInterval": _nanoseconds(check.start_interval)} if check.start_interval else {}),
    }


def _nanoseconds(seconds: float) -> int:
    """Return a duration in the unit of Docker's API."""
    return round(seconds * 1_000_000_000)


def image_config(image: types.Image) -> Json:
    """Return the parts of an image's configuration that its definition sets."""
    # An entrypoint of its own makes the base's command meaningless, as in a Dockerfile.
    command = words(image.command) if image.command is not None or image.entrypoint is None else []
    return _given(
        {
            "Env": environment(image.env) or None,
            "Entrypoint": words(image.entrypoint),
            "Cmd": command,
            "User": image.user,
            "WorkingDir": image.working_dir,
            "StopSignal": image.stop_signal,
            "ExposedPorts": {port: {} for port in image.expose} or None,
            "Healthcheck": healthcheck(image.healthcheck),
        }
    )


@dataclass(frozen=True)
class ServiceParts:
    """The other resources that a service's specification refers to.

    Args:
        image: The reference with digest that it runs.
        networks: Network name to id.
        secrets: Name in `[secrets]` to the Docker secret's name and id.
        configs: Name in `[configs]` to the Docker config's name and id, and whether that is a Docker secret.
        environment: The environment variables that hold a secret.
        ports: Its published ports, those that were chosen among them.

    """

    image: str
    networks: Mapping[str, str]
    secrets: Mapping[str, tuple[str, str]]
    configs: Mapping[str, tuple[str, str, bool]] = field(default_factory=dict)
    environment: Mapping[str, Secret] = field(default_factory=dict)
    ports: Sequence[PublishedPort] = ()


def service_spec(
    name: str, service: types.Service, stage: Stage, parts: ServiceParts, labels: Mapping[str, str]
) -> Json:
    """Return a service's whole specification.

    Args:
        name: The service's name.
        service: Its definition.
        stage: The stage.
        parts: The other resources that it refers to.
        labels: Labels beside those of its definition.

    """
    return {
        "Name": name,
        "Labels": {**{key: _label(value) for key, value in service.labels.items()}, **labels},
        "TaskTemplate": _given(
            {
                "ContainerSpec": _container(service, stage, parts),
                "Resources": _resources(service),
                "RestartPolicy": {
                    "Condition": _condition(service),
                    "Delay": _nanoseconds(service.restart_config.delay),
                    "MaxAttempts": service.restart_config.max_attempts,
                    "Window": _nanoseconds(service.restart_config.window),
                },
                "Placement": _given(
                    {
                        "Constraints": constraints(service, stage) or None,
                        "Preferences": [
                            {"Spread": {"SpreadDescriptor": label}} for label in service.placement.preferences
                        ]
                        or None,
                        "MaxReplicas": service.placement.max_replicas_per_node,
                    }
                ),
                "Networks": [
                    _given({"Target": parts.networks[name], "Aliases": service.networks.get(name) or None})
                    for name in service.networks or parts.networks
                ],
                "LogDriver": _logging(service.logging),
            }
        ),
        "Mode": _mode(service),
        # A job has neither; the engine refuses it.
        "UpdateConfig": None if service.is_job else _rollout(service.update_config),
        "RollbackConfig": None if service.is_job else _rollout(service.rollback_config),
        "EndpointSpec": {
            "Mode": service.endpoint_mode,
            "Ports": [
                {
                    "Protocol": port.protocol,
                    "TargetPort": port.target,
                    "PublishedPort": port.published,
                    "PublishMode": port.mode,
                }
                # In the network of its host a container's ports are the host's: there is nothing to publish.
                for port in (() if service.is_on_host_network else parts.ports)
            ],
        },
    }


def _condition(service: types.Service) -> str:
    """Return when a task that ended is started again; a job's that ended well never is."""
    condition = service.restart_config.condition
    return "on-failure" if service.is_job and condition == "any" else condition


def _mode(service: types.Service) -> Json:
    """Return a service's mode, with the number of its tasks."""
    if service.mode == "replicated":
        return {"Replicated": {"Replicas": service.replicas}}
    if service.mode == "replicated-job":
        at_a_time = service.max_concurrent or service.replicas
        return {"ReplicatedJob": {"MaxConcurrent": at_a_time, "TotalCompletions": service.replicas}}
    return {MODES[service.mode]: {}}


def _rollout(config: types.UpdateConfig | types.RollbackConfig) -> Json:
    """Return how an update or a rollback replaces tasks."""
    return {
        "Parallelism": config.parallelism,
        "Delay": _nanoseconds(config.delay),
        "FailureAction": config.failure_action,
        "Monitor": _nanoseconds(config.monitor),
        "MaxFailureRatio": config.max_failure_ratio,
        "Order": config.order,
    }


def _logging(logging: types.Logging | None) -> Json | None:
    """Return a service's log driver."""
    if logging is None:
        return None
    return {"Name": logging.driver, "Options": {n: scalar_text(v) for n, v in logging.options.items()}}


def spec_digest(spec: Json) -> str:
    """Return the digest of a service's specification without its labels, and with its own number of tasks.

    A backup that has stopped it changes that, and a rebalance that is at it.
    """
    own = without_extra(as_before_backup(spec))
    return sha256(canonical({name: value for name, value in own.items() if name != "Labels"}))


def is_changed_by_others(spec: Json) -> bool:
    """Return whether somebody else changed a service since it was seen to run, when it got a label with its digest.

    Without that label it is being deployed. What skep itself does to a service for a while, as it moves a volume or
    renews a network, has a label of its own; a backup that has stopped it leaves the rest as it was.

    Args:
        spec: The specification that the service has in the swarm.

    """
    labels = labels_of(spec)
    if any(label.startswith((MOVING_LABEL, DISCONNECTED_LABEL)) for label in labels):
        return False
    return labels.get(SPEC_LABEL) not in {None, spec_digest(spec)}


def constraints(service: types.Service, stage: Stage) -> list[str]:
    """Return a service's placement constraints: its own, and the hosts that hold its volumes and bind mounts."""
    held = [
        f"node.labels.{VOLUME_LABEL}{name}==true"
        for name in service.named_volumes
        if stage.site.volumes[name].named_hosts
    ]
    bound = [f"node.labels.{NAME_LABEL}=={mount.hive}" for mount in service.volumes if mount.hive]
    return [*service.placement.constraints, *dict.fromkeys([*held, *bound])]


def _container(service: types.Service, stage: Stage, parts: ServiceParts) -> Json:
    """Return the specification of a service's containers."""
    return _given(
        {
            "Image": parts.image,
            "Labels": {name: scalar_text(value) for name, value in service.container_labels.items()} or None,
            "Command": ["/bin/sh", "-c", systemd.START] if service.standalone else words(service.entrypoint),
            "Args": words(service.command),
            "Env": environment(
                {
                    **(systemd.ENVIRONMENT if service.standalone else {}),
                    **service.environment,
                    **_revealed(parts.environment),
                }
            )
            or None,
            "Hostname": service.hostname,
            "TTY": service.tty or None,
            "User": service.user,
            "Dir": service.working_dir,
            "StopSignal": service.stop_signal or (systemd.STOP_SIGNAL if service.standalone else None),
            "StopGracePeriod": _nanoseconds(service.stop_grace_period),
            "Init": service.init or None,
            "ReadOnly": service.read_only or None,
            "CapabilityAdd": _capabilities(service) or None,
            "CapabilityDrop": service.cap_drop or None,
            "Sysctls": {sysctl_name(name): sysctl_text(value) for name, value in service.sysctls.items()}
            or None,
            "Hosts": [f"{address} {name}" for name, address in service.hosts.items()] or None,
            "Ulimits": [
                {"Name": name, "Soft": limit.soft, "Hard": limit.hard}
                for name, limit in sorted(service.ulimits.items())
            ]
            or None,
            "DNSConfig": _given(
                {
                    "Nameservers": service.dns or None,
                    "Search": service.dns_search or None,
                    "Options": service.dns_options or None,
                }
            )
            or None,
            "HealthCheck": healthcheck(service.healthcheck),
            "Mounts": [
                *(_mount(mount, stage) for mount in service.volumes),
                *_init_mounts(service),
                *_shared_memory(service),
            ]
            or None,
            "Secrets": _secrets(service, parts) or None,
            "Configs": _configs(service, parts, are_secret=False) or None,
        }
    )


def _revealed(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Return secrets in clear: from here they go to the engine and nowhere else."""
    return {name: secret.reveal() for name, secret in secrets.items()}


def _capabilities(service: types.Service) -> list[str]:
    """Return the capabilities that its containers have beyond Docker's defaults."""
    of_init = systemd.CAPABILITIES if service.standalone else ()
    return list(
        dict.fromkeys([*service.cap_add, *(name for name in of_init if name not in service.cap_drop)])
    )


def _shared_memory(service: types.Service) -> list[Json]:
    """Return the mount of `/dev/shm`, if its size is given: the swarm has no other setting for it."""
    if service.shm_size is None:
        return []
    options = {"SizeBytes": service.shm_size, "Mode": 0o1777}
    return [{"Type": "tmpfs", "Target": SHARED_MEMORY, "ReadOnly": False, "TmpfsOptions": options}]


def _mount(mount: types.Mount, stage: Stage) -> Json:
    """Return a mount."""
    tmpfs = _given(
        {
            "SizeBytes": mount.tmpfs_size,
            "Mode": int(mount.tmpfs_mode, 8) if mount.tmpfs_mode is not None else None,
        }
    )
    return _given(
        {
            "Type": mount.type,
            "Target": mount.target,
            "ReadOnly": mount.readonly,
            "Source": stage.docker_volume(mount.source)
            if mount.type == "volume" and mount.source
            else mount.source,
            "TmpfsOptions": tmpfs or None,
            "BindOptions": {"Propagation": mount.propagation} if mount.propagation is not None else None,
            "VolumeOptions": {"NoCopy": True} if mount.no_copy else None,
        }
    )


def _init_mounts(service: types.Service) -> list[Json]:
    """Return systemd's own mounts, but for paths that the service mounts itself."""
    mounted = {mount.target.rstrip("/") for mount in service.volumes}
    wanted = [path for path in _INIT_TMPFS if path not in mounted] if service.standalone else []
    return [{"Type": "tmpfs", "Target": path, "ReadOnly": False} for path in wanted]


def _secrets(service: types.Service, parts: ServiceParts) -> list[Json]:
    """Return the Docker secrets of its containers: its secrets, and the configs that hold a secret."""
    return [
        *(_file("Secret", *parts.secrets[use.source], use) for use in service.secrets),
        *_configs(service, parts, are_secret=True),
    ]


def _configs(service: types.Service, parts: ServiceParts, *, are_secret: bool) -> list[Json]:
    """Return the configs of its containers that hold a secret, or those that hold none."""
    configs = [(*parts.configs[use.source], use) for use in service.configs]
    kind = "Secret" if are_secret else "Config"
    return [_file(kind, name, of, use) for name, of, is_secret, use in configs if is_secret == are_secret]


def _file(kind: str, docker_name: str, docker_id: str, use: types.SecretUse | types.ConfigUse) -> Json:
    """Return a Docker secret or config as a file."""
    own = use.source if isinstance(use, types.SecretUse) else f"/{use.source}"
    return {
        f"{kind}Name": docker_name,
        f"{kind}ID": docker_id,
        "File": {
            "Name": use.target or own,
            "UID": str(use.uid),
            "GID": str(use.gid),
            "Mode": int(use.mode, 8),
        },
    }


def _resources(service: types.Service) -> Json | None:
    """Return the limits of a service's containers, and the reservations that a hive must have to spare."""
    return (
        _given(
            {
                "Limits": _amounts(service.cpu_limit, service.mem_limit) or None,
                "Reservations": _amounts(service.cpu_reservation, service.mem_reservation) or None,
            }
        )
        or None
    )


def _amounts(cpus: float | None, memory: int | None) -> Json:
    """Return amounts of CPU and memory, as far as they are given."""
    return _given(
        {
            "NanoCPUs": round(cpus * 1e9) if cpus else None,
            "MemoryBytes": memory or None,
        }
    )


def _label(value: object) -> str:
    """Return a label's value: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _given(parts: Json) -> Json:
    """Return an object without the names whose value is None."""
    return {name: value for name, value in parts.items() if value is not None}
