"""Which secrets a run would lack, before it begins."""

from collections.abc import Collection

from model.errors import ConfigError
from model.secrets.secret import UnknownSecret
from tasks.names import own_image_task, secret_task, service_task
from tasks.run.context import Run
from tasks.services import rendering


def missing_secrets(run: Run, tasks: Collection[str]) -> list[str]:
    """Return a line for each secret that these tasks need and whose source in site.toml does not provide it.

    Generated secrets are in the vault, which a task makes; the password of a first log-in concerns its host alone.
    """
    deployed = [name for name in run.stage.services if service_task(name) in tasks]
    delivered = [name for name in run.stage.secrets if secret_task(name) in tasks]
    needed = list(delivered)
    needed += sorted(rendering.secrets_of(run.stage, run.directory, deployed))
    for image, config in run.stage.images.items():
        if own_image_task(image) in tasks and config.pulled_on(run.stage.name) is None:
            needed += config.secrets
    problems: list[str] = []
    for name in dict.fromkeys(needed):
        if run.stage.site.secrets[name].generate is None:
            try:
                secret = run.secrets.read(name)
                if name in delivered and not isinstance(secret, UnknownSecret):
                    problems += _too_large(name, len(secret.data))
            except ConfigError as error:
                problems += error.problems
    # Templates fail for the same missing secrets, so they are checked only where none is missing.
    return problems or rendering.problems(run.stage, rendering.renderer_of(run), deployed)


def _too_large(name: str, size: int) -> list[str]:
    """Return a line if Docker does not take a secret of this size."""
    most = rendering.LARGEST_SECRET
    return [f"secrets.{name}: has {size} bytes, and Docker takes {most} at most"] if size > most else []
