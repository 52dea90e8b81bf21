"""Provider azure: what it knows without asking anybody."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model import site as types
from model.checks import check
from model.errors import ProviderError
from model.hosts.firewall import INSIDE, Rule
from model.site_file.load import parse_site
from model.stage import Stage
from providers.azure.api import (
    AzureApi,
    AzureEndpoint,
    AzureError,
    _translate_errors,
    assert_ours,
    is_transient,
    is_transient_on_delete,
)
from providers.azure.check import is_allowed
from providers.azure.image import AzureImages
from providers.azure.network import AzureNetwork
from providers.azure.nfs import account_name
from providers.azure.provider import AzureProvider
from remote.ssh.connection import SshFiles


def site_of(**config: Any) -> types.Site:
    """Return a site with a stage at Azure."""
    table = {
        "provider": "azure",
        "region": "westeurope",
        "subscription_id": "sub",
        "instance_type": "Standard_B2s",
        "cidr": "10.1.0.0/24",
        **config,
    }
    return parse_site({"site": "a.test", "stages": {"production": table}})


def stage_of(**config: Any) -> Stage:
    """Return that stage."""
    site = site_of(**config)
    return Stage(site, "production", site.stages["production"])


def provider_of(stage: Stage) -> AzureProvider:
    """Return its provider."""
    here = Path("nowhere")
    return AzureProvider(stage, SshFiles(here, here, here, here))


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the extra is told in one line how to get it."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    [said] = provider_of(stage_of()).check()

    assert said == "provider azure needs Azure's SDK: install it with `SKEP_EXTRAS=azure ./setup true`"


def test_without_a_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says the subscription, the key that says it is named; the environment may say it, too."""
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    stage = stage_of(subscription_id=None)
    [said] = provider_of(stage).check()
    assert said.startswith("stages.production.subscription_id: is not set")

    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "other")
    assert AzureApi(stage).subscription == "other"


def test_the_sdk_is_not_imported_for_a_list() -> None:
    """What a stage wants is known without Azure's SDK."""
    code = "import sys, providers.azure.provider; sys.exit('azure' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hosts_go_round_the_zones_and_need_what_they_are_made_in() -> None:
    """Hosts are in the zones in turn; each needs subnet and firewall, and its public address where it has one."""
    stage = stage_of(number_of_hosts=4, public_addresses=["hive0"])
    needs = {resource.name: resource.needs for resource in provider_of(stage).resources()}

    assert [stage.place(host).zone for host in stage.hosts] == ["1", "2", "3", "1"]
    assert needs["hive0"] == ("network", "subnet.subnet0", "firewall", "address.hive0")
    assert needs["hive1"] == ("network", "subnet.subnet0", "firewall")
    assert [stage_of(available_zones=[""]).place(host).zone for host in stage.hosts] == [""] * 4


def test_rules_end_with_one_that_keeps_all_else_out() -> None:
    """What is inside is the stage's own network, and not all that Azure calls the virtual network."""
    network = AzureNetwork(stage_of(), AzureApi(stage_of()))
    rules = network.wanted_rules([Rule("tcp", 2377, INSIDE), Rule("esp", 0, INSIDE)])

    assert [(r["properties"]["priority"], r["properties"]["access"]) for r in rules] == [
        (100, "Allow"),
        (101, "Allow"),
        (4096, "Deny"),
    ]
    assert {rule["properties"]["sourceAddressPrefix"] for rule in rules[:2]} == {"10.1.0.0/24"}
    assert [rule["properties"]["destinationPortRange"] for rule in rules] == ["*", "2377", "*"]
    assert network.drift({"properties": {"securityRules": rules}}, [Rule("tcp", 2377, INSIDE)]) == (
        "the firewall is another (open: esp from the stage's hosts)"
    )


