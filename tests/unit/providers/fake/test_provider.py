"""The fake's faults, and its log."""

import pytest

from model import site as types
from model.errors import ProviderError
from model.stage import Stage
from providers.fake.provider import FakeProvider, KilledError


@pytest.fixture
def provider() -> FakeProvider:
    """Give a fake with two hosts, of which nothing is made."""
    table = types.DockerStage(cidr="10.0.0.0/24", number_of_hosts=2)
    return FakeProvider(Stage(types.Site(site="s.test", stages={"private": table}), "private", table))


def make(provider: FakeProvider, *names: str) -> None:
    """Ensure resources."""
    for resource in provider.resources():
        if resource.name in names:
            provider.ensure(resource, lambda _: None)


def test_fails_as_often_as_told(provider: FakeProvider) -> None:
    """A failure that is asked for comes before anything is done, and as often as asked for."""
    provider.cloud.fail("image", "no", times=2)
    for _ in range(2):
        with pytest.raises(ProviderError, match="image: no"):
            make(provider, "image")
    assert provider.cloud.log == []

    make(provider, "image")

    assert provider.cloud.log == ["created image"]


def test_dies_half_way(provider: FakeProvider) -> None:
    """A host that is killed in the making is there and does not run; the next time it is adopted."""
    make(provider, "image", "network")
    provider.cloud.kill("hive0")
    with pytest.raises(KilledError):
        make(provider, "hive0")
    assert not provider.found()["hive0"].running

    make(provider, "hive0")

    assert provider.cloud.log[2:] == ["created hive0", "started hive0", "admitted hive0"]


def test_stages_are_apart(provider: FakeProvider) -> None:
    """Two stages in one cloud see nothing of each other."""
    make(provider, "image")
    table = types.DockerStage(cidr="10.0.1.0/24")
    other = Stage(types.Site(site="s.test", stages={"other": table}), "other", table)

    assert FakeProvider(other, cloud=provider.cloud).found() == {}


def test_says_what_stands_in_the_way(provider: FakeProvider) -> None:
    """A stage without a network is refused."""
    table = types.DockerStage()
    stage = Stage(types.Site(site="s.test", stages={"private": table}), "private", table)

    assert provider.check() == []
    assert FakeProvider(stage).check() == ["stages.private.cidr: is missing"]
