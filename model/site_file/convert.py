"""From the tables of `site.toml` to the site: long forms, durations in seconds, sizes in bytes."""

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, structs

from model import site as types
from model.errors import ConfigError
from model.images.build_context import froms
from model.site.logs import read_logging
from model.site_file.env_files import env_file
from model.site_file.forms import age, published_port, seconds, size_in_bytes
from model.site_file.health_checks import health_test
from model.site_file.service_tables import (
    HealthcheckTable,
    MountTable,
    PortMap,
    RestartConfigTable,
    RollbackConfigTable,
    ServiceNetwork,
    ServiceTable,
    UpdateConfigTable,
)
from model.site_file.tables import (
    ImageTable,
    KickstartStageTable,
    LogsTable,
    MonitoringTable,
    SiteTable,
    StageTable,
    VagrantStageTable,
)
from model.toml_text import toml_text

_Kind = TypeVar("_Kind", bound=Struct)
_Rollout = TypeVar("_Rollout", types.UpdateConfig, types.RollbackConfig)


def site(table: SiteTable, directory: Path | None = None) -> tuple[types.Site, list[str]]:
    """Return the site that a file describes, and a line for each string that can't be read, which is left out.

    Args:
        table: The file's content.
        directory: The site's directory. Without it files of environment variables and Dockerfiles are not read.

    """
    problems: list[str] = []
    made = _with(
        types.Site,
        table,
        operators={
            name: [keys] if isinstance(keys, str) else list(keys) for name, keys in table.operators.items()
        },
        stages={name: stage(part) for name, part in table.stages.items()},
        images={name: image(part, f"images.{name}", problems) for name, part in table.images.items()},
        services={
            name: _with_logging(service(part, f"services.{name}", problems, directory), table.logs)
            for name, part in table.services.items()
        },
        monitoring=_monitoring(table.monitoring),
        logs=table.logs
        and types.Logs(keep=age(table.logs.keep), max_size=size_in_bytes(table.logs.max_size)),
        froms={},
    )
    return (structs.replace(made, froms=froms(made, directory)) if directory else made), problems


def _monitoring(table: MonitoringTable | None) -> types.Monitoring | None:
    """Return how the site watches itself, if it does."""
    return None if table is None else _with(types.Monitoring, table, retention=age(table.retention))


def _with_logging(made: types.Service, logs: LogsTable | None) -> types.Service:
    """Return a service whose log can be read on its hosts, where that is wanted and it has no logging of its own."""
    return made if logs is None or made.logging else structs.replace(made, logging=read_logging())


def stage(table: StageTable) -> types.Stage:
    """Return a stage."""
    if isinstance(table, VagrantStageTable):
        return _with(types.VagrantStage, table, boot_timeout=seconds(table.boot_timeout))
    if isinstance(table, KickstartStageTable):
        return _with(types.KickstartStage, table, install_timeout=seconds(table.install_timeout))
    return table


def image(table: ImageTable, path: str, problems: list[str]) -> types.Image:
    """Return an image.

    Args:
        table: Its table.
        path: The table's path, for problems.
        problems: Takes a line for a health check that can't be read.

    """
    return _with(
        types.Image,
        table,
        build=_build(table.build),
        roles=_roles(table.roles),
        expose=[_exposed(port) for port in table.expose],
        max_age=age(table.max_age) if table.max_age is not None else None,
        healthcheck=_healthcheck(table.healthcheck, f"{path}.healthcheck", problems),
        timeout=seconds(table.timeout),
    )


def _build(written: str | types.Build | None) -> types.Build | None:
    """Return how a Dockerfile is built."""
    if isinstance(written, str):
        return types.Build(context=written)
    return written and structs.replace(written, dockerfile=posixpath.normpath(written.dockerfile))


