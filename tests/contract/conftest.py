"""The fixtures of the contract suite."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.stage import Stage
from providers.gcp import api as gcp_api
from providers.openstack.api import OpenStackApi
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.contract.rigs import (
    CloudRig,
    DockerRig,
    FakeRig,
    PreparedRig,
    Rig,
    VagrantRig,
    VmRig,
    vagrant_stage,
)
from tests.doubles.aws import cloud as aws_cloud
from tests.doubles.azure import cloud as azure_cloud
from tests.doubles.azure import server as azure_server
from tests.doubles.gcp import cloud as gcp_cloud
from tests.doubles.gcp.server import Google
from tests.openstack import cloud as openstack_cloud
from tests.vm import libvirt

STAND_IN = make.ROOT / "tests" / "doubles" / "vagrant.py"
LIMITS = [pytest.mark.integration, pytest.mark.timeout(1200)]
"""For what makes real hosts: the host image may have to be made first."""

VM_LIMITS = [pytest.mark.integration, pytest.mark.timeout(7200)]
"""For virtual machines by software emulation: minutes for each start, and a test may make several."""

OPENSTACK_LIMITS = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(2400)]
"""For OpenStack: its services may have to be installed first."""

OWNERS: dict[str, list[pytest.MarkDecorator]] = {
    "fake": [],
    "docker": LIMITS,
    "vagrant": [],
    "aws": [],
    "gcp": [],
    "azure": [],
    "openstack": OPENSTACK_LIMITS,
}
"""The providers that the suite runs against and that own their hosts, each with the marks of its tests.

The rig of each is the fixture `<provider>_rig`.
"""
BORROWERS = {"prepared": LIMITS}
"""Those whose hosts are not their own."""


@pytest.fixture(scope="session")
def docker_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRig]:
    """Give docker with its image made; everything of the site is removed at the end, and that is asserted."""
    with make.own(make.site_name("contract")):
        stage = make.docker_stage("contract", 2)
        rig = DockerRig(stage, make.ssh_files(tmp_path_factory.mktemp("docker")))
        make.ensure(rig.provider(), "image", print)
        yield rig


@pytest.fixture(scope="session")
def prepared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRig]:
    """Give two hosts that skep has never seen."""
    with make.own(make.site_name("prepared")):
        below = DockerRig(make.docker_stage("prepared", 2), make.ssh_files(tmp_path_factory.mktemp("below")))
        make.ensure_all(below.provider())
        rig = PreparedRig(below, make.ssh_files(tmp_path_factory.mktemp("prepared")))
        for host in rig.stage.hosts:
            rig.prepare(host.short)
        yield rig


@pytest.fixture
def fake_rig(tmp_path: Path) -> FakeRig:
    """Give an empty cloud."""
    table = types.DockerStage(cidr="10.0.0.0/24", number_of_hosts=2)
    stage = Stage(types.Site(site="fake.test", stages={"private": table}), "private", table)
    return FakeRig(stage, SshFiles(tmp_path / "config", tmp_path / "key", tmp_path / "known_hosts", tmp_path))


@pytest.fixture
def vagrant_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VagrantRig:
    """Give Vagrant with nothing made; its stand-ins are first on the path."""
    stage = vagrant_stage()
    rig = VagrantRig(
        stage, make.ssh_files(tmp_path / "site" / "state" / "private"), stand_in(tmp_path, monkeypatch)
    )
    monkeypatch.setattr("providers.vagrant.host.log_in", rig.log_in)
    monkeypatch.setattr(
        "providers.vagrant.host.wait_for_login",
        lambda record, key, *_: rig.log_in(record, key, "").errors,
    )
    return rig


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-ins for vagrant and virsh first on the path, and return what stands for libvirt."""
    programs, libvirt = directory / "bin", directory / "libvirt"
    programs.mkdir()
    for name in ("domains", "disks"):
        (libvirt / name).mkdir(parents=True)
    for name in ("vagrant", "virsh"):
        program = programs / name
        program.write_text(f"#!{sys.executable}\n" + STAND_IN.read_text())
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LIBVIRT", str(libvirt))
    monkeypatch.setenv("XDG_DATA_HOME", str(directory / "data"))
    return libvirt


@pytest.fixture(scope="session")
def vm_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VmRig]:
    """Give virtual machines of a box that is made here; what a killed run left of them is removed first."""
    with libvirt.running():
        config = libvirt.config(tmp_path_factory.mktemp("box"))
        table = types.VagrantStage(cidr="10.231.10.0/24", number_of_hosts=2, **config)
        site = types.Site(site=make.site_name("vm"), stages={"private": table})
        stage = Stage(site, "private", table)
        rig = VmRig(stage, make.ssh_files(tmp_path_factory.mktemp("vm") / "site" / "state" / "private"))
        libvirt.remove(rig.provider())
        yield rig
        libvirt.remove(rig.provider())
        assert rig.things() == []


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aws_cloud.Cloud]:
    """Give Amazon as moto has it."""
    with aws_cloud.started(tmp_path_factory.mktemp("aws")) as cloud:
        yield cloud


