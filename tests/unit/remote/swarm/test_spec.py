"""Definitions in Docker's words."""

from dataclasses import replace
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from remote.swarm.spec import ServiceParts, image_config, service_spec, spec_digest
from tests.definitions import image_of, service_of

PARTS = ServiceParts(
    "registry/web@sha256:0", {"front": "net1", "back": "net2", "host": "host"}, {"key": ("key-0", "id0")}
)


def stage(**parts: Any) -> Stage:
    """Return a stage of a small site."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
            "networks": {"front": {}, "back": {}},
            "volumes": {
                "data": {"hosts": ["hive0"]},
                "shared": {},
                "others": {"external": True, "name": "theirs"},
            },
            **parts,
        }
    )
    return Stage(site, "private", site.stages["private"])


def spec(**definition: Any) -> dict[str, Any]:
    """Return the specification of a service."""
    service = service_of({"image": "web", **definition})
    networks = {
        name: id_ for name, id_ in PARTS.networks.items() if name in (service.networks or ("front", "back"))
    }
    parts = replace(
        PARTS, networks=networks, ports=[port.at(port.published or 61001) for port in service.ports]
    )
    return service_spec("web", service, stage(), parts, {"skep.key": "k"})


CONTAINER = ["TaskTemplate", "ContainerSpec"]


@pytest.mark.parametrize(
    ("definition", "path", "value"),
    [
        ({}, [*CONTAINER, "Image"], "registry/web@sha256:0"),
        ({"entrypoint": ["a", "b"]}, [*CONTAINER, "Command"], ["a", "b"]),
        ({"command": "a b"}, [*CONTAINER, "Args"], ["/bin/sh", "-c", "a b"]),
        ({"environment": {"A": 1, "B": True}}, [*CONTAINER, "Env"], ["A=1", "B=true"]),
        ({"user": "www"}, [*CONTAINER, "User"], "www"),
        ({"working_dir": "/srv"}, [*CONTAINER, "Dir"], "/srv"),
        ({"hosts": {"db": "10.0.0.1"}}, [*CONTAINER, "Hosts"], ["10.0.0.1 db"]),
        ({"dns": ["10.0.0.1"]}, [*CONTAINER, "DNSConfig"], {"Nameservers": ["10.0.0.1"]}),
        ({"stop_grace_period": "1m"}, [*CONTAINER, "StopGracePeriod"], 60_000_000_000),
        ({"stop_signal": "SIGQUIT"}, [*CONTAINER, "StopSignal"], "SIGQUIT"),
        ({"init": True}, [*CONTAINER, "Init"], True),
        ({"read_only": True}, [*CONTAINER, "ReadOnly"], True),
        ({"cap_add": ["NET_ADMIN"]}, [*CONTAINER, "CapabilityAdd"], ["NET_ADMIN"]),
        ({"cap_drop": ["CHOWN"]}, [*CONTAINER, "CapabilityDrop"], ["CHOWN"]),
        ({"sysctls": {"net.core.somaxconn": 9}}, [*CONTAINER, "Sysctls"], {"net.core.somaxconn": "9"}),
        ({"sysctls": {"net/ipv4/ip_forward": True}}, [*CONTAINER, "Sysctls"], {"net.ipv4.ip_forward": "1"}),
        ({"sysctls": {"kernel.sem": "1\t2  3"}}, [*CONTAINER, "Sysctls"], {"kernel.sem": "1 2 3"}),
        (
            {"healthcheck": {"test": "true", "interval": "5s"}},
            [*CONTAINER, "HealthCheck", "Test"],
            ["CMD-SHELL", "true"],
        ),
        (
            {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs_size": "1M"}]},
            [*CONTAINER, "Mounts"],
            [{"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1048576}}],
        ),
        (
            {"volumes": [{"type": "bind", "source": "/a", "target": "/b", "readonly": True}]},
            [*CONTAINER, "Mounts"],
            [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}],
        ),
        (
            {"secrets": ["key"]},
            [*CONTAINER, "Secrets"],
            [
                {
                    "SecretName": "key-0",
                    "SecretID": "id0",
                    "File": {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o400},
                }
            ],
        ),
        (
            {"cpu_limit": 0.5, "mem_limit": "64M"},
            ["TaskTemplate", "Resources", "Limits"],
            {"NanoCPUs": 500_000_000, "MemoryBytes": 67_108_864},
        ),
        ({}, ["TaskTemplate", "Networks"], [{"Target": "net1"}, {"Target": "net2"}]),
        (
            {"networks": [{"name": "back", "aliases": ["db"]}]},
            ["TaskTemplate", "Networks"],
            [{"Target": "net2", "Aliases": ["db"]}],
        ),
        (
            {
                "volumes": [{"source": "data", "target": "/d"}],
                "placement": {"constraints": ["node.role==manager"]},
            },
            ["TaskTemplate", "Placement", "Constraints"],
            ["node.role==manager", "node.labels.skep.volume.data==true"],
        ),
        ({"volumes": [{"source": "shared", "target": "/d"}]}, ["TaskTemplate", "Placement"], {}),
        ({"placement": {"max_replicas_per_node": 1}}, ["TaskTemplate", "Placement", "MaxReplicas"], 1),
        ({"restart_config": {"condition": "none"}}, ["TaskTemplate", "RestartPolicy", "Condition"], "none"),
        ({"mode": "global"}, ["Mode"], {"Global": {}}),
        ({"replicas": 3}, ["Mode"], {"Replicated": {"Replicas": 3}}),
        ({"endpoint_mode": "dnsrr"}, ["EndpointSpec", "Mode"], "dnsrr"),
        (
            {
                "ports": [
                    "8080:80",
                    {"target_port": 53, "published_port": 53, "protocol": "udp", "mode": "host"},
                    "99/sctp",
                ]
            },
            ["EndpointSpec", "Ports"],
            [
                {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
                {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"},
                {"Protocol": "sctp", "TargetPort": 99, "PublishedPort": 61001, "PublishMode": "ingress"},
            ],
        ),
        (
            {"dns_search": ["a.test"], "dns_options": ["ndots:2"]},
            [*CONTAINER, "DNSConfig"],
            {"Search": ["a.test"], "Options": ["ndots:2"]},
        ),
        ({"hostname": "box"}, [*CONTAINER, "Hostname"], "box"),
        ({"tty": True}, [*CONTAINER, "TTY"], True),
        (
            {"ulimits": {"nofile": 9, "core": {"soft": 0, "hard": -1}}},
            [*CONTAINER, "Ulimits"],
            [{"Name": "core", "Soft": 0, "Hard": -1}, {"Name": "nofile", "Soft": 9, "Hard": 9}],
        ),
        (
            {"logging": {"driver": "json-file", "options": {"max-file": 2}}},
            ["TaskTemplate", "LogDriver"],
            {"Name": "json-file", "Options": {"max-file": "2"}},
        ),
        (
            {"cpu_reservation": 0.25, "mem_reservation": "1M"},
            ["TaskTemplate", "Resources"],
            {"Reservations": {"NanoCPUs": 250_000_000, "MemoryBytes": 1_048_576}},
        ),
        ({"mode": "global-job"}, ["Mode"], {"GlobalJob": {}}),
        (
            {"mode": "replicated-job", "replicas": 3},
            ["Mode"],
            {"ReplicatedJob": {"MaxConcurrent": 3, "TotalCompletions": 3}},
        ),
        (
            {"mode": "replicated-job", "replicas": 3, "max_concurrent": 1},
            ["Mode"],
            {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 3}},
        ),
        ({"mode": "replicated-job"}, ["UpdateConfig"], None),
        ({"mode": "replicated-job"}, ["RollbackConfig"], None),
        ({"mode": "replicated-job"}, ["TaskTemplate", "RestartPolicy", "Condition"], "on-failure"),
        (
            {"placement": {"preferences": ["node.labels.zone"]}},
            ["TaskTemplate", "Placement", "Preferences"],
            [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
        ),
        (
            {"restart_config": {"delay": "1s", "max_attempts": 2, "window": "3s"}},
            ["TaskTemplate", "RestartPolicy"],
            {"Condition": "any", "Delay": 1_000_000_000, "MaxAttempts": 2, "Window": 3_000_000_000},
        ),
        (
            {"update_config": {"parallelism": 2, "delay": "1s", "monitor": "2s", "max_failure_ratio": 0.5}},
            ["UpdateConfig"],
            {
                "Parallelism": 2,
                "Delay": 1_000_000_000,
                "FailureAction": "rollback",
                "Monitor": 2_000_000_000,
                "MaxFailureRatio": 0.5,
                "Order": "stop-first",
            },
        ),
        (
            {"rollback_config": {"parallelism": 0, "order": "start-first"}},
            ["RollbackConfig"],
            {
                "Parallelism": 0,
                "Delay": 0,
                "FailureAction": "pause",
                "Monitor": 5_000_000_000,
                "MaxFailureRatio": 0.0,
                "Order": "start-first",
            },
        ),
        (
            {
                "volumes": [
                    {"type": "bind", "source": "/a", "target": "/b", "propagation": "rslave"},
                    {"type": "tmpfs", "target": "/t", "tmpfs_mode": "1770"},
                    {"source": "shared", "target": "/s", "no_copy": True},
                ]
            },
            [*CONTAINER, "Mounts"],
            [
                {
                    "Type": "bind",
                    "Source": "/a",
                    "Target": "/b",
                    "ReadOnly": False,
                    "BindOptions": {"Propagation": "rslave"},
                },
                {"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"Mode": 0o1770}},
                {
                    "Type": "volume",
                    "Source": "shared",
                    "Target": "/s",
                    "ReadOnly": False,
                    "VolumeOptions": {"NoCopy": True},
                },
            ],
        ),
        ({"standalone": True}, [*CONTAINER, "StopSignal"], "SIGRTMIN+3"),
        ({"standalone": True, "environment": {"A": "b"}}, [*CONTAINER, "Env"], ["A=b", "container=docker"]),
        (
            {"standalone": True, "volumes": [{"type": "tmpfs", "target": "/tmp", "tmpfs_size": "1M"}]},
            [*CONTAINER, "Mounts"],
            [
                {
                    "Type": "tmpfs",
                    "Target": "/tmp",
                    "ReadOnly": False,
                    "TmpfsOptions": {"SizeBytes": 1_048_576},
                },
                {"Type": "tmpfs", "Target": "/run", "ReadOnly": False},
                {"Type": "tmpfs", "Target": "/run/lock", "ReadOnly": False},
            ],
        ),
        (
            {"standalone": True, "cap_add": ["SYS_TIME"], "cap_drop": ["NET_ADMIN"]},
            [*CONTAINER, "CapabilityAdd"],
            ["SYS_TIME", "SYS_ADMIN", "SYS_PTRACE", "SYS_NICE", "DAC_READ_SEARCH"],
        ),
        ({"container_labels": {"a.b": True, "c": "d"}}, [*CONTAINER, "Labels"], {"a.b": "true", "c": "d"}),
        (
            {"shm_size": "256M"},
            [*CONTAINER, "Mounts"],
            [
                {
                    "Type": "tmpfs",
                    "Target": "/dev/shm",
                    "ReadOnly": False,
                    "TmpfsOptions": {"SizeBytes": 268_435_456, "Mode": 0o1777},
                }
            ],
        ),
        (
            {"volumes": [{"source": "others", "target": "/o"}]},
            [*CONTAINER, "Mounts"],
            [{"Type": "volume", "Target": "/o", "ReadOnly": False, "Source": "theirs"}],
        ),
        ({"networks": ["host"]}, ["TaskTemplate", "Networks"], [{"Target": "host"}]),
        (
            {
                "networks": ["host"],
                "ports": [{"target_port": 9100, "published_port": 9100, "mode": "host"}],
            },
            ["EndpointSpec", "Ports"],
            [],
        ),
        ({"update_config": {"order": "start-first"}}, ["UpdateConfig", "Order"], "start-first"),
        ({"labels": {"a": "text", "b": [1]}}, ["Labels"], {"a": "text", "b": "[1]", "skep.key": "k"}),
    ],
)
def test_every_attribute_of_a_service_arrives(
    definition: dict[str, Any], path: list[str], value: Any
) -> None:
    """From TOML to the service's specification, one attribute at a time."""
    found: Any = spec(**definition)
    for step in path:
        found = found[step]

    assert found == value


