"""The pure parts of the docker provider: what is wanted, what the engine is told, what its errors become."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.errors import ConfigError
from model.keys.digest import key_of
from model.stage import Stage
from providers import PROVIDERS, create
from providers.docker import check as docker_probe
from providers.docker import host as docker_host
from providers.docker import image as docker_host_image
from providers.docker import network as docker_network
from providers.docker.engine import translate_errors
from providers.docker.host import EngineFeatures, container_spec
from providers.docker.provider import DockerProvider
from remote.ssh.files import SshFiles

PLACE = EngineFeatures(image="sha256:1", network="net", publish=False, privileged=False, modules=False)


def a_stage(**config: Any) -> Stage:
    """Return a stage of two docker hosts."""
    table = types.DockerStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    return Stage(types.Site(site="s.test", stages={"private": table}), "private", table)


def files(directory: Path) -> SshFiles:
    """Return ssh files that are not there."""
    return SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)


def spec(place: EngineFeatures = PLACE, **config: Any) -> Any:
    """Return what the engine is told for the first host."""
    stage = a_stage(**config)
    return container_spec(stage, stage.hosts[0], "key", place)


class TestInputs:
    """What makes a thing another thing."""

    @pytest.mark.parametrize(
        "config",
        [
            {"cidr": "10.9.9.0/24"},
            {"host_image": "debian:12"},
            {"cpus": 1.5},
            {"memory_size": 512},
            {"publish": True},
            {"prefix": "x-"},
        ],
    )
    def test_a_host_is_another_for(self, config: dict[str, Any]) -> None:
        """Whatever its container is made with makes a host another host."""
        stage, other = a_stage(), a_stage(**config)

        assert docker_host.inputs(stage, stage.hosts[0]) != docker_host.inputs(other, other.hosts[0])

    @pytest.mark.parametrize(
        "config", [{"mirror": "http://other"}, {"number_of_hosts": 3}, {"ssh_source_ips": ["::1"]}]
    )
    def test_a_host_is_the_same_for(self, config: dict[str, Any]) -> None:
        """What a host is not made from does not replace it."""
        stage, other = a_stage(), a_stage(**config)

        assert docker_host.inputs(stage, stage.hosts[0]) == docker_host.inputs(other, other.hosts[0])

    def test_the_image_is_shared(self) -> None:
        """Two stages that differ in all but the host image share its key."""
        one, other = types.DockerStage(cidr="10.0.0.0/24"), types.DockerStage(cidr="10.0.1.0/24", cpus=2)

        assert key_of(docker_host_image.inputs(one)) == key_of(docker_host_image.inputs(other))

    def test_a_mirror_counts_for_debootstrap_alone(self) -> None:
        """An image that is pulled does not depend on a mirror that nobody asks."""
        pulled = types.DockerStage(host_image="debian:12")

        assert "mirror" not in docker_host_image.inputs(pulled)
        assert "mirror" in docker_host_image.inputs(types.DockerStage())


class TestContainerSpec:
    """What the engine is told to create."""

    def test_data_outlives_the_container(self) -> None:
        """Volumes are named by site, stage and host, so that the next container of the host finds them."""
        mounts = {mount["Target"]: mount["Source"] for mount in spec()["HostConfig"]["Mounts"]}

        assert mounts == {
            "/var/lib/docker": "skep.s.test.private.hive0.docker",
            "/var/lib/containerd": "skep.s.test.private.hive0.containerd",
        }

    def test_labels(self) -> None:
        """It carries site, stage, name and key."""
        labels = spec()["Labels"]

        assert {**labels, "skep.publish": ""} == {
            "skep.site": "s.test",
            "skep.stage": "private",
            "skep.name": "hive0",
            "skep.key": "key",
            "skep.publish": "",
        }

    def test_address(self) -> None:
        """It has the host's address in the stage's network, and starts with the engine."""
        told = spec()

        assert told["NetworkingConfig"]["EndpointsConfig"]["net"]["IPAMConfig"] == {
            "IPv4Address": "10.9.8.10"
        }
        assert told["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped"}

    def test_limits(self) -> None:
        """CPUs and memory are limited where the stage says so, and not otherwise."""
        limited = spec(cpus=1.5, memory_size=512)["HostConfig"]
        free = spec()["HostConfig"]

        assert (limited["NanoCpus"], limited["Memory"]) == (1_500_000_000, 512 * 2**20)
        assert (free["NanoCpus"], free["Memory"]) == (0, 0)

    def test_published_port_is_not_open_to_others(self) -> None:
        """A published ssh port is bound to 127.0.0.1 and chosen by the engine."""
        told = spec(replace(PLACE, publish=True))

        assert told["HostConfig"]["PortBindings"] == {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
        assert spec()["HostConfig"]["PortBindings"] == {}

    def test_privileged_or_what_is_left_of_it(self) -> None:
        """--privileged where the engine can, else every capability but the one that such machines lack."""
        assert spec(replace(PLACE, privileged=True))["HostConfig"]["Privileged"] is True
        assert "Privileged" not in spec()["HostConfig"]
        assert spec()["HostConfig"]["CapDrop"] == ["SYS_RESOURCE"]


class TestCheck:
    """What can be seen before the engine is asked."""

    @pytest.fixture(autouse=True)
    def _no_engine(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Have no engine."""
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    def test_no_engine(self, tmp_path: Path) -> None:
        """An engine that is not there is one line with the way out, and no traceback."""
        [said] = DockerProvider(a_stage(), files(tmp_path)).check()

        assert "nothing.sock" in said
        assert "start it" in said

    def test_all_at_once(self, tmp_path: Path) -> None:
        """A name that is too long and addresses that are taken are said together, with all the hosts."""
        stage = a_stage(prefix="x" * 60, ip_address_list=["10.9.8.1", "10.9.8.255"])
        said = DockerProvider(stage, files(tmp_path)).check()

        assert sum("longer than 64" in line for line in said) == 2
        assert sum("10.9.8.1," in line or "10.9.8.255," in line for line in said) == 2

    def test_an_engine_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine on another machine can't be used, and it is said why."""
        monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere.invalid:2375")
        monkeypatch.setattr("providers.docker.network.problems", lambda _: [])
        monkeypatch.setattr("providers.docker.image.problems", lambda _: [])

        assert "can't be reached from here" in DockerProvider(a_stage(), files(tmp_path)).check()[0]


