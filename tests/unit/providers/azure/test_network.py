"""Azure's firewall rules."""

from model.hosts.firewall import INSIDE, Rule
from model.site import AzureStage
from providers.azure.api import AzureApi
from providers.azure.network import AzureNetwork
from providers.cloud.provider import config_of
from tests.doubles.azure.cloud import stage_of


def test_rules_end_with_one_that_keeps_all_else_out() -> None:
    """What is inside is the stage's own network, and not all that Azure calls the virtual network."""
    stage = stage_of()
    config = config_of(stage, AzureStage)
    network = AzureNetwork(stage, config, AzureApi(stage, config))
    rules = network.wanted_rules([Rule("tcp", 2377, INSIDE), Rule("esp", 0, INSIDE)])

    assert [(r["properties"]["priority"], r["properties"]["access"]) for r in rules] == [
        (100, "Allow"),
        (101, "Allow"),
        (4096, "Deny"),
    ]
    assert {rule["properties"]["sourceAddressPrefix"] for rule in rules[:2]} == {"10.1.0.0/24"}
    assert [rule["properties"]["destinationPortRange"] for rule in rules] == ["*", "2377", "*"]
    ranged = [Rule("tcp", 61001, INSIDE, 65535)]
    assert network.wanted_rules(ranged)[0]["properties"]["destinationPortRange"] == "61001-65535"
    assert network.drift({"properties": {"securityRules": network.wanted_rules(ranged)}}, ranged) == ""
    assert network.drift({"properties": {"securityRules": rules}}, [Rule("tcp", 2377, INSIDE)]) == (
        "the firewall rules differ (open: esp from the stage's hosts)"
    )
