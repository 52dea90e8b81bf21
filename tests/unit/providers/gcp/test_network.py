"""Google's firewall rules."""

from typing import Any

import pytest

from model.hosts.firewall import INSIDE, Rule, inbound
from providers.gcp.api import GcpApi
from providers.gcp.network import GcpNetwork, rules_of
from tests.doubles.gcp.cloud import stage_of


def test_rules_come_back_as_they_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing is opened or closed twice; Google's rules are one for each source."""
    monkeypatch.setattr(GcpApi, "project", "p")
    rules = [*inbound(stage_of()), Rule("tcp", 61001, INSIDE, 65535), Rule("sctp", 36412, "0.0.0.0/0")]
    bodies = GcpNetwork(stage_of(), GcpApi("p", "europe-west3"))._bodies(rules, "key")

    assert rules_of(bodies.values()) == set(rules)
    assert len(bodies) == len({rule.source for rule in rules}) == 2
    assert any(rule.source == INSIDE for rule in rules)


@pytest.mark.parametrize(
    "other",
    [
        {"disabled": True},
        {"sourceRanges": ["192.0.2.0/24"]},
        {"allowed": [{"IPProtocol": "tcp", "ports": ["22-23"]}]},
        {"allowed": [{"IPProtocol": "all"}]},
    ],
)
def test_a_rule_of_somebody_else_is_none_of_ours(other: dict[str, Any]) -> None:
    """A rule that differs in anything is not taken for one that is wanted."""
    body = {"sourceRanges": ["0.0.0.0/0"], "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}

    assert rules_of([body]) == {Rule("tcp", 22, "0.0.0.0/0")}
    assert Rule("tcp", 22, "0.0.0.0/0") not in rules_of([{**body, **other}])
