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
