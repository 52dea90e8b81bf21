"""The registry's images, taken along to another host, byte for byte: every digest stays what it was."""

from typing import TYPE_CHECKING

from model.errors import HostError, SkepError
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord
from remote.images.registry_move import ROOM, receive_command, send_command, size_script
from tasks.names import host_task, moved_task, setup_task
from tasks.run.context import Run
from tasks.step import CHANGE, Finding, Names, Step, Work

if TYPE_CHECKING:
    from remote.ssh.connection import Connection

MOVE_TIMEOUT = 4 * 3600.0


class MovedRegistry(Step):
    """The content of the registry on its new host. The former host's registry goes on, until `doit prune`.

    Args:
        run: The run.

    """

    def __init__(self, run: Run) -> None:
        repository = run.stage.repository.short
        self._run, self._from = run, run.stage.former_repository
        self.host, self.task = repository, moved_task()
        is_host = self._from in run.stage.shorts
        self.after = (
            *(setup_task(repository, step) for step in ("docker", "registry", "trust", "vault")),
            *(setup_task(host.short, "trust") for host in run.stage.hosts),
            *((host_task(self._from),) if is_host else ()),
        )
        self.doc = f"the registry's images on {run.stage.repository.name}"
        self._is_host = is_host

    def inputs(self) -> Inputs:
        """Return both hosts."""
        return {"from": self._from, "to": self.host}

    def ensure(self, work: Work) -> FactRecord:
        """Take the images along. Of a host that left or is gone, each is had again when it is wanted.

        Raises:
            HostError: The former host is still in the stage, and does not answer.

        """
        run = self._run
        sender = self._sender()
        if sender is None:
            work.log(f"state/ does not say how to log in on {self._from}")
        else:
            try:
                size = sender.script(size_script(), label="measuring the registry").strip() or "0"
            except SkepError as error:
                if self._is_there():
                    raise HostError(
                        f"{self._from} has the registry's images, and does not answer: {error}\n"
                        f"    bring it back, then run doit again; if its disk is lost, {self._anew()}: "
                        "nothing that runs is built again"
                    ) from error
                work.log(f"{self._from} does not answer: {error}")
                sender = None
        if sender is None:
            work.log("what still runs is pushed back from the hives, and all else is built when it is wanted")
        else:
            work.log(f"taking {int(size) / 1e6:.1f} MB of images along from {self._from}")
            receiver = run.connections.to(run.stage.repository)
            receiver.script(f"need={size}\n{ROOM}", label="looking for room for the registry")
            sender.pipe(
                send_command(), receiver, receive_command(), timeout=MOVE_TIMEOUT, label="moving the registry"
            )
        run.state.keep_home(self.host)
        return FactRecord(id=f"{self._from} {self.host}")

    def _is_there(self) -> bool:
        """Return whether the former host is in the stage and not gone at the provider, so that it may come back."""
        run = self._run
        return self._is_host and (not run.provider.owns or self._from in run.live_state.things)

    def _anew(self) -> str:
        """Return how a host without its disk comes back."""
        if self._run.provider.owns:
            return "remove the host at the provider, and the next run makes it anew"
        return "install it anew"

    def _sender(self) -> "Connection | None":
        """Return the connection to the former host; None where nothing is known of it."""
        connections = self._run.connections
        if self._is_host:
            return connections.to(self._run.stage.host(self._from))
        record = self._run.state.read(host_task(self._from), HostRecord)
        return None if record is None else connections.to_former(self._from, record)

    def real(self, key: str) -> str | None:
        """Say where the images are: there is this step only as long as they are not here."""
        del key
        return f"the registry's images are on {self._from}"

    def inspect(self, changed: Names) -> Finding | None:
        """Say what becomes of them."""
        del changed
        return Finding(CHANGE, "they go along by digest; nothing is built, no service is updated")
