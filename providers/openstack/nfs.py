"""The stage's file system at OpenStack (Manila), which every host can mount as NFS."""

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.hosts.placement import subnets
from model.json_types import Json
from model.log import Log
from model.site import OpenStackStage
from model.stage import Stage
from providers.cloud.memo import Memo
from providers.cloud.resources import NETWORK, NFS, SUBNET
from providers.cloud.retry import poll
from providers.cloud.tag import parse_tag, tag
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import CONFLICT, NOT_FOUND, OpenStackError
from providers.openstack.network import OpenStackNetwork

SERVICE = "shared_file_system"
_MADE_TIMEOUT = 900.0
_OWN_SERVERS = "driver_handles_share_servers"


def mount_source(share: Json) -> str:
    """Return the source from which a share is mounted; its id as long as it has no address. Pure."""
    return str(share.get("export_location") or share["id"])


class OpenStackFileSystem:
    """The share of a stage, and the share network that ties it to the stage's own where its type wants one.

    Args:
        stage: The stage.
        config: The stage's table.
        api: The services.
        network: The network of its hosts.

    """

    def __init__(
        self, stage: Stage, config: OpenStackStage, api: OpenStackApi, network: OpenStackNetwork
    ) -> None:
        self._stage, self._config, self._api, self._network = stage, config, api, network
        self._type: Memo[str, Json] = Memo()

    # -- what there is -------------------------------------------------------------------------------------------------

    def listing(self) -> list[Json]:
        """Return the stage's shares, the one to use first; none where the cloud has no Manila."""
        return self._listing("/shares/detail", "shares") if self._api.has(SERVICE) else []

    def drift(self, share: Json) -> str:
        """Return that a share is to grow, if so. Pure."""
        there, wanted = share["size"], self._config.share_size
        return f"{NFS}: the share has {there} GiB, and should have {wanted}" if there < wanted else ""

    def _listing(self, path: str, key: str) -> list[Json]:
        """Return the stage's things of a kind, the oldest first."""
        found = self._api.listing(SERVICE, path, key)
        ours = [one for one in found if parse_tag(self._stage, one.get("description"))[0] == NFS]
        return sorted(ours, key=lambda one: (str(one["created_at"]), str(one["id"])))

    def type(self) -> Json:
        """Return the type of the share, by its name or id, or the cloud's default; the same for all of a run.

        Raises:
            ProviderError: There is none, or no Manila at all.

        """
        if not self._api.has(SERVICE):
            raise ProviderError("nfs: this cloud has no Manila: leave it out")
        name = self._config.share_type
        return self._type.get(name or "", lambda: self._find_type(name))

    def _find_type(self, name: str | None) -> Json:
        """Return the type of that name or id, or the default."""
        if name is None:
            try:
                default: Json = self._api.ask("GET", SERVICE, "/types/default")["share_type"]
            except OpenStackError as error:
                if error.status != NOT_FOUND:
                    raise
            else:
                return default
        found = self._api.listing(SERVICE, "/types", "share_types")
        fitting = [one for one in found if name in {one["id"], one["name"]}]
        if not fitting:
            known = ", ".join(sorted(one["name"] for one in found)) or "none"
            raise ProviderError(
                f"share_type: must name one of the cloud's types of shares ({known}), which has no default"
                if name is None
                else f"share_type: there is no {name}; the cloud has {known}"
            )
        return fitting[0]

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, key: str, log: Log) -> str:
        """Make the share, let the stage's hosts in, and return its address, as `server:/path`."""
        share = next(iter(self.listing()), None)
        if share is not None and share["status"] == "error" and not share.get("export_location"):
            # It could not be made: nobody ever had an address by which to put something there.
            self._drop(share, log)
            share = None
        if share is not None and parse_tag(self._stage, share["description"])[1] != key:
            raise ProviderError(
                f"{NFS}: share {share['id']} is of another type, which can't be changed, and it may hold data: "
                "restore share_type; or save the data, remove it, and run doit again"
            )
        if share is None:
            share = self._make(key, log)
        share = self._wait_for(share["id"])
        self._grow(share, log)
        self._let_in(share, log)
        return mount_source(share)

    def _make(self, key: str, log: Log) -> Json:
        """Make a share, and return the one that is used: of two that two runs made at once, the first."""
        kind = self.type()
        body: Json = {
            "name": cloud_name(self._stage, NFS),
            "description": tag(self._stage, NFS, key),
            "share_proto": "NFS",
            "share_type": kind["id"],
            "size": self._config.share_size,
        }
        if str((kind.get("required_extra_specs") or {}).get(_OWN_SERVERS)).lower() == "true":
            body["share_network_id"] = self._ensure_share_network(key, log)["id"]
        made = self._api.ask("POST", SERVICE, "/shares", {"share": body})["share"]
        log(f"made share {made['id']} of {body['size']} GiB")
        first, *others = self.listing()
        for other in others:
            self._drop(other, log)
        return first

    def _ensure_share_network(self, key: str, log: Log) -> Json:
        """Tie Manila's servers to the first of the stage's subnets."""
        found = self._listing("/share-networks/detail", "share_networks")
        if found:
            return found[0]
        plan = subnets(self._config)[0]
        body = {
            "name": cloud_name(self._stage, NFS),
            "description": tag(self._stage, NFS, key),
            "neutron_net_id": self._network.need("networks", NETWORK)["id"],
            "neutron_subnet_id": self._network.need("subnets", SUBNET + plan.name)["id"],
        }
        made = self._api.ask("POST", SERVICE, "/share-networks", {"share_network": body})["share_network"]
        log(f"made share network {made['id']}")
        return self._listing("/share-networks/detail", "share_networks")[0]

    def _grow(self, share: Json, log: Log) -> None:
        """Make the share larger, as it is used.

        Raises:
            ProviderError: It is larger than it should be.

        """
        wanted = self._config.share_size
        if share["size"] > wanted:
            raise ProviderError(
                f"{NFS}: share {share['id']} has {share['size']} GiB, and is not made smaller, since it may hold data: "
                "restore share_size"
            )
        if share["size"] < wanted:
            self._act(share, "extend", {"new_size": wanted})
            self._wait_for(share["id"])
            log(f"share {share['id']}: {share['size']} GiB become {wanted}")

    def _let_in(self, share: Json, log: Log) -> None:
        """Let the stage's subnets use the share, and nobody whom skep did not let in before."""
        there = {rule["access_to"] for rule in self._act(share, "access_list", None)["access_list"]}
        for plan in subnets(self._config):
            if plan.cidr in there:
                continue
            rule = {"access_type": "ip", "access_to": plan.cidr, "access_level": "rw"}
            try:
                self._act(share, "allow_access", rule)
            except OpenStackError as error:
                if error.status != CONFLICT or error.is_quota:
                    raise  # else another run was first
            log(f"share {share['id']}: {plan.cidr} may use it")

        def is_done() -> bool | None:
            rules = self._act(share, "access_list", None)["access_list"]
            failed = [rule["access_to"] for rule in rules if rule["state"] == "error"]
            if failed:
                raise ProviderError(
                    f"{NFS}: Manila can't let {', '.join(failed)} use share {share['id']}: ask the cloud's operators"
                )
            return True if all(rule["state"] == "active" for rule in rules) else None

        poll(is_done, f"{NFS} to let the hosts in", _MADE_TIMEOUT, lambda: "it does not yet")

    # -- removing ------------------------------------------------------------------------------------------------------

    def remove(self, log: Log) -> None:
        """Remove the share, with its data, and then the share network; come back when they are gone."""
        if not self._api.has(SERVICE):
            return
        for share in self.listing():
            self._drop(share, log)
        for network in self._listing("/share-networks/detail", "share_networks"):
            if self._api.drop(SERVICE, f"/share-networks/{network['id']}"):
                log(f"removed share network {network['id']}")

    def _drop(self, share: Json, log: Log) -> None:
        """Remove a share, and come back when it is gone."""
        if share["status"] != "deleting":
            self._api.drop(SERVICE, f"/shares/{share['id']}")

        def is_gone() -> bool | None:
            found = self._get(share["id"])
            if found is not None and found["status"] == "error_deleting":
                raise ProviderError(f"{NFS}: share {share['id']} can't be removed: ask the cloud's operators")
            return True if found is None else None

        poll(is_gone, f"share {share['id']} to be gone", _MADE_TIMEOUT, lambda: "it is still there")
        log(f"removed share {share['id']}")

    # -- asking --------------------------------------------------------------------------------------------------------

    def _act(self, share: Json, action: str, body: Json | None) -> Json:
        """Start an action of a share, and return the answer."""
        return self._api.ask("POST", SERVICE, f"/shares/{share['id']}/action", {action: body})

    def _get(self, identifier: str) -> Json | None:
        """Return a share as it is now; None if it is gone."""
        try:
            share: Json = self._api.ask("GET", SERVICE, f"/shares/{identifier}")["share"]
        except OpenStackError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return share

    def _wait_for(self, identifier: str) -> Json:
        """Wait until a share can be used, and return it.

        Raises:
            ProviderError: It is not in time, or Manila gave it up.

        """
        status = ""

        def available() -> Json | None:
            nonlocal status
            share = self._get(identifier)
            if share is None:
                raise ProviderError(f"{NFS}: share {identifier} is gone: somebody removed it; run doit again")
            status = share["status"]
            if "error" in status:
                raise ProviderError(
                    f"{NFS}: Manila gave share {identifier} up, it is in {status}: set another share_type or "
                    "share_size, or ask the cloud's operators; then run doit again"
                )
            return share if status == "available" else None

        return poll(available, f"share {identifier}", _MADE_TIMEOUT, lambda: f"it is {status}")
