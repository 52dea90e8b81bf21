"""OpenStack's firewall rules."""

from typing import Any

import pytest

from model.hosts.firewall import INSIDE, Rule, inbound
from providers.openstack.network import _as_rule, rules_of
from tests.openstack.cloud import stage_of


def test_rules_come_back_as_they_were_sent() -> None:
    """A security group's rules read back as they were sent, so that nothing is opened or closed twice."""
    rules = [*inbound(stage_of()), Rule("tcp", 61001, INSIDE, 65535), Rule("sctp", 36412, "0.0.0.0/0")]
    answer = {
        "id": "group",
        "security_group_rules": [
            {
                "port_range_min": None,
                "port_range_max": None,
                "remote_group_id": None,
                "remote_ip_prefix": None,
            }
            | _as_rule(rule, "group")
            | {"id": str(n)}
            for n, rule in enumerate(rules)
        ],
    }

    assert rules_of(answer) == {rule: str(n) for n, rule in enumerate(rules)}
    assert any(rule.source == INSIDE for rule in rules)


@pytest.mark.parametrize(
    "other",
    [
        {"port_range_min": 22, "port_range_max": 23},
        {"ethertype": "IPv6"},
        {"protocol": None},
        {"remote_ip_prefix": "192.0.2.0/24"},
        {"remote_ip_prefix": None, "remote_group_id": "another"},
    ],
)
def test_a_rule_of_somebody_else_is_none_of_ours(other: dict[str, Any]) -> None:
    """A rule that differs in anything is not taken for one that is wanted."""
    rule = Rule("tcp", 22, "0.0.0.0/0")
    said = {"remote_group_id": None, **_as_rule(rule, "group"), "id": "1"}

    assert set(rules_of({"id": "group", "security_group_rules": [said]})) == {rule}
    assert rule not in rules_of({"id": "group", "security_group_rules": [{**said, **other}]})
