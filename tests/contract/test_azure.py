"""Provider azure against Azure as it is published: faults, and questions beyond the common suite's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.keys.record import HostRecord
from providers.azure.api import AzureApi
from providers.azure.errors import AzureError
from providers.fake.provider import KilledError
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.contract import faults
from tests.contract.second_checkout import second_checkout
from tests.doubles.azure import cloud as azure_cloud
from tests.doubles.azure.server import OLD_TOKEN, Cloud

pytestmark = pytest.mark.timeout(1200)


class AzureLife(faults.PlayedLife):
    """A life at Azure.

    Args:
        cloud: The server.
        files: The stage's ssh files.

    """

    whole: ClassVar[Counter[str]] = Counter(
        group=1,
        virtualNetworks=1,
        subnets=1,
        networkSecurityGroups=1,
        publicIPAddresses=1,
        networkInterfaces=1,
        storageAccounts=1,
        shares=1,
        disks=2,
        hive0=1,
    )
    caller = AzureApi

    def __init__(self, cloud: Cloud, files: SshFiles) -> None:
        self.cloud = cloud
        super().__init__(self.stage_of(), files)

    @staticmethod
    def stage_of(**config: Any) -> Any:
        """Return the stage, with other settings."""
        return azure_cloud.stage_of(
            **{
                "number_of_hosts": 1,
                "separate_repository": False,
                "available_zones": ["1"],
                "nfs": True,
                "mirrored_disk_size": 5,
                **config,
            }
        )

    def reset(self) -> None:
        """Have the subscription be empty."""
        self.cloud.reset()

    def fail(self, at: int, how: str) -> None:
        """Have a call fail."""
        self.cloud.fail(at, how)

    def has_failed(self) -> bool:
        """Return whether one has."""
        return self.cloud.settings.failed

    def things(self) -> list[str]:
        """Return all that there is in the subscription."""
        return self.cloud.kinds()

    def counts(self, what: str) -> bool:
        """Return whether a call changes something."""
        operation = what.rpartition(".")[2]
        return operation.startswith("begin_") or operation in {"create", "create_or_update", "delete"}

    @contextmanager
    def in_call(self) -> Iterator[None]:
        """Wait for no operation."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AzureApi, "_finish", lambda *_: None)
            yield


@pytest.fixture
def life(azure: Cloud, tmp_path: Path) -> AzureLife:
    """Give a stage."""
    return AzureLife(azure, make.ssh_files(tmp_path))


@pytest.mark.full
class TestMaking(faults.Making):
    """A whole stage is made."""

    least = 9
    among = {  # noqa: RUF012 - never changed
        "network.network_interfaces.begin_create_or_update",
        "compute.virtual_machines.begin_create_or_update",
        "storage.file_shares.create",
    }


@pytest.mark.full
class TestDestroying(faults.Destroying):
    """A whole stage is removed."""

    fewest = 8


def test_a_busy_cloud(life: AzureLife) -> None:
    """Where every third call is throttled, and new things are not known for a while, each is made once."""
    life.cloud.settings.throttle, life.cloud.settings.lag, life.cloud.settings.slow = 3, 2, 3

    life.make()
    life.cloud.settings.throttle = 0
    life.assert_whole()
    life.cloud.settings.throttle = 3
    life.destroy()
    assert life.kinds() == Counter()


def test_a_no_op_is_one_listing_of_each_kind(life: AzureLife) -> None:
    """To see that nothing is to be done takes one question for each kind of thing, and one for which machines run."""
    life.make()
    life.cloud.calls.clear()

    life.provider().found()

    asked = Counter(life.cloud.calls)
    assert asked.pop("GET Microsoft.Compute/virtualMachines") == 2
    assert set(asked.values()) == {1}
    assert len(asked) == 6


def test_changes_in_place(life: AzureLife) -> None:
    """Another size and larger disks stop the host for a while; it stays the one that it is."""
    life.make()
    before = life.provider().found()["hive0"]
    life.stage = life.stage_of(instance_type="Standard_B4ms", disk_size=40, mirrored_disk_size=7)
    changed = life.provider().found()["hive0"]
    assert (changed.key, changed.must_stop) == (before.key, True)
    assert changed.drift == "hive0 is a Standard_B2s, hive0-system has 30 GiB, hive0-data has 5 GiB"

    life.make()

    assert life.provider().found()["hive0"] == before
    life.stage = life.stage_of(instance_type="Standard_B4ms", disk_size=30, mirrored_disk_size=7)
    with pytest.raises(ProviderError, match="40 GiB, and can't be made smaller"):
        life.make()


