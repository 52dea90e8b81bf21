"""Amazon fails, and skep is killed: at each call of a whole life, once. The next run converges."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model.digest import key_of
from providers.aws_api import Api
from providers.base import Provider
from providers.fake import KilledError
from remote.ssh import SshFiles
from tests import rig as make
from tests.aws import cloud as aws_cloud
from tests.aws.cloud import Cloud

if TYPE_CHECKING:
    from model.stage import Stage

WHOLE = Counter(vpc=1, subnet=1, gateway=1, group=1, address=1, volume=2, system=1, target=1, hive0=1)
"""What there is of the stage when it is made."""

pytestmark = pytest.mark.timeout(300)


class Life:
    """One host with all that it can have, and what a run and `doit destroy` do to it.

    Args:
        cloud: The server.
        files: The stage's ssh files.

    """

    def __init__(self, cloud: Cloud, files: SshFiles) -> None:
        self.cloud = cloud
        self.files = files
        self.stage: Stage = aws_cloud.stage_of(
            number_of_hosts=1,
            separate_repository=False,
            available_zones=["eu-central-1a"],
            nfs=True,
            mirrored_disk_size=5,
        )

    def provider(self) -> Provider:
        """Return a new provider, as another run has."""
        return make.provider_of(self.stage, self.files)

    def make(self) -> None:
        """Do what a run does."""
        make.ensure_all(self.provider())

    def destroy(self) -> None:
        """Do what `doit destroy` does."""
        provider = self.provider()
        found = provider.found()
        for name in [
            *(n for n in found if found[n].is_host),
            *reversed([n for n in found if not found[n].is_host]),
        ]:
            provider.remove(name, make.quiet)

    def kinds(self) -> "Counter[str]":
        """Return how many there are of each kind of thing."""
        return Counter(thing.split()[0] for thing in self.cloud.things())

    def assert_whole(self) -> None:
        """Assert that all is there, once, as it should be."""
        assert self.kinds() == WHOLE
        provider = self.provider()
        found = provider.found()
        for resource in provider.resources():
            thing = found[resource.name]
            assert (thing.key, thing.running, thing.drift) == (key_of(resource.inputs), True, ""), (
                resource.name
            )


@pytest.fixture
def life(aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Give a stage, whose runs share their boto3 clients: to make one takes longer than a run."""
    clients: dict[str, Any] = {}
    client = Api.client

    def shared(self: Api, service: str) -> Any:
        if service not in clients:
            clients[service] = client(self, service)
        return clients[service]

    monkeypatch.setattr(Api, "client", shared)
    return Life(aws, aws_cloud.files_of(tmp_path))


@contextmanager
def killed(after: int) -> Iterator[list[str]]:
    """Have the process die when the nth call that changes something was done; give what died, if anything did."""
    done: list[str] = []
    died: list[str] = []
    call = Api.call

    def dying(self: Api, operation: str, service: str = "ec2", **arguments: Any) -> Any:
        answer = call(self, operation, service, **arguments)
        done.append(operation)
        if len(done) == after:
            died.append(operation)
            raise KilledError(operation)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "call", dying)
        yield died


def each_kill(life: Life, before: Callable[[], None], do: Callable[[], None]) -> Iterator[str]:
    """Yield each call of something that is done, after it was done up to that call and no further."""
    for n in range(1, 100):
        life.cloud.ask(reset=True)
        before()
        with killed(n) as died, suppress(KilledError):
            do()
        if not died:
            return
        yield f"{n} {died[0]}"


def each_fault(life: Life, how: str, before: Callable[[], None], do: Callable[[], None]) -> Iterator[int]:
    """Yield the number of each call of something that is done, after it was done while that call failed."""
    for n in range(1, 100):
        life.cloud.ask(reset=True)
        before()
        life.cloud.ask(clear=True, fail_at=n, fail_how=how)
        do()
        if not life.cloud.ask()["failed"]:
            return
        life.cloud.ask(fail_at=0)
        yield n


class TestMaking:
    """A whole stage is made."""

    def test_killed_after_each_call(self, life: Life) -> None:
        """The next run goes on: nothing is left over, and nothing is made twice."""
        met = []
        for where in each_kill(life, lambda: None, life.make):
            met.append(where.split()[1])
            life.make()
            life.assert_whole()

        assert len(met) >= 12
        assert {"create_vpc", "run_instances", "associate_address", "create_mount_target"} <= set(met)

    def test_killed_and_then_destroyed(self, life: Life) -> None:
        """Whatever a killed run has left is found by its tags, and `doit destroy` leaves nothing of it."""
        for where in each_kill(life, lambda: None, life.make):
            life.destroy()

            assert life.kinds() == Counter(), where

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: Life, how: str) -> None:
        """A call that fails inside Amazon, or is done there without an answer, does not fail the run."""
        met = []
        for n in each_fault(life, how, lambda: None, life.make):
            met.append(n)
            life.assert_whole()

        assert len(met) >= 12


class TestDestroying:
    """A whole stage is removed."""

    def test_killed_after_each_call(self, life: Life) -> None:
        """The next `doit destroy` removes the rest."""
        met = []
        for where in each_kill(life, life.make, life.destroy):
            met.append(where)
            life.destroy()

            assert life.kinds() == Counter(), where
        assert len(met) >= 8

    def test_killed_after_each_call_and_then_made(self, life: Life) -> None:
        """A run makes what is missing again, and uses what is left."""
        for _ in each_kill(life, life.make, life.destroy):
            life.make()
            life.assert_whole()

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: Life, how: str) -> None:
        """A call that fails inside Amazon, or is done there without an answer, does not fail it."""
        for n in each_fault(life, how, life.make, life.destroy):
            assert life.kinds() == Counter(), n


@pytest.mark.parametrize("operation", ["CreateVpc", "RunInstances", "CreateFileSystem"])
def test_a_process_that_is_killed(life: Life, operation: str) -> None:
    """SIGKILL as a call is done, before its answer comes: the next run converges."""
    child = aws_cloud.process_of(life.stage, life.files)
    with child as process:
        life.cloud.ask(fail_at=1, fail_on=operation, fail_how="killed", pid=process.pid)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
        assert process.wait(60) == -9, sys.executable

    life.make()
    life.assert_whole()


def test_a_busy_cloud(life: Life) -> None:
    """Where every third call is one too many, and what was made is not known for a while, all is made once."""
    life.cloud.ask(throttle=3, lag=2, slow=2)

    life.make()
    life.cloud.ask(throttle=0)
    life.assert_whole()
    life.cloud.ask(throttle=3)
    life.destroy()
    assert life.kinds() == Counter()
