"""The specification of a host's container."""

from dataclasses import replace
from typing import Any

from model import site as types
from model.stage import Stage
from providers.docker.container import EngineFeatures, container_spec

FEATURES = EngineFeatures(image="sha256:1", network="net", publish=False, privileged=False, modules=False)


def a_stage(**config: Any) -> Stage:
    """Return a stage of two docker hosts."""
    table = types.DockerStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    return Stage(types.Site(site="s.test", stages={"private": table}), "private", table)


def spec(features: EngineFeatures = FEATURES, **config: Any) -> Any:
    """Return the specification of the first host's container."""
    stage = a_stage(**config)
    return container_spec(stage, stage.hosts[0], "key", features)


class TestContainerSpec:
    """The specification of a container."""

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
        told = spec(replace(FEATURES, publish=True))

        assert told["HostConfig"]["PortBindings"] == {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
        assert spec()["HostConfig"]["PortBindings"] == {}

    def test_privileged_or_what_is_left_of_it(self) -> None:
        """--privileged where the engine can, else every capability but the one that such machines lack."""
        assert spec(replace(FEATURES, privileged=True))["HostConfig"]["Privileged"] is True
        assert "Privileged" not in spec()["HostConfig"]
        assert spec()["HostConfig"]["CapDrop"] == ["SYS_RESOURCE"]
