"""Amazon's firewall rules."""

from typing import Any

import pytest

from model.hosts.firewall import INSIDE, Rule, inbound
from providers.aws.network import as_kept, permission, rules_of
from tests.doubles.aws.cloud import stage_of


def test_rules_come_back_as_they_were_sent() -> None:
    """So nothing is opened or closed twice; a protocol of which Amazon knows no ports is kept without one."""
    rules = [*inbound(stage_of()), Rule("tcp", 61001, INSIDE, 65535), Rule("sctp", 36412, "0.0.0.0/0")]
    group = {"GroupId": "sg-1", "IpPermissions": [permission(as_kept(rule), "sg-1") for rule in rules]}

    assert rules_of(group).keys() == {as_kept(rule) for rule in rules}
    assert as_kept(rules[-1]) == Rule("sctp", 0, "0.0.0.0/0")
    assert any(rule.source == INSIDE for rule in rules)


@pytest.mark.parametrize(
    "other",
    [
        {"FromPort": 22, "ToPort": 23},
        {"IpProtocol": "-1"},
        {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
        {"IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        {"IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-other"}]},
    ],
)
def test_a_rule_of_somebody_else_is_none_of_ours(other: dict[str, Any]) -> None:
    """A rule that differs in anything is not taken for one that is wanted."""
    rule = Rule("tcp", 22, "0.0.0.0/0")
    entry = permission(rule, "sg-1")

    assert set(rules_of({"GroupId": "sg-1", "IpPermissions": [entry]})) == {rule}
    assert rule not in rules_of({"GroupId": "sg-1", "IpPermissions": [{**entry, **other}]})
