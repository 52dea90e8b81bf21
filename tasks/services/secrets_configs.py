"""Docker secrets and configs, each named by its content's digest: new content makes a new object."""

from collections.abc import Iterator

from model.keys.digest import Inputs
from model.keys.record import FactRecord
from model.labels import KEY_LABEL, NAME_LABEL
from model.secrets.secret import Secret
from tasks.names import PORTS_TASK, config_task, secret_task, swarm_tasks, vault_task
from tasks.run.context import Run
from tasks.services.docker_names import docker_names_of
from tasks.services.published_ports import leaves_ports_open
from tasks.services.rendering import renderer_of
from tasks.step import CREATE, Names, Step, Work


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each secret and each config that the stage's services use."""
    for name in run.stage.secrets:
        yield DockerSecret(run, name)
    for name in run.stage.configs:
        yield DockerConfig(run, name)


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
        docker_name = docker_names_of(run).secret(self._secret)
        return FactRecord(
            id=ensure_secret(client, docker_name, run.secrets.read(self._secret), labels, work.log)
        )

    def real(self, key: str) -> str | None:
        """Look for it by its name, which holds its content's digest."""
        del key
        return self._run.live_state.secret(docker_names_of(self._run).secret(self._secret))

    def effect(self, changed: Names) -> str:
        """Return CREATE: a new content is another Docker secret."""
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
        ports = (PORTS_TASK,) if leaves_ports_open(run.stage) else ()
        self.after = (vault_task(run.stage), *self.containers, *ports)
        self.doc = f"Docker config {name}"

    def inputs(self) -> Inputs:
        """Return the swarm, and a digest of the content."""
        content = docker_names_of(self._run).digest(renderer_of(self._run).config(self._config))
        return {"swarm": self._run.state.swarm_id(self._run.stage), "content": content}

    def ensure(self, work: Work) -> FactRecord:
        """Make the Docker config, or Docker secret."""
        from remote.swarm.secrets_configs import ensure_config, ensure_secret

        run = self._run
        _, client = run.connections.manager()
        # Not the bare name, which may be a secret's, too.
        labels = {**run.stage.labels, NAME_LABEL: self.name, KEY_LABEL: work.key}
        content = renderer_of(run).config(self._config)
        docker_name, _ = docker_names_of(run).config(self._config)
        if isinstance(content, Secret):
            return FactRecord(id=ensure_secret(client, docker_name, content, labels, work.log))
        return FactRecord(id=ensure_config(client, docker_name, content, labels, work.log))

    def real(self, key: str) -> str | None:
        """Look for it by its name, which holds its content's digest."""
        del key
        docker_name, is_secret = docker_names_of(self._run).config(self._config)
        state = self._run.live_state
        return state.secret(docker_name) if is_secret else state.config(docker_name)

    def effect(self, changed: Names) -> str:
        """Return CREATE: a new content is another Docker config."""
        del changed
        return CREATE