def test_a_disk_is_as_large_as_its_image(life: AzureLife, azure: Cloud) -> None:
    """Without a size in site.toml it has what the image needs; one that is smaller is refused before and on the way."""
    life.stage = life.stage_of(disk_size=20)
    assert life.provider().check() == [
        (
            "stages.production.disk_size: 20 GiB are fewer than the 30 GiB of image debian-12: set 30 or more, "
            "or leave disk_size out"
        )
    ]
    with pytest.raises(
        AzureError, match=r"OperationNotAllowed.*: the image needs a larger disk: set disk_size"
    ):
        life.make()

    life.stage = life.stage_of(image_name="Debian:debian-12:12-large")
    assert life.provider().check() == []
    life.make()
    [disk] = [one for one in azure.of_kind("Microsoft.Compute/disks") if one["name"] == "hive0-system"]
    assert disk["properties"]["diskSizeGB"] == 50
    assert life.provider().found()["hive0"].drift == ""
    life.make()
    life.assert_whole()


def test_a_public_address_stays_and_goes(life: AzureLife) -> None:
    """A host that is replaced has its public address again; one that is to have none loses it in place."""
    first = make.ensure_all(life.provider())["hive0"]
    provider = life.provider()
    again = provider.ensure(make.with_another_key(make.resource(provider, "hive0")), make.quiet)
    assert isinstance(first, HostRecord)
    assert isinstance(again, HostRecord)
    assert (again.ssh_host, again.id == first.id) == (first.ssh_host, False)
    life.make()

    life.stage = life.stage_of(public_addresses=False)
    assert life.provider().found()["hive0"].drift == "hive0 has a public address"
    private = make.ensure_host(life.provider(), "hive0")
    assert private.ssh_host == private.address
    life.provider().remove("address.hive0", make.quiet)
    assert life.kinds()["publicIPAddresses"] == 0


def test_two_stages_share_a_subscription(life: AzureLife, azure: Cloud) -> None:
    """Neither sees the other's things, and one's end leaves the other whole."""
    stages = [
        azure_cloud.stage_of(name=name, number_of_hosts=1, separate_repository=False)
        for name in ("production", "staging")
    ]
    one, other = (make.provider_of(stage, life.files) for stage in stages)
    make.assert_apart(one, other)
    assert len(azure.of_kind("Microsoft.Compute/virtualMachines")) == 1


def test_a_new_port_changes_one_thing(life: AzureLife, azure: Cloud) -> None:
    """Nothing but the firewall is asked to change."""
    life.make()
    service = {"image": "debian:12", "ports": [{"target_port": 80, "published_port": 80, "mode": "host"}]}
    life.stage = life.stage_of(services={"web": service})
    assert life.provider().found()["firewall"].drift == (
        "the firewall rules differ (closed: 80/tcp from 0.0.0.0/0)"
    )
    azure.calls.clear()
    make.ensure(life.provider(), "firewall")

    assert [call for call in azure.calls if not call.startswith("GET")] == [
        "PUT Microsoft.Network/networkSecurityGroups"
    ]


def test_rules_are_changed_in_place(life: AzureLife) -> None:
    """Another port is another rule of the same firewall; one that somebody else made is drift, and goes."""
    life.make()
    body = life.cloud.of_kind("Microsoft.Network/networkSecurityGroups")[0]["properties"]["securityRules"]
    body[0]["properties"]["sourceAddressPrefix"] = "198.51.100.0/24"
    drift = life.provider().found()["firewall"].drift

    assert drift == (
        "the firewall rules differ (closed: esp from the stage's hosts, open: esp from 198.51.100.0/24)"
    )
    make.ensure(life.provider(), "firewall")
    life.assert_whole()


def test_no_room(life: AzureLife) -> None:
    """The message for a full zone has the request's id and the way out; the next run makes the host anew."""
    life.cloud.settings.full = ("1",)
    with pytest.raises(
        ProviderError, match=r"ZonalAllocationFailed.*\(request request-\d+\): Azure has no capacity"
    ):
        life.make()
    life.cloud.settings.full = ()

    life.make()
    life.assert_whole()


def test_a_quota_that_is_met_on_the_way(life: AzureLife) -> None:
    """The message for a quota that others used up since the check has the request's id and the way out."""
    life.cloud.settings.limits = {"cores": 0}
    with pytest.raises(
        ProviderError, match=r"OperationNotAllowed.*\(request request-\d+\): ask for more under Quotas"
    ):
        life.make()
    life.cloud.settings.limits = {}

    life.make()
    life.assert_whole()


