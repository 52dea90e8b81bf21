"""A second checkout of a stage at a cloud: its key is not the one that the hosts were made with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model.keys.record import HostRecord
from model.stage import Stage
from providers.cloud import host as cloud_host
from remote.ssh.login import Answer
from remote.ssh.ssh_files import SshFiles
from tests import rig as make

REFUSED = "skep@host: Permission denied (publickey)."


@dataclass
class SecondCheckout:
    """Another checkout's key, and who it is that lets it in.

    Args:
        stage: The stage.
        files: The second checkout's ssh files.
        first: The record of the host, as the first checkout made it.
        scripts: The scripts that the second one has run on the host as root.

    """

    stage: Stage
    files: SshFiles
    first: HostRecord
    scripts: list[str] = field(default_factory=list)

    @property
    def blob(self) -> str:
        """Its public key, without all else."""
        return self.files.public_key.split()[1]

    def ensure(self) -> HostRecord:
        """Ensure the host in the second checkout."""
        return make.ensure_host(make.provider_of(self.stage, self.files), "hive0")


@contextmanager
def second_checkout(
    stage: Stage, directory: Path, let_in_by_cloud: Callable[[], str]
) -> Iterator[SecondCheckout]:
    """Make a stage in one checkout, and give another one, whose key no host has.

    Args:
        stage: The stage.
        directory: For the checkouts.
        let_in_by_cloud: Returns the text in which the cloud has the keys that it lets in by now.

    """
    made = make.ensure_all(make.provider_of(stage, make.ssh_files(directory / "first")))["hive0"]
    assert isinstance(made, HostRecord)
    second = SecondCheckout(stage, make.ssh_files(directory / "second"), made)

    def wait_for_login(*_: object) -> str:
        return "" if second.blob in "\n".join([let_in_by_cloud(), *second.scripts]) else REFUSED

    def run_as_root(_record: object, _key: object, script: str) -> Answer:
        assert wait_for_login() == "", "who is not let in runs nothing"
        second.scripts.append(script)
        return Answer(0, "", "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud_host, "wait_for_login", wait_for_login)
        patch.setattr(cloud_host, "run_as_root", run_as_root)
        yield second