class TestWatches:
    """Whether the kernel has enough inotify instances for every host on it."""

    class Engine:
        """An engine with four hosts of another stage."""

        @staticmethod
        def containers(**_: object) -> list[dict[str, object]]:
            """Return the hosts."""
            return [
                {"Labels": {"skep.site": "s.test", "skep.stage": "other", "skep.name": f"hive{n}"}}
                for n in range(4)
            ]

    @pytest.mark.parametrize(("allowed", "enough"), [(128, True), (64, True), (63, False)])
    def test_counts_all_hosts(self, tmp_path: Path, allowed: int, *, enough: bool) -> None:
        """The hosts of other stages count too, and a limit that is too low is said with what to do."""
        limit = tmp_path / "limit"
        limit.write_text(f"{allowed}\n")
        said = docker_probe.watch_shortage(self.Engine(), a_stage(), limit)

        assert (said == "") is enough
        assert enough or "sysctl -w fs.inotify.max_user_instances=1024" in said

    def test_a_machine_without_inotify(self, tmp_path: Path) -> None:
        """Where there is no such limit to be read, as on macOS, nothing is said."""
        assert docker_probe.watch_shortage(self.Engine(), a_stage(), tmp_path / "none") == ""


class TestErrors:
    """What the engine's refusals become."""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "join the group docker"),
            ("('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))", "start it"),
            ("write /var/lib/docker/x: no space left on device", "disk is full"),
            ("Error response from daemon: Address already in use", "ip_address_list"),
            ("driver failed: Bind for 127.0.0.1:49154 failed: port is already allocated", "publish = false"),
            ("pull access denied for nothing", "debootstrap:<suite>"),
            ("Get https://registry-1.docker.io/v2/: dial tcp: i/o timeout", "debootstrap:<suite>"),
            ("UnixHTTPConnectionPool: Read timed out. (read timeout=60)", "does not answer"),
        ],
    )
    def test_way_out(self, text: str, advice: str) -> None:
        """Each known refusal keeps the engine's words and says what to do."""
        said = str(translate_errors(RuntimeError(text)))

        assert text in said
        assert advice in said


class TestNameServers:
    """Which name servers a host gets."""

    def test_the_mothers(self) -> None:
        """Those that the engine gives to containers."""
        assert docker_probe.nameservers("search x\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n") == [
            "10.0.0.2",
            "10.0.0.3",
        ]

    def test_a_mother_whose_resolver_is_a_loopback_address(self) -> None:
        """Docker's own resolver first, which can ask it, and the fallback for the containers in the host."""
        text = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"

        assert docker_probe.nameservers(text) == ["127.0.0.11", "8.8.8.8", "8.8.4.4"]


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


class TestTable:
    """The table of providers."""

    def test_every_provider_can_be_made(self, tmp_path: Path) -> None:
        """Each name in the table is the provider of that name, and making one opens nothing."""
        tables: dict[str, types.Stage] = {
            "docker": types.DockerStage(),
            "prepared": types.PreparedStage(),
            "vagrant": types.VagrantStage(),
            "aws": types.AwsStage(region="eu-central-1", instance_type="t3.small", cidr="10.0.0.0/16"),
            "azure": types.AzureStage(region="westeurope", instance_type="Standard_B2s", cidr="10.0.0.0/16"),
            "gcp": types.GcpStage(region="europe-west3", instance_type="e2-medium", cidr="10.0.0.0/16"),
            "kickstart": types.KickstartStage(
                networks=[types.InstallNetwork(interface="eth0")], target="/dev/sda"
            ),
            "openstack": types.OpenStackStage(instance_type="m1.small", cidr="10.0.0.0/16"),
        }
        for name, table in tables.items():
            stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)

            assert (
                create(stage, files(tmp_path), tmp_path, lambda _: pytest.fail("no secret is asked for")).name
                == name
            )
        assert tables.keys() == PROVIDERS.keys()

    def test_another_name_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that is not in the table is refused with the names that are."""
        monkeypatch.delitem(PROVIDERS, "docker")

        there = ", ".join(sorted(PROVIDERS))
        with pytest.raises(ConfigError, match=rf"stages\.private\.provider: 'docker' is none of {there}"):
            create(a_stage(), files(tmp_path), tmp_path, lambda _: pytest.fail("no secret is asked for"))
