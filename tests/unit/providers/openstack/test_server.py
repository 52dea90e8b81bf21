"""Servers of Nova: how they become hosts, and how they end."""

from dataclasses import dataclass, field

import pytest

from model.errors import ProviderError
from model.json_types import Json
from providers.cloud import retry
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import OpenStackError
from providers.openstack.server import OpenStackServers, machine_of
from remote.mother.wait import Pace
from tests import rig as make

SERVER: Json = {"id": "s-1", "status": "BUILD", "metadata": {"skep.name": "hive0"}}


@dataclass
class Nova:
    """A service that gives a server up as it is deleted, so many times, and then lets it go.

    Args:
        left: How many times.

    """

    left: int
    server: Json | None = field(default_factory=lambda: dict(SERVER))
    deletions: int = 0

    def drop(self, _service: str, _path: str) -> bool:
        """Delete the server, or put it into ERROR as Nova does where it is still being built."""
        self.deletions += 1
        self.left -= 1
        fault = {"message": "Build of instance s-1 aborted: failed"}
        self.server = {**SERVER, "status": "ERROR", "fault": fault} if self.left >= 0 else None
        return True

    def ask(self, *_: str) -> Json:
        """Return the server."""
        if self.server is None:
            raise OpenStackError("GET compute /servers/s-1", 404, "no such server")
        return {"server": self.server}


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch) -> Nova:
    """Give a service that stands in for the API."""
    found = Nova(0)
    monkeypatch.setattr(OpenStackApi, "drop", lambda _, *words: found.drop(*words))
    monkeypatch.setattr(OpenStackApi, "ask", lambda _, *words: found.ask(*words))
    monkeypatch.setattr(retry, "PACE", Pace(first=0.001, longest=0.001))
    return found


def test_a_server_that_is_given_up_as_it_is_deleted_is_deleted_again(nova: Nova) -> None:
    """Until it is gone: one that is being built goes to ERROR first."""
    nova.left = 3
    OpenStackServers(OpenStackApi(None, None)).delete(machine_of(SERVER), make.quiet)

    assert (nova.server, nova.deletions) == (None, 4)


def test_a_server_that_nova_never_lets_go_is_said(nova: Nova) -> None:
    """With Nova's own reason, and how often it was tried."""
    nova.left = 100
    with pytest.raises(
        ProviderError, match=r"hive0: s-1 can't be removed, though it was deleted 8 times: Build .* aborted"
    ):
        OpenStackServers(OpenStackApi(None, None)).delete(machine_of(SERVER), make.quiet)


def test_a_server_in_error_is_no_host() -> None:
    """It is found, and has no key, so that another is made."""
    metadata = {"skep.name": "hive0", "skep.key": "key", "skep.host-key": "H", "skep.admitted": "F"}
    good, broken = (
        machine_of({"id": "s-1", "status": status, "metadata": metadata}) for status in ("ACTIVE", "ERROR")
    )

    assert (good.name, good.id, good.key, good.is_running) == ("hive0", "s-1", "key", True)
    assert (good.host_key, good.authorized_key) == ("H", "F")
    assert (broken.name, broken.key, broken.is_running) == ("hive0", "", False)
