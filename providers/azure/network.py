"""The network of a stage at Azure: its resource group, a virtual network with subnets, a firewall, public addresses."""

from collections.abc import Iterable

from model.errors import ProviderError
from model.hosts.firewall import INSIDE, Rule, range_of
from model.hosts.placement import SubnetPlan
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL, belongs_to
from model.log import Log
from model.site import AzureStage
from model.stage import Stage
from providers.azure.api import OPERATION_TIMEOUT, AzureApi, properties, tags_for, tags_of
from providers.cloud.resources import FIREWALL, NETWORK, rules_drift
from providers.cloud.retry import poll

GROUP = "group"
_STORAGE = "Microsoft.Storage"
_FIRST_PRIORITY, _LAST_PRIORITY = 100, 4096
_LISTED_TIMEOUT = 900.0
"""Seconds for which things may be listed that are gone."""
_PROTOCOLS = {"tcp": "Tcp", "udp": "Udp", "icmp": "Icmp", "esp": "Esp"}


class AzureNetwork:
    """The network of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        api: Azure as the stage sees it.

    """

    def __init__(self, stage: Stage, config: AzureStage, api: AzureApi) -> None:
        self._stage, self._config, self._api = stage, config, api

    # -- the resource group --------------------------------------------------------------------------------------------

    def group(self) -> Json | None:
        """Return the stage's resource group, if it is there."""
        found: Json | None = self._api.find("resource.resource_groups.get", self._api.group)
        return found

    def ensure_group(self, key: str, log: Log) -> str:
        """Make the resource group, in which all else is; one that a killed `doit destroy` left going is waited for."""
        found = self._group_that_stays()
        tags = tags_for(self._stage, GROUP, key)
        if found is None or tags_of(found) != tags:
            if found is not None and found["location"] != self._api.region:
                raise ProviderError(
                    f"resource group {self._api.group} is in {found['location']}: restore region, or `doit destroy`, "
                    "and run doit again"
                )
            body = {"location": self._api.region, "tags": tags}
            found = self._api.call("resource.resource_groups.create_or_update", self._api.group, body=body)
            log(f"made resource group {self._api.group}")
        return str(found["id"])

    def _group_that_stays(self) -> Json | None:
        """Return the resource group; None if there is none, or no longer."""

        def settled() -> tuple[Json | None] | None:
            found = self.group()
            return None if is_going(found) else (found,)

        name = f"resource group {self._api.group}"
        return poll(settled, f"{name} to be gone", OPERATION_TIMEOUT, lambda: "Azure is still deleting it")[0]

    def remove_group(self, log: Log) -> None:
        """Remove the resource group, if nothing is left in it: all that is in it would go with it.

        Raises:
            ProviderError: It has something that is not skep's.

        """
        if self.group() is None:
            return
        if left := self._left():
            names = ", ".join(f"{one['type']} {one['name']}" for one in left)
            raise ProviderError(
                f"resource group {self._api.group} also has {names}: remove or move what is not skep's, "
                "then run doit again"
            )
        self._api.drop("resource.resource_groups.begin_delete", self._api.group)
        log(f"removed resource group {self._api.group}")

    def _left(self) -> list[Json]:
        """Return what is in the resource group and is not the stage's, once all that is the stage's is gone.

        What was deleted may stay in the group's listing for some minutes: Resource Manager keeps one of its own.
        https://learn.microsoft.com/azure/azure-resource-manager/management/delete-resource-group
        """
        ours: list[Json] = []

        def found() -> tuple[list[Json]] | None:
            listed = self._api.listing("resource.resources.list_by_resource_group", self._api.group)
            ours[:] = [one for one in listed if self._is_ours(one)]
            others = [one for one in listed if one not in ours]
            return (others,) if others or not ours else None

        what = f"resource group {self._api.group} to be empty"
        return poll(
            found,
            what,
            _LISTED_TIMEOUT,
            lambda: f"it still has {', '.join(str(one['name']) for one in ours)}",
        )[0]

    def _is_ours(self, thing: Json) -> bool:
        """Return whether something in the group is the stage's; disks have no tags. Pure."""
        is_disk = str(thing["type"]).lower() == "microsoft.compute/disks"
        return belongs_to(tags_of(thing), self._stage.labels) or (
            is_disk and str(thing["name"]).endswith(("-system", "-data"))
        )

    # -- network and subnets -------------------------------------------------------------------------------------------

    def networks(self) -> list[Json]:
        """Return the stage's virtual networks, with their subnets."""
        return self._ours("network.virtual_networks.list")

    def _ours(self, what: str) -> list[Json]:
        """Return the listed things that have the stage's tags."""
        return [
            one
            for one in self._api.listing(what, self._api.group)
            if belongs_to(tags_of(one), self._stage.labels)
        ]

    def ensure(self, key: str, log: Log) -> str:
        """Make the virtual network. Its subnets are sent along: without them Azure would remove them."""
        found = self._api.find("network.virtual_networks.get", self._api.group, NETWORK)
        tags, wanted = tags_for(self._stage, NETWORK, key), [str(self._config.cidr)]
        there = properties(found or {})
        if found is None or there["addressSpace"]["addressPrefixes"] != wanted or tags_of(found) != tags:
            body = {
                "location": self._api.region,
                "tags": tags,
                "properties": {
                    "addressSpace": {"addressPrefixes": wanted},
                    "subnets": [_as_sent(subnet) for subnet in there.get("subnets") or ()],
                },
            }
            self._api.call(
                "network.virtual_networks.begin_create_or_update", self._api.group, NETWORK, body=body
            )
            log(f"made virtual network {NETWORK}, {wanted[0]}")
        return self._api.id("Microsoft.Network/virtualNetworks", NETWORK)

    def subnet_id(self, name: str) -> str:
        """Return the id of a subnet. Pure."""
        return self._api.id("Microsoft.Network/virtualNetworks/subnets", NETWORK, name)

    def wanted_subnet(self, plan: SubnetPlan) -> Json:
        """Return the properties that a subnet is to have. Pure."""
        found: Json = {"addressPrefix": plan.cidr}
        if self._config.nfs:
            found["serviceEndpoints"] = [{"service": _STORAGE}]
        return found

    def is_as_wanted(self, plan: SubnetPlan, subnet: Json) -> bool:
        """Return whether a subnet is as planned. Pure."""
        there = properties(subnet)
        services = {one["service"] for one in there.get("serviceEndpoints") or ()}
        return there.get("addressPrefix") == plan.cidr and (not self._config.nfs or _STORAGE in services)

    def ensure_subnet(self, plan: SubnetPlan, log: Log) -> str:
        """Make a subnet."""
        found = self._api.find("network.subnets.get", self._api.group, NETWORK, plan.name)
        if found is None or not self.is_as_wanted(plan, found):
            body = {"properties": self.wanted_subnet(plan)}
            where = (self._api.group, NETWORK, plan.name)
            self._api.call("network.subnets.begin_create_or_update", *where, body=body)
            log(f"made subnet {plan.name}, {plan.cidr}")
        return self.subnet_id(plan.name)

    def remove(self, log: Log) -> None:
        """Remove the virtual network; it must be empty."""
        if self._api.drop("network.virtual_networks.begin_delete", self._api.group, NETWORK):
            log(f"removed virtual network {NETWORK}")

    def remove_subnet(self, name: str, log: Log) -> None:
        """Remove a subnet; its hosts must be gone."""
        if self._api.drop("network.subnets.begin_delete", self._api.group, NETWORK, name):
            log(f"removed subnet {name}")

    # -- the firewall --------------------------------------------------------------------------------------------------

    def firewalls(self) -> list[Json]:
        """Return the stage's network security groups, with their rules."""
        return self._ours("network.network_security_groups.list")

    def firewall_id(self) -> str:
        """Return the id of the network security group. Pure."""
        return self._api.id("Microsoft.Network/networkSecurityGroups", FIREWALL)

    def wanted_rules(self, rules: Iterable[Rule]) -> list[Json]:
        """Return the rules as Azure takes them, and a last one that keeps out all else. Pure.

        Azure's own default lets in all of the virtual network, and of those that are joined to it.
        """
        inside = str(self._config.cidr)
        found = [
            _rule(
                f"{rule.protocol}-{rule.port}-{n}",
                _FIRST_PRIORITY + n,
                protocol=_PROTOCOLS.get(rule.protocol, "*"),
                source=inside if rule.source == INSIDE else rule.source,
                port=rule.ports or "*",
            )
            for n, rule in enumerate(sorted(set(rules)))
        ]
        return [*found, _rule("nothing-else", _LAST_PRIORITY, access="Deny")]

    def drift(self, firewall: Json, rules: Iterable[Rule]) -> str:
        """Return how the rules differ from those that are wanted. Pure."""
        there = properties(firewall).get("securityRules") or ()
        return rules_drift(self._rules_of(there), self._rules_of(self.wanted_rules(rules)))

    def _rules_of(self, there: Iterable[Json]) -> set[Rule]:
        """Return Azure's rules as rules of ours, whatever their names. Pure.

        One that skep would not make keeps out, goes out, or has several ports or sources, and so is one too many.
        """
        return {_rule_of(properties(one), str(self._config.cidr)) for one in there}

    def ensure_firewall(self, rules: list[Rule], key: str, log: Log) -> str:
        """Make the network security group have these rules and no others: all are changed at once."""
        found = self._api.find("network.network_security_groups.get", self._api.group, FIREWALL)
        tags = tags_for(self._stage, FIREWALL, key)
        changes = self.drift(found, rules) if found is not None else ""
        if found is None or changes or tags_of(found) != tags:
            body = {
                "location": self._api.region,
                "tags": tags,
                "properties": {"securityRules": self.wanted_rules(rules)},
            }
            where = (self._api.group, FIREWALL)
            self._api.call("network.network_security_groups.begin_create_or_update", *where, body=body)
            log(changes or f"made network security group {FIREWALL}")
        return self.firewall_id()

    def remove_firewall(self, log: Log) -> None:
        """Remove the network security group; its hosts must be gone."""
        if self._api.drop("network.network_security_groups.begin_delete", self._api.group, FIREWALL):
            log(f"removed network security group {FIREWALL}")

    # -- public addresses ----------------------------------------------------------------------------------------------

    def addresses(self) -> list[Json]:
        """Return the stage's public addresses."""
        return self._ours("network.public_ip_addresses.list")

    def address(self, name: str) -> Json | None:
        """Return a public address by its name in the stage."""
        found: Json | None = self._api.find("network.public_ip_addresses.get", self._api.group, name)
        return found

    def address_id(self, name: str) -> str:
        """Return the id of a public address. Pure."""
        return self._api.id("Microsoft.Network/publicIPAddresses", name)

    def ensure_address(self, name: str, key: str, log: Log) -> str:
        """Allocate a public address; it stays when its host is replaced."""
        found, tags = self.address(name), tags_for(self._stage, name, key)
        if found is None or tags_of(found) != tags:
            body = {
                "location": self._api.region,
                "tags": tags,
                "sku": {"name": "Standard"},
                "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"},
            }
            where = (self._api.group, name)
            self._api.call("network.public_ip_addresses.begin_create_or_update", *where, body=body)
            log(f"made public address {name}")
        return self.address_id(name)

    def remove_address(self, name: str, log: Log) -> None:
        """Release a public address."""
        if self._api.drop("network.public_ip_addresses.begin_delete", self._api.group, name):
            log(f"removed public address {name}")

    # -- network interfaces --------------------------------------------------------------------------------------------

    def interfaces(self) -> list[Json]:
        """Return the stage's network interfaces."""
        return self._ours("network.network_interfaces.list")

    def interface_id(self, short: str) -> str:
        """Return the id of a host's network interface. Pure."""
        return self._api.id("Microsoft.Network/networkInterfaces", short)

    def ensure_interface(self, short: str, subnet: str, address: str, public: str, log: Log) -> None:
        """Make the network interface of a host, which keeps its address; change it where it is another.

        Args:
            short: The host's name.
            subnet: The name of its subnet.
            address: Its address.
            public: The name of its public address; empty for none.
            log: Hears what is done.

        """
        found = self._api.find("network.network_interfaces.get", self._api.group, short)
        home: Json = {
            "privateIPAddress": address,
            "privateIPAllocationMethod": "Static",
            "subnet": {"id": self.subnet_id(subnet)},
        }
        if public:
            home["publicIPAddress"] = {"id": self.address_id(public)}
        if found is not None and _home(found) == (
            address,
            home["subnet"]["id"].lower(),
            home.get("publicIPAddress", {}).get("id", "").lower(),
            self.firewall_id().lower(),
        ):
            return
        body = {
            "location": self._api.region,
            "tags": {**self._stage.labels, NAME_LABEL: short},
            "properties": {
                "networkSecurityGroup": {"id": self.firewall_id()},
                "ipConfigurations": [{"name": "primary", "properties": home}],
            },
        }
        self._api.call("network.network_interfaces.begin_create_or_update", self._api.group, short, body=body)
        log(f"network interface {short} has {address}{' and ' + public if public else ''}")

    def remove_interface(self, short: str, log: Log) -> None:
        """Remove the network interface of a host."""
        if self._api.drop("network.network_interfaces.begin_delete", self._api.group, short):
            log(f"removed network interface {short}")


