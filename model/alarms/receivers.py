"""Those who are told of alarms: their templates, their secrets. Pure."""

from collections.abc import Callable
from typing import Any

from model import templates
from model.errors import ConfigError
from model.secrets.secret import Secret
from model.stage import Stage
from model.templates.paths import map_templates

PATH = "monitoring.receivers"


def texts(stage: Stage) -> dict[str, str]:
    """Return the templates of a stage's receivers that skep renders, by their paths.

    Alertmanager has templates in the same braces (`{{ .CommonLabels.service }}`), which stay as they are.
    """
    monitoring = stage.site.monitoring
    receivers = monitoring.receivers if monitoring is not None else []
    return {path: text for path, text in templates.templates_in(PATH, receivers) if templates.is_jinja(text)}


def secret_names(stage: Stage) -> set[str]:
    """Return the secrets of `[secrets]` by which alarms leave the site."""
    monitoring = stage.site.monitoring
    watchdog = {monitoring.watchdog} if monitoring is not None and monitoring.watchdog is not None else set()
    return watchdog | {
        name
        for text in texts(stage).values()
        for name in templates.secrets_used(text, stage) | templates.public_keys_used(text, stage)
    }


def rendered(stage: Stage, secret: Callable[[str], Secret]) -> dict[str, str | Secret]:
    """Return the rendered texts of a stage's receivers by their paths.

    Args:
        stage: The stage.
        secret: Returns a secret of `[secrets]`.

    Raises:
        ConfigError: All that can't be rendered.

    """
    renderer = templates.Renderer(stage, secret, lambda name: stage.services[name].ports, _no_file_system)
    made: dict[str, str | Secret] = {}
    problems: list[str] = []
    for path, text in texts(stage).items():
        try:
            made[path] = renderer.text(path, text)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return made


def with_texts(receivers: list[dict[str, Any]], made: dict[str, str | Secret]) -> Any:
    """Return receivers with rendered texts in the place of their templates: a secret that is for one file alone."""

    def change(path: str, text: str) -> str:
        new = made.get(path, text)
        return new.reveal() if isinstance(new, Secret) else new

    return map_templates(PATH, receivers, change)


def _no_file_system() -> str:
    """Say that it is not known yet."""
    raise KeyError("nfs")