@pytest.fixture
def aws(aws_server: aws_cloud.Cloud) -> Iterator[aws_cloud.Cloud]:
    """Give an empty account there, to which alone this process can connect."""
    aws_server.ask(reset=True)
    with aws_cloud.used(aws_server):
        yield aws_server


@pytest.fixture
def aws_rig(aws: aws_cloud.Cloud, tmp_path: Path) -> CloudRig:
    """Give two hosts' worth of Amazon."""
    stage = aws_cloud.stage_of(number_of_hosts=2, nfs=True, mirrored_disk_size=5)
    return CloudRig(stage, aws_cloud.files_of(tmp_path), aws.things)


@pytest.fixture(scope="session")
def gcp_server() -> Iterator[tuple[Google, str]]:
    """Give Google as the tests have it."""
    with gcp_cloud.started() as started:
        yield started


@pytest.fixture
def google(gcp_server: tuple[Google, str]) -> Iterator[Google]:
    """Give an empty project there, to which alone this process can connect; runs share their clients.

    By a patch of its own: the fixture `monkeypatch` would be undone after it, and a test may patch the same things.
    """
    google, url = gcp_server
    google.reset()
    clients: dict[str, Any] = {}
    client = gcp_api.GcpApi.client

    def shared(api: gcp_api.GcpApi, kind: str) -> Any:
        if kind not in clients:
            clients[kind] = client(api, kind)
        return clients[kind]

    with pytest.MonkeyPatch.context() as patch, gcp_cloud.used(url):
        patch.setattr(gcp_api.GcpApi, "client", shared)
        yield google


@pytest.fixture
def gcp_rig(google: Google, tmp_path: Path) -> CloudRig:
    """Give two hosts' worth of Google."""
    stage = gcp_cloud.stage_of(number_of_hosts=2, nfs=True, mirrored_disk_size=5)
    return CloudRig(stage, make.ssh_files(tmp_path), lambda: gcp_cloud.things(google))


@pytest.fixture(scope="session")
def azure_started() -> Iterator[azure_server.Cloud]:
    """Give Azure as it is published."""
    with azure_server.started() as cloud:
        yield cloud


@pytest.fixture
def azure(azure_started: azure_server.Cloud) -> Iterator[azure_server.Cloud]:
    """Give an empty subscription there, to which alone this process can connect."""
    azure_started.reset()
    with azure_cloud.used(azure_started):
        yield azure_started


@pytest.fixture
def azure_rig(azure: azure_server.Cloud, tmp_path: Path) -> CloudRig:
    """Give two hosts' worth of Azure; a machine that is deleted in the portal leaves its network interface."""
    stage = azure_cloud.stage_of(number_of_hosts=2, nfs=True, mirrored_disk_size=5)
    return CloudRig(stage, make.ssh_files(tmp_path), azure.kinds, azure.delete)


@pytest.fixture
def openstack(control_plane: Path) -> Iterator[Path]:
    """Give OpenStack, to which alone this process can connect."""
    with openstack_cloud.used(control_plane):
        yield control_plane


@pytest.fixture(scope="session")
def openstack_files(tmp_path_factory: pytest.TempPathFactory) -> SshFiles:
    """Give the ssh files of the stage there."""
    return make.ssh_files(tmp_path_factory.mktemp("openstack"))


@pytest.fixture
def openstack_rig(openstack: Path, openstack_files: SshFiles) -> CloudRig:
    """Give two hosts' worth of OpenStack; what the test before has made is still there."""
    del openstack
    stage = openstack_cloud.stage_of(number_of_hosts=2, available_zones=["az1", "az2"], disk_size=10)
    api = OpenStackApi("loopback", None)

    def delete(name: str) -> None:
        """Delete a server, as in the dashboard; its port stays."""
        api.drop("compute", f"/servers/{make.provider_of(stage, openstack_files).found()[name].id}")
        make.wait_until(
            lambda: not any(thing.startswith(f"{name} ") for thing in openstack_cloud.things(api)),
            f"{name} to be gone",
        )

    return CloudRig(stage, openstack_files, lambda: openstack_cloud.things(api), delete)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--vm`: the suite against virtual machines, and nothing else."""
    parser.addoption("--vm", action="store_true", help="real virtual machines (libvirt), which takes an hour")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for `rig` for every provider, and what asks for `owner` for those that own their hosts."""
    own, rigs = OWNERS, OWNERS | BORROWERS
    if metafunc.config.getoption("--vm"):
        own = rigs = {"vm": VM_LIMITS}
    for fixture, limits in (("rig", rigs), ("owner", own)):
        if fixture in metafunc.fixturenames:
            params = [pytest.param(name, marks=marks) for name, marks in limits.items()]
            metafunc.parametrize(fixture, params, indirect=True)


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Rig:
    """Give the rig of one provider."""
    found = request.getfixturevalue(f"{request.param}_rig")
    assert isinstance(found, Rig)
    return found


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> Rig:
    """Give the rig of one provider that owns its hosts."""
    found = request.getfixturevalue(f"{request.param}_rig")
    assert isinstance(found, Rig)
    return found
