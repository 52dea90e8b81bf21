"""Provider `gcp`: each host is an instance of Compute Engine, in a VPC of the stage's own.

What belongs to a stage carries its tag as the description, and labels where Google has them; those are all that is
known of it: nothing is kept elsewhere. The SDK is imported when Google is asked something, never before.

Things have one name each in their project, so that two runs that make one come to the same. What was lost on the way is
asked for again with the same request id; whatever else passes by itself has the whole resource ensured again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets, zones
from model.json_types import Json
from model.stage import Stage
from providers.base import Found, Resource
from providers.cloud.host import instance_type, parse_tag, settings
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
from providers.gcp.api import PATIENCE, GcpApi, is_transient, is_transient_on_delete
from providers.gcp.check import GcpCheck
from providers.gcp.host import GcpHosts, inputs, is_public, last
from providers.gcp.image import GcpImages
from providers.gcp.network import GcpNetwork, config_of, rules_of
from providers.gcp.nfs import GcpFileSystem, mount_of
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class GcpProvider(CloudProvider):
    """Hosts that are instances at Google.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by the SDK itself.

    """

    name: ClassVar[str] = "gcp"
    patience: ClassVar[RetryPolicy] = RetryPolicy(is_transient, is_transient_on_delete, PATIENCE, 180.0)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = GcpApi(self._config.project, self._config.region)
        self._images = GcpImages(self._api, self._config.image_name)
        self._network = GcpNetwork(stage, self._api)
        self._nfs = GcpFileSystem(stage, self._api, self._network)
        self._hosts: GcpHosts = GcpHosts(stage, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, public addresses, file system and hosts."""
        config = self._config
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT},
                doc=f"the VPC of the hosts, in {config.region}",
                quota_usage={"networks": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name, {"cidr": plan.cidr}, needs=(NETWORK,), doc=f"the subnet {plan.cidr}"
                )
                for plan in subnets(config)
            ),
            self._firewall_resource(LAYOUT),
            *self._address_resources(),
            *(
                [
                    Resource(
                        NFS,
                        {"tier": config.filestore_tier, "zone": zones(config)[0]},
                        needs=(NETWORK,),
                        doc="the Filestore for volumes, and the data on it",
                        quota_usage={"file systems": 1, "GiB of Filestore": config.filestore_capacity},
                    )
                ]
                if config.nfs
                else []
            ),
            *self._host_resources(inputs, settings),
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, permissions, zones, machine types, images, quotas."""
        return list(GcpCheck(self._stage, self._api, self._images, self.found).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tag: one listing for each kind of thing, all at a time."""
        looks: list[Callable[[], list[Json]]] = [
            self._network.networks,
            self._network.subnets,
            self._network.firewalls,
            self._network.addresses,
            self._nfs.listing,
            self._hosts.instances,
        ]
        self._api.client("Networks")  # the SDK's import is no matter for threads
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            networks, parts, rules, addresses, systems, instances = pool.map(lambda look: look(), looks)
        found: dict[str, Found] = {}
        for things in (networks, parts, rules[:1], addresses, systems):
            for thing in things:
                name, key = parse_tag(self._stage, thing.get("description"))
                drift = self._rules_drift(rules) if things == rules[:1] and name == FIREWALL else ""
                if name == FIREWALL:
                    identifier = self._network.name(FIREWALL)
                else:
                    identifier = mount_of(thing) if name == NFS else str(thing["id"])
                found.setdefault(name, Found(name, key, identifier, drift=drift))
        for instance in instances:
            one = self._found_host(instance)
            found.setdefault(one.name, one)
        return found

    def _found_host(self, instance: Json) -> Found:
        """Return a host as it was found."""
        name, key = parse_tag(self._stage, instance.get("description"))
        host, kind = self._wanted(name), last(instance["machineType"])
        must_stop = host is not None and kind != instance_type(self._stage, host)
        drift = f"{name} is a {kind}" if must_stop else self._public_drift(name, has=is_public(instance))
        return Found(
            name,
            key,
            str(instance["id"]),
            running=instance["status"] == "RUNNING",
            is_host=True,
            drift=drift,
            must_stop=must_stop,
        )

    def _rules_drift(self, firewalls: list[Json]) -> str:
        """Return how the firewall's rules differ from those that are wanted."""
        there, wanted = rules_of(firewalls), set(inbound(self._stage))
        return rules_drift(there, wanted)

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, Kind]:
        """Return how all but hosts is made."""
        network, nfs = self._network, self._nfs
        rules = inbound(self._stage)
        return {
            NETWORK: only(network.ensure, network.remove),
            FIREWALL: only(partial(network.ensure_firewall, rules), network.remove_firewall),
            NFS: only(nfs.ensure, nfs.remove),
            ADDRESS: Kind(network.ensure_address, network.release_address),
            SUBNET: Kind(
                lambda name, key, log: network.ensure_subnet(self._plan(name), key, log),
                network.remove_subnet,
            ),
        }
