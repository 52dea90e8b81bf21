"""The network of a stage at OpenStack: a network with its router, subnets, a security group, floating IPs."""

import ipaddress
from collections.abc import Iterable

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.hosts.firewall import INSIDE, Rule, range_of
from model.hosts.placement import SubnetPlan
from model.json_types import Json
from model.log import Log
from model.site import OpenStackStage
from model.stage import Stage
from providers.cloud.resources import FIREWALL, NETWORK, SUBNET
from providers.cloud.tag import parse_tag, tag
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import CONFLICT, NOT_FOUND, OpenStackError

_INTERFACE = "network:router_interface"
_POOL = range(2, 10)
"""The addresses of a subnet that Neutron may take for itself; hosts are counted up from the eleventh."""
_WITH_PORTS = {"tcp", "udp", "sctp"}
_NUMBERS = {"esp": "50", "sctp": "132"}


class OpenStackNetwork:
    """The network of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        api: The services.

    """

    def __init__(self, stage: Stage, config: OpenStackStage, api: OpenStackApi) -> None:
        self._stage, self._config, self._api = stage, config, api

    # -- what there is -------------------------------------------------------------------------------------------------

    def listing(self, kind: str, name: str = "") -> list[Json]:
        """Return the stage's things of a kind (`networks`), or those of a name; the one to use first.

        More than one of a name are what a race of two runs left; both come to the same first one.
        """
        query = {"name": cloud_name(self._stage, name)} if name and kind != "floatingips" else {}
        found = self._api.listing("network", f"/{kind}", kind.replace("-", "_"), **query)
        ours = [thing for thing in found if (own := self.parse_tag(thing)[0]) and name in {"", own}]
        return sorted(ours, key=lambda thing: (str(thing.get("created_at")), str(thing["id"])))

    def parse_tag(self, thing: Json) -> tuple[str, str]:
        """Return name and key of one of the stage's things, or nothing. Pure."""
        return parse_tag(self._stage, thing.get("description"))

    def first(self, kind: str, name: str) -> Json | None:
        """Return the thing of a kind and a name, if there is one."""
        return next(iter(self.listing(kind, name)), None)

    def need(self, kind: str, name: str) -> Json:
        """Return the thing of a kind and a name.

        Raises:
            ProviderError: There is none.

        """
        found = self.first(kind, name)
        if found is None:
            raise ProviderError(
                f"{name} of stage {self._stage.name} is gone: run `doit build_infra:{name}` first"
            )
        return found

    def make(self, kind: str, name: str, key: str, body: Json, log: Log) -> Json:
        """Make a thing, and return the one that is used: of two that two runs made at once, the first."""
        one = kind.rstrip("s").replace("-", "_")
        wanted: Json = {"description": tag(self._stage, name, key), **body}
        if kind != "floatingips":
            wanted["name"] = cloud_name(self._stage, name)
        made = self._api.ask("POST", "network", f"/{kind}", {one: wanted})[one]
        log(f"made {one} {made['id']}")
        for other in self.listing(kind, name)[1:]:
            self.drop(kind, other, log)
        return self.need(kind, name)

    def drop(self, kind: str, thing: Json, log: Log) -> None:
        """Delete a thing."""
        if self._api.drop("network", f"/{kind}/{thing['id']}"):
            log(f"removed {kind.rstrip('s')} {thing['id']}")

    def sign(self, kind: str, thing: Json, name: str, key: str) -> None:
        """Put another key onto a thing."""
        if self.parse_tag(thing)[1] != key:
            one = kind.rstrip("s").replace("-", "_")
            body = {one: {"description": tag(self._stage, name, key)}}
            self._api.ask("PUT", "network", f"/{kind}/{thing['id']}", body)

    def remove_named(self, kind: str, name: str, log: Log) -> None:
        """Remove all things of a kind and a name."""
        for thing in self.listing(kind, name):
            self.drop(kind, thing, log)

    # -- network and router --------------------------------------------------------------------------------------------

    def external(self) -> Json:
        """Return the network that leads out.

        Raises:
            ProviderError: There is none, or it is not clear which.

        """
        wanted = self._config.external_network
        found = self._api.listing("network", "/networks", "networks", **{"router:external": "True"})
        fitting = [net for net in found if wanted in {None, net["id"], net["name"]}]
        if len(fitting) != 1:
            names = ", ".join(sorted(net["name"] for net in found)) or "none"
            raise ProviderError(
                f"stages.{self._stage.name}.external_network: must name one of the cloud's external networks ({names})"
                if wanted is None
                else f"stages.{self._stage.name}.external_network: there is no {wanted}; the cloud has {names}"
            )
        return fitting[0]

    def ensure(self, key: str, log: Log) -> str:
        """Make the network, and last the router that leads out of it."""
        network = self.first("networks", NETWORK)
        if network is None:
            network = self.make("networks", NETWORK, key, {}, log)
        router = self.first("routers", NETWORK)
        gateway = {"external_gateway_info": {"network_id": self.external()["id"]}}
        if router is None:
            self.make("routers", NETWORK, key, gateway, log)
        elif self.parse_tag(router)[1] != key or not router.get("external_gateway_info"):
            self._api.ask("PUT", "network", f"/routers/{router['id']}", {"router": gateway})
            self.sign("routers", router, NETWORK, key)
        self.sign("networks", network, NETWORK, key)
        return str(network["id"])

    def remove(self, log: Log) -> None:
        """Remove router and network; the network must be empty."""
        for kind in ("routers", "networks"):
            for thing in self.listing(kind, NETWORK):
                self.drop(kind, thing, log)

    # -- subnets -------------------------------------------------------------------------------------------------------

    def interfaces(self, ports: Iterable[Json]) -> set[str]:
        """Return the ids of the subnets that a router leads out of. Pure."""
        return {
            fixed["subnet_id"]
            for port in ports
            if port["device_owner"].startswith(_INTERFACE)
            for fixed in port["fixed_ips"]
        }

    def ensure_subnet(self, plan: SubnetPlan, key: str, log: Log) -> str:
        """Make a subnet and its way to the router."""
        name = SUBNET + plan.name
        network, router = self.need("networks", NETWORK), self.need("routers", NETWORK)
        subnet = self.first("subnets", name)
        if subnet is not None and subnet["cidr"] != plan.cidr:
            self.remove_subnet(name, log)
            subnet = None
        if subnet is None:
            body: Json = {"network_id": network["id"], "ip_version": 4, "cidr": plan.cidr}
            if self._config.dns_servers:
                body["dns_nameservers"] = self._config.dns_servers
            if pool := self._pool(plan):
                body["allocation_pools"] = [pool]
            subnet = self.make("subnets", name, key, body, log)
        elif self.subnet_drift(subnet):
            body = {"dns_nameservers": self._config.dns_servers}
            self._api.ask("PUT", "network", f"/subnets/{subnet['id']}", {"subnet": body})
            log(
                f"{plan.name}: hosts get the name servers {', '.join(self._config.dns_servers)} at their next lease"
            )
        ports = self._api.listing("network", "/ports", "ports", network_id=str(network["id"]))
        if subnet["id"] not in self.interfaces(ports):
            body = {"subnet_id": subnet["id"]}
            self._api.ask("PUT", "network", f"/routers/{router['id']}/add_router_interface", body)
        self.sign("subnets", subnet, name, key)
        return str(subnet["id"])

    def subnet_drift(self, subnet: Json) -> str:
        """Return that a subnet has other name servers than are wanted, or nothing. Pure.

        Where none are named, those that somebody else gave it stay.
        """
        wanted, there = self._config.dns_servers, list(subnet.get("dns_nameservers") or ())
        if not wanted or wanted == there:
            return ""
        before = ", ".join(there) or "the cloud's"
        return f"the name servers are {before}, not {', '.join(wanted)}"

    def _pool(self, plan: SubnetPlan) -> Json | None:
        """Return the addresses that Neutron may take, so that it takes no host's; None where there is no room."""
        if plan.network.num_addresses <= _POOL.stop:
            return None
        own = [plan.network[i] for i in _POOL]
        hosts = {ipaddress.IPv4Address(host.address) for host in self._stage.hosts}
        return None if hosts & set(own) else {"start": str(own[0]), "end": str(own[-1])}

    def remove_subnet(self, name: str, log: Log) -> None:
        """Remove a subnet and its way to the router; its hosts must be gone."""
        routers = self.listing("routers", NETWORK)
        for subnet in self.listing("subnets", name):
            for router in routers:
                try:
                    self._api.ask(
                        "PUT",
                        "network",
                        f"/routers/{router['id']}/remove_router_interface",
                        {"subnet_id": subnet["id"]},
                    )
                except OpenStackError as error:
                    if error.status != NOT_FOUND:
                        raise
            self.drop("subnets", subnet, log)

    # -- the security group --------------------------------------------------------------------------------------------

    def ensure_firewall(self, rules: Iterable[Rule], key: str, log: Log) -> str:
        """Make the security group, and its rules be these and no others, without a moment in which one is missing."""
        group = self.first("security-groups", FIREWALL)
        if group is None:
            group = self.make("security-groups", FIREWALL, key, {}, log)
        there, wanted = rules_of(group), set(rules)
        for rule in sorted(wanted - there.keys()):
            log(f"opening {rule}")
            body = {"security_group_rule": {**_as_rule(rule, group["id"]), "security_group_id": group["id"]}}
            try:
                self._api.ask("POST", "network", "/security-group-rules", body)
            except OpenStackError as error:
                if error.status != CONFLICT or error.is_quota:
                    raise  # else another run was first
        for rule in sorted(there.keys() - wanted):
            log(f"closing {rule}")
            self._api.drop("network", f"/security-group-rules/{there[rule]}")
        self.sign("security-groups", group, FIREWALL, key)
        return str(group["id"])

    def remove_firewall(self, log: Log) -> None:
        """Remove the security group; nothing may be in it any more."""
        self.remove_named("security-groups", FIREWALL, log)

    # -- floating IPs --------------------------------------------------------------------------------------------------

    def ensure_address(self, name: str, key: str, log: Log) -> str:
        """Allocate a floating IP; it stays when its host is replaced."""
        found = self.first("floatingips", name)
        if found is None:
            body = {"floating_network_id": self.external()["id"]}
            found = self.make("floatingips", name, key, body, log)
        self.sign("floatingips", found, name, key)
        return str(found["id"])

    def associate(self, name: str, port: str | None, log: Log) -> str:
        """Associate a host's floating IP with a port, or with none, and return it; empty if there is none."""
        found = self.first("floatingips", name)
        if found is None:
            return ""
        if found["port_id"] != port:
            body = {"floatingip": {"port_id": port}}
            self._api.ask("PUT", "network", f"/floatingips/{found['id']}", body)
            log(f"{found['floating_ip_address']} leads to {port or 'nothing'}")
        return str(found["floating_ip_address"])

    def remove_address(self, name: str, log: Log) -> None:
        """Release a floating IP."""
        self.remove_named("floatingips", name, log)


