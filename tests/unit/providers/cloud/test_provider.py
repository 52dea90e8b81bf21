"""The clouds' providers, before a cloud is asked."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from model.keys.record import FactRecord
from model.log import Log
from providers.aws.host import AwsHosts
from providers.aws.network import AwsNetwork
from providers.aws.provider import AwsProvider
from providers.cloud.host import Machine
from providers.cloud.provider import ResourceKind, together
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.doubles.aws.cloud import stage_of


def provider_of() -> AwsProvider:
    """Return a provider of one host."""
    here = Path("nowhere")
    stage = stage_of(number_of_hosts=1, separate_repository=False)
    return AwsProvider(stage, SshFiles(here, here, here, here))


def machine(instance_type: str = "t3.medium", key: str = "key") -> Machine:
    """Return a machine of hive0."""
    answer = {"InstanceType": instance_type}
    return Machine("hive0", "i-1", key, is_running=True, host_key="", authorized_key="", answer=answer)


def test_a_resource_is_made_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network by its own name, a subnet by the beginning of its name, with the resource's key."""
    calls: list[str] = []

    def ensure(_network: AwsNetwork, key: str, _log: object) -> str:
        calls.append(f"network {key[:4]}")
        return "vpc-1"

    def ensure_subnet(_network: AwsNetwork, plan: object, key: str, _log: object) -> str:
        calls.append(f"subnet {plan.name} {key[:4]}")  # type: ignore[attr-defined]
        return "subnet-1"

    monkeypatch.setattr(AwsNetwork, "ensure", ensure)
    monkeypatch.setattr(AwsNetwork, "ensure_subnet", ensure_subnet)
    provider = provider_of()
    keys = {resource.name: resource.key[:4] for resource in provider.resources()}

    assert make.ensure(provider, "network") == FactRecord(id="vpc-1")
    assert make.ensure(provider, "subnet.subnet0") == FactRecord(id="subnet-1")
    assert calls == [f"network {keys['network']}", f"subnet subnet0 {keys['subnet.subnet0']}"]


def test_a_host_is_no_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped and removed by its name."""
    calls: list[str] = []
    monkeypatch.setattr(AwsHosts, "stop", lambda _hosts, name, _log: calls.append(f"stop {name}"))
    monkeypatch.setattr(AwsHosts, "remove", lambda _hosts, name, _log: calls.append(f"remove {name}"))
    provider_of().halt("hive0", make.quiet)
    provider_of().remove("hive0", make.quiet)

    assert calls == ["stop hive0", "remove hive0"]


def test_a_single_resource_needs_no_name() -> None:
    """Its functions get key and log alone."""
    calls: list[str] = []

    def ensure(key: str, _log: Log) -> str:
        calls.append(key)
        return "id"

    def remove(_log: Log) -> None:
        calls.append("removed")

    kind = ResourceKind.single(ensure, remove)

    assert kind.ensure("network", "key", make.quiet) == "id"
    kind.remove("network", make.quiet)
    assert calls == ["key", "removed"]


def test_a_found_host_tells_its_drift() -> None:
    """Another size, for which it must stop, comes before a public address; a broken machine has none of either."""
    provider = provider_of()
    as_wanted = provider._found_host(machine(), is_public=True)
    other = provider._found_host(machine("t3.large"), is_public=False)
    private = provider._found_host(machine(), is_public=False)
    broken = provider._found_host(machine("t3.large", key=""), is_public=False)
    stranger = provider._found_host(replace(machine("t3.large"), name="hive9"), is_public=False)

    assert (as_wanted.drift, as_wanted.must_stop) == ("", False)
    assert (other.drift, other.must_stop) == ("hive0 is a t3.large", True)
    assert (private.drift, private.must_stop) == ("hive0 has lost its public address", False)
    assert (broken.drift, broken.must_stop, broken.key) == ("", False, "")
    assert (stranger.drift, stranger.must_stop) == ("", False)


def test_questions_are_asked_at_the_same_time() -> None:
    """Each waits here for the other; the answers are in the order of the questions."""
    barrier = threading.Barrier(2, timeout=120)

    def first() -> str:
        barrier.wait()
        return "first"

    def second() -> str:
        barrier.wait()
        return "second"

    assert together(first, second) == ["first", "second"]
