"""A server of Nova: its states, its actions, and the ends of them."""

from model.errors import ProviderError
from model.json_types import Json
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, KEY_LABEL, NAME_LABEL
from model.log import Log
from providers.cloud.host import Machine
from providers.cloud.retry import poll
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import CONFLICT, NOT_FOUND, OpenStackError

START_TIMEOUT, STOP_TIMEOUT = 900.0, 600.0
RUNNING, STOPPED, RESIZED, BROKEN = "ACTIVE", "SHUTOFF", "VERIFY_RESIZE", "ERROR"
_TASK = "OS-EXT-STS:task_state"
_DELETIONS = 8
"""How often a server is deleted that Nova gives up instead."""


def machine_of(server: Json) -> Machine:
    """Return a server as a host's machine. Pure."""
    metadata = server["metadata"]
    return Machine(
        name=metadata.get(NAME_LABEL, ""),
        id=str(server["id"]),
        key="" if server["status"] in {BROKEN, "DELETED"} else metadata.get(KEY_LABEL, ""),
        is_running=server["status"] == RUNNING,
        host_key=metadata.get(HOST_KEY_TAG, ""),
        authorized_key=metadata.get(AUTHORIZED_KEY_TAG, ""),
        answer=server,
    )


class OpenStackServers:
    """The servers of a region, by their ids.

    Args:
        api: The services.

    """

    def __init__(self, api: OpenStackApi) -> None:
        self._api = api

    def delete(self, machine: Machine, log: Log) -> None:
        """Delete a server and wait until it is gone.

        One that is being built may end in ERROR ("Build of instance … aborted", `BuildAbortException` in
        nova/exception.py) when it is deleted, and is deleted again.

        Raises:
            ProviderError: Nova gives it up again and again.

        """
        path = f"/servers/{machine.id}"
        self._api.drop("compute", path)
        deletions = 1

        def is_gone() -> bool | None:
            nonlocal deletions
            server = self._get(machine.id)
            if server is None:
                return True
            if server["status"] == BROKEN and not server.get(_TASK):
                if deletions == _DELETIONS:
                    raise ProviderError(
                        f"{machine.name}: {machine.id} can't be removed, though it was deleted {deletions} times: "
                        f"{_fault(server)}: ask the cloud's operators, or run doit again"
                    )
                deletions += 1
                self._api.drop("compute", path)
            return None

        what = f"{machine.name} ({machine.id}) to be gone"
        poll(is_gone, what, STOP_TIMEOUT, lambda: self._state(machine.id))
        log(f"removed server {machine.id}")

    def act(self, machine: Machine, action: str, body: Json | None = None) -> None:
        """Start an action of a server; that the server is at it already is no error."""
        try:
            self._api.ask("POST", "compute", f"/servers/{machine.id}/action", {action: body})
        except OpenStackError as error:
            if error.status != CONFLICT:
                raise

    def _get(self, identifier: str) -> Json | None:
        """Return a server as it is now; None if it is gone."""
        try:
            server: Json = self._api.ask("GET", "compute", f"/servers/{identifier}")["server"]
        except OpenStackError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return server

    def _state(self, identifier: str) -> str:
        """Return the state of a server, for a message."""
        server = self._get(identifier)
        return f"it is {server['status']}" if server is not None else "it is not there"

    def wait_for(
        self, name: str, identifier: str, states: set[str], timeout: float, *, is_idle: bool = False
    ) -> Machine:
        """Wait until a server is in one of several states, and return it.

        Args:
            name: The host's short name.
            identifier: The server's id.
            states: The states; one of them is enough.
            timeout: Seconds.
            is_idle: Whether Nova must have nothing in hand for it any more as well.

        Raises:
            ProviderError: It is not in time, or Nova gave it up.

        """

        def find() -> Machine | None:
            server = self._get(identifier)
            if server is None:
                raise ProviderError(
                    f"{name}: server {identifier} is gone: somebody removed it; run doit again"
                )
            if server["status"] == BROKEN:
                raise ProviderError(
                    f"{name}: OpenStack gave server {identifier} up: {_fault(server)}: set another instance_type or "
                    "available_zones, or ask the cloud's operators; then run doit again"
                )
            is_busy = is_idle and server.get(_TASK)
            return machine_of(server) if server["status"] in states and not is_busy else None

        what = f"{name} ({identifier}) to be {' or '.join(sorted(states))}"
        return poll(find, what, timeout, lambda: self._state(identifier))


def _fault(server: Json) -> str:
    """Return why a server is in ERROR."""
    return str((server.get("fault") or {}).get("message") or "it gave no reason")
