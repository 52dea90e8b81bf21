"""The bridge network of the hosts."""

from pathlib import Path
from typing import Any, Self

import pytest

from model import site as types
from model.errors import ProviderError
from model.stage import Stage
from providers.docker import network as docker_network


def test_routes(tmp_path: Path) -> None:
    """The mother's own networks are read from the kernel, without default routes and Docker's bridges."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )

    assert list(docker_network._routes(table)) == [("eth0", "192.0.2.0/255.255.255.0")]


class Client:
    """An engine with the old network of a stage and a host in it; it keeps what is done."""

    def __init__(self, *, taken: bool) -> None:
        self.done: list[str] = []
        own = {
            "Id": "old",
            "Name": "old",
            "Created": "1",
            "Labels": {"skep.site": "s.test", "skep.stage": "x"},
        }
        other = {"Id": "other", "Name": "other", "Created": "1", "Labels": {}}
        other["IPAM"] = {"Config": [{"Subnet": "10.2.0.0/24" if taken else "10.3.0.0/24"}]}
        self._networks = [own, other]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def networks(self, filters: Any = None) -> list[dict[str, Any]]:
        """List the stage's, or all."""
        return [network for network in self._networks if not filters or network["Labels"]]

    def inspect_network(self, _network: str) -> dict[str, Any]:
        """Return who is in one."""
        return {"Containers": {"c": {"Name": "hive0"}}}

    def inspect_container(self, _container: str) -> dict[str, Any]:
        """Return a host of skep's."""
        return {"Config": {"Labels": {"skep.site": "s.test"}}}

    def stop(self, container: str) -> None:
        """Stop it."""
        self.done.append(f"stop {container}")

    def disconnect_container_from_network(self, container: str, network: str, *, force: bool) -> None:
        """Take it out."""
        assert force
        self.done.append(f"take {container} out of {network}")

    def remove_network(self, network: str) -> None:
        """Remove one."""
        self.done.append(f"remove {network}")
        self._networks = [one for one in self._networks if one["Id"] != network]

    def create_network(self, name: str, *, labels: dict[str, str], **_: Any) -> None:
        """Make one."""
        self.done.append("create")
        self._networks.append({"Id": "new", "Name": name, "Created": "2", "Labels": labels})


@pytest.mark.parametrize("taken", [False, True])
def test_hosts_leave_their_network_stopped_and_only_if_the_next_one_can_be(
    monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    """Addresses that are taken are found before a host has left; then hosts stop in order before they lose it."""
    client = Client(taken=taken)
    monkeypatch.setattr(docker_network, "engine", lambda **_: client)
    monkeypatch.setattr(docker_network, "_routes", list)
    table = types.DockerStage(cidr="10.2.0.0/24", number_of_hosts=1)
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)
    if taken:
        with pytest.raises(ProviderError, match="overlaps"):
            docker_network.ensure(stage, "key", lambda _line: None)
        assert client.done == []
        return

    assert docker_network.ensure(stage, "key", lambda _line: None) == "new"
    assert client.done == ["stop c", "take c out of old", "remove old", "create"]


def test_hosts_that_are_slow_to_stop_leave_time_for_the_next_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a race is given may be over when the old network is gone: the new one was made all the same."""
    client = Client(taken=False)
    monkeypatch.setattr(docker_network, "engine", lambda **_: client)
    monkeypatch.setattr(docker_network, "_routes", list)
    monkeypatch.setattr(docker_network, "RACE_TIMEOUT", 0.0)
    table = types.DockerStage(cidr="10.2.0.0/24", number_of_hosts=1)
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)

    assert docker_network.ensure(stage, "key", lambda _line: None) == "new"
