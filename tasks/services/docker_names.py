"""The Docker secrets and configs that services get: each name holds its content's digest.

New content makes a new object, and the services that get it are deployed again.
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial

from model import site as types
from model.errors import ConfigError
from model.keys.digest import Inputs, flatten, sha256
from model.keys.record import FactRecord
from model.secrets.secret import UNKNOWN_FINGERPRINT, Secret
from model.stage import Stage
from model.swarm.content_names import content_name, use_inputs
from tasks.names import CONFIG, config_task, secret_task
from tasks.run.context import Run
from tasks.run.secrets import Secrets
from tasks.run.state import State
from tasks.services.rendering import StageRenderer, renderer_of


class DockerNames:
    """Tells the names of the stage's Docker secrets and configs.

    Args:
        stage: The stage.
        secrets: Its secrets.
        renderer: Renders its configs.

    """

    def __init__(self, stage: Stage, secrets: Secrets, renderer: StageRenderer) -> None:
        self._stage, self._secrets, self._renderer = stage, secrets, renderer

    def secret(self, name: str) -> str:
        """Return the name of a secret's Docker secret."""
        return content_name(name, self._secret_digest(name))

    def _secret_digest(self, name: str) -> str:
        """Return the keyed digest of a secret."""
        return self._secrets.read(name).fingerprint(self._secrets.pepper)

    def config(self, name: str) -> tuple[str, bool]:
        """Return the name of a config's Docker config, and whether that is a Docker secret instead.

        Raises:
            ConfigError: It can't be rendered, or Docker does not take it.
            KeyError: It needs something that is not made yet.

        """
        config = self._stage.site.configs[name]
        if config.external:
            return config.name or name, False
        content = self._renderer.config(name)
        return content_name(name, self.config_digest(name)), isinstance(content, Secret)

    def config_digest(self, name: str) -> str:
        """Return the digest of a config's content, and of the driver that makes something else of it.

        Raises:
            ConfigError: It can't be rendered, or Docker does not take it.
            KeyError: It needs something that is not made yet.

        """
        content, driver = self._renderer.config(name), self._stage.site.configs[name].template_driver
        if driver is not None and isinstance(content, bytes):
            return self.digest(f"{driver}\n".encode() + content)
        return self.digest(content)

    def digest(self, content: bytes | Secret) -> str:
        """Return the digest of a content; a keyed one, if a secret is in it."""
        if isinstance(content, Secret):
            return content.fingerprint(self._secrets.pepper)
        return f"sha256:{sha256(content)}"

    def wanted(self) -> dict[str, str]:
        """Return the Docker names of all secrets and configs that are wanted, by the label `skep.name`.

        Those whose content can't be read now are left out.
        """
        digests: dict[str, Callable[[], str]] = {
            name: partial(self._secret_digest, name) for name in self._stage.secrets
        }
        digests |= {
            f"{CONFIG}{name}": partial(self.config_digest, name)
            for name, config in self._stage.configs.items()
            if not config.external
        }
        names = {}
        for label, digest in digests.items():
            with contextlib.suppress(KeyError, ConfigError):
                found = digest()
                if found != UNKNOWN_FINGERPRINT:
                    names[label] = content_name(label.removeprefix(CONFIG), found)
        return names


def docker_names_of(run: Run) -> DockerNames:
    """Return the Docker names of a run's stage."""
    return DockerNames(run.stage, run.secrets, renderer_of(run))


def tasks_of(service: types.Service) -> tuple[str, ...]:
    """Return the tasks that make the files of a service, each once."""
    made = [secret_task(use.source) for use in service.secrets]
    made += [config_task(use.source) for use in service.configs]
    return tuple(dict.fromkeys(made))


def secret_parts(names: DockerNames, state: State, service: types.Service) -> dict[str, tuple[str, str]]:
    """Return a service's secrets, each with the Docker secret's name and id."""
    return {
        use.source: (names.secret(use.source), state.record(secret_task(use.source), FactRecord).id)
        for use in service.secrets
    }


def config_parts(
    names: DockerNames, state: State, service: types.Service
) -> dict[str, tuple[str, str, bool]]:
    """Return a service's configs, each with the Docker config's name and id, and whether that is a Docker secret."""
    parts = {}
    for use in service.configs:
        docker_name, is_secret = names.config(use.source)
        parts[use.source] = (docker_name, state.record(config_task(use.source), FactRecord).id, is_secret)
    return parts


def inputs_of(
    service: types.Service,
    secrets: Mapping[str, tuple[str, str]],
    configs: Mapping[str, tuple[str, str, bool]],
) -> Inputs:
    """Return the inputs of a service's files: the Docker names, which tell their contents, and how it mounts them."""
    return {
        **flatten("secret", {name: part[0] for name, part in secrets.items()}),
        **(flatten("config", {name: part[0] for name, part in configs.items()}) if configs else {}),
        **use_inputs("secrets", service.secrets),
        **use_inputs("configs", service.configs),
    }
