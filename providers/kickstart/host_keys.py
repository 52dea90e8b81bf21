"""The ssh host keys of hosts that are installed: the one that a medium gives to a host, and the host's own."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from model.errors import StateError
from model.reasons import reason_of
from model.secrets.secret import Secret
from providers.cloud.cloud_init import new_host_key
from remote.mother.files import write_whole
from remote.mother.lock import lock

LOCK_TIMEOUT = 7200.0
"""Seconds that another run may take to make media: an image of some gigabytes, written to a stick."""


@dataclass(frozen=True)
class Kept:
    """The ssh host keys of a host.

    Args:
        current: The public host key that the host made itself; empty before it has answered.
        pending: The public host key that the medium gives to it; empty where none is waited for.
        private: The private half of that.

    """

    current: str = ""
    pending: str = ""
    private: Secret = Secret("")  # noqa: RUF009 - a Secret never changes

    def exchanged(self, current: str) -> "Kept":
        """Return the keys once the host has made its own: both, until it uses that."""
        return replace(self, current=current)

    def settled(self) -> "Kept":
        """Return the keys once the host uses its own: the medium's is worth nothing any more."""
        return Kept(self.current)


class HostKeyStore:
    """The directory in which that is kept.

    Args:
        directory: It is made when something is written.

    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def www(self) -> Path:
        """The directory that hosts are booted from over the network."""
        return self.directory / "www"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Make media one at a time."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock(self.directory / "lock", "another run is making media", LOCK_TIMEOUT):
            yield

    def read(self, short: str) -> Kept:
        """Return a host's keys.

        Raises:
            StateError: It can't be read.

        """
        path = self.path(short)
        try:
            table = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return Kept()
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(
                f"{path}: can't be read: {reason_of(error)}: remove it, and reinstall the host"
            ) from error
        return Kept(table.get("current", ""), table.get("pending", ""), Secret(table.get("private", "")))

    def write(self, short: str, kept: Kept) -> None:
        """Keep a host's keys, whole or not at all."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(short)
        table = {"current": kept.current, "pending": kept.pending, "private": kept.private.reveal()}
        write_whole(path, msgspec.json.encode(table), mode=0o600)

    def renewed(self, short: str) -> Kept:
        """Make a key for a host's next installation, and return its keys."""
        made = new_host_key()
        kept = replace(self.read(short), pending=made.public, private=made.private)
        self.write(short, kept)
        return kept

    def remove_files(self) -> None:
        """Remove the served directory and the media's keys: hosts that are installed by them are not known any more."""
        shutil.rmtree(self.www, ignore_errors=True)
        for path in self.directory.glob("*.json"):
            self.write(path.stem, self.read(path.stem).settled())

    def path(self, short: str) -> Path:
        """Return a host's file."""
        return self.directory / f"{short}.json"
