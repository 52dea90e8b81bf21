"""Unit tests touch no network: a connection to anything but a Unix socket of the test's own is an error.

And they install nothing.
"""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from model.errors import ProviderError
from model.extras import Extra
from remote.mother import extras


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection over a network fail loudly."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            msg = f"a unit test connects to {address}"
            raise AssertionError(msg)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what a site would have installed, as on a machine where that can't be."""

    def refused(extra: Extra) -> None:
        raise ProviderError(f"{extra.need}: install it with `{extra.command}`")

    monkeypatch.setattr(extras, "install", refused)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out `fsync`: it keeps files through a power failure, which no test has, and each takes milliseconds."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """Put the umask back that an agent's program has set for its process, which is that of the other tests here."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
