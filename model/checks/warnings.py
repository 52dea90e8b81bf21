"""What is no mistake and hardly meant: labels that nothing reads, compose's variables, which nothing replaces. Pure."""

import re
from collections.abc import Iterator

from model.checks.unread_labels import unread_labels
from model.stage import Stage
from model.toml_text import key_path

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::?[-?+][^}]*)?\}|\$([A-Za-z_]\w*)")


def warnings(stage: Stage) -> Iterator[str]:
    """Yield a line for each part of a stage that does not do what it seems to be for."""
    yield from unread_labels(stage)
    yield from _unreplaced(stage)


def _unreplaced(stage: Stage) -> Iterator[str]:
    """Yield the environment variables that are a variable of compose and nothing else.

    Programs have such placeholders, too, and read them; compose would have replaced this one.
    """
    for name, service in stage.services.items():
        for variable, value in service.environment.items():
            if isinstance(value, str) and (found := _VARIABLE.fullmatch(value)):
                where = key_path(["services", name, "environment", variable])
                yield (
                    f"{where}: {found[1] or found[2]} is a variable of compose's, and handed on as it is: write the "
                    "value, or a template, as {{ vars.<name> }} or {{ secrets.<name> }}"
                )
