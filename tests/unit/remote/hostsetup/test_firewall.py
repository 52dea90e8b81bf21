"""The firewall's rules, as text. That they hold is for the integration suite."""

import subprocess
from typing import Any

import pytest

from model.hosts.firewall import published
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.firewall import firewall_script, firewall_step


def stage_of(stage: dict[str, Any] | None = None, **site: Any) -> Stage:
    """Return a stage of three hives and a repository."""
    config = {"provider": "docker", "cidr": "192.0.2.0/24"} if stage is None else stage
    whole = parse_site({"site": "example", "stages": {"private": config}, **site})
    return Stage(whole, "private", whole.stages["private"])


def rules(stage: Stage, short: str, version: int = 4) -> list[str]:
    """Return the rules of a host for one IP version, without those of ssh and without the chain's name."""
    part = firewall_script(stage, stage.host(short)).split(f"rules{version}() {{")[1]
    part = part.split("<<'END'\n")[1].split("\nEND\n")[0]
    return [line.removeprefix("-A SKEP-INPUT ").removesuffix(" -j ACCEPT") for line in part.splitlines()]


def test_the_script_is_posix_shell() -> None:
    """It is run at boot, when nobody looks."""
    stage = stage_of()

    subprocess.run(["sh", "-n"], input=firewall_script(stage, stage.host("hive0")).encode(), check=True)


def test_the_swarms_ports_are_open_between_hives_only() -> None:
    """The repository runs no service, so its address is not among them."""
    swarm = [rule for rule in rules(stage_of(), "hive0") if "2377" in rule]

    assert swarm == [f"-s 192.0.2.{n} -p tcp --dport 2377" for n in (10, 11, 12)]
    assert not [rule for rule in rules(stage_of(), "hive3") if "2377" in rule]


@pytest.mark.parametrize(
    "rule", ["-p tcp --dport 7946", "-p udp --dport 7946", "-p udp --dport 4789", "-p esp"]
)
def test_gossip_and_overlay_networks_are_let_in(rule: str) -> None:
    """From each hive, encrypted or not."""
    assert f"-s 192.0.2.11 {rule}" in rules(stage_of(), "hive0")


def test_the_registry_is_open_to_all_hosts_of_the_stage_and_nobody_else() -> None:
    """On the repository host."""
    assert [rule for rule in rules(stage_of(), "hive3") if "5000" in rule] == [
        f"-s 192.0.2.{n} -p tcp --dport 5000" for n in (10, 11, 12, 13)
    ]
    assert not [rule for rule in rules(stage_of(), "hive0") if "5000" in rule]


def test_published_ports_are_open_on_hives() -> None:
    """Those of the services of this stage, in either mode, each once."""
    stage = stage_of(
        services={
            "a": {
                "image": "a",
                "ports": ["53:53/udp", {"target_port": 1, "published_port": 8080, "mode": "host"}, "8081:80"],
            },
            "b": {"image": "b", "ports": ["99:99"], "available_on": ["production"]},
        }
    )

    assert published(stage, stage.host("hive0")) == [("tcp", 8080), ("tcp", 8081), ("udp", 53)]
    assert "-p udp --dport 53" in rules(stage, "hive0")
    assert "-p udp --dport 53" in rules(stage, "hive0", 6)
    assert published(stage, stage.repository) == []


@pytest.mark.parametrize(
    ("sources", "line4", "line6"),
    [
        ([], "ssh_rules 0.0.0.0/0", "ssh_rules ::/0"),
        (["192.0.2.0/24"], "ssh_rules 192.0.2.0/24", "ssh_rules "),
        (["192.0.2.7", "2001:db8::/32"], "ssh_rules 192.0.2.7", "ssh_rules 2001:db8::/32"),
    ],
)
def test_ssh_is_open_to_whom_the_stage_says(sources: list[str], line4: str, line6: str) -> None:
    """Each IP version has its own; where only one is named, the other is closed."""
    stage = stage_of({"provider": "docker", "cidr": "192.0.2.0/24", "ssh_source_ips": sources})

    called = [
        line.strip(" ")
        for line in firewall_script(stage, stage.host("hive0")).splitlines()
        if "ssh_rules " in line
    ]

    assert [line.strip() for line in called] == [line4.strip(), line6.strip()]


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ({}, "22"),
        ({"ssh_port": 2222}, "22 2222"),
        ({"ssh_port": 2222, "hosts": {"hive0": {"ssh_port": 2022}}}, "22 2022"),
    ],
)
def test_a_prepared_hosts_own_ssh_port_stays_open(config: dict[str, Any], ports: str) -> None:
    """It may not be 22; 22 stays open where the other is an address translation's."""
    stage = stage_of(
        {"provider": "prepared", "ip_address_list": ["192.0.2.1"], "separate_repository": False, **config}
    )

    assert f"printf '%s\\n' {ports}\n" in firewall_script(stage, stage.host("hive0"))


