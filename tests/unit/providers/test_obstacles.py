"""What keeps hosts from other addresses, found by each provider before anything is changed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from model import site as types
from model.secrets.secret import Secret
from model.stage import Stage
from providers import create
from providers.base import Found, Provider
from providers.docker import check as docker_check
from providers.docker import network as docker_network
from providers.docker.provider import DockerProvider
from providers.vagrant.machines import Machines
from remote.ssh.ssh_files import SshFiles

CLOUDS: dict[str, Any] = {
    "aws": types.AwsStage(region="eu-central-1", instance_type="t3.small"),
    "azure": types.AzureStage(region="westeurope", instance_type="Standard_B2s"),
    "gcp": types.GcpStage(region="europe-west3", instance_type="e2-medium"),
    "openstack": types.OpenStackStage(instance_type="m1.small"),
}


def provider_of(directory: Path, table: Any, **config: Any) -> Provider:
    """Return the provider of a stage of two hosts."""
    table = msgspec.structs.replace(table, number_of_hosts=2, **config)
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)
    files = SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)
    return create(stage, files, directory, Secret)


def found_of(provider: Provider) -> dict[str, Found]:
    """Return what a stage's listing has where all is as that provider wants it."""
    return {
        resource.name: Found(resource.name, resource.key, f"id-{resource.name}", is_host=resource.is_host)
        for resource in provider.resources()
    }


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_s_networks_stay_while_hosts_are_in_them(tmp_path: Path, cloud: str) -> None:
    """No cloud moves machines to another network, or gives a network other addresses: said before it is tried."""
    there = found_of(provider_of(tmp_path, CLOUDS[cloud], cidr="10.1.0.0/20"))
    other = provider_of(tmp_path, CLOUDS[cloud], cidr="10.2.0.0/20")
    said = other.obstacles(there, {})

    assert said
    assert all("put cidr, subnets and zones back" in line and "hive" in line for line in said)
    assert not other.moves_at_once(there)
    hosts_gone = {name: thing for name, thing in there.items() if not thing.is_host}
    assert other.obstacles(hosts_gone, {}) == []
    assert other.obstacles(found_of(other), {}) == []


def test_a_half_made_vpc_is_no_obstacle(tmp_path: Path) -> None:
    """A VPC that a killed run left without its key is made whole."""
    provider = provider_of(tmp_path, CLOUDS["aws"], cidr="10.1.0.0/20")
    there = found_of(provider)
    there["network"] = replace(there["network"], key="")

    assert provider.obstacles(there, {}) == []