def is_going(thing: Json | None) -> bool:
    """Return whether a thing is being removed. Pure."""
    return thing is not None and properties(thing).get("provisioningState") == "Deleting"


def is_public(interface: Json) -> bool:
    """Return whether a network interface has a public address. Pure."""
    return bool(_home(interface)[2])


def named(things: Iterable[Json]) -> Iterable[tuple[str, str, Json]]:
    """Yield name and key of things, by their tags, and the things. Pure."""
    for thing in things:
        tags = tags_of(thing)
        yield tags.get(NAME_LABEL, ""), tags.get(KEY_LABEL, ""), thing


def _home(interface: Json) -> tuple[str, str, str, str]:
    """Return the address, subnet, public address and firewall of a network interface; ids in small letters. Pure."""
    there = properties(interface)
    [first, *_] = there.get("ipConfigurations") or [{}]
    home = properties(first)
    return (
        str(home.get("privateIPAddress", "")),
        str((home.get("subnet") or {}).get("id", "")).lower(),
        str((home.get("publicIPAddress") or {}).get("id", "")).lower(),
        str((there.get("networkSecurityGroup") or {}).get("id", "")).lower(),
    )


def _rule(
    name: str, priority: int, protocol: str = "*", source: str = "*", port: str = "*", access: str = "Allow"
) -> Json:
    """Return an inbound rule. Pure."""
    return {
        "name": name,
        "properties": {
            "priority": priority,
            "direction": "Inbound",
            "access": access,
            "protocol": protocol,
            "sourceAddressPrefix": source,
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": port,
        },
    }


