"""Provider `openstack`: each host is a server of OpenStack, in a network of the stage's own.

What belongs to a stage carries its tag, and those tags are all that is known of it: nothing is kept elsewhere.
openstacksdk is an extra, and is imported when OpenStack is asked something, never before.

OpenStack knows no idempotency tokens. Whatever fails with what passes by itself is not repeated call by call: the whole
resource is ensured again, and looks before it makes. Of two things that two runs made at once, both use the older.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.base import Found, Resource
from providers.cloud.host import settings
from providers.cloud.provider import (
    ADDRESS,
    FIREWALL,
    NETWORK,
    NFS,
    SUBNET,
    CloudProvider,
    Kind,
    RetryPolicy,
    only,
    rules_drift,
)
from providers.openstack.api import PATIENCE, OpenStackApi, is_transient
from providers.openstack.check import OpenStackCheck
from providers.openstack.host import OpenStackHosts, inputs
from providers.openstack.network import OpenStackNetwork, config_of, rules_of
from providers.openstack.nfs import OpenStackFileSystem, mount_of
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class OpenStackProvider(CloudProvider):
    """Hosts that are servers at OpenStack.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by openstacksdk itself.

    """

    name: ClassVar[str] = "openstack"
    patience: ClassVar[RetryPolicy] = RetryPolicy(is_transient, is_transient, PATIENCE, PATIENCE)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = OpenStackApi(self._config.cloud, self._config.region)
        self._network = OpenStackNetwork(stage, self._api)
        self._nfs = OpenStackFileSystem(stage, self._api, self._network)
        self._hosts: OpenStackHosts = OpenStackHosts(stage, files, self._api, self._network)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, floating IPs, file system and hosts."""
        plans = subnets(self._config)
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT, "external_network": str(self._config.external_network)},
                doc="the network of the hosts, and the router that leads out of it",
                quota_usage={"networks": 1, "routers": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name, {"cidr": plan.cidr}, needs=(NETWORK,), doc=f"the subnet {plan.cidr}"
                )
                for plan in plans
            ),
            self._firewall_resource(LAYOUT),
            *self._address_resources((NETWORK,), "floating IP"),
            *(
                [
                    Resource(
                        NFS,
                        {"share_type": str(self._config.share_type)},
                        settings={"share_size": str(self._config.share_size)},
                        needs=(NETWORK, *(SUBNET + plan.name for plan in plans)),
                        doc="the share of Manila for volumes, and the data on it",
                        quota_usage={"file systems": 1, "GiB of file system": self._config.share_size},
                    )
                ]
                if self._config.nfs
                else []
            ),
            *self._host_resources(inputs, settings),
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, roles, flavors, image, zones, external network, quotas."""
        return list(
            OpenStackCheck(
                self._stage, self._api, self._network, self._hosts, self._nfs, self.found
            ).problems()
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tag: one listing for each kind of thing, all at a time."""
        kinds = ("networks", "routers", "subnets", "security-groups", "floatingips")
        looks: list[Callable[[], list[Json]]] = [
            *(lambda kind=kind: self._network.listing(kind) for kind in kinds),
            lambda: self._api.listing("network", "/ports", "ports"),
            self._nfs.listing,
            self._hosts.servers,
        ]
        self._api.project  # noqa: B018 - to sign in is no matter for threads
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            networks, routers, parts, groups, addresses, ports, shares, servers = pool.map(
                lambda look: look(), looks
            )
        found: dict[str, Found] = {}
        led_out = self._network.interfaces(ports)
        for thing in (*networks, *routers, *parts, *groups, *addresses):
            name, key = self._network.parse_tag(thing)
            # Without a way out it is not finished.
            whole = (thing not in networks or bool(routers)) and (
                thing not in parts or thing["id"] in led_out
            )
            drift = self._rules_drift(thing) if thing in groups else ""
            found.setdefault(name, Found(name, key if whole else "", str(thing["id"]), drift=drift))
        for share in shares:
            name, key = self._network.parse_tag(share)
            is_good = share["status"] not in {"error", "deleting", "error_deleting"}
            found.setdefault(name, Found(name, key if is_good else "", mount_of(share)))
        named = ((self._network.parse_tag(port)[0], port) for port in ports)
        homes = {name: port for name, port in named if name}
        public = {address["port_id"] for address in addresses}
        for server in servers:
            name = server["metadata"][NAME_LABEL]
            is_public = homes.get(name, {}).get("id") in public
            found.setdefault(name, self._found_host(server, is_public=is_public))
        for name, port in homes.items():
            # What is left of a host, or not yet one.
            found.setdefault(name, Found(name, "", str(port["id"]), running=False, is_host=True))
        return found

    def _found_host(self, server: Json, *, is_public: bool) -> Found:
        """Return a host as it was found."""
        name = server["metadata"][NAME_LABEL]
        host, broken = self._wanted(name), server["status"] == "ERROR"
        is_other = not broken and host is not None and not self._hosts.is_of_size(host, server)
        drift = f"{name} is a {server['flavor']['original_name']}" if is_other else ""
        return Found(
            name,
            "" if broken else server["metadata"].get(KEY_LABEL, ""),
            str(server["id"]),
            running=server["status"] == "ACTIVE",
            is_host=True,
            drift=drift or self._public_drift(name, has=is_public),
            must_stop=is_other,
        )

    def _rules_drift(self, group: Json) -> str:
        """Return how the security group's rules differ from those that are wanted."""
        there, wanted = rules_of(group).keys(), set(inbound(self._stage))
        return rules_drift(there, wanted)

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, Kind]:
        """Return how all but hosts is made."""
        network, nfs, rules = self._network, self._nfs, inbound(self._stage)
        return {
            NETWORK: only(network.ensure, network.remove),
            FIREWALL: Kind(
                lambda _, key, log: network.ensure_firewall(rules, key, log),
                lambda name, log: network.remove_named("security-groups", name, log),
            ),
            NFS: only(nfs.ensure, nfs.remove),
            ADDRESS: Kind(
                network.ensure_address, lambda name, log: network.remove_named("floatingips", name, log)
            ),
            SUBNET: Kind(
                lambda name, key, log: network.ensure_subnet(self._plan(name), key, log),
                network.remove_subnet,
            ),
        }