def _as_rule(rule: Rule, group: str) -> Json:
    """Return a rule as the API takes it. Pure.

    Args:
        rule: The rule.
        group: The group itself, which stands for what is inside.

    """
    found: Json = {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": _NUMBERS.get(rule.protocol, rule.protocol),
    }
    if rule.port:
        found |= {"port_range_min": rule.port, "port_range_max": rule.last or rule.port}
    source = {"remote_group_id": group} if rule.source == INSIDE else {"remote_ip_prefix": rule.source}
    return {**found, **source}


def rules_of(group: Json) -> dict[Rule, str]:
    """Return the inbound rules of a security group, each with its id. Pure.

    One that skep would not make has a source or protocol that no wanted rule has, and so is one too many.
    """
    names = {number: name for name, number in _NUMBERS.items()}
    found: dict[Rule, str] = {}
    for entry in group.get("security_group_rules") or ():
        if entry["direction"] != "ingress":
            continue
        protocol = str(entry["protocol"] or "any")
        protocol = names.get(protocol, protocol)
        first, last = entry["port_range_min"], entry["port_range_max"]
        if entry["ethertype"] != "IPv4" or ((first or last) and protocol not in _WITH_PORTS):
            protocol = f"{protocol} {entry['ethertype']} {first} to {last}"
        other = entry["remote_group_id"]
        if other == group["id"]:
            source = INSIDE
        else:
            source = f"group {other}" if other else entry["remote_ip_prefix"] or "0.0.0.0/0"
        found[range_of(protocol, first or 0, last or 0, source)] = str(entry["id"])
    return found
