"""Find templates that can't be rendered, before a run. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from model.errors import ConfigError
from model.secrets.secret import Secret
from model.site import PublishedPort
from model.stage import Stage
from model.templates.paths import ENVIRONMENT, role_variables, templatable, templates_in, variables
from model.templates.references import is_jinja
from model.templates.rendering import EXPOSED_BY_SERVICE, EXPOSED_BY_VOLUME, Renderer


def trial_renderer(
    stage: Stage, ports: Callable[[str], Sequence[PublishedPort]], guessed: list[str]
) -> Renderer:
    """Return a renderer for before a run, with placeholders for secrets.

    Args:
        stage: The stage.
        ports: Returns the published ports of a service.
        guessed: Takes the name of each secret that was used and whose form is not known.

    """

    def secret(name: str) -> Secret:
        source = stage.site.secrets[name]
        if source.generate is None:
            guessed.append(name)
        return Secret("x" * (source.generate if isinstance(source.generate, int) else 1))

    return Renderer(stage, secret, ports, lambda: "server:/path")


def problems(
    stage: Stage, ports: Callable[[str], Sequence[PublishedPort]], configs: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each template of a stage that can't be rendered, as far as can be told before a run.

    A failure after the use of a secret that is not known yet is left to the run, which checks before it begins.

    Args:
        stage: The stage.
        ports: Returns the published ports of a service.
        configs: The templates of its configs, by where they are.

    """
    guessed: list[str] = []
    renderer = trial_renderer(stage, ports, guessed)
    of_configs = ((path, text, "") for path, text in configs.items())
    for path, text, where_secrets_are_seen in (*_all(stage), *of_configs):
        guessed.clear()
        try:
            made = renderer.text(path, text)
        except ConfigError as error:
            yield from [] if guessed else error.problems
            continue
        if isinstance(made, Secret) and where_secrets_are_seen:
            yield f"{path}: {where_secrets_are_seen}"


def _all(stage: Stage) -> Iterator[tuple[str, str, str]]:
    """Yield every template of a stage with its path, and the reason why it may hold no secret; empty if it may."""
    yield from ((path, text, "") for path, text in templates_in("vars", variables(stage)))
    receivers = stage.site.monitoring.receivers if stage.site.monitoring is not None else []
    for path, text in templates_in("monitoring.receivers", receivers):
        if is_jinja(text):
            yield path, text, ""
    for name, volume in stage.volumes.items():
        for path, text in templates_in(f"volumes.{name}.driver_opts", volume.driver_opts):
            yield path, text, EXPOSED_BY_VOLUME
    for name, service in stage.services.items():
        for path, text in templates_in(f"services.{name}", templatable(service)):
            yield path, text, "" if path.startswith(f"services.{name}.{ENVIRONMENT}.") else EXPOSED_BY_SERVICE
        for where, table in role_variables(name, service):
            yield from ((path, text, "") for path, text in templates_in(where, table))
