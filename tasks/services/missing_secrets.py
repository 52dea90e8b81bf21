"""Which secrets a run would lack, before it begins."""

from collections.abc import Collection
from contextlib import suppress

from model.errors import ConfigError
from model.images.build_context import dockerfile
from model.secrets.secret import UnknownSecret
from tasks.names import own_image_task, secret_task, service_task
from tasks.run.context import Run
from tasks.services import rendering

LARGEST_BUILD_SECRET = 500 * 1024
"""Bytes of a secret that a Dockerfile mounts: moby/buildkit, session/secrets/secretsprovider."""


def missing_secrets(run: Run, tasks: Collection[str]) -> list[str]:
    """Return a line for each secret that these tasks need and whose source in site.toml does not provide it.

    Generated secrets are in the vault, which a task makes; the password of a first log-in concerns its host alone.
    """
    deployed = [name for name in run.stage.services if service_task(name) in tasks]
    delivered = [name for name in run.stage.secrets if secret_task(name) in tasks]
    needed = list(delivered)
    needed += sorted(rendering.secrets_of(run.stage, run.directory, deployed))
    mounted: set[str] = set()
    for image, config in run.stage.images.items():
        if own_image_task(image) in tasks and config.pulled_on(run.stage.name) is None:
            needed += config.secrets
            if config.build is not None:
                with suppress(ConfigError):  # said where it is read
                    mounted |= {*config.secrets} & {*dockerfile(run.directory, config.build).secrets}
    problems: list[str] = []
    for name in dict.fromkeys(needed):
        if run.stage.site.secrets[name].generate is None:
            try:
                secret = run.secrets.read(name)
                if isinstance(secret, UnknownSecret):
                    continue
                if name in delivered:
                    problems += _too_large(name, len(secret.data), rendering.LARGEST_SECRET, "Docker")
                if name in mounted:
                    problems += _too_large(
                        name, len(secret.data), LARGEST_BUILD_SECRET, "a Dockerfile's build"
                    )
            except ConfigError as error:
                problems += error.problems
    # Templates fail for the same missing secrets, so they are checked only where none is missing.
    return problems or rendering.problems(run.stage, rendering.renderer_of(run), deployed)


def _too_large(name: str, size: int, most: int, taker: str) -> list[str]:
    """Return a line if a secret of this size is not taken."""
    return [f"secrets.{name}: has {size} bytes, and {taker} takes {most} at most"] if size > most else []