def _rule_of(there: Json, inside: str) -> Rule:
    """Return one of Azure's rules as a rule of ours. Pure."""
    names = {name: protocol for protocol, name in _PROTOCOLS.items()}
    source, port = there.get("sourceAddressPrefix"), str(there.get("destinationPortRange"))
    protocol = str(names.get(there["protocol"], there["protocol"]))
    usual = {
        "direction": "Inbound",
        "access": "Allow",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "sourceAddressPrefixes": None,
        "destinationPortRanges": None,
    }
    unusual = [f"{there[name]}" for name in usual if (there.get(name) or None) != usual[name]]
    first, _, last = ("0" if port == "*" else port).partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        unusual.append(port)
        first = last = "0"
    if there["access"] == "Deny":
        unusual.append(str(there["priority"]))
    return range_of(
        " ".join([protocol, *unusual]),
        int(first),
        int(last or first),
        INSIDE if source == inside else str(source),
    )


def _as_sent(subnet: Json) -> Json:
    """Return a subnet as it is sent along with its network. Pure."""
    there = properties(subnet)
    kept = {name: there[name] for name in ("addressPrefix", "serviceEndpoints") if there.get(name)}
    if "serviceEndpoints" in kept:
        kept["serviceEndpoints"] = [{"service": one["service"]} for one in kept["serviceEndpoints"]]
    return {"name": subnet["name"], "properties": kept}
