"""The network of a stage at Google: a VPC of its own, subnets of the region, firewall rules, public addresses."""

from collections.abc import Iterable

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.hosts.firewall import INSIDE, Rule, range_of
from model.hosts.placement import SubnetPlan
from model.json_types import Json
from model.log import Log
from model.stage import Stage
from providers.cloud.resources import FIREWALL, NETWORK, SUBNET
from providers.cloud.tag import parse_tag, tag
from providers.gcp.api import GcpApi

_WITH_PORTS = {"tcp", "udp", "sctp"}


class GcpNetwork:
    """The network of a stage.

    Args:
        stage: The stage.
        api: The region's API.

    """

    def __init__(self, stage: Stage, api: GcpApi) -> None:
        self._stage, self._api = stage, api

    def name(self, *words: str) -> str:
        """Return the name of a thing, which nothing else in the project has."""
        return cloud_name(self._stage, *words)

    @property
    def url(self) -> str:
        """The network, as other things name it."""
        return f"projects/{self._api.project}/global/networks/{self.name(NETWORK)}"

    def subnet_url(self, name: str) -> str:
        """Return a subnet, as other things name it."""
        return f"projects/{self._api.project}/regions/{self._api.region}/subnetworks/{self.name(name)}"

    # -- what there is -------------------------------------------------------------------------------------------------

    def networks(self) -> list[Json]:
        """Return the stage's network."""
        return self._api.mine("Networks.list", self._stage)

    def subnets(self) -> list[Json]:
        """Return the stage's subnets."""
        return self._api.mine("Subnetworks.list", self._stage, region=self._api.region)

    def firewalls(self) -> list[Json]:
        """Return the stage's firewall rules, one for each source."""
        return self._api.mine("Firewalls.list", self._stage)

    def addresses(self) -> list[Json]:
        """Return the stage's public addresses."""
        return self._api.mine("Addresses.list", self._stage, region=self._api.region)

    # -- network and subnets -------------------------------------------------------------------------------------------

    def ensure(self, key: str, log: Log) -> str:
        """Make the network."""
        name = self.name(NETWORK)
        found = self._api.get("Networks.get", network=name)
        if found is not None and parse_tag(self._stage, found.get("description"))[1] != key:
            self._refuse_change(NETWORK, found)
            self.remove(log)
            found = None
        if found is None:
            body = {
                "name": name,
                "autoCreateSubnetworks": False,
                "mtu": 1500,
                "routingConfig": {"routingMode": "REGIONAL"},
                "description": tag(self._stage, NETWORK, key),
            }
            self._api.change("Networks.insert", body)
            log(f"made network {name}")
            found = self._need("Networks.get", NETWORK, network=name)
        return str(found["id"])

    def ensure_subnet(self, plan: SubnetPlan, key: str, log: Log) -> str:
        """Make a subnet."""
        word = SUBNET + plan.name
        name = self.name(word)
        found = self._api.get("Subnetworks.get", region=self._api.region, subnetwork=name)
        if found is not None and found["ipCidrRange"] != plan.cidr:
            self.remove_subnet(word, log)
            found = None
        if found is None:
            body = {
                "name": name,
                "network": self.url,
                "ipCidrRange": plan.cidr,
                "privateIpGoogleAccess": True,
                "description": tag(self._stage, word, key),
            }
            self._api.change("Subnetworks.insert", body, region=self._api.region)
            log(f"made subnet {name} {plan.cidr}")
            found = self._need("Subnetworks.get", word, region=self._api.region, subnetwork=name)
        return str(found["id"])

    def _need(self, what: str, name: str, **fields: str) -> Json:
        """Return a thing that was just made."""
        found = self._api.get(what, **fields)
        if found is None:
            raise ProviderError(f"{name} was made, and is gone: somebody removed it; run doit again")
        return found

    def _refuse_change(self, name: str, network: Json) -> None:
        """Raise if there are subnets in a network that has to be replaced."""
        if network.get("subnetworks"):
            raise ProviderError(
                f"{name}: can't be replaced while it has subnets: remove the stage first (`doit destroy`)"
            )

    def remove(self, log: Log) -> None:
        """Remove the network; it must be empty."""
        if self._api.drop("Networks.delete", network=self.name(NETWORK)):
            log(f"removed network {self.name(NETWORK)}")

    def remove_subnet(self, name: str, log: Log) -> None:
        """Remove a subnet; its hosts must be gone."""
        if self._api.drop("Subnetworks.delete", region=self._api.region, subnetwork=self.name(name)):
            log(f"removed subnet {self.name(name)}")

    # -- firewall ------------------------------------------------------------------------------------------------------

    def ensure_firewall(self, rules: Iterable[Rule], key: str, log: Log) -> str:
        """Make the firewall be these rules and no others; each change is one that opens before another closes."""
        there = {one["name"]: one for one in self.firewalls()}
        wanted = self._bodies(rules, key)
        for name, body in wanted.items():
            if name not in there:
                self._api.change("Firewalls.insert", body)
                log(f"opened {_rules_text(body)}")
            elif rules_of([there[name]]) != rules_of([body]) or _key(self._stage, there[name]) != key:
                self._api.change("Firewalls.update", body, firewall=name)
                log(f"now open: {_rules_text(body)}")
        for name in sorted(there.keys() - wanted):
            self._api.drop("Firewalls.delete", firewall=name)
            log(f"closed {name}")
        return self.name(FIREWALL)

    def _bodies(self, rules: Iterable[Rule], key: str) -> dict[str, Json]:
        """Return the firewall rules as the API takes them, one for each source."""
        by_source: dict[str, list[Rule]] = {}
        for rule in sorted(rules):
            by_source.setdefault(rule.source, []).append(rule)
        found = {}
        for source, some in by_source.items():
            name = self.name(FIREWALL, source)
            protocols: dict[str, list[str]] = {}
            for rule in some:
                ports = protocols.setdefault(rule.protocol, [])
                if rule.port:
                    ports.append(rule.ports)
            network_tag = self.name()
            found[name] = {
                "name": name,
                "network": self.url,
                "direction": "INGRESS",
                "description": tag(self._stage, FIREWALL, key),
                "targetTags": [network_tag],
                "allowed": [
                    {"IPProtocol": protocol, **({"ports": ports} if protocol in _WITH_PORTS else {})}
                    for protocol, ports in protocols.items()
                ],
                **({"sourceTags": [network_tag]} if source == INSIDE else {"sourceRanges": [source]}),
            }
        return found

    def remove_firewall(self, log: Log) -> None:
        """Remove the firewall rules."""
        for rule in self.firewalls():
            if self._api.drop("Firewalls.delete", firewall=rule["name"]):
                log(f"removed {rule['name']}")

    # -- public addresses ----------------------------------------------------------------------------------------------

    def address(self, name: str) -> Json | None:
        """Return a public address."""
        return self._api.get("Addresses.get", region=self._api.region, address=self.name(name))

    def ensure_address(self, name: str, key: str, log: Log) -> str:
        """Reserve a public address; it stays when its host is replaced."""
        found = self.address(name)
        if found is None:
            body = {
                "name": self.name(name),
                "addressType": "EXTERNAL",
                "description": tag(self._stage, name, key),
            }
            self._api.change("Addresses.insert", body, region=self._api.region)
            found = self._need("Addresses.get", name, region=self._api.region, address=self.name(name))
            log(f"reserved {found['address']}")
        return str(found["id"])

    def remove_address(self, name: str, log: Log) -> None:
        """Release a public address."""
        if self._api.drop("Addresses.delete", region=self._api.region, address=self.name(name)):
            log(f"released {self.name(name)}")


def _key(stage: Stage, thing: Json) -> str:
    """Return the key of a thing."""
    return parse_tag(stage, thing.get("description"))[1]


def _rules_text(body: Json) -> str:
    """Return the rules of a firewall rule for a log."""
    return ", ".join(map(str, sorted(rules_of([body]))))


def rules_of(firewalls: Iterable[Json]) -> set[Rule]:
    """Return the rules of all firewall rules: Google's have several ports each. Pure.

    One that skep would not make has a source or protocol that no wanted rule has, and so is one too many.
    """
    found: set[Rule] = set()
    for body in firewalls:
        sources = [*(body.get("sourceRanges") or ()), *([INSIDE] if body.get("sourceTags") else [])]
        off = " (off)" if body.get("disabled") else ""
        for allowed in body.get("allowed") or ():
            protocol = allowed["IPProtocol"] + off
            for port in allowed.get("ports") or ["0"]:
                first, _, last = port.partition("-")
                found |= {range_of(protocol, int(first), int(last or first), source) for source in sources}
    return found
