"""`doit rollback SERVICE`: go back to what a service was, and stay there until its definition changes."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.destroy import INTERRUPTED, Teller
from commands.shared.current_run import site_run
from model.errors import ConfigError, ServiceError, SkepError
from model.json_types import Json
from model.keys.digest import Inputs, key_of
from model.keys.record import ServiceRecord
from model.labels import KEY_LABEL, PINNED_LABEL, REVISION_LABEL, SPEC_LABEL, labels_of, own_labels
from remote.swarm.revisions import revisions, with_secrets
from tasks.names import service_task
from tasks.run.context import Run
from tasks.services import pinned_revisions
from tasks.services.deployed_service import log_tail, secret_environment
from tasks.services.rendering import renderer_of
from tasks.step import Step

if TYPE_CHECKING:
    from docker import DockerClient

    from model.json_types import Json
    from remote.swarm.revisions import Revision

LATEST = "latest"


class Rollback(DoitCmdBase):
    """Go back to an earlier revision of a service."""

    doc_purpose = "take a service back to what it was before, or to=REVISION; to=latest ends that"
    doc_usage = "SERVICE [to=REVISION|to=latest]"
    doc_description = """\
Each time a service was deployed well, what it runs with is kept in the swarm; the newest ones stay (registry.keep in \
site.toml). Without to= the service goes back to the one before what it runs now; a number that there is none of lists \
those that there are.

