"""Small changes to a service that runs: its tasks anew, or another number of them."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from model.errors import ServiceError
from model.json_types import Json
from model.labels import (
    BACKUP_STOP_LABEL,
    SCALED_LABEL,
    SCALED_UNTIL_LABEL,
    SPEC_LABEL,
    SPREAD_LABEL,
    labels_of,
)
from model.log import Log
from model.swarm.backup_stop import LEFT_STOPPED, is_left_stopped, refuse_stopped_for_backup
from model.swarm.scaled import scale_labels, scale_words
from model.swarm.spread import with_extra, without_extra
from model.swarm.time_to_run import time_to_run
from model.swarm.volume_move import refuse_moving
from remote.swarm.spec import spec_digest
from tasks.run.context import Run
from tasks.services.deployed_service import log_tail

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class AdjustedService:
    """A service that runs, to be changed a little.

    Args:
        run: The run; it holds the stage.
        name: The service.

    """

    run: Run
    name: str

    def restart(self, log: Log, *, start_first: bool = False) -> None:
        """Have all tasks replaced by new ones of the same kind, by the service's own `update_config`.

        Args:
            log: Takes progress.
            start_first: Whether each new task is to run before the old one ends, whatever `update_config` says.

        Raises:
            ServiceError: It is not deployed, is to have no tasks, is being saved, or the new tasks don't run.

        """
        from remote.swarm.services import with_new_tasks

        client, found = self._found_startable()
        if is_left_stopped(found, time.time()):
            raise ServiceError(f"service {self.name}: {LEFT_STOPPED} (doit starts it)")
        if (found["Spec"]["Mode"].get("Replicated") or {}).get("Replicas") == 0:
            raise ServiceError(
                f"service {self.name}: is to have no tasks, so none can be replaced (doit scale {self.name}=1)"
            )
        is_ours = _is_ours(found)
        spec = with_new_tasks(found["Spec"], found)
        update = spec.get("UpdateConfig")
        if start_first:
            spec["UpdateConfig"] = {**(update or {}), "Order": "start-first"}
        is_whole = spec.get("UpdateConfig") == update
        self._write(client, found, spec, fits=is_ours and is_whole)
        log(f"{self.name}: its tasks are replaced")
        self._wait(log)
        if not is_whole:
            client, found = self._found()
            self._write(client, found, {**json_copy(found["Spec"]), "UpdateConfig": update}, fits=is_ours)

    def spread(self, extra: int, log: Log) -> None:
        """Have the swarm add tasks where it has the fewest, then end as many where it has the most; the others stay.

        A label has the number to go back to, for who comes after a kill.

        Args:
            extra: The number of tasks.
            log: Takes progress.

        Raises:
            ServiceError: It is not deployed, its files are being saved, or the new tasks don't run; then the old ones
                stay.

        """
        client, found = self._found_startable()
        log(f"{self.name}: {extra} task{'' if extra == 1 else 's'} more for a while")
        self._write(client, found, with_extra(without_extra(found["Spec"]), extra), fits=False)
        try:
            self._wait(log)
        finally:
            self._drop_extra()
        log(f"{self.name}: those that are too many end")
        self._wait(log)

    def end_spread(self, log: Log) -> None:
        """End the tasks that a spread which was killed has added.

        Args:
            log: Takes progress.

        Raises:
            ServiceError: It is not deployed, or its own tasks don't run.

        """
        self._drop_extra()
        log(f"{self.name}: the tasks end that a rebalance had added which did not end")
        self._wait(log)

    def _drop_extra(self) -> None:
        """Have the service want its own number of tasks again; it is then as it was before."""
        client, found = self._found()
        self._write(client, found, without_extra(found["Spec"]), fits=False)

    def scale(self, replicas: int, log: Log, *, until: float | None = None, keep: bool = False) -> None:
        """Give the service another number of tasks.

        Args:
            replicas: The number.
            log: Takes progress.
            until: Until when runs leave it alone, in seconds since 1970.
            keep: Whether runs leave it alone until its definition changes.

        Raises:
            ServiceError: It is not deployed, has one task on each hive, is a job, its files are being saved, or the
                tasks don't run.

        """
        client, found = self._found_startable()
        if "Replicated" not in found["Spec"]["Mode"]:
            mode = self.run.stage.services[self.name].mode
            raise ServiceError(
                f'service {self.name}: mode = "{mode}": only one of mode "replicated" can be scaled'
            )
        spec = _with_replicas(found, replicas)
        # That of a backup which left it stopped: the number is a person's from now on.
        former = {SCALED_LABEL, SCALED_UNTIL_LABEL, SPREAD_LABEL, BACKUP_STOP_LABEL}
        labels = {name: value for name, value in labels_of(found).items() if name not in former}
        if replicas != self.run.stage.services[self.name].replicas:
            labels |= scale_labels(replicas, until=until, keep=keep)
        spec["Labels"] = labels
        self._write(client, found, spec, fits=_is_ours(found))
        log(f"{self.name}: {self._scale_words(replicas, labels)}")
        self._wait(log)

    def _scale_words(self, replicas: int, labels: Mapping[str, str]) -> str:
        """Return how it is scaled, that site.toml says otherwise, and what the next run does about it."""
        defined = self.run.stage.services[self.name].replicas
        if SCALED_LABEL not in labels:
            return f"{replicas} task{'' if replicas == 1 else 's'}, as site.toml says"
        words = f"{scale_words(labels)}; site.toml says {defined}"
        if SCALED_UNTIL_LABEL in labels:
            return words
        return f"{words}, and the next run goes back to that (until=2h or keep leaves it so)"

    def _found_startable(self) -> "tuple[DockerClient, Json]":
        """Return the same as `_found`, of a service that may have further tasks.

        Raises:
            ServiceError: It is not deployed, a volume of it is being moved, or its files are being saved.

        """
        client, found = self._found()
        refuse_stopped_for_backup(self.name, found, time.time())
        return client, found

    def _found(self) -> "tuple[DockerClient, Json]":
        """Return a manager's engine, and the service as the swarm has it.

        Raises:
            ServiceError: It is not deployed, or a volume of it is being moved.

        """
        from remote.engine.client import engine_errors
        from remote.swarm.services import find_service

        _, client = self.run.connections.manager()
        with engine_errors(self.name, "looking at the service", ServiceError):
            found = find_service(client, self.name)
        if found is None:
            raise ServiceError(f"service {self.name}: is not deployed (doit deploy_services:{self.name})")
        refuse_moving(self.name, found)
        return client, found

    def _write(self, client: "DockerClient", found: Json, spec: Json, *, fits: bool) -> None:
        """Write a specification.

        Args:
            client: A manager's engine.
            found: The service as it is.
            spec: The specification.
            fits: Whether it is as a run may leave it, so that the next one sees no stranger's change. One that was
                changed by somebody else before stays known as that, and so does one that is not whole yet: after a
                kill the next run puts it right.

        """
        from remote.engine.client import engine_errors
        from remote.swarm.services import write_service

        labels = dict(labels_of(spec))
        if fits:
            labels[SPEC_LABEL] = spec_digest(spec)
        with engine_errors(self.name, "changing the service", ServiceError):
            write_service(client, found, {**spec, "Labels": labels})

    def _wait(self, log: Log) -> None:
        """Wait until its tasks run.

        Raises:
            ServiceError: They don't.

        """
        from remote.swarm.convergence import ConvergencePolicy, wait_until_converged

        run, config = self.run, self.run.stage.services[self.name]
        wait_until_converged(
            run.connections.swarm_poller,
            self.name,
            ConvergencePolicy(
                time_to_run(config, len(run.stage.hives), run.stage.site.images),
                config.update_config.monitor,
                marks=False,
            ),
            partial(log_tail, run.stage, run.state, run.connections),
            log,
            changed=True,
        )


def _is_ours(found: Json) -> bool:
    """Return whether a service is as a run, or one of these small changes, left it."""
    return labels_of(found).get(SPEC_LABEL) == spec_digest(found["Spec"])


def _with_replicas(found: Json, replicas: int) -> Json:
    """Return a service's specification with another number of tasks."""
    spec = json_copy(found["Spec"])
    spec["Mode"]["Replicated"]["Replicas"] = replicas
    return spec


def json_copy(value: Json) -> Json:
    """Return a copy of what an engine answered that can be changed."""
    copy: Json = json.loads(json.dumps(value))
    return copy