def test_what_passes() -> None:
    """Throttling, a lost answer, a conflict and a thing in use pass; a full zone, a quota and a wrong image don't."""

    def error(status: int, code: str) -> AzureError:
        return AzureError("x", status, code, "no")

    assert all(is_transient(error(*one)) for one in [(0, ""), (429, ""), (500, ""), (409, "Conflict")])
    assert is_transient(error(404, "ResourceNotFound"))
    assert not is_transient(error(404, "PlatformImageNotFound"))
    assert not any(
        is_transient(error(409, code)) for code in ("OperationNotAllowed", "ZonalAllocationFailed")
    )
    assert not is_transient(error(400, "InUseSubnetCannotBeDeleted"))
    assert is_transient_on_delete(error(400, "InUseSubnetCannotBeDeleted"))
    assert is_transient_on_delete(error(400, "PublicIPAddressCannotBeDeleted"))
    assert not is_transient_on_delete(ProviderError("no"))


def test_a_log_in_that_has_expired_is_said() -> None:
    """What gives out tokens refuses in words and with a status of its own; what to do is said all the same."""
    from azure.core.exceptions import ClientAuthenticationError

    class Response:
        """What login.microsoftonline.com answers where a log-in is too old."""

        status_code, reason = 400, "Bad Request"
        headers: ClassVar[dict[str, str]] = {"x-ms-request-id": "r-1"}

        def text(self) -> str:
            """Return the body."""
            return (
                '{"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired due to '
                'inactivity.\\r\\nTrace ID: 1"}'
            )

    def ask() -> None:
        raise ClientAuthenticationError(message="no", response=Response())  # type: ignore[arg-type]

    with pytest.raises(AzureError) as caught:
        _translate_errors("virtual_machines.get", ask)

    assert str(caught.value) == (
        "Azure virtual_machines.get: invalid_grant: AADSTS700082: The refresh token has expired due to inactivity "
        "(request r-1): log in (`az login`), or set the AZURE_* variables: skep uses what azure-identity finds; then "
        "run again, it goes on where it was"
    )
    assert not is_transient(caught.value)


def test_what_roles_allow() -> None:
    """An action is allowed that one role has and does not except; letters' size does not count, stars do."""
    reader, maker = {"actions": ["*/read"]}, {"actions": ["Microsoft.Compute/*"], "notActions": ["*/delete"]}

    assert is_allowed("microsoft.compute/disks/write", [reader, maker])
    assert is_allowed("Microsoft.Network/virtualNetworks/read", [reader, maker])
    assert not is_allowed("Microsoft.Compute/disks/delete", [reader, maker])
    assert is_allowed("Microsoft.Compute/disks/delete", [maker, {"actions": ["*"], "notActions": []}])
    assert not is_allowed("Microsoft.Network/virtualNetworks/write", [])


def test_credentials_go_nowhere_else() -> None:
    """An operation whose state is to be asked for at another server is not asked for."""
    connected = AzureEndpoint(object(), object)
    assert_ours("https://management.azure.com/operations/1", connected)
    with pytest.raises(ProviderError, match="which is not Azure's"):
        assert_ours("https://example.test/1", connected)


def test_the_newest_version_is_by_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of versions the highest is taken, and not the last of the alphabet."""
    api = AzureApi(stage_of())
    monkeypatch.setattr(api, "listing", lambda *_, **__: [{"name": "0.9.1"}, {"name": "0.10.0"}])

    assert AzureImages(api, "debian-12")._newest("Debian", "debian-12", "12-gen2") == "0.10.0"


def test_names_of_accounts_are_ones() -> None:
    """A storage account's name has at most 24 letters and digits, and is the stage's own."""
    name = account_name(stage_of(), "sub")

    assert (len(name), name.isalnum(), name.islower()) == (24, True, True)
    assert name != account_name(stage_of(), "other")


def test_what_azure_does_otherwise_is_a_mistake() -> None:
    """Keys that mean something else here are refused, each with what to do."""
    said = check(site_of(disk_encrypted=False, kms_key_id="k"), Path())

    assert "stages.production.disk_encrypted: Azure encrypts every disk: leave it out" in said
    assert any(line.startswith("stages.production.kms_key_id: at Azure it is the id") for line in said)
    assert check(site_of(), Path()) == []
