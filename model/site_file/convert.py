"""From the tables of `site.toml` to the site: durations in seconds."""

from typing import TypeVar

from msgspec import Struct, structs

from model import site as types
from model.site_file.forms import age, seconds
from model.site_file.tables import (
    HealthcheckTable,
    ImageTable,
    KickstartStageTable,
    RestartConfigTable,
    RollbackConfigTable,
    ServiceTable,
    SiteTable,
    StageTable,
    UpdateConfigTable,
    VagrantStageTable,
)

_Kind = TypeVar("_Kind", bound=Struct)
_Rollout = TypeVar("_Rollout", types.UpdateConfig, types.RollbackConfig)


def site(table: SiteTable) -> types.Site:
    """Return the site that a file describes."""
    return _with(
        types.Site,
        table,
        stages={name: stage(part) for name, part in table.stages.items()},
        images={name: image(part) for name, part in table.images.items()},
        services={name: service(part) for name, part in table.services.items()},
    )


def stage(table: StageTable) -> types.Stage:
    """Return a stage."""
    if isinstance(table, VagrantStageTable):
        return _with(types.VagrantStage, table, boot_timeout=seconds(table.boot_timeout))
    if isinstance(table, KickstartStageTable):
        return _with(types.KickstartStage, table, install_timeout=seconds(table.install_timeout))
    return table


def image(table: ImageTable) -> types.Image:
    """Return an image."""
    return _with(
        types.Image,
        table,
        max_age=age(table.max_age) if table.max_age is not None else None,
        healthcheck=_healthcheck(table.healthcheck),
        timeout=seconds(table.timeout),
    )


def service(table: ServiceTable) -> types.Service:
    """Return a service."""
    return _with(
        types.Service,
        table,
        healthcheck=_healthcheck(table.healthcheck),
        restart_config=_restart_config(table.restart_config),
        update_config=_rollout(types.UpdateConfig, table.update_config),
        rollback_config=_rollout(types.RollbackConfig, table.rollback_config),
        stop_grace_period=seconds(table.stop_grace_period),
        converge_timeout=seconds(table.converge_timeout),
    )


def _healthcheck(table: HealthcheckTable | None) -> types.Healthcheck | None:
    """Return a health check."""
    if table is None:
        return None
    return _with(
        types.Healthcheck,
        table,
        interval=seconds(table.interval),
        timeout=seconds(table.timeout),
        start_period=seconds(table.start_period),
    )


def _restart_config(table: RestartConfigTable) -> types.RestartConfig:
    """Return when tasks are started again."""
    return _with(types.RestartConfig, table, delay=seconds(table.delay), window=seconds(table.window))


def _rollout(kind: type[_Rollout], table: UpdateConfigTable | RollbackConfigTable) -> _Rollout:
    """Return how tasks are replaced."""
    return _with(kind, table, delay=seconds(table.delay), monitor=seconds(table.monitor))


def _with(kind: type[_Kind], table: Struct, **converted: object) -> _Kind:
    """Return a type of the site: with what is converted, and all else as its table has it."""
    names = (field.name for field in structs.fields(kind))
    same = {name: getattr(table, name) for name in names if name not in converted}
    return kind(**same, **converted)