@pytest.mark.parametrize("cidr", ["10.2.0.0/24", "10.2.0.0/255.255.255.0"])
def test_vagrant_s_machines_stay_in_their_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cidr: str
) -> None:
    """Machines in two networks don't reach each other; another address in the same one is an ordinary change."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    provider = provider_of(tmp_path, types.VagrantStage(), cidr=cidr)
    there = found_of(provider)
    stage = Stage(types.Site(site="s.test", stages={}), "x", types.VagrantStage())
    directory = Machines(stage, types.VagrantStage()).directory
    directory.mkdir(parents=True)

    def made_in(network: str) -> None:
        address = {"address": f"{network}.10", "netmask": "255.255.255.0"}
        (directory / "stage.json").write_text(json.dumps({"hosts": {"hive0": address}}))

    made_in("10.2.0")
    assert provider.obstacles(there, {"hive0": "10.2.0.10"}) == ()
    made_in("10.1.0")
    [said] = provider.obstacles(there, {})
    assert said.startswith("stages.x.cidr: hive0 is in 10.1.0.0/24, and a machine stays in the network")


@pytest.mark.parametrize(
    "table",
    [
        types.PreparedStage(),
        types.KickstartStage(networks=[types.InstallNetwork(interface="eth0")], target="/dev/sda"),
    ],
    ids=["prepared", "kickstart"],
)
def test_borrowed_machines_are_moved_by_a_person_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    """A machine that is to have another address is asked whether it answers there; one that stays is not."""
    asked: list[str] = []

    def connect(address: tuple[str, int], **_: Any) -> Any:
        asked.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("socket.create_connection", connect)
    provider = provider_of(tmp_path, table, ip_address_list=["192.0.2.10", "192.0.2.11"])
    [said] = provider.obstacles({}, {"hive1": "192.0.2.99"})

    assert asked == ["192.0.2.11"]
    assert "192.0.2.11" in said
    assert "put 192.0.2.99 back" in said
    assert provider.obstacles({}, {}) == []


class Client:
    """An engine with a network of another stage, one of another site, one of nobody, and the stage's own."""

    FOREIGN = "somebody"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def networks(self, **_: Any) -> list[dict[str, Any]]:
        """List them."""

        def network(name: str, subnet: str, site: str = "", stage: str = "") -> dict[str, Any]:
            labels = {"skep.site": site, "skep.stage": stage} if site else {}
            return {"Name": name, "Id": name, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]}}

        return [
            network("beside", "10.3.0.0/24", "s.test", "staging"),
            network("far", "10.4.0.0/24", "t.test", "private"),
            network("free", "10.5.0.0/24"),
            network("own", "10.1.0.0/24", "s.test", "x"),
        ]

    def inspect_network(self, name: str) -> dict[str, Any]:
        """Return one, with somebody in it."""
        return {"Containers": {"c": {"Name": self.FOREIGN}} if name == "own" else {}}

    def inspect_container(self, _name: str) -> dict[str, Any]:
        """Return a container that is not skep's."""
        return {"Config": {"Labels": {}}}


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        (
            "10.3.0.128/25",
            (
                "Docker network beside, which is stage staging's: set another; or if stage staging is "
                "not needed any more: doit destroy stage=staging confirm=s.test"
            ),
        ),
        (
            "10.4.0.0/16",
            (
                "far, which is stage private's of the site t.test: set another; or if that stage is not "
                "needed any more, in its directory: doit destroy stage=private confirm=t.test"
            ),
        ),
        (
            "10.5.0.0/24",
            "of the Docker network free: set another, or remove that network: docker network rm free",
        ),
        ("10.6.0.0/24", "overlaps with 10.6.0.0/16, which this machine reaches through tun0: set another"),
        ("10.7.0.0/24", ""),
    ],
)
def test_docker_looks_for_networks_and_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cidr: str, expected: str
) -> None:
    """Whose a network is decides on the way out; the stage's own old network is none, but who else is in it is one."""
    monkeypatch.setattr(docker_network, "engine", lambda **_: Client())
    monkeypatch.setattr(docker_network, "_routes", lambda: [("tun0", "10.6.0.0/16")])
    before = found_of(provider_of(tmp_path, types.DockerStage(), cidr="10.1.0.0/24"))
    before["network"] = replace(before["network"], id="own")
    provider = provider_of(tmp_path, types.DockerStage(), cidr=cidr)
    foreign, *said = provider.obstacles(before, {})

    assert "somebody is in it, which is not skep's: `docker network disconnect own somebody`" in foreign
    assert len(said) == bool(expected)
    assert all(
        line.startswith(f"stages.x.cidr: {cidr} overlaps") and line.endswith(expected) for line in said
    )
    assert provider.moves_at_once(before)
    assert provider.obstacles(found_of(provider), {}) == []
    assert not provider.moves_at_once(found_of(provider))


def test_docker_s_own_addresses_are_no_host_s(tmp_path: Path) -> None:
    """A list with the gateway's address is found although nothing else of the network changes."""
    provider = provider_of(
        tmp_path, types.DockerStage(), cidr="10.1.0.0/24", ip_address_list=["10.1.0.1", "10.1.0.9"]
    )

    [said] = provider.obstacles(found_of(provider), {})
    assert "hive0.s.test can't have 10.1.0.1" in said
    assert isinstance(provider, DockerProvider)
    assert docker_check.reserved_addresses(provider._stage) == [said]
