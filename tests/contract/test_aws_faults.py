"""Amazon fails, and skep is killed: at each call of a whole life, once. The next run converges."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from providers.aws.api import AwsApi
from remote.ssh.ssh_files import SshFiles
from tests.contract import faults
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.aws.cloud import Cloud
from tests.rig import PATIENCE

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]


class AwsLife(faults.PlayedLife):
    """A life at Amazon.

    Args:
        cloud: The server.
        files: The stage's ssh files.

    """

    whole: ClassVar[Counter[str]] = Counter(
        vpc=1, subnet=1, gateway=1, group=1, address=1, volume=2, system=1, target=1, hive0=1
    )
    caller = AwsApi

    def __init__(self, cloud: Cloud, files: SshFiles) -> None:
        self.cloud = cloud
        stage = aws_cloud.stage_of(
            number_of_hosts=1,
            separate_repository=False,
            available_zones=["eu-central-1a"],
            nfs=True,
            mirrored_disk_size=5,
        )
        super().__init__(stage, files)

    def reset(self) -> None:
        """Have the account be empty."""
        self.cloud.ask(reset=True)

    def fail(self, at: int, how: str) -> None:
        """Have a call fail."""
        self.cloud.ask(clear=True, fail_at=at, fail_how=how)

    def has_failed(self) -> bool:
        """Return whether one has."""
        return bool(self.cloud.ask()["failed"])

    def things(self) -> list[str]:
        """Return all that there is in the account."""
        return self.cloud.things()

    def counts(self, what: str) -> bool:
        """Return that every call does: a call that only reads may have been the last."""
        return bool(what)


@pytest.fixture
def life(aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsLife:
    """Give a stage, whose runs share their boto3 clients: to make one takes longer than a run."""
    clients: dict[str, Any] = {}
    client = AwsApi.client

    def shared(self: AwsApi, service: str) -> Any:
        if service not in clients:
            clients[service] = client(self, service)
        return clients[service]

    monkeypatch.setattr(AwsApi, "client", shared)
    return AwsLife(aws, aws_cloud.files_of(tmp_path))


class TestMaking(faults.Making):
    """A whole stage is made."""

    least = 12
    among = {"create_vpc", "run_instances", "associate_address", "create_mount_target"}  # noqa: RUF012 - never changed


class TestDestroying(faults.Destroying):
    """A whole stage is removed."""

    fewest = 8


@pytest.mark.parametrize("operation", ["CreateVpc", "RunInstances", "CreateFileSystem"])
def test_a_process_that_is_killed(life: AwsLife, operation: str) -> None:
    """SIGKILL as a call is done, before its answer comes: the next run converges."""
    child = aws_cloud.process_of(life.stage, life.files)
    with child as process:
        life.cloud.ask(fail_at=1, fail_on=operation, fail_how="killed", pid=process.pid)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
        assert process.wait(PATIENCE) == -9, sys.executable

    life.make()
    life.assert_whole()


def test_a_busy_cloud(life: AwsLife) -> None:
    """Where every third call is throttled, and new things are not known for a while, each is made once."""
    life.cloud.ask(throttle=3, lag=2, slow=2)

    life.make()
    life.cloud.ask(throttle=0)
    life.assert_whole()
    life.cloud.ask(throttle=3)
    life.destroy()
    assert life.kinds() == Counter()
