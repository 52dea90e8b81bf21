"""Docker secrets and configs, each named by its content's digest: new content makes a new object."""

from collections.abc import Iterator

from model import site as types
from model.errors import ServiceError
from model.keys.digest import Inputs
from model.keys.record import FactRecord
from model.labels import KEY_LABEL, NAME_LABEL
from model.secrets.secret import Secret
from tasks.names import CONFIG, PORTS_TASK, config_task, secret_task, swarm_tasks, vault_task
from tasks.observe.externals import config_drift
from tasks.run.context import Run
from tasks.services.docker_names import docker_names_of
from tasks.services.published_ports import leaves_ports_open
from tasks.services.rendering import renderer_of
from tasks.step import ADOPT, CREATE, Names, Step, Work


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each secret and each config that the stage's services use."""
    for name in run.stage.secrets:
        yield DockerSecret(run, name)
    for name, config in run.stage.configs.items():
        yield ExternalConfig(run, name, config) if config.external else DockerConfig(run, name)


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

    def recall(self, work: Work) -> FactRecord | None:
        """Return the one that has its name."""
        del work
        found = self._run.live_state.swarm.secrets.get(docker_names_of(self._run).secret(self._secret))
        return None if found is None else FactRecord(id=found["ID"])

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
        content = docker_names_of(self._run).config_digest(self._config)
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
        driver = run.stage.site.configs[self._config].template_driver
        return FactRecord(id=ensure_config(client, docker_name, content, labels, work.log, driver))

    def recall(self, work: Work) -> FactRecord | None:
        """Return the one that has its name."""
        del work
        docker_name, is_secret = docker_names_of(self._run).config(self._config)
        swarm = self._run.live_state.swarm
        found = (swarm.secrets if is_secret else swarm.configs).get(docker_name)
        return None if found is None else FactRecord(id=found["ID"])

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


class ExternalConfig(Step):
    """A Docker config of others, which has to be there.

    Args:
        run: The run.
        name: Its name in site.toml.
        config: Its definition.

    """

    def __init__(self, run: Run, name: str, config: types.Config) -> None:
        self._run, self._name = run, config.name or name
        self.task = config_task(name)
        self.after = self.containers = swarm_tasks(run.stage)
        self.doc = f"external Docker config {self._name}"

    def inputs(self) -> Inputs:
        """Return the swarm, and the name that it has there."""
        return {"swarm": self._run.state.swarm_id(self._run.stage), "name": self._name}

    def ensure(self, work: Work) -> FactRecord:
        """Find it.

        Raises:
            ServiceError: There is none of this name.

        """
        from remote.engine.client import engine_errors

        host, client = self._run.connections.manager()
        with engine_errors(host.short, f"looking for Docker config {self._name}", ServiceError):
            for found in client.api.configs(filters={"name": self._name}):
                if found["Spec"]["Name"] == self._name:
                    work.log(f"found {found['ID']}")
                    return FactRecord(id=found["ID"])
        raise ServiceError(
            f"configs.{self.name.removeprefix(CONFIG)}: the swarm has no Docker config {self._name}: make it (docker "
            f"config create {self._name} FILE on {host.short}), or leave out external"
        )

    def recall(self, work: Work) -> FactRecord | None:
        """Return the one that has its name."""
        del work
        found = self._run.live_state.swarm.external_configs.get(self._name)
        return None if found is None else FactRecord(id=found["ID"])

    def real(self, key: str) -> str | None:
        """Compare with the recorded one."""
        del key
        record = self._run.state.read(self.task, FactRecord)
        return config_drift(self._run.live_state.swarm, self._name, record.id if record is not None else "")

    def effect(self, changed: Names) -> str:
        """Return ADOPT: it is looked for, no more."""
        del changed
        return ADOPT
