"""The file system of a stage at Google, a Filestore instance in the first zone."""

from pathlib import Path

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.hosts.placement import zones
from model.json_types import Json
from model.log import Log
from model.site import GcpStage
from model.stage import Stage
from providers.cloud.resources import NFS
from providers.cloud.retry import poll, retry
from providers.cloud.tag import parse_tag, tag
from providers.gcp.api import OPERATION_TIMEOUT, WHILE_BUSY, GcpApi, labels_for
from providers.gcp.errors import DENIED, GONE, GcpError
from providers.gcp.network import GcpNetwork

SHARE = "skep"
"""The name of the share: it is mounted as `<address>:/skep`."""
_DISABLED = {"SERVICE_DISABLED", "accessNotConfigured"}


def mount_source(thing: Json) -> str:
    """Return the source from which a file system is mounted; its name as long as it has no address. Pure."""
    addresses = [address for one in thing.get("networks") or () for address in one.get("ipAddresses") or ()]
    return f"{addresses[0]}:/{SHARE}" if addresses else str(thing["name"])


class GcpFileSystem:
    """The file system.

    Args:
        stage: The stage.
        config: The stage's table.
        api: The project's API.
        network: The network of its hosts.
        record: The file in state/ that is there once one was made; None if nothing is kept.

    """

    def __init__(
        self, stage: Stage, config: GcpStage, api: GcpApi, network: GcpNetwork, record: Path | None = None
    ) -> None:
        self._stage, self._config, self._api, self._network = stage, config, api, network
        self._record = record

    def listing(self) -> list[Json]:
        """Return the stage's file systems.

        None where they can't be listed, as without that API, none is wanted, and state/ knows of none.

        Raises:
            ProviderError: They can't be listed, and there may be one.

        """
        query = {"filter": f'labels.skep="{cloud_name(self._stage)}"'}
        found: list[Json] = []
        try:
            while True:
                path = f"projects/{self._api.project}/locations/-/instances"
                answer = self._ask("GET", None, path=path, **query)
                found += answer.get("instances") or []
                if not answer.get("nextPageToken"):
                    break
                query["pageToken"] = answer["nextPageToken"]
        except GcpError as error:
            if error.code not in _DISABLED | DENIED or self._config.nfs:
                raise
            if self._record is not None and self._record.exists():
                raise ProviderError(
                    f"{error}\n    the stage had a Filestore, which costs money while it exists; if it is gone, remove "
                    f"{self._record}"
                ) from error
        return [one for one in found if parse_tag(self._stage, one.get("description"))[0]]

    def _ask(self, method: str, body: Json | None, **words: str) -> Json:
        """Ask, again while Google is busy: names are unique, so that nothing is made twice."""
        return retry(lambda: self._api.call(f"file.{method}", body, **words), WHILE_BUSY)

    def ensure(self, key: str, log: Log) -> str:
        """Make the file system."""
        name, zone = self._network.name(NFS), zones(self._config)[0]
        parent = f"projects/{self._api.project}/locations/{zone}"
        found = next(iter(self.listing()), None)
        if found is None:
            config = self._config
            body: Json = {
                "tier": config.filestore_tier,
                "description": tag(self._stage, NFS, key),
                "labels": labels_for(self._stage, NFS, key),
                "fileShares": [{"name": SHARE, "capacityGb": str(config.filestore_capacity)}],
                "networks": [{"network": self._network.url, "modes": ["MODE_IPV4"]}],
            }
            self._wait(
                self._ask("POST", body, path=f"{parent}/instances", instanceId=name), f"Filestore {name}"
            )
            log(f"made Filestore {name}")
            found = {"name": f"{parent}/instances/{name}"}
        path = found["name"]

        def ready() -> Json | None:
            there = self._ask("GET", None, path=path)
            return there if there.get("state") == "READY" else None

        made = poll(ready, f"Filestore {name}", OPERATION_TIMEOUT, lambda: "it is not READY")
        return mount_source(made)

    def remove(self, log: Log) -> None:
        """Remove the file system, with its data."""
        for one in self.listing():
            try:
                self._wait(self._ask("DELETE", None, path=one["name"]), one["name"])
            except GcpError as error:
                if error.code not in GONE:
                    raise
            log(f"removed {one['name']}")

    def _wait(self, operation: Json, what: str) -> None:
        """Wait until an operation is done."""
        now = operation

        def done() -> Json | None:
            nonlocal now
            if not now.get("done"):
                now = self._ask("GET", None, path=now["name"])
            return now if now.get("done") else None

        poll(done, what, OPERATION_TIMEOUT, lambda: f"{operation['name']} is not done")
        if "error" in now:
            raise GcpError(what, str(now["error"].get("code")), now["error"].get("message", ""), now["name"])
