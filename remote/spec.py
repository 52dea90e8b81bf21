"""Definitions of images and services in the words of Docker's API. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model import site as types
from model.checks import ports
from model.digest import canonical, sha256
from model.secret import Secret
from model.stage import Stage, scalar, service_networks
from model.units import nanoseconds, size

Json = dict[str, Any]


def words(command: str | list[str] | None) -> list[str] | None:
    """Return a command as words; a text is one for the shell."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else command


def environment(table: Mapping[str, types.Scalar]) -> list[str]:
    """Return an environment as `NAME=value`, by name: the order of a table's keys means nothing."""
    return [f"{name}={scalar(table[name])}" for name in sorted(table)]


def healthcheck(check: types.Healthcheck | None) -> Json | None:
    """Return a health check."""
    if check is None:
        return None
    return {
        "Test": ["CMD-SHELL", check.test] if isinstance(check.test, str) else ["CMD", *check.test],
        "Interval": nanoseconds(check.interval),
        "Timeout": nanoseconds(check.timeout),
        "Retries": check.retries,
        "StartPeriod": nanoseconds(check.start_period),
    }


def image_config(image: types.Image) -> Json:
    """Return an image's configuration; what its definition does not say is left out."""
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
            "ExposedPorts": {str(port) if "/" in str(port) else f"{port}/tcp": {} for port in image.expose}
            or None,
            "Healthcheck": healthcheck(image.healthcheck),
        }
    )


@dataclass(frozen=True)
class ServiceParts:
    """What a service's specification needs of other resources.

    Args:
        image: The reference with digest that it runs.
        networks: Network name to id.
        secrets: Name in `[secrets]` to the Docker secret's name and id.
        environment: Those environment variables that a secret is in.

    """

    image: str
    networks: Mapping[str, str]
    secrets: Mapping[str, tuple[str, str]]
    environment: Mapping[str, Secret] = field(default_factory=dict)


def service_spec(
    name: str, service: types.Service, stage: Stage, parts: ServiceParts, labels: Mapping[str, str]
) -> Json:
    """Return a service's whole specification.

    Args:
        name: The service's name.
        service: Its definition.
        stage: The stage.
        parts: What it needs of other resources.
        labels: Labels beside those of its definition.

    """
    return {
        "Name": name,
        "Labels": {**{key: _label(value) for key, value in service.labels.items()}, **labels},
        "TaskTemplate": _given(
            {
                "ContainerSpec": _container(service, parts),
                "Resources": _resources(service),
                "RestartPolicy": {
                    "Condition": service.restart_config.condition,
                    "Delay": nanoseconds(service.restart_config.delay),
                    "MaxAttempts": service.restart_config.max_attempts,
                    "Window": nanoseconds(service.restart_config.window),
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
                    _given({"Target": parts.networks[network], "Aliases": aliases or None})
                    for network, aliases in service_networks(service, stage.networks).items()
                ],
            }
        ),
        "Mode": {"Global": {}}
        if service.mode == "global"
        else {"Replicated": {"Replicas": service.replicas}},
        "UpdateConfig": {
            "Parallelism": service.update_config.parallelism,
            "Delay": nanoseconds(service.update_config.delay),
            "FailureAction": service.update_config.failure_action,
            "Monitor": nanoseconds(service.update_config.monitor),
            "Order": service.update_config.order,
        },
        "EndpointSpec": {
            "Mode": service.endpoint_mode,
            "Ports": [
                {
                    "Protocol": port.protocol,
                    "TargetPort": port.target,
                    "PublishedPort": port.published,
                    "PublishMode": port.mode,
                }
                for port in ports(service)
            ],
        },
    }


def spec_digest(spec: Mapping[str, Any]) -> str:
    """Return the digest of what a service's specification says beside its labels."""
    return sha256(canonical({name: value for name, value in spec.items() if name != "Labels"}))


def constraints(service: types.Service, stage: Stage) -> list[str]:
    """Return where a service may run: what it says, and the hosts that hold its volumes."""
    held = [
        f"node.labels.skep.volume.{mount.source}==true"
        for mount in service.volumes
        if mount.type == "volume" and mount.source and stage.site.volumes[mount.source].hosts
    ]
    return [*service.placement.constraints, *dict.fromkeys(held)]


def _container(service: types.Service, parts: ServiceParts) -> Json:
    """Return what a service's containers are like."""
    return _given(
        {
            "Image": parts.image,
            "Command": words(service.entrypoint),
            "Args": words(service.command),
            "Env": environment({**service.environment, **_revealed(parts.environment)}) or None,
            "User": service.user,
            "Dir": service.working_dir,
            "StopSignal": service.stop_signal,
            "StopGracePeriod": nanoseconds(service.stop_grace_period),
            "Init": service.init or None,
            "ReadOnly": service.read_only or None,
            "CapabilityAdd": service.cap_add or None,
            "CapabilityDrop": service.cap_drop or None,
            "Sysctls": {name: scalar(value) for name, value in service.sysctls.items()} or None,
            "Hosts": [f"{address} {name}" for name, address in service.hosts.items()] or None,
            "DNSConfig": {"Nameservers": service.dns} if service.dns else None,
            "HealthCheck": healthcheck(service.healthcheck),
            "Mounts": [_mount(mount) for mount in service.volumes] or None,
            "Secrets": [_secret(name, *parts.secrets[name]) for name in service.secrets] or None,
        }
    )


def _revealed(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Return secrets in clear: from here they go to the engine and nowhere else."""
    return {name: secret.reveal() for name, secret in secrets.items()}


def _mount(mount: types.Mount) -> Json:
    """Return a mount."""
    made: Json = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.readonly}
    if mount.source is not None:
        made["Source"] = mount.source
    if mount.tmpfs_size is not None:
        made["TmpfsOptions"] = {"SizeBytes": size(mount.tmpfs_size)}
    return made


def _secret(name: str, docker_name: str, docker_id: str) -> Json:
    """Return a secret as a file `/run/secrets/<name>`, which only root reads."""
    return {
        "SecretName": docker_name,
        "SecretID": docker_id,
        "File": {"Name": name, "UID": "0", "GID": "0", "Mode": 0o400},
    }


def _resources(service: types.Service) -> Json | None:
    """Return the limits of a service's containers."""
    limits = _given(
        {
            "NanoCPUs": round(service.cpu_limit * 1e9) if service.cpu_limit else None,
            "MemoryBytes": size(service.mem_limit) if service.mem_limit else None,
        }
    )
    return {"Limits": limits} if limits else None


def _label(value: object) -> str:
    """Return a label's value; what is no text is JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _given(parts: Mapping[str, Any]) -> Json:
    """Return the parts that are given."""
    return {name: value for name, value in parts.items() if value is not None}
