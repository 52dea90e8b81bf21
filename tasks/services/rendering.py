"""Services without their templates: rendered with what this run knows of secrets and ports."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from model import site as types
from model.errors import ConfigError
from model.keys.record import FactRecord
from model.secrets.secret import Secret, UnaskedSecret
from model.site import PublishedPort
from model.swarm import content_names
from model.templates import Rendered, Renderer, role_variables, secrets_in, templated, texts
from tasks.names import NFS_TASK
from tasks.run.context import Run
from tasks.services.port_allocation import published_ports


def renderer(run: Run) -> Renderer:
    """Return what renders the templates of a run's stage."""

    def published(service: str) -> Sequence[PublishedPort]:
        return published_ports(run, service)

    return Renderer(run.stage, run.secrets.read, published, lambda: run.state.record(NFS_TASK, FactRecord).id)


def rendered_volume(run: Run, name: str) -> types.Volume:
    """Return a volume of the stage without templates.

    Raises:
        ConfigError: All that can't be rendered.
        KeyError: Something is needed that is not made yet.

    """
    return renderer(run).volume(name, run.stage.volumes[name])


def rendered(run: Run, name: str) -> Rendered:
    """Return a service of the stage without templates; what holds a secret is kept out of the logs.

    Raises:
        ConfigError: All that can't be rendered.
        KeyError: Something is needed that is not made yet.

    """
    service = run.stage.services[name]
    made = renderer(run).service(name, service)
    for variable, value in made.environment.items():
        run.secrets.hide(value, str(service.environment[variable]))
    return made


def rendered_variables(
    run: Run, path: str, table: Mapping[str, types.Value]
) -> dict[str, types.Value | Secret]:
    """Return a role's variables without templates; see `rendered`."""
    made = renderer(run).table(path, table)
    for name, value in made.items():
        if isinstance(value, Secret):
            run.secrets.hide(value, str(table[name]))
    return made


_LARGEST_CONFIG, _LARGEST_SECRET = 1000 * 1024 - 1, 500 * 1024 - 1
"""Bytes that Docker takes."""


def config_content(run: Run, name: str) -> bytes | Secret:
    """Return what a config holds: a secret as soon as its template may look at one.

    Raises:
        ConfigError: It can't be read or rendered, or Docker does not take it.
        KeyError: Something is needed that is not made yet.

    """
    path, config = f"configs.{name}", run.stage.site.configs[name]
    found = content_names.template(path, config, run.directory)
    if found is None:
        where, data = content_names.source(path, config, run.directory)
        return _fitting(where, data, _LARGEST_CONFIG)
    where, text = found
    made = renderer(run).text(where, text)
    if isinstance(made, UnaskedSecret):
        return made
    if not isinstance(made, Secret) and not secrets_in(text, run.stage):
        return _fitting(where, made.encode(), _LARGEST_CONFIG)
    # Also where it did not look this time: what it is delivered as does not change with a value.
    secret = made if isinstance(made, Secret) else Secret(made)
    run.secrets.hide(secret, text)
    _fitting(where, secret.reveal().encode(), _LARGEST_SECRET)
    return secret


def _fitting(where: str, data: bytes, largest: int) -> bytes:
    """Return data of a size that Docker takes."""
    if not data:
        raise ConfigError([f"{where}: is empty, which Docker does not take"])
    if len(data) > largest:
        raise ConfigError([f"{where}: has {len(data)} bytes, and Docker takes {largest}"])
    return data


def secrets_of(run: Run, services: Iterable[str]) -> set[str]:
    """Return the secrets that templates of these services may look at."""
    return {
        secret
        for name in services
        for text in _texts(run, run.stage.services[name], name)
        for secret in secrets_in(text, run.stage)
    }


def _texts(run: Run, service: types.Service, name: str) -> list[str]:
    """Return all templates of a service, and of the configs that it gets."""
    tables = [templated(service), *(table for _, table in role_variables(name, service))]
    found = [text for table in tables for _, text in texts(name, table)]
    for use in service.configs:
        config = run.stage.site.configs[use.source]
        made = content_names.template(f"configs.{use.source}", config, run.directory)
        found += [made[1]] if made is not None else []
    return found


def problems(run: Run, services: Collection[str]) -> list[str]:
    """Return a line for each template of these services, and their configs, that can't be rendered with the secrets.

    Those that need no secret were looked at when site.toml was read; what is not made yet is left to its task.
    """
    found: list[str] = []
    for name in dict.fromkeys(use.source for s in services for use in run.stage.services[s].configs):
        try:
            config_content(run, name)
        except ConfigError as error:
            found += error.problems
        except KeyError:
            continue
    for name in services:
        service = run.stage.services[name]
        try:
            rendered(run, name)
            for path, table in role_variables(name, service):
                rendered_variables(run, path, table)
        except ConfigError as error:
            found += error.problems
        except KeyError:
            continue
    return found