def service(
    table: ServiceTable, path: str, problems: list[str], directory: Path | None = None
) -> types.Service:
    """Return a service.

    Args:
        table: Its table.
        path: The table's path, for problems.
        problems: Takes a line for each port or health check that can't be read, and each network that is there twice.
        directory: The site's, where `env_file` is.

    """
    names = [use if isinstance(use, str) else use.name for use in table.networks]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    problems += [f"{path}.networks: {toml_text(name)} occurs twice" for name in twice]
    return _with(
        types.Service,
        table,
        ports=list(_ports(table.ports, f"{path}.ports", problems)),
        networks=_networks(table.networks),
        volumes=[_mount(mount) for mount in table.volumes],
        secrets=[types.SecretUse(source=use) if isinstance(use, str) else use for use in table.secrets],
        configs=[types.ConfigUse(source=use) if isinstance(use, str) else use for use in table.configs],
        initialize_roles=_roles(table.initialize_roles),
        mem_limit=_size(table.mem_limit),
        mem_reservation=_size(table.mem_reservation),
        shm_size=_size(table.shm_size),
        environment=_environment(table, f"{path}.env_file", directory, problems),
        ulimits={
            name: types.Ulimit(soft=limit, hard=limit) if isinstance(limit, int) else limit
            for name, limit in table.ulimits.items()
        },
        healthcheck=_healthcheck(table.healthcheck, f"{path}.healthcheck", problems),
        restart_config=_restart_config(table.restart_config),
        update_config=_rollout(types.UpdateConfig, table.update_config),
        rollback_config=_rollout(types.RollbackConfig, table.rollback_config),
        backup_scripts=[
            _with(types.BackupScript, script, timeout=seconds(script.timeout))
            for script in table.backup_scripts
        ],
        alerts=[_with(types.Alert, alert, for_=seconds(alert.for_)) for alert in table.alerts],
        stop_grace_period=seconds(table.stop_grace_period),
        converge_timeout=seconds(table.converge_timeout),
    )


def _environment(
    table: ServiceTable, path: str, directory: Path | None, problems: list[str]
) -> dict[str, types.Scalar]:
    """Return a service's environment, with that of its files; a file that can't be read is a problem."""
    found: dict[str, types.Scalar] = {}
    files = [table.env_file] if isinstance(table.env_file, str) else table.env_file
    if directory is None:
        return dict(table.environment)
    for file in files:
        try:
            found |= env_file(path, directory, file)
        except ConfigError as error:
            problems += error.problems
    return {**found, **table.environment}


def _ports(written: Iterable[str | PortMap], path: str, problems: list[str]) -> Iterator[types.PublishedPort]:
    """Yield published ports; those that can't be read are problems."""
    for i, port in enumerate(written):
        if isinstance(port, PortMap):
            sources = [port.open_to] if isinstance(port.open_to, str) else port.open_to or []
            yield types.PublishedPort(
                port.target_port, port.published_port or 0, port.protocol, port.mode, sources
            )
            continue
        try:
            yield published_port(port)
        except ValueError as error:
            problems.append(f"{path}[{i}]: {error}")


def _networks(written: Iterable[str | ServiceNetwork]) -> dict[str, list[str]]:
    """Return a service's networks, each with the service's further names there."""
    return dict((use, []) if isinstance(use, str) else (use.name, use.aliases) for use in written)


def _mount(table: MountTable) -> types.Mount:
    """Return a mount."""
    return _with(types.Mount, table, tmpfs_size=_size(table.tmpfs_size))


def _roles(written: Iterable[str | types.RoleUse]) -> list[types.RoleUse]:
    """Return roles with their variables."""
    return [types.RoleUse(role=use) if isinstance(use, str) else use for use in written]


def _exposed(port: str | int) -> str:
    """Return a port with its protocol."""
    return str(port) if "/" in str(port) else f"{port}/tcp"


def _size(text: str | None) -> int | None:
    """Return a size in bytes, if there is one."""
    return None if text is None else size_in_bytes(text)


def _healthcheck(table: HealthcheckTable | None, path: str, problems: list[str]) -> types.Healthcheck | None:
    """Return a health check; one that can't be read is a problem."""
    if table is None:
        return None
    try:
        test = health_test(table.test)
    except ValueError as error:
        problems.append(f"{path}.test: {error}")
        return None
    return _with(
        types.Healthcheck,
        table,
        test=test,
        interval=seconds(table.interval),
        timeout=seconds(table.timeout),
        start_period=seconds(table.start_period),
        start_interval=seconds(table.start_interval),
    )


def _restart_config(table: RestartConfigTable) -> types.RestartConfig:
    """Return a restart policy."""
    return _with(types.RestartConfig, table, delay=seconds(table.delay), window=seconds(table.window))


def _rollout(kind: type[_Rollout], table: UpdateConfigTable | RollbackConfigTable) -> _Rollout:
    """Return an update or rollback policy."""
    return _with(kind, table, delay=seconds(table.delay), monitor=seconds(table.monitor))


def _with(kind: type[_Kind], table: Struct, **converted: object) -> _Kind:
    """Return a type of the site with the converted values, and all others as in the table."""
    same = {name: getattr(table, name) for name in kind.__struct_fields__ if name not in converted}
    return kind(**same, **converted)
