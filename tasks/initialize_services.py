"""Phase 7: first data. Roles run inside a service's running container, on whatever hive, once for each key."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from model import site as types
from model.errors import ServiceError, SkepError
from model.keys.digest import Inputs, flatten, key_of
from model.keys.record import FactRecord, ServiceRecord, SwarmRecord, VolumeRecord
from model.labels import INITIALIZED_LABEL, labels_of
from tasks.images.ansible_inventory import SiteInventory, inventory_for, play
from tasks.images.roles import Role
from tasks.names import initialization_task, service_task, service_volume_tasks, swarm_task, vault_task
from tasks.phase import Phase
from tasks.run.context import Run
from tasks.services.docker_names import docker_names_of
from tasks.services.rendering import renderer_of
from tasks.step import Step, Work

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 600


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each role of each service; those of one service one after another."""
    for name, service in run.stage.services.items():
        before: tuple[str, ...] = ()
        for i, use in enumerate(service.initialize_roles):
            path = f"services.{name}.initialize_roles[{i}].vars"
            step = Initialization(run, name, service, use, path, before)
            before = (step.task,)
            yield step


class Initialization(Step):
    """One role that runs once inside one service.

    Args:
        run: The run.
        name: The service's name.
        service: Its definition.
        use: The role with its variables.
        path: Where in site.toml those are.
        after: The task of the role before it in the same service.

    """

    ends_with_container = True

    def __init__(
        self,
        run: Run,
        name: str,
        service: types.Service,
        use: types.RoleUse,
        path: str,
        after: tuple[str, ...],
    ) -> None:
        self._run, self._service_name, self._service, self._use, self._path = run, name, service, use, path
        self._label = f"{INITIALIZED_LABEL}{use.role}"
        self.task = initialization_task(name, use.role)
        self._volumes = service_volume_tasks(run.stage, service)
        self.needs = (service_task(name), *self._volumes)
        self.after = after
        self.containers = (service_task(name),)
        self.doc = f"role {use.role} inside {name}"
        self.paths = {"vars.": f"services.{name}.initialize_roles: vars."}

    @cached_property
    def _role(self) -> Role:
        """The role, read once, so that the files that are hashed are those that run."""
        run, use = self._run, self._use
        return Role(run.directory, run.secrets, use.role, renderer_of(run).variables(self._path, use.vars))

    def _seen(self) -> SiteInventory:
        """Return the part of the site that a role of Ansible uses."""
        name, secrets = self._service_name, [use.source for use in self._service.secrets]
        return inventory_for(self._run.stage, renderer_of(self._run), name, self._role, secrets)

    def inputs(self) -> Inputs:
        """Return its files and variables, the service and its volumes.

        Not the service's image: a new one does not undo what was loaded.
        """
        run = self._run
        volumes = {
            task.partition(":")[2]: run.state.record(task, VolumeRecord).incarnation for task in self._volumes
        }
        return {
            "service": run.state.record(service_task(self._service_name), ServiceRecord).id,
            **flatten("volumes", volumes),
            **self._definition(),
        }

    def _definition(self) -> Inputs:
        """Return the inputs that are no matter of where the service and its volumes are."""
        names = docker_names_of(self._run)
        return {
            # What it may install: a new password must get into the database as well.
            **flatten(
                "secret",
                {use.source: names.secret(use.source) for use in self._service.secrets},
            ),
            **self._role.variable_inputs("vars"),
            **self._role.inputs(),
            **(self._seen().inputs() if self._role.is_ansible else {}),
        }

    def real(self, key: str) -> str | None:
        """Look for its marker on the service."""
        return self._run.live_state.initialized(self._service_name, self._label, key)

    def marker_when_moved(self, marker: str, before: Mapping[str, str], after: Collection[str]) -> str:
        """Return the marker that the service is to have when volumes of it were moved with their data.

        What was loaded is in them as it was: a role that had run is not run again for it.

        Args:
            marker: The marker that the service has.
            before: The volumes as they were, `NAME@HOST`, each with its incarnation.
            after: The same volumes as they are now.

        """
        inputs = self.inputs_now()
        now = flatten("volumes", dict.fromkeys(after, ""))
        former = {name: value for name, value in inputs.items() if name not in now}
        former |= flatten("volumes", dict(before))
        return key_of(inputs) if marker == key_of(former) else marker

    def unknown(self, coming: Collection[str]) -> str:
        """Return why this checkout can't tell the marker of the role as it is today; empty if it can.

        Args:
            coming: Volumes that are on their way, `NAME@HOST`, and need not be known yet.

        """
        try:
            for task in self._volumes:
                if task.partition(":")[2] not in coming:
                    self._run.state.record(task, VolumeRecord)
            self._definition()
        except KeyError as error:
            lacks = str(error.args[0])
            # What is no task is in the vault.
            task = lacks if ":" in lacks else vault_task(self._run.stage)
            return f"this checkout has not read {lacks} yet: type doit {task}"
        except SkepError as error:
            return str(error)
        return ""

    @property
    def service(self) -> str:
        """The service's name."""
        return self._service_name

    @property
    def label(self) -> str:
        """The label of the service that is its marker."""
        return self._label

    def recall(self, work: Work) -> FactRecord | None:
        """Return the record of a role whose marker was seen; none is run, though a run may deploy the service now."""
        return FactRecord(id=work.key) if self.real(work.key) is None else None

    def ensure(self, work: Work) -> FactRecord:
        """Run the role unless the service carries its marker, then set the marker."""
        from remote.engine.client import engine_errors
        from remote.images.exec_role import run_play, run_role
        from remote.swarm.services import find_service, set_labels

        _, client = self._run.connections.manager()
        with engine_errors(self._service_name, "reading its markers", ServiceError):
            found = find_service(client, self._service_name)
        if found is None:
            raise ServiceError(f"service {self._service_name}: was removed by somebody else")
        if labels_of(found).get(self._label) == work.key:
            work.log("the service carries its marker")
            return FactRecord(id=work.key)

        def find() -> Any:
            return self._container(client)

        role = self._role
        if role.is_ansible:
            secrets = {use.source: self._run.secrets.read(use.source) for use in self._service.secrets}
            ready = play(self._run, role, self._seen(), secrets)
            run_play(find, self._service_name, ready, TIMEOUT, work.log)
        else:
            run_role(find, self._service_name, role.name, role.entries(), role.variables, TIMEOUT, work.log)
        set_labels(client, self._service_name, {self._label: work.key})
        return FactRecord(id=work.key)

    def _container(self, manager: "DockerClient") -> Any:
        """Return a running container of the service, on whatever hive it is; None while there is none."""
        tasks = manager.api.tasks(filters={"service": self._service_name, "desired-state": "running"})
        for task in tasks:
            container = (task["Status"].get("ContainerStatus") or {}).get("ContainerID")
            if task["Status"]["State"] != "running" or not container:
                continue
            for host in self._run.stage.hives:
                record = self._run.state.read(swarm_task(host.short), SwarmRecord)
                if record is not None and record.node == task.get("NodeID"):
                    return self._run.connections.engine(host).containers.get(container)
            raise ServiceError(
                f"service {self._service_name}: runs on a node that is not a hive of the stage"
            )
        return None


PHASE = Phase("initialize_services", "load first data with scripts inside the running services", steps)
