"""`doit rollback SERVICE`: roll a service back to an earlier revision, and pin it there."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted
from model.errors import SkepError
from model.keys.digest import Inputs
from model.keys.record import ServiceRecord
from tasks.alarms.silenced import silenced_service
from tasks.names import service_task
from tasks.services import pinned_revisions
from tasks.services.rollback import ServiceRollback

LATEST = "latest"


class RollbackCommand(DoitCmdBase):
    """Roll a service back to an earlier revision."""

    name = "rollback"
    doc_purpose = "roll a service back to its previous revision, or to=REVISION; to=latest unpins it"
    doc_usage = "SERVICE [to=REVISION|to=latest]"
    doc_description = """\
Each successful deployment of a service is kept in the swarm as a numbered revision; registry.keep in site.toml says \
how many. Without to=, the service goes back to the revision before the current one. An unknown number, as to=0, lists \
the revisions.

The service is then pinned: `doit` leaves it alone until its definition, its image or another input changes, and \
`doit list` shows the pin. to=latest removes the pin; the next run deploys the service as site.toml defines it."""

    def _execute(self, pos_args: Sequence[str] = ()) -> int:
        """Roll the service back, or unpin it."""
        run = site_run(self.loader)
        if len(pos_args) != 1 or pos_args[0] not in run.stage.services:
            services = ", ".join(run.stage.services) or "none"
            raise InvalidCommand(
                f"type: {self.bin_name} rollback SERVICE [to=REVISION]; services: {services}"
            )
        [name] = pos_args
        began = time.monotonic()
        log = ConsoleLog(self.outstream)
        rollback = ServiceRollback(run, name, self._task(name).meta["step"])
        try:
            with holding(run):
                run.progress.changed.append(service_task(name))
                if get_var("to") == LATEST:
                    rollback.unpin(log)
                    return 0
                with silenced_service(run, name, f"service {name} is rolled back", log):
                    inputs = rollback.roll_back(get_var("to"), log)
                run.progress.revisions[name] = rollback.number
                self._note(name, inputs)
                pinned_revisions.note(
                    run.state, {**pinned_revisions.pinned(run.state), name: rollback.number}
                )
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            return interrupted(run, "the swarm goes on with the update it was given")
        log(f"{name} runs revision {rollback.number} ({time.monotonic() - began:.1f} s)")
        for line in pinned_revisions.lines({name: rollback.number}):
            log(line)
        return 0

    def _task(self, name: str) -> Any:
        """Return the task that deploys a service."""
        return next(task for task in self.task_list if task.name == service_task(name))

    def _note(self, name: str, inputs: Inputs | None) -> None:
        """Record the service as up to date, although it is not as site.toml defines it."""
        task = self._task(name)
        if inputs is not None and site_run(self.loader).state.read(task.name, ServiceRecord) is not None:
            task.values = {"inputs": inputs}
            self.dep_manager.save_success(task)
            self.dep_manager.close()
