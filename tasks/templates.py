"""Services without their templates: rendered with what this run knows of secrets and ports."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from model import site as types
from model.errors import ConfigError
from model.secret import Secret
from model.templates import Rendered, Renderer, role_variables, secrets_in, templated, texts
from model.units import Port
from tasks.ports import published_ports
from tasks.run import Run


def renderer(run: Run) -> Renderer:
    """Return what renders the templates of a run's stage."""

    def published(service: str) -> Sequence[Port]:
        return published_ports(run, service)

    return Renderer(run.stage, run.secret, published)


def rendered(run: Run, name: str) -> Rendered:
    """Return a service of the stage without templates; what holds a secret is kept out of the logs.

    Raises:
        ConfigError: All that can't be rendered.
        KeyError: Something is needed that is not made yet.

    """
    service = run.stage.services[name]
    made = renderer(run).service(name, service)
    for variable, value in made.environment.items():
        run.hide(value, str(service.environment[variable]))
    return made


def rendered_variables(
    run: Run, path: str, table: Mapping[str, types.Scalar]
) -> dict[str, types.Scalar | Secret]:
    """Return a role's variables without templates; see `rendered`."""
    made = renderer(run).table(path, table)
    for name, value in made.items():
        if isinstance(value, Secret):
            run.hide(value, str(table[name]))
    return made


def secrets_of(run: Run, services: Iterable[str]) -> set[str]:
    """Return the secrets that templates of these services may look at."""
    return {
        secret
        for name in services
        for text in _texts(name, run.stage.services[name])
        for secret in secrets_in(text, run.stage)
    }


def _texts(name: str, service: types.Service) -> list[str]:
    """Return all templates of a service."""
    tables = [templated(service), *(table for _, table in role_variables(name, service))]
    return [text for table in tables for _, text in texts(name, table)]


def problems(run: Run, services: Collection[str]) -> list[str]:
    """Return a line for each template of these services that can't be rendered with the secrets as they are.

    Those that need no secret were looked at when site.toml was read; what is not made yet is left to its task.
    """
    found: list[str] = []
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
