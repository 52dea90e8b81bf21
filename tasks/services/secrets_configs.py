"""Docker secrets and configs, each named by its content's digest: new content makes a new object."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from model import site as types
from model.errors import ConfigError
from model.keys.digest import Inputs, flatten, sha256
from model.keys.record import FactRecord
from model.labels import KEY_LABEL, NAME_LABEL
from model.secrets.secret import Secret, UnaskedSecret
from model.swarm.content_names import content_name, use_inputs
from tasks.names import CONFIG, PORTS_TASK, config_task, secret_task, swarm_tasks, vault_task
from tasks.run.context import Run
from tasks.services import port_allocation
from tasks.services.rendering import config_content
from tasks.step import CREATE, Names, Step, Work


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each secret and each config that the stage's services use."""
    for name in run.stage.secrets:
        yield DockerSecret(run, name)
    for name in run.stage.configs:
        yield DockerConfig(run, name)


def tasks_of(service: types.Service) -> tuple[str, ...]:
    """Return the tasks that make the files of a service, each once."""
    made = [secret_task(use.source) for use in service.secrets]
    made += [config_task(use.source) for use in service.configs]
    return tuple(dict.fromkeys(made))


def docker_secret_name(run: Run, name: str) -> str:
    """Return a Docker secret's name, which holds its content's digest: a new content is another secret."""
    return content_name(name, run.secrets.read(name).fingerprint(run.secrets.pepper))


def docker_config(run: Run, name: str) -> tuple[str, bool]:
    """Return the name of the Docker config that a config is, and whether it is a Docker secret instead.

    Raises:
        ConfigError: It can't be rendered, or Docker does not take it.
        KeyError: It needs something that is not made yet.

    """
    content = config_content(run, name)
    return content_name(name, _digest(run, content)), isinstance(content, Secret)


def _digest(run: Run, content: bytes | Secret) -> str:
    """Return the digest of a config; a keyed one, if a secret is in it."""
    return (
        content.fingerprint(run.secrets.pepper)
        if isinstance(content, Secret)
        else f"sha256:{sha256(content)}"
    )


def secret_parts(run: Run, service: types.Service) -> dict[str, tuple[str, str]]:
    """Return a service's secrets, each with the Docker secret's name and id."""
    return {
        use.source: (
            docker_secret_name(run, use.source),
            run.state.record(secret_task(use.source), FactRecord).id,
        )
        for use in service.secrets
    }


def config_parts(run: Run, service: types.Service) -> dict[str, tuple[str, str, bool]]:
    """Return a service's configs, each with the Docker config's name and id, and whether that is a Docker secret."""
    found = {}
    for use in service.configs:
        docker_name, is_secret = docker_config(run, use.source)
        found[use.source] = (docker_name, run.state.record(config_task(use.source), FactRecord).id, is_secret)
    return found


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


def current(run: Run) -> dict[str, str]:
    """Return the Docker names of the secrets and configs that are wanted, by the label `skep.name`.

    Those whose content can't be read now are left out.
    """
    wanted: dict[str, Callable[[], bytes | Secret]] = {
        name: partial(run.secrets.read, name) for name in run.stage.secrets
    }
    wanted |= {f"{CONFIG}{name}": partial(config_content, run, name) for name in run.stage.configs}
    found = {}
    for label, read in wanted.items():
        with contextlib.suppress(KeyError, ConfigError):
            content = read()
            if not isinstance(content, UnaskedSecret):
                found[label] = content_name(label.removeprefix(CONFIG), _digest(run, content))
    return found


class DockerSecret(Step):
    """A secret of site.toml as a Docker secret.

    Args:
        run: The run.
        name: The secret's name.

    """

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._secret = run, name
        self.task = secret_task(name)
        self.containers = swarm_tasks(run.stage)
        self.after = (vault_task(run.stage), *self.containers)
        self.doc = f"Docker secret {name}"

    def inputs(self) -> Inputs:
        """Return the swarm, and a keyed digest of the content."""
        content = self._run.secrets.read(self._secret).fingerprint(self._run.secrets.pepper)
        return {"swarm": self._run.state.swarm_id(self._run.stage), "content": content}

    def ensure(self, work: Work) -> FactRecord:
        """Make the Docker secret."""
        from remote.swarm.secrets_configs import ensure_secret

        run = self._run
        _, client = run.connections.manager()
        labels = {**run.stage.labels, NAME_LABEL: self._secret, KEY_LABEL: work.key}
        docker_name = docker_secret_name(run, self._secret)
        return FactRecord(
            id=ensure_secret(client, docker_name, run.secrets.read(self._secret), labels, work.log)
        )

    def real(self, key: str) -> str | None:
        """Look for it by its name, which holds its content's digest."""
        del key
        return self._run.live_state.secret(docker_secret_name(self._run, self._secret))

    def effect(self, changed: Names) -> str:
        """A new content is another Docker secret."""
        del changed
        return CREATE


class DockerConfig(Step):
    """A config of site.toml as a Docker config, or as a Docker secret if a secret is in it.

    Args:
        run: The run.
        name: The config's name.

    """

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._config = run, name
        self.task = config_task(name)
        self.containers = swarm_tasks(run.stage)
        ports = (PORTS_TASK,) if port_allocation.is_open(run.stage) else ()
        self.after = (vault_task(run.stage), *self.containers, *ports)
        self.doc = f"Docker config {name}"

    def inputs(self) -> Inputs:
        """Return the swarm, and a digest of the content."""
        content = _digest(self._run, config_content(self._run, self._config))
        return {"swarm": self._run.state.swarm_id(self._run.stage), "content": content}

    def ensure(self, work: Work) -> FactRecord:
        """Make the Docker config, or Docker secret."""
        from remote.swarm.secrets_configs import ensure_config, ensure_secret

        run = self._run
        _, client = run.connections.manager()
        # Not the bare name, which may be a secret's, too.
        labels = {**run.stage.labels, NAME_LABEL: self.name, KEY_LABEL: work.key}
        content = config_content(run, self._config)
        docker_name, _ = docker_config(run, self._config)
        if isinstance(content, Secret):
            return FactRecord(id=ensure_secret(client, docker_name, content, labels, work.log))
        return FactRecord(id=ensure_config(client, docker_name, content, labels, work.log))

    def real(self, key: str) -> str | None:
        """Look for it by its name, which holds its content's digest."""
        del key
        docker_name, is_secret = docker_config(self._run, self._config)
        state = self._run.live_state
        return state.secret(docker_name) if is_secret else state.config(docker_name)

    def effect(self, changed: Names) -> str:
        """A new content is another Docker config."""
        del changed
        return CREATE