The service is then pinned: `doit` leaves it as it is until its definition, its image or another input changes, and \
`doit list` says so. to=latest ends that, and the next run deploys what site.toml says."""

    def _execute(self, pos_args: Sequence[str] = ()) -> int:
        """Take the service back."""
        run = site_run(self.loader)
        if len(pos_args) != 1 or pos_args[0] not in run.stage.services:
            there = ", ".join(run.stage.services) or "none"
            raise InvalidCommand(f"type: {self.bin_name} rollback SERVICE [to=REVISION]; services: {there}")
        [name] = pos_args
        try:
            run.state.lock(" ".join(["doit", *sys.argv[1:]]))
        except SkepError as error:
            raise InvalidCommand(str(error)) from error
        began = time.monotonic()
        log = Teller(self.outstream)
        try:
            back = Back(run, name, self._task(name).meta["step"])
            if get_var("to") == LATEST:
                back.end(log)
                return 0
            inputs = back.go(get_var("to"), log)
            self._note(name, inputs)
            pinned_revisions.note(run.state, {**pinned_revisions.pinned(run.state), name: back.number})
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: what the swarm was told it goes on with\n")
            return INTERRUPTED
        finally:
            run.connections.close()
            run.state.unlock()
        log(f"{name} runs as revision {back.number} ({time.monotonic() - began:.1f} s)")
        for line in pinned_revisions.lines({name: back.number}):
            log(line)
        return 0

    def _task(self, name: str) -> Any:
        """Return the task that deploys a service."""
        return next(task for task in self.task_list if task.name == service_task(name))

    def _note(self, name: str, inputs: Inputs | None) -> None:
        """Have doit know that the service is as it should be, though it is not as site.toml says."""
        task = self._task(name)
        if inputs is not None and site_run(self.loader).state.read(task.name, ServiceRecord) is not None:
            task.values = {"inputs": inputs}
            self.dep_manager.save_success(task)
            self.dep_manager.close()


class Back:
    """The way back of one service.

    Args:
        run: The run.
        name: The service.
        step: The step that deploys it.

    """

    def __init__(self, run: Run, name: str, step: Step) -> None:
        self._run, self._name, self._step = run, name, step
        self.number = 0

    def go(self, asked: str | None, log: Teller) -> Inputs | None:
        """Take the service to the revision that was asked for, and wait until it runs.

        Returns:
            The inputs that the service's task has now; None where they can't be told.

        Raises:
            SkepError: There is no such revision, or it does not run.

        """
        from remote.swarm.convergence import ConvergencePolicy, wait_until_converged
        from remote.swarm.services import put_service

        run, name = self._run, self._name
        _, client = run.connections.manager()
        service = self._found(client)
        kept = revisions(client, name, run.stage.labels)
        chosen = self._chosen(kept, service, asked)
        self.number = chosen.number
        inputs = self._inputs()
        spec = with_secrets(chosen, self._secret_lines(chosen))
        log(f"{name}: back to revision {chosen.number} of {chosen.made[:19]}, image {chosen.image}")
        put_service(client, service, {**spec, "Labels": self._labels(service, spec, inputs)})
        config = run.stage.services[name]
        wait_until_converged(
            run.connections.swarm_poller,
            name,
            ConvergencePolicy(config.converge_timeout, config.update_config.monitor),
            partial(log_tail, run.stage, run.state, run.connections),
            log,
            changed=True,
            labels=lambda _service: {REVISION_LABEL: str(chosen.number)},
        )
        return inputs

    def end(self, log: Teller) -> None:
        """Have the next run deploy what site.toml says."""
        from remote.swarm.services import set_labels

        _, client = self._run.connections.manager()
        labels = labels_of(self._found(client))
        left = {name: n for name, n in pinned_revisions.pinned(self._run.state).items() if name != self._name}
        if PINNED_LABEL in labels:
            # A key that is no longer its own makes the next run deploy it.
            set_labels(client, self._name, {PINNED_LABEL: None, KEY_LABEL: ""})
            log(
                f"{self._name} is pinned no more: doit deploy_services:{self._name} deploys what site.toml says"
            )
        else:
            log(f"{self._name} is not pinned")
        pinned_revisions.note(self._run.state, left)

    def _found(self, client: "DockerClient") -> "Json":
        """Return the service as the swarm has it."""
        from remote.engine.client import engine_errors
        from remote.swarm.services import find_service

        with engine_errors(self._name, "looking at the service", ServiceError):
            found = find_service(client, self._name)
        if found is None:
            raise ServiceError(f"service {self._name}: is not deployed")
        return found

    def _chosen(self, kept: "Sequence[Revision]", service: "Json", asked: str | None) -> "Revision":
        """Return the revision that is meant."""
        now = labels_of(service).get(REVISION_LABEL, "")
        numbers = {str(revision.number): revision for revision in kept}
        if asked is not None and asked in numbers:
            return numbers[asked]
        older = [g for g in kept if now.isdecimal() and g.number < int(now)]
        if asked is None and older:
            return older[0]
        what = f"has no revision {asked}" if asked is not None else "has none before what it runs"
        listed = "".join(f"\n    {line}" for line in self._listed(kept, now)) or "\n    none is kept"
        raise ServiceError(f"service {self._name}: {what}; there are:{listed}")

    @staticmethod
    def _listed(kept: "Sequence[Revision]", now: str) -> list[str]:
        """Return a line for each revision: when it was, and in what it differs from the next one."""
        lines = []
        for i, revision in enumerate(kept):
            if str(revision.number) == now:
                said = "runs now"
            else:
                changes = kept[i - 1].differs(revision.spec) if i else []
                more = f" (+{len(changes) - 1} more)" if len(changes) > 1 else ""
                said = f"{changes[0]}{more}" if changes else ""
            lines.append(f"to={revision.number}  {revision.made[:19]}  {said}".rstrip())
        return lines

    def _inputs(self) -> Inputs | None:
        """Return the inputs of the service's task as they are now."""
        try:
            return self._step.inputs_now()
        except (KeyError, ConfigError):
            return None

    def _secret_lines(self, revision: "Revision") -> list[str]:
        """Return the secret lines of the service's environment as they are today, if any are needed."""
        lines = revision.spec["TaskTemplate"]["ContainerSpec"].get("Env") or []
        return (
            secret_environment(renderer_of(self._run), self._name)
            if any("=" not in line for line in lines)
            else []
        )

    def _labels(self, service: "Json", spec: "Json", inputs: Inputs | None) -> dict[str, str]:
        """Return the labels that the service gets: those of the revision, and skep's own of today.

        With the key of today's definition it counts as deployed, until that changes.
        """
        own = own_labels(labels_of(service))
        own.pop(SPEC_LABEL, None)
        if inputs is not None:
            own[KEY_LABEL] = key_of(inputs)
        return {**labels_of(spec), **own, PINNED_LABEL: str(self.number)}
