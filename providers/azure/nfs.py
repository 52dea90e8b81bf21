"""The stage's file system at Azure: a share of Azure Files, which every host can mount as NFS 4.1."""

from model.hosts.placement import subnets
from model.json_types import Json
from model.keys.digest import canonical, sha256
from model.labels import belongs_to
from model.log import Log
from model.site import AzureStage
from model.stage import Stage
from providers.azure.api import AzureApi, properties, tags_for, tags_of
from providers.azure.errors import AzureError
from providers.azure.network import AzureNetwork
from providers.cloud.resources import NFS
from providers.cloud.retry import poll

SHARE = "volumes"
SMALLEST = 100
"""The fewest GiB that a share of NFS can have."""
_MADE_TIMEOUT = 300.0


def account_name(stage: Stage, subscription: str) -> str:
    """Return the name of the storage account, which nobody else on earth may have: 3 to 24 letters and digits. Pure."""
    return "skep" + sha256(canonical([subscription, stage.site_name, stage.name]))[:20]


class AzureFileSystem:
    """The storage account of a stage and the share in it.

    Args:
        stage: The stage.
        config: The stage's table.
        api: Azure as the stage sees it.
        network: The network from which alone it can be reached.

    """

    def __init__(self, stage: Stage, config: AzureStage, api: AzureApi, network: AzureNetwork) -> None:
        self._stage, self._config, self._api, self._network = stage, config, api, network

    def listing(self) -> list[Json]:
        """Return the stage's storage account, if there is one."""
        found = self._api.listing("storage.storage_accounts.list_by_resource_group", self._api.group)
        return [one for one in found if belongs_to(tags_of(one), self._stage.labels)]

    def ensure(self, key: str, log: Log) -> str:
        """Make the account and the share, and return the share's address, as `server:/path`."""
        account = account_name(self._stage, self._api.subscription)
        found = self._account(account)
        tags = tags_for(self._stage, NFS, key)
        subnet_ids = [self._network.subnet_id(plan.name) for plan in subnets(self._config)]
        if found is None or tags_of(found) != tags or not self._lets_in(found, subnet_ids):
            body = {
                "location": self._api.region,
                "tags": tags,
                # NFS needs a premium share, and goes unencrypted inside the stage's own network.
                "kind": "FileStorage",
                "sku": {"name": "Premium_LRS"},
                "properties": {
                    "supportsHttpsTrafficOnly": False,
                    "minimumTlsVersion": "TLS1_2",
                    "allowBlobPublicAccess": False,
                    "networkAcls": {
                        "defaultAction": "Deny",
                        "bypass": "None",
                        "virtualNetworkRules": [{"id": one, "action": "Allow"} for one in subnet_ids],
                    },
                },
            }
            self._api.call("storage.storage_accounts.begin_create", self._api.group, account, body=body)
            log(f"made storage account {account}")
            self._wait_until_made(account)
        if self._api.find("storage.file_shares.get", self._api.group, account, SHARE) is None:
            body = {
                "properties": {
                    "enabledProtocols": "NFS",
                    "rootSquash": "NoRootSquash",
                    "shareQuota": SMALLEST,
                }
            }
            self._api.call("storage.file_shares.create", self._api.group, account, SHARE, body=body)
            log(f"made share {SHARE} of {SMALLEST} GiB")
        return self.mount_source(account)

    def mount_source(self, account: str) -> str:
        """Return the source from which the share is mounted. Pure."""
        return f"{account}.file.core.windows.net:/{account}/{SHARE}"

    def remove(self, log: Log) -> None:
        """Remove the account, and the data on its share."""
        account = account_name(self._stage, self._api.subscription)
        if self._account(account) is not None:
            self._api.drop("storage.storage_accounts.delete", self._api.group, account)
            log(f"removed storage account {account}")

    def _account(self, account: str) -> Json | None:
        """Return the account, if it is there."""
        found: Json | None = self._api.find(
            "storage.storage_accounts.get_properties", self._api.group, account
        )
        return found

    def _lets_in(self, found: Json, subnet_ids: list[str]) -> bool:
        """Return whether all subnets reach an account. Pure."""
        rules = (properties(found).get("networkAcls") or {}).get("virtualNetworkRules") or ()
        return {one.lower() for one in subnet_ids} <= {str(rule["id"]).lower() for rule in rules}

    def _wait_until_made(self, account: str) -> None:
        """Wait until shares can be made."""

        def state() -> str:
            try:
                found = self._account(account)
            except AzureError as error:
                return str(error)
            return str(properties(found)["provisioningState"]) if found is not None else "not there"

        poll(lambda: state() == "Succeeded" or None, account, _MADE_TIMEOUT, lambda: f"it is {state()}")
