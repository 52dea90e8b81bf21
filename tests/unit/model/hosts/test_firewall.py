"""The inbound rules of a cloud's firewall."""

from model.hosts.firewall import INSIDE, Rule, inbound, rule_inputs
from tests.unit.model.hosts.cloud_stage import stage_of

"""What a cloud's firewall lets in."""


SERVICES = {
    "web": {"image": "debian:12", "ports": ["8080:80", "53:53/udp"]},
    "test": {"image": "debian:12", "ports": ["9:9"], "available_on": ["other"]},
}


def test_published_ports_are_those_of_the_stages_services() -> None:
    """Of another stage's services nothing is open; ssh is open to the networks that are given."""
    stage = stage_of(services=SERVICES, ssh_source_ips=["192.0.2.0/24", "2001:db8::/32"])

    outside = [rule for rule in inbound(stage) if rule.source != INSIDE]
    assert outside == [
        Rule("icmp", 0, "0.0.0.0/0"),
        Rule("tcp", 22, "192.0.2.0/24"),
        Rule("tcp", 8080, "0.0.0.0/0"),
        Rule("udp", 53, "0.0.0.0/0"),
    ]


def test_an_address_alone_is_a_network_of_one_host() -> None:
    """Clouds take networks only: Amazon refuses an address without a prefix."""
    port = {"target_port": 1, "published_port": 1, "open_to": ["198.51.100.7"]}
    stage = stage_of(services={"a": {"image": "a:1", "ports": [port]}}, ssh_source_ips=["192.0.2.1"])

    assert [rule for rule in inbound(stage) if rule.protocol == "tcp" and rule.source != INSIDE] == [
        Rule("tcp", 1, "198.51.100.7/32"),
        Rule("tcp", 22, "192.0.2.1/32"),
    ]


def test_inside_there_is_the_swarm_and_the_registry() -> None:
    """With ESP, for overlay networks that are encrypted; with the file system's port where there is one."""
    rules = [str(rule) for rule in inbound(stage_of()) if rule.source == INSIDE]

    assert rules == [
        "esp from the stage's hosts",
        "2377/tcp from the stage's hosts",
        "5000/tcp from the stage's hosts",
        "7946/tcp from the stage's hosts",
        "4789/udp from the stage's hosts",
        "7946/udp from the stage's hosts",
    ]
    assert Rule("tcp", 2049, INSIDE) in inbound(stage_of(nfs=True))


def test_one_more_port_is_one_more_input() -> None:
    """So that `doit why` names the port."""
    before = rule_inputs(inbound(stage_of()))
    after = rule_inputs(inbound(stage_of(services=SERVICES)))

    assert after.keys() - before.keys() == {"8080/tcp from 0.0.0.0/0", "53/udp from 0.0.0.0/0"}


def test_whom_a_port_is_open_to_holds_in_the_cloud_as_well() -> None:
    """Inside, for networks of IPv4, and as one range for the ports that skep chooses."""
    ports = [
        {"target_port": 1, "published_port": 1, "open_to": "stage"},
        {"target_port": 2, "published_port": 2, "open_to": ["198.51.100.0/24", "2001:db8::/32"]},
        {"target_port": 3},
    ]
    plain = set(inbound(stage_of()))

    assert set(inbound(stage_of(services={"a": {"image": "a:1", "ports": ports}}))) - plain == {
        Rule("tcp", 1, INSIDE),
        Rule("tcp", 2, "198.51.100.0/24"),
        Rule("tcp", 61001, INSIDE, 65535),
    }
    assert str(Rule("tcp", 61001, INSIDE, 65535)) == "61001-65535/tcp from the stage's hosts"