def test_addresses_go_to_the_rules_of_their_ip_version() -> None:
    """Either command refuses an address of the other version."""
    stage = stage_of(
        {
            "provider": "prepared",
            "ip_address_list": ["192.0.2.1", "2001:db8::2"],
            "separate_repository": False,
        }
    )

    assert "-s 192.0.2.1 -p esp" in rules(stage, "hive0", 4)
    assert "-s 2001:db8::2 -p esp" in rules(stage, "hive0", 6)
    assert not [rule for rule in rules(stage, "hive0", 4) if ":" in rule]


def test_without_a_firewall_the_step_stays_to_take_the_old_one_out() -> None:
    """`firewall = false` after a firewall must not leave it in force; no unit has to be active then."""
    stage = stage_of(setup_hosts={"firewall": False})
    step = firewall_step(stage, stage.host("hive0"))

    assert [(file.path, file.content) for file in step.files()] == [("/etc/skep/firewall.on", "no\n")]
    assert step.units == ()


# -- ports that Docker forwards to containers --------------------------------------------------------------------------

STAGES_OWN = ["-i docker0", "-i docker_gwbridge", *(f"-s 192.0.2.{n}" for n in (10, 11, 12, 13))]
REPLIES = ["-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN", "-m conntrack ! --ctstate DNAT -j RETURN"]


def forwarded(stage: Stage, short: str = "hive0", version: int = 4) -> list[str]:
    """Return the rules for what Docker forwards, without those of the metadata service and the chain's name."""
    part = firewall_script(stage, stage.host(short)).split(f"docker{version}() {{")[1]
    lines = part.split("<<'END'\n")[1].split("\nEND\n")[0].splitlines()
    address = {4: "169.254.169.254", 6: "fd00:ec2::254"}[version]
    return [line.removeprefix("-A SKEP-DOCKER ") for line in lines if address not in line]


def service(*ports: Any, **more: Any) -> dict[str, Any]:
    """Return a service with published ports."""
    return {"image": "a", "ports": list(ports), **more}


def port(published: int | None = None, target: int = 80, **more: Any) -> dict[str, Any]:
    """Return a published port."""
    return {"target_port": target, **({} if published is None else {"published_port": published}), **more}