def test_what_is_not_given_is_left_to_docker() -> None:
    """No empty user, command or environment overrides the image's own."""
    container = spec()["TaskTemplate"]["ContainerSpec"]

    assert set(container) == {"Image", "StopGracePeriod"}


def test_the_digest_of_a_specification_leaves_labels_out() -> None:
    """Marks that skep puts on a running service are no change by somebody else; anything else is."""
    one = spec()
    assert spec_digest(one) == spec_digest({**one, "Labels": {"skep.initialized.x": "y"}})
    assert spec_digest(one) != spec_digest(spec(replicas=2))


@pytest.mark.parametrize(
    ("definition", "config"),
    [
        ({}, {}),
        ({"entrypoint": ["a"]}, {"Entrypoint": ["a"], "Cmd": []}),
        ({"command": "a b"}, {"Cmd": ["/bin/sh", "-c", "a b"]}),
        ({"entrypoint": ["a"], "command": ["b"]}, {"Entrypoint": ["a"], "Cmd": ["b"]}),
        ({"env": {"A": False}}, {"Env": ["A=false"]}),
        ({"expose": [80, "53/udp"]}, {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        (
            {"user": "x", "working_dir": "/", "stop_signal": "TERM"},
            {"User": "x", "WorkingDir": "/", "StopSignal": "TERM"},
        ),
    ],
)
def test_every_attribute_of_an_image_arrives(definition: dict[str, Any], config: dict[str, Any]) -> None:
    """From TOML to the image's configuration; an entrypoint of its own drops the base's command."""
    assert image_config(image_of({"from": "debian:12", **definition})) == config
