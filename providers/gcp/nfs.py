"""The file system of a stage at Google, a Filestore instance in the first zone."""

from model.hosts.cloud_name import cloud_name
from model.hosts.placement import zones
from model.json_types import Json
from model.log import Log
from model.stage import Stage
from providers.cloud.host import parse_tag, tag
from providers.cloud.provider import NFS
from providers.cloud.retry import PACE, poll, retry
from providers.gcp.api import GONE, OPERATION_TIMEOUT, PATIENCE, GcpApi, GcpError, is_busy, labels_for, quiet
from providers.gcp.network import GcpNetwork, config_of

SHARE = "skep"
"""The name of the share: it is mounted as `<address>:/skep`."""
_DISABLED = {"SERVICE_DISABLED", "accessNotConfigured"}


def mount_of(thing: Json) -> str:
    """Return what a file system is mounted from; its name as long as it has no address. Pure."""
    addresses = [address for one in thing.get("networks") or () for address in one.get("ipAddresses") or ()]
    return f"{addresses[0]}:/{SHARE}" if addresses else str(thing["name"])


class GcpFileSystem:
    """The file system.

    Args:
        stage: The stage.
        api: The project's API.
        network: What its hosts are in.

    """

    def __init__(self, stage: Stage, api: GcpApi, network: GcpNetwork) -> None:
        self._stage, self._api, self._network = stage, api, network

    def listing(self) -> list[Json]:
        """Return the stage's file systems; none where that API is not enabled, since nothing can have been made."""
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
            if error.code not in _DISABLED or config_of(self._stage).nfs:
                raise
        return [one for one in found if parse_tag(self._stage, one.get("description"))[0]]

    def _ask(self, method: str, body: Json | None, **words: str) -> Json:
        """Ask, again while Google is busy: names are unique, so that nothing is made twice."""
        return retry(lambda: self._api.call(f"file.{method}", body, **words), is_busy, PATIENCE, quiet, PACE)

    def ensure(self, key: str, log: Log) -> str:
        """Make the file system."""
        name, zone = self._network.name(NFS), zones(config_of(self._stage))[0]
        parent = f"projects/{self._api.project}/locations/{zone}"
        found = next(iter(self.listing()), None)
        if found is None:
            config = config_of(self._stage)
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

        def look() -> Json | None:
            there = self._ask("GET", None, path=path)
            return there if there.get("state") == "READY" else None

        ready = poll(look, f"Filestore {name}", OPERATION_TIMEOUT, lambda: "it is not READY", PACE)
        return mount_of(ready)

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

        def look() -> Json | None:
            nonlocal now
            if not now.get("done"):
                now = self._ask("GET", None, path=now["name"])
            return now if now.get("done") else None

        poll(look, what, OPERATION_TIMEOUT, lambda: f"{operation['name']} is not done", PACE)
        if "error" in now:
            raise GcpError(what, str(now["error"].get("code")), now["error"].get("message", ""), now["name"])
