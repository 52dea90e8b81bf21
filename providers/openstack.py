"""Provider `openstack`: each host is a server of OpenStack, in a network of the stage's own.

What belongs to a stage carries its mark, and those marks are all that is known of it: nothing is kept elsewhere.
openstacksdk is an extra, and is imported when OpenStack is asked something, never before.

OpenStack knows no idempotency tokens. Whatever fails with what passes by itself is not repeated call by call: the whole
resource is ensured again, and looks before it makes. Of two things that two runs made at once, both use the older.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.errors import ProviderError
from model.firewall import inbound, rule_inputs
from model.placement import subnets
from model.record import FactRecord, Record
from model.stage import Host, Stage
from providers.base import Found, Provider, Resource, Say
from providers.cloud import lock_of, rules_drift
from providers.cloud_host import data_size, disk_size, instance_type
from providers.cloud_wait import PACE, insist
from providers.openstack_api import PATIENCE, Api, Json, passes
from providers.openstack_host import KEY, NAME, Hosts, inputs
from providers.openstack_network import ADDRESS, FIREWALL, NETWORK, SUBNET, Network, config_of, rules_of
from remote.ssh import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class OpenStackProvider(Provider):
    """Hosts that are servers at OpenStack.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by openstacksdk itself.

    """

    name: ClassVar[str] = "openstack"

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = Api(self._config.cloud, self._config.region)
        self._network = Network(stage, self._api)
        self._hosts = Hosts(stage, files, self._api, self._network)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, floating IPs and hosts."""
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT, "external_network": str(self._config.external_network)},
                doc="the network of the hosts, and the router that leads out of it",
                counts={"networks": 1, "routers": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name, {"cidr": plan.cidr}, needs=(NETWORK,), doc=f"the subnet {plan.cidr}"
                )
                for plan in subnets(self._config)
            ),
            Resource(
                FIREWALL,
                {"layout": LAYOUT},
                settings=rule_inputs(inbound(self._stage)),
                needs=(NETWORK,),
                doc="what the hosts let in: ssh, published ports, one another",
            ),
            *(
                Resource(
                    ADDRESS + host.short,
                    {"host": host.short},
                    needs=(NETWORK,),
                    doc=f"the floating IP of {host.name}",
                    counts={"public addresses": 1},
                )
                for host in self._stage.hosts
                if self._stage.has_public_address(host)
            ),
            *(self._host_resource(host) for host in self._stage.hosts),
        )

    def _host_resource(self, host: Host) -> Resource:
        """Return a host as it is wanted."""
        data, is_public = data_size(self._stage, host), self._stage.has_public_address(host)
        return Resource(
            host.short,
            inputs(self._stage, host),
            settings={"public_address": str(is_public)},
            needs=(
                NETWORK,
                SUBNET + self._stage.place(host).subnet.name,
                FIREWALL,
                *([ADDRESS + host.short] if is_public else []),
            ),
            is_host=True,
            doc=f"{host.name}, {instance_type(self._stage, host)} at {host.address}",
            counts={
                "hosts": 1,
                "disks": 1 + bool(data),
                "GiB of disk": disk_size(self._stage, host) + data,
            },
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, flavors, image, zones, external network, quotas."""
        try:
            there = self.found()
        except ProviderError as error:
            return [str(error)]  # all else would say the same
        said: list[str] = []
        missing = [host for host in self._stage.hosts if host.short not in there]
        for ask in (self._flavors, self._image, self._zones, self._leads_out, lambda: self._quotas(missing)):
            try:
                said += ask()
            except ProviderError as error:
                said.append(str(error))
        return said

    def _flavors(self) -> Iterator[str]:
        """Yield the flavors that there are not."""
        for name in sorted({instance_type(self._stage, host) for host in self._stage.hosts}):
            try:
                self._hosts.flavor(name)
            except ProviderError as error:
                yield f"stages.{self._stage.name}.{error}"

    def _image(self) -> Iterator[str]:
        """Yield why there is no image."""
        try:
            self._hosts.image()
        except ProviderError as error:
            yield f"stages.{self._stage.name}.{error}"

    def _zones(self) -> Iterator[str]:
        """Yield the zones that there are not."""
        answer = self._api.ask("GET", "compute", "/os-availability-zone")["availabilityZoneInfo"]
        known = sorted(zone["zoneName"] for zone in answer if zone["zoneState"]["available"])
        for zone in sorted({self._stage.place(host).zone for host in self._stage.hosts} - {"", *known}):
            yield f"stages.{self._stage.name}.available_zones: there is no zone {zone}; there are {', '.join(known)}"

    def _leads_out(self) -> Iterator[str]:
        """Yield why there is no way out."""
        self._network.external()
        yield from ()

    def _quotas(self, missing: list[Host]) -> Iterator[str]:
        """Yield the quotas that are too small for what is missing."""
        limits = self._api.ask("GET", "compute", "/limits")["limits"]["absolute"]
        flavors = [self._hosts.flavor(instance_type(self._stage, host)) for host in missing]
        for what, most, used, wanted in (
            ("servers", "maxTotalInstances", "totalInstancesUsed", len(missing)),
            ("CPUs", "maxTotalCores", "totalCoresUsed", sum(flavor["vcpus"] for flavor in flavors)),
            ("MiB of memory", "maxTotalRAMSize", "totalRAMUsed", sum(flavor["ram"] for flavor in flavors)),
        ):
            if wanted and 0 <= limits[most] < limits[used] + wanted:
                yield (
                    f"stages.{self._stage.name}: needs {wanted} more {what}, and of {limits[most]} that the project "
                    f"may have {limits[used]} are taken: ask the cloud's operators for more"
                )

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's mark: one listing for each kind of thing, all at a time."""
        kinds = ("networks", "routers", "subnets", "security-groups", "floatingips")
        looks: list[Callable[[], list[Json]]] = [
            *(lambda kind=kind: self._network.listing(kind) for kind in kinds),
            lambda: self._api.listing("network", "/ports", "ports"),
            self._hosts.servers,
        ]
        self._api.project  # noqa: B018 - to sign in is no matter for threads
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            networks, routers, parts, groups, addresses, ports, servers = pool.map(lambda look: look(), looks)
        found: dict[str, Found] = {}
        led_out = self._network.interfaces(ports)
        for thing in (*networks, *routers, *parts, *groups, *addresses):
            name, key = self._network.mark_of(thing)
            # Without a way out it is not finished.
            whole = (thing not in networks or bool(routers)) and (
                thing not in parts or thing["id"] in led_out
            )
            drift = self._rules_drift(thing) if thing in groups else ""
            found.setdefault(name, Found(name, key if whole else "", str(thing["id"]), drift=drift))
        named = ((self._network.mark_of(port)[0], port) for port in ports)
        homes = {name: port for name, port in named if name}
        public = {address["port_id"] for address in addresses}
        for server in servers:
            name = server["metadata"][NAME]
            is_public = homes.get(name, {}).get("id") in public
            found.setdefault(name, self._found_host(server, is_public=is_public))
        for name, port in homes.items():
            # What is left of a host, or not yet one.
            found.setdefault(name, Found(name, "", str(port["id"]), running=False, is_host=True))
        return found

    def _found_host(self, server: Json, *, is_public: bool) -> Found:
        """Return a host as it was found."""
        name = server["metadata"][NAME]
        host = next((host for host in self._stage.hosts if host.short == name), None)
        drift = ""
        if host is not None and is_public != self._stage.has_public_address(host):
            drift = f"{name} has a public address" if is_public else f"{name} has lost its public address"
        broken = server["status"] == "ERROR"
        return Found(
            name,
            "" if broken else server["metadata"].get(KEY, ""),
            str(server["id"]),
            running=server["status"] == "ACTIVE",
            is_host=True,
            drift=drift,
        )

    def _rules_drift(self, group: Json) -> str:
        """Return how the security group's rules differ from those that are wanted."""
        there, wanted = rules_of(group).keys(), set(inbound(self._stage))
        return rules_drift(there, wanted)

    # -- making it so --------------------------------------------------------------------------------------------------

    def ensure(self, resource: Resource, key: str, say: Say) -> Record:
        """Make a thing, finding it first; again where what failed passes by itself."""
        with lock_of(self.name, self._stage, resource):
            return insist(lambda: self._ensure(resource, key, say), passes, PATIENCE, say, PACE)

    def _ensure(self, resource: Resource, key: str, say: Say) -> Record:
        """Make a thing, finding it first."""
        name = resource.name
        if resource.is_host:
            return self._hosts.ensure(self._stage.host(name), key, say)
        if name == NETWORK:
            return FactRecord(id=self._network.ensure(key, say))
        if name == FIREWALL:
            return FactRecord(id=self._network.ensure_firewall(inbound(self._stage), key, say))
        if name.startswith(ADDRESS):
            return FactRecord(id=self._network.ensure_address(name, key, say))
        plan = next(plan for plan in subnets(self._config) if SUBNET + plan.name == name)
        return FactRecord(id=self._network.ensure_subnet(plan, key, say))

    def halt(self, name: str, say: Say) -> None:
        """Stop a host in order."""
        insist(lambda: self._hosts.stop(name, say), passes, PATIENCE, say, PACE)

    def remove(self, name: str, say: Say) -> None:
        """Remove what has a name; what used it may take a moment to be wholly gone."""
        insist(lambda: self._remove(name, say), passes, PATIENCE, say, PACE)

    def _remove(self, name: str, say: Say) -> None:
        """Remove what has a name."""
        if name == NETWORK:
            self._network.remove(say)
        elif name == FIREWALL:
            self._network.remove_named("security-groups", name, say)
        elif name.startswith(SUBNET):
            self._network.remove_subnet(name, say)
        elif name.startswith(ADDRESS):
            self._network.remove_named("floatingips", name, say)
        else:
            self._hosts.remove(name, say)