@pytest.mark.parametrize("mode", ["host", "ingress"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_chosen_port_is_open_to_the_stages_hosts_alone(mode: str, version: int) -> None:
    """By the port that the packet was sent to, in either mode and IP version; a host's own containers may as well."""
    stage = stage_of(services={"a": service(port(mode=mode))})
    to = "-p tcp -m conntrack --ctorigdstport 61001:65535"

    own = STAGES_OWN if version == 4 else STAGES_OWN[:2]
    assert forwarded(stage, version=version) == [
        *REPLIES,
        *(f"{source} {to} -j RETURN" for source in own),
        f"{to} -j DROP",
    ]


def test_a_named_port_is_open_to_all_by_default() -> None:
    """Nothing is dropped, and a port in the range of the chosen ones is not taken for one."""
    stage = stage_of(services={"a": service("62000:80"), "b": service("80")})
    rules = forwarded(stage)

    assert rules[2] == "-p tcp -m conntrack --ctorigdstport 62000 -j RETURN"
    assert [rule for rule in rules if rule.endswith("DROP")] == [
        "-p tcp -m conntrack --ctorigdstport 61001:65535 -j DROP"
    ]


def test_a_port_says_whom_it_is_open_to() -> None:
    """The stage, or networks, each in the rules of its IP version; also for what comes by Docker's proxy."""
    networks = ["198.51.100.0/24", "2001:db8::/32"]
    stage = stage_of(
        services={
            "a": service(port(5432, open_to="stage")),
            "b": service(port(81, open_to=networks)),
            "c": service(port(82, open_to=["stage", "198.51.100.7"])),
            "d": service(port(53, protocol="udp", open_to="all")),
        }
    )
    four, six = forwarded(stage), forwarded(stage, version=6)

    assert [rule.split(" -p tcp")[0] for rule in four if rule.endswith("5432 -j RETURN")] == STAGES_OWN
    assert [rule for rule in four if "port 81 " in rule] == [
        "-s 198.51.100.0/24 -p tcp -m conntrack --ctorigdstport 81 -j RETURN",
        "-p tcp -m conntrack --ctorigdstport 81 -j DROP",
    ]
    assert [rule for rule in six if "port 81 " in rule] == [
        "-s 2001:db8::/32 -p tcp -m conntrack --ctorigdstport 81 -j RETURN",
        "-p tcp -m conntrack --ctorigdstport 81 -j DROP",
    ]
    assert "-s 198.51.100.7 -p tcp -m conntrack --ctorigdstport 82 -j RETURN" in four
    assert "-p udp -m conntrack --ctorigdstport 53 -j RETURN" in four
    assert "-s 198.51.100.0/24 -p tcp --dport 81" in rules(stage, "hive0")
    assert "-p tcp --dport 81" not in rules(stage, "hive0")
    assert "-s 192.0.2.13 -p tcp --dport 5432" in rules(stage, "hive0")


def test_two_services_on_hives_of_their_own_have_a_port_each() -> None:
    """On each hive it is open to whom the service says that may run there, and nowhere else is it open."""
    stage = stage_of(
        services={
            "a": service(port(5432, mode="host", open_to="stage"), **on("hive0")),
            "b": service(port(5432, mode="host"), **on("hive1")),
        }
    )
    to = "-p tcp -m conntrack --ctorigdstport 5432"

    assert forwarded(stage, "hive0")[-1] == f"{to} -j DROP"
    assert forwarded(stage, "hive1")[2:] == [f"{to} -j RETURN"]
    assert forwarded(stage, "hive2")[2:] == [f"{to} -j DROP"]


def test_where_nothing_is_published_nothing_is_closed() -> None:
    """The repository's ports are its own; containers of others that publish some stay reachable."""
    stage = stage_of(services={"a": service(port())})

    assert forwarded(stage, "hive3") == REPLIES
    assert forwarded(stage_of()) == REPLIES


@pytest.mark.parametrize(("version", "address"), [(4, "169.254.169.254"), (6, "fd00:ec2::254")])
def test_containers_reach_no_metadata_service(version: int, address: str) -> None:
    """On every host, before anything else is let through; but for names, which Google's answers."""
    stage = stage_of(services={"a": service("80:80"), "b": service(metadata=True, **on("hive1"))})

    def of(short: str) -> list[str]:
        script = firewall_script(stage, stage.host(short)).split(f"docker{version}() {{")[1]
        return script.split("<<'END'\n")[1].split("\nEND\n")[0].splitlines()

    closed = [
        f"-A SKEP-DOCKER -d {address} -p udp --dport 53 -j RETURN",
        f"-A SKEP-DOCKER -d {address} -p tcp --dport 53 -j RETURN",
        f"-A SKEP-DOCKER -d {address} -j DROP",
    ]
    for short in ("hive0", "hive2", "hive3"):
        assert of(short)[:3] == closed
    assert of("hive1")[:4] == [f"-A SKEP-DOCKER -i docker_gwbridge -d {address} -j RETURN", *closed]


def on(short: str) -> dict[str, Any]:
    """Return the key that keeps a service on a hive."""
    return {"placement": {"constraints": [f"node.hostname == {short}"]}}


def test_one_more_source_is_one_more_input() -> None:
    """So that `doit why` names it."""
    stage = stage_of(
        services={"a": service(port(81, open_to=["198.51.100.0/24"]), "82:80"), "b": service("80")}
    )
    inputs = firewall_step(stage, stage.host("hive0")).inputs

    assert inputs["published 81/tcp from 198.51.100.0/24"] == "open"
    assert inputs["published 82/tcp"] == "open"
    assert inputs["chosen tcp from 192.0.2.13"] == "open"