def test_what_is_not_skeps_stays(life: AzureLife) -> None:
    """A resource group in which somebody else has something is not removed."""
    life.make()
    [network] = life.cloud.of_kind("Microsoft.Network/virtualNetworks")
    other = {**network, "id": network["id"] + "-other", "name": "other", "tags": {}}
    life.cloud.things[other["id"].lower()] = other

    with pytest.raises(ProviderError, match=r"also has .* other"):
        life.destroy()
    assert life.kinds() == Counter(virtualNetworks=1, group=1)


def test_checks(life: AzureLife, azure: Cloud) -> None:
    """Sizes, zones, images, services and quotas that stand in the way are said before anything is made."""
    azure.settings.unregistered = ("Microsoft.Storage",)
    azure.settings.limits = {"standardBSFamily": 1, "IPv4StandardSkuPublicIpAddresses": 0}
    life.stage = life.stage_of(instance_type="Standard_E2s_v3", available_zones=["2"], image_name="plan9-4")
    said = life.provider().check()
    assert said[0].endswith("Microsoft.Storage is NotRegistered in the subscription: `az provider register "
                            "--namespace Microsoft.Storage`")  # fmt: skip
    assert "Standard_E2s_v3 is not available in zone 2 of westeurope: set ['1']" in said[1]
    assert "image_name 'plan9-4'" in said[2]
    assert (
        "needs 1 more IPv4StandardSkuPublicIpAddresses (in words), but the subscription, in westeurope, has 0"
        in said[3]
    )
    assert len(said) == 4

    life.stage = life.stage_of(instance_type="Standard_Z9", number_of_hosts=1)
    assert "westeurope has no Standard_Z9" in life.provider().check()[1]
    life.stage = life.stage_of()
    assert "needs 2 more standardBSFamily" in life.provider().check()[1]
    assert life.kinds() == Counter()


def test_a_quota_that_azure_does_not_list(life: AzureLife, azure: Cloud) -> None:
    """One that is wanted and has another name than skep knows is no quota that is large enough."""
    azure.settings.unlisted = ("IPv4StandardSkuPublicIpAddresses", "standardBSFamily")
    said = life.provider().check()
    assert [line.partition(" for westeurope")[0] for line in said] == [
        "stages.production: Azure lists no quota standardBSFamily",
        (
            "stages.production: Azure lists no quota IPv4StandardSkuPublicIpAddresses or StandardSkuPublicIpAddresses "
            "or PublicIPAddresses"
        ),
    ]


def test_an_image_of_another_generation(life: AzureLife) -> None:
    """A size that starts generation 1 alone is refused before anything is made, and on the way."""
    life.stage = life.stage_of(instance_type="Standard_A2_v2")
    [said] = life.provider().check()
    assert said.startswith(
        "stages.production.instance_type: Standard_A2_v2 starts images of generation V1 alone, and debian-12 is of V2"
    )
    with pytest.raises(AzureError, match="cannot boot Hypervisor Generation '2'"):
        life.make()


def test_an_image_that_costs_money(life: AzureLife, azure: Cloud) -> None:
    """Its terms have to be accepted, which is said beforehand; its plan is in the request."""
    life.stage = life.stage_of(image_name="almalinux:almalinux-hpc:9-paid")
    assert life.provider().check() == [
        (
            "stages.production.image_name: almalinux:almalinux-hpc:9-paid costs money by terms that the subscription "
            "has not accepted: `az vm image terms accept --publisher almalinux --offer almalinux-hpc --plan 9-paid`"
        )
    ]
    with pytest.raises(AzureError, match=r"MarketplacePurchaseEligibilityFailed.*: accept the image's terms"):
        life.make()
    azure.settings.accepted = ("9-paid",)

    assert life.provider().check() == []
    life.make()
    life.assert_whole()


def test_what_is_gone_and_still_listed(life: AzureLife, azure: Cloud) -> None:
    """Resource Manager lists for a while what was removed: that is waited for, and does not keep the group."""
    life.make()
    azure.settings.ghosts = 3
    life.destroy()

    assert life.kinds() == Counter()


def test_wrong_credentials(azure: Cloud, tmp_path: Path) -> None:
    """What Azure does not know is said in one line, with the request's id and where credentials come from."""
    with azure_cloud.used(azure, token="wrong"):
        [said] = make.provider_of(AzureLife.stage_of(), make.ssh_files(tmp_path)).check()

    assert "InvalidAuthenticationToken" in said
    assert "(request request-" in said
    assert "az login" in said


