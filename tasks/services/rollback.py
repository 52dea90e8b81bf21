"""Go back to an earlier revision of a service, and stay there until its definition changes."""

from functools import partial
from typing import TYPE_CHECKING

from model.errors import ConfigError, ServiceError
from model.keys.digest import Inputs, key_of
from model.labels import (
    KEY_LABEL,
    PINNED_LABEL,
    REVISION_LABEL,
    SPEC_LABEL,
    SPREAD_LABEL,
    labels_of,
    own_labels,
)
from model.log import Log
from model.swarm.time_to_run import time_to_run
from model.swarm.volume_move import refuse_moving
from remote.swarm.revisions import refuse_gone_networks, revisions, with_secrets
from tasks.run.context import Run
from tasks.services import pinned_revisions
from tasks.services.deployed_service import log_tail, secret_environment
from tasks.services.rendering import renderer_of
from tasks.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import DockerClient

    from model.json_types import Json
    from remote.swarm.revisions import Revision


class ServiceRollback:
    """Go back to an earlier revision of one service.

    Args:
        run: The run.
        name: The service.
        step: The step that deploys it.

    """

    def __init__(self, run: Run, name: str, step: Step) -> None:
        self._run, self._name, self._step = run, name, step
        self.number = 0
        """The revision that the service was taken back to."""

    def roll_back(self, number: str | None, log: Log) -> Inputs | None:
        """Roll the service back to a revision, pin it there, and wait until it runs.

        Args:
            number: The revision; None is the one before that which runs now.
            log: Takes progress.

        Returns:
            The present inputs of the service's task; None if they are not known.

        Raises:
            SkepError: There is no such revision, or it does not run.

        """
        from remote.swarm.convergence import ConvergencePolicy, wait_until_converged
        from remote.swarm.services import put_service

        run, name = self._run, self._name
        _, client = run.connections.manager()
        service = self._service(client)
        chosen = self._chosen(revisions(client, name, run.stage.labels), service, number)
        refuse_gone_networks(client, name, chosen)
        self.number = chosen.number
        inputs = self._inputs()
        spec = with_secrets(chosen, self._secret_lines(chosen))
        container = spec["TaskTemplate"]["ContainerSpec"]
        # The registry may have been on another host then.
        container["Image"] = run.stage.in_own_registry(container["Image"])
        log(f"{name}: rolling back to revision {chosen.number} of {chosen.made[:19]}, image {chosen.image}")
        put_service(client, service, {**spec, "Labels": self._labels(service, spec, inputs)})
        config = run.stage.services[name]
        wait_until_converged(
            run.connections.swarm_poller,
            name,
            ConvergencePolicy(
                time_to_run(config, len(run.stage.hives), run.stage.site.images), config.update_config.monitor
            ),
            partial(log_tail, run.stage, run.state, run.connections),
            log,
            changed=True,
            labels=lambda _service: {REVISION_LABEL: str(chosen.number)},
        )
        return inputs

    def unpin(self, log: Log) -> None:
        """Unpin the service, so that the next run deploys it as site.toml defines it."""
        from remote.swarm.services import set_labels

        _, client = self._run.connections.manager()
        labels = labels_of(self._service(client))
        others = {
            name: n for name, n in pinned_revisions.pinned(self._run.state).items() if name != self._name
        }
        if PINNED_LABEL in labels:
            # Without its key the next run deploys it.
            set_labels(client, self._name, {PINNED_LABEL: None, KEY_LABEL: ""})
            log(
                f"{self._name} is no longer pinned: "
                f"`doit deploy_services:{self._name}` deploys it as site.toml defines it"
            )
        else:
            log(f"{self._name} is not pinned")
        pinned_revisions.note(self._run.state, others)

    def _service(self, client: "DockerClient") -> "Json":
        """Return the service as the swarm has it.

        Raises:
            ServiceError: It is not deployed, a volume of it is being moved, or the engine refuses.

        """
        from remote.engine.client import engine_errors
        from remote.swarm.services import find_service

        with engine_errors(self._name, "looking at the service", ServiceError):
            service = find_service(client, self._name)
        if service is None:
            raise ServiceError(f"service {self._name}: is not deployed")
        refuse_moving(self._name, service)
        return service

    def _chosen(self, kept: "Sequence[Revision]", service: "Json", number: str | None) -> "Revision":
        """Return the revision of that number, or the one before that which runs now.

        Raises:
            ServiceError: There is none; the message lists those that are kept.

        """
        current = labels_of(service).get(REVISION_LABEL, "")
        numbers = {str(revision.number): revision for revision in kept}
        if number is not None and number in numbers:
            return numbers[number]
        older = [r for r in kept if current.isdecimal() and r.number < int(current)]
        if number is None and older:
            return older[0]
        problem = (
            f"has no revision {number}" if number is not None else "has no earlier revision than the current"
        )
        listed = "".join(f"\n    {line}" for line in self._listed(kept, current)) or "\n    none is kept"
        raise ServiceError(f"service {self._name}: {problem}; its revisions are:{listed}")

    @staticmethod
    def _listed(kept: "Sequence[Revision]", current: str) -> list[str]:
        """Return a line for each revision: when it was made, and how it differs from the next one."""
        lines = []
        for i, revision in enumerate(kept):
            if str(revision.number) == current:
                note = "current"
            else:
                changes = kept[i - 1].differs(revision.spec) if i else []
                more = f" (+{len(changes) - 1} more)" if len(changes) > 1 else ""
                note = f"{changes[0]}{more}" if changes else ""
            lines.append(f"to={revision.number}  {revision.made[:19]}  {note}".rstrip())
        return lines

    def _inputs(self) -> Inputs | None:
        """Return the present inputs of the service's task; None if they are not known."""
        try:
            return self._step.inputs_now()
        except (KeyError, ConfigError):
            return None

    def _secret_lines(self, revision: "Revision") -> list[str]:
        """Return the present secret lines of the service's environment, if the revision has any."""
        lines = revision.spec["TaskTemplate"]["ContainerSpec"].get("Env") or []
        return (
            secret_environment(renderer_of(self._run), self._name)
            if any("=" not in line for line in lines)
            else []
        )

    def _labels(self, service: "Json", spec: "Json", inputs: Inputs | None) -> dict[str, str]:
        """Return the service's new labels: the revision's, and skep's present ones.

        With the key of the present definition it counts as deployed until that changes.
        """
        own = own_labels(labels_of(service))
        own.pop(SPEC_LABEL, None)
        own.pop(SPREAD_LABEL, None)
        if inputs is not None:
            own[KEY_LABEL] = key_of(inputs)
        return {**labels_of(spec), **own, PINNED_LABEL: str(self.number)}
