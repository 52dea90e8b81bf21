"""Provider `gcp`: each host is an instance of Compute Engine, in a VPC of the stage's own.

All that belongs to a stage carries its tag as the description, and labels where Google has them; those are all that is
known of it: nothing is kept elsewhere. The SDK is imported when Google is asked something, never before.

Things have one name each in their project, so that two runs that make one come to the same. A request that was lost is
sent again with the same request id; after any other transient error the whole resource is ensured again.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets, zones
from model.json_types import Json
from model.site import GcpStage
from model.stage import Stage
from providers.base import Found, Resource
from providers.cloud.provider import CloudProvider, ResourceKind, together
from providers.cloud.resources import (
    ADDRESS,
    FIREWALL,
    NETWORK,
    NFS,
    SUBNET,
    address_resources,
    firewall_resource,
    host_resources,
    rules_drift,
)
from providers.cloud.retry import RetryPolicy
from providers.cloud.tag import parse_tag
from providers.gcp.api import RETRY_TIMEOUT, GcpApi
from providers.gcp.check import GcpCheck
from providers.gcp.errors import is_transient, is_transient_on_delete
from providers.gcp.host import GcpHosts, is_public, machine_of
from providers.gcp.image import GcpImages
from providers.gcp.network import GcpNetwork, rules_of
from providers.gcp.nfs import GcpFileSystem, mount_source
from remote.ssh.ssh_files import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class GcpProvider(CloudProvider[GcpStage]):
    """Hosts that are instances at Google.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory, where the record of a file system is looked for.
        secret: Gives secrets; credentials are found by the SDK itself.

    """

    name: ClassVar[str] = "gcp"
    retry_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient, RETRY_TIMEOUT)
    delete_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient_on_delete, 180.0)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del secret
        super().__init__(stage, GcpStage)
        config = self._config
        self._api = GcpApi(config.project, config.region)
        self._images = GcpImages(self._api, config.image_name)
        self._network = GcpNetwork(stage, self._api)
        record = state / "build_infra" / f"{NFS}.json" if state else None
        self._nfs = GcpFileSystem(stage, config, self._api, self._network, record)
        self._hosts: GcpHosts = GcpHosts(stage, config, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, public addresses, file system and hosts."""
        config, plans = self._config, subnets(self._config)
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
                for plan in plans
            ),
            firewall_resource(self._stage, LAYOUT),
            *address_resources(self._stage),
            *(
                [
                    Resource(
                        NFS,
                        {"tier": config.filestore_tier, "zone": zones(config)[0]},
                        needs=(NETWORK,),
                        doc="the Filestore for volumes, and the data on it",
                        quota_usage={"file systems": 1, "GiB of Filestore": config.filestore_capacity},
                        costs={"GiB of Filestore": config.filestore_capacity},
                    )
                ]
                if config.nfs
                else []
            ),
            *host_resources(self._specs(), self._hosts.inputs),
        )

    def place(self) -> Mapping[str, str]:
        """Return the region and the project."""
        return {"region": self._config.region, "project": self._api.known_project}

    def place_of(self, inputs: Mapping[str, str], identifier: str) -> Mapping[str, str]:
        """Return the region that a zone is in, which its name begins with.

        https://cloud.google.com/compute/docs/regions-zones
        """
        del identifier
        zone = re.fullmatch(r"([a-z]+-[a-z]+\d+)-[a-z]", inputs.get("zone", ""))
        return {"region": zone[1]} if zone else {}

    def check(self) -> Sequence[str]:
        """Return the problems with credentials, permissions, zones, machine types, images and quotas."""
        return list(GcpCheck(self._stage, self._config, self.found, self._api, self._images).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tag: one listing for each kind of thing, all at a time."""
        self._api.client("Networks")  # the SDK's import is no matter for threads
        networks, parts, rules, addresses, systems, instances = together(
            self._network.networks,
            self._network.subnets,
            self._network.firewalls,
            self._network.addresses,
            self._nfs.listing,
            self._hosts.instances,
        )
        found: dict[str, Found] = {}
        for things in (networks, parts, rules[:1], addresses, systems):
            for thing in things:
                name, key = parse_tag(self._stage, thing.get("description"))
                drift = self._rules_drift(rules) if things == rules[:1] and name == FIREWALL else ""
                if name == FIREWALL:
                    identifier = self._network.name(FIREWALL)
                else:
                    identifier = mount_source(thing) if name == NFS else str(thing["id"])
                found.setdefault(name, Found(name, key, identifier, drift=drift))
        for machine in (machine_of(self._stage, instance) for instance in instances):
            found.setdefault(machine.name, self._found_host(machine, is_public=is_public(machine)))
        return found

    def _rules_drift(self, firewalls: list[Json]) -> str:
        """Return how the firewall's rules differ from those that are wanted."""
        there, wanted = rules_of(firewalls), set(inbound(self._stage))
        return rules_drift(there, wanted)

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, ResourceKind]:
        """Return all kinds but hosts."""
        network, nfs = self._network, self._nfs
        rules = inbound(self._stage)
        return {
            NETWORK: ResourceKind.single(network.ensure, network.remove),
            SUBNET: ResourceKind(
                lambda name, key, log: network.ensure_subnet(self._plan(name), key, log),
                network.remove_subnet,
            ),
            FIREWALL: ResourceKind.single(partial(network.ensure_firewall, rules), network.remove_firewall),
            ADDRESS: ResourceKind(network.ensure_address, network.remove_address),
            NFS: ResourceKind.single(nfs.ensure, nfs.remove),
        }
