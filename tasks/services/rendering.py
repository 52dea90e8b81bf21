"""The stage's definitions without their templates: rendered with the secrets, ports and addresses of this run."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from model import site as types
from model.errors import ConfigError
from model.keys.record import FactRecord
from model.secrets.secret import Secret, UnknownSecret
from model.site import PublishedPort
from model.stage import Stage
from model.swarm import content_names
from model.swarm.constraints import with_full_name
from model.templates import (
    RenderedService,
    Renderer,
    public_keys_used,
    role_variables,
    secrets_used,
    templatable,
    templates_in,
)
from tasks.names import NFS_TASK
from tasks.run.context import Run
from tasks.run.secrets import Secrets
from tasks.run.state import State
from tasks.services.published_ports import published_ports

LARGEST_CONFIG, LARGEST_SECRET = 1000 * 1024 - 1, 500 * 1024 - 1
"""Bytes that Docker takes."""


class StageRenderer:
    """Renders the stage's definitions. A text with a secret in it is kept out of the logs.

    Every method raises ConfigError with all that can't be rendered, and KeyError if something is needed that is not
    made yet.

    Args:
        directory: The site's directory.
        stage: The stage.
        state: Its state directory.
        secrets: Its secrets.

    """

    def __init__(self, directory: Path, stage: Stage, state: State, secrets: Secrets) -> None:
        def published(service: str) -> Sequence[PublishedPort]:
            return published_ports(stage, state, service)

        def nfs() -> str:
            return state.record(NFS_TASK, FactRecord).id

        self._directory, self._stage, self._state, self._secrets = directory, stage, state, secrets
        self._renderer = Renderer(stage, secrets.read, published, nfs)

    def volume(self, name: str) -> types.Volume:
        """Return a volume of the stage without templates."""
        return self._renderer.volume(name, self._stage.volumes[name])

    def service(self, name: str) -> RenderedService:
        """Return a service of the stage without templates, and with the hosts' full names in its constraints."""
        service = self._stage.services[name]
        made = self._renderer.service(name, service)
        made = RenderedService(_with_full_names(made.service, self._stage), made.environment)
        for variable, value in made.environment.items():
            self._secrets.hide(value, str(service.environment[variable]))
        return made

    def ports(self, name: str) -> Sequence[PublishedPort]:
        """Return a service's published ports, with those that were chosen."""
        return published_ports(self._stage, self._state, name)

    def variables(self, path: str, table: Mapping[str, types.Value]) -> dict[str, types.Value | Secret]:
        """Return a role's variables without templates.

        Args:
            path: Their place in site.toml, for messages.
            table: The variables.

        """
        made = self._renderer.table(path, table)
        for name, value in made.items():
            if isinstance(value, Secret):
                self._secrets.hide(value, str(table[name]))
        return made

    def config(self, name: str) -> bytes | Secret:
        """Return the content of a config: a secret as soon as its template may look at one.

        Raises:
            ConfigError: It can't be read or rendered, or Docker does not take it.
            KeyError: Something is needed that is not made yet.

        """
        path, config = f"configs.{name}", self._stage.site.configs[name]
        template = content_names.template(path, config, self._directory)
        if template is None:
            where, data = content_names.source(path, config, self._directory)
            return _fitting(where, data, LARGEST_CONFIG)
        where, text = template
        made = self._renderer.text(where, text)
        if isinstance(made, UnknownSecret):
            return made
        if not isinstance(made, Secret) and not secrets_used(text, self._stage):
            return _fitting(where, made.encode(), LARGEST_CONFIG)
        # A secret even if no value was needed this time: the kind of its Docker object must not change with a value.
        secret = made if isinstance(made, Secret) else Secret(made)
        self._secrets.hide(secret, text)
        _fitting(where, secret.reveal().encode(), LARGEST_SECRET)
        return secret


def renderer_of(run: Run) -> StageRenderer:
    """Return the renderer of a run's stage."""
    return StageRenderer(run.directory, run.stage, run.state, run.secrets)


def _with_full_names(service: types.Service, stage: Stage) -> types.Service:
    """Return a service with the full names of hosts in its constraints."""
    names = {short: stage.host_name(short) for short in stage.shorts}
    constraints = [with_full_name(each, names) for each in service.placement.constraints]
    if constraints == service.placement.constraints:
        return service
    placement = msgspec.structs.replace(service.placement, constraints=constraints)
    return msgspec.structs.replace(service, placement=placement)


def _fitting(where: str, data: bytes, largest: int) -> bytes:
    """Return data of a size that Docker takes."""
    if not data:
        raise ConfigError([f"{where}: is empty, which Docker does not take"])
    if len(data) > largest:
        raise ConfigError([f"{where}: has {len(data)} bytes, and Docker takes {largest}"])
    return data


def secrets_of(stage: Stage, directory: Path, services: Iterable[str]) -> set[str]:
    """Return the secrets that templates of these services may look at."""
    return {
        secret
        for name in services
        for text in _texts(stage, directory, name)
        for secret in secrets_used(text, stage) | public_keys_used(text, stage)
    }


def _texts(stage: Stage, directory: Path, name: str) -> list[str]:
    """Return all templates of a service, and of the configs that it gets."""
    service = stage.services[name]
    tables = [templatable(service), *(table for _, table in role_variables(name, service))]
    found = [text for table in tables for _, text in templates_in(name, table)]
    for use in service.configs:
        config = stage.site.configs[use.source]
        template = content_names.template(f"configs.{use.source}", config, directory)
        found += [template[1]] if template is not None else []
    return found


def problems(stage: Stage, renderer: StageRenderer, services: Collection[str]) -> list[str]:
    """Return a line for each template of these services, and their configs, that can't be rendered with the secrets.

    Templates without secrets were checked when site.toml was read; one that needs something not made yet fails in its
    task.
    """
    found: list[str] = []
    for name in dict.fromkeys(use.source for s in services for use in stage.services[s].configs):
        if stage.site.configs[name].external:
            continue
        try:
            renderer.config(name)
        except ConfigError as error:
            found += error.problems
        except KeyError:
            continue
    for name in services:
        try:
            renderer.service(name)
            for path, table in role_variables(name, stage.services[name]):
                renderer.variables(path, table)
        except ConfigError as error:
            found += error.problems
        except KeyError:
            continue
    return found