def test_credentials_that_expire_on_the_way(life: AzureLife, azure: Cloud) -> None:
    """The run ends at once, with the request's id and the way out; the next one goes on where it was."""
    provider = life.provider()
    for name in ("group", "network"):
        make.ensure(provider, name)
    with (
        azure_cloud.used(azure, token=OLD_TOKEN),
        pytest.raises(
            AzureError,
            match=r"ExpiredAuthenticationToken.*\(request .*\): the credentials have expired: log in",
        ),
    ):
        life.make()

    life.make()
    life.assert_whole()


@pytest.mark.parametrize("is_there", [False, True])
def test_missing_permissions(life: AzureLife, azure: Cloud, *, is_there: bool) -> None:
    """What no role allows is said before anything is made, in the subscription or in the group that is there."""
    if is_there:
        make.ensure(life.provider(), "group")
    before = life.kinds()
    azure.settings.permissions = [
        {"actions": ["*/read"], "notActions": []},
        {
            "actions": ["Microsoft.Network/*", "Microsoft.Compute/*", "Microsoft.Resources/*"],
            "notActions": ["Microsoft.Compute/virtualMachines/write"],
        },
    ]
    [said] = life.provider().check()

    where = f"resource group {cloud_name(life.stage)}" if is_there else "the subscription"
    assert said == (
        "stages.production: the credentials lack Microsoft.Compute/virtualMachines/write, "
        "Microsoft.Storage/storageAccounts/write, Microsoft.Storage/storageAccounts/fileServices/shares/write in "
        f"{where}: assign them the role Contributor there"
    )
    assert life.kinds() == before
    with pytest.raises(AzureError, match=r"AuthorizationFailed.*\(request .*\): assign the role Contributor"):
        life.make()


def test_who_may_not_ask_what_he_may(life: AzureLife, azure: Cloud) -> None:
    """Roles that do not show themselves are no problem: they may allow the rest."""
    azure.settings.permissions = [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*"]}]

    assert life.provider().check() == []


def test_a_killed_start_is_gone_on_with(life: AzureLife) -> None:
    """A run that is killed as a halted host starts leaves it starting; the next run waits for that."""
    life.make()
    life.provider().halt("hive0", make.quiet)
    with life.killed(1), pytest.raises(KilledError):
        life.make()

    life.make()
    life.assert_whole()


def test_a_host_is_as_it_was_asked_for(azure: Cloud, tmp_path: Path) -> None:
    """Zones, sizes, addresses, disks, keys and tags are those of site.toml; the host key is pinned."""
    key = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/mine"
    stage = azure_cloud.stage_of(
        number_of_hosts=2, mirrored_disk_size=5, kms_key_id=key, public_addresses=["hive0"]
    )
    records = make.ensure_all(make.provider_of(stage, make.ssh_files(tmp_path)))
    machines = {
        one["name"]: one for path, one in azure.things.items() if path.split("/")[-2] == "virtualmachines"
    }
    first, second = machines["hive0"], machines["hive1"]
    storage = first["properties"]["storageProfile"]
    pinned, inside = records["hive0"], records["hive1"]
    assert isinstance(pinned, HostRecord)
    assert isinstance(inside, HostRecord)

    assert [first["zones"], second["zones"]] == [["1"], ["2"]]
    assert [
        (disk["diskSizeGB"], disk["managedDisk"]["diskEncryptionSet"]["id"])
        for disk in (storage["osDisk"], *storage["dataDisks"])
    ] == [(30, key), (5, key)]
    assert first["properties"]["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert first["tags"]["skep.site"] == stage.site_name
    assert pinned.host_keys == (first["tags"]["skep.host-key"],)
    assert (pinned.address, inside.ssh_host) == ("10.1.0.10", "10.1.0.11")


def test_a_second_checkout_is_let_in_by_a_run_command(azure: Cloud, tmp_path: Path) -> None:
    """Azure's agent runs the script that lets its key in beside those that are; nothing is made anew."""
    stage = azure_cloud.stage_of(number_of_hosts=1, separate_repository=False)
    with second_checkout(stage, tmp_path, lambda: azure.scripts.get("hive0", "")) as second:
        assert second.ensure() == second.first

        assert f"ssh-ed25519 {second.blob} skep:" in azure.scripts["hive0"]
