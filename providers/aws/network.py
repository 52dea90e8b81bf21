"""The network of a stage at Amazon: a VPC with its way out, subnets, a security group, public addresses."""

from collections.abc import Iterable

from model.errors import ProviderError
from model.hosts.firewall import INSIDE, Rule, range_of
from model.hosts.placement import SubnetPlan
from model.json_types import Json
from model.labels import KEY_LABEL
from model.log import Log
from model.site import AwsStage
from model.stage import Stage
from providers.aws.api import AwsApi, as_tags, of_stage, specification, tags_for, tags_of
from providers.aws.errors import tolerated
from providers.cloud.resources import FIREWALL, NETWORK, SUBNET

_ANYWHERE = "0.0.0.0/0"
_PROTOCOLS = {"icmp": "icmp", "tcp": "tcp", "udp": "udp", "esp": "50", "sctp": "132"}
"""By IANA's numbers where Amazon has no name."""
_WITH_PORTS = {"tcp", "udp"}


class AwsNetwork:
    """The network of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        api: The region's API.

    """

    def __init__(self, stage: Stage, config: AwsStage, api: AwsApi) -> None:
        self._stage, self._config, self._api = stage, config, api

    # -- the VPC -------------------------------------------------------------------------------------------------------

    def vpcs(self) -> list[Json]:
        """Return the stage's VPCs, the one to use first: two runs that raced may have left more than one."""
        found = self._api.listing("describe_vpcs", "Vpcs", Filters=of_stage(self._stage, NETWORK))
        return sorted(found, key=lambda vpc: (KEY_LABEL not in tags_of(vpc), vpc["VpcId"]))

    def vpc(self) -> str:
        """Return the id of the stage's VPC.

        Raises:
            ProviderError: There is none.

        """
        found = self.vpcs()
        if not found:
            raise ProviderError(
                f"the network of stage {self._stage.name} is gone: run `doit build_infra:network` first"
            )
        return str(found[0]["VpcId"])

    def ensure(self, key: str, log: Log) -> str:
        """Make the VPC with an internet gateway and the route to it; it gets its key last."""
        found = self.vpcs()
        if found:
            vpc = found[0]
            identifier, made_with = str(vpc["VpcId"]), tags_of(vpc).get(KEY_LABEL)
            if made_with == key:
                return identifier
            if made_with is not None:
                self._refuse_change(NETWORK, identifier, "vpc-id", "cidr")
                self._remove_vpc(identifier, log)
                return self.ensure(key, log)
        else:
            made = self._api.call(
                "create_vpc",
                CidrBlock=self._config.cidr,
                TagSpecifications=[specification("vpc", tags_for(self._stage, NETWORK))],
            )
            identifier = str(made["Vpc"]["VpcId"])
            log(f"made VPC {identifier} {self._config.cidr}")
            self._api.await_listed(self.vpcs, identifier)
        self._api.call("modify_vpc_attribute", VpcId=identifier, EnableDnsHostnames={"Value": True})
        gateway = self._gateway(identifier, log)
        tables = self._api.listing(
            "describe_route_tables",
            "RouteTables",
            Filters=[
                {"Name": "vpc-id", "Values": [identifier]},
                {"Name": "association.main", "Values": ["true"]},
            ],
        )
        if not tables:
            raise ProviderError(f"VPC {identifier} has no main route table: remove it, then run doit again")
        with tolerated("RouteAlreadyExists"):
            self._api.call(
                "create_route",
                RouteTableId=tables[0]["RouteTableId"],
                DestinationCidrBlock=_ANYWHERE,
                GatewayId=gateway,
            )
        self._api.call("create_tags", Resources=[identifier], Tags=as_tags({KEY_LABEL: key}))
        return identifier

    def _gateway(self, vpc: str, log: Log) -> str:
        """Return the internet gateway of the VPC, made and attached if need be."""
        ours = self._gateways()
        here = [g for g in ours if any(at["VpcId"] == vpc for at in g.get("Attachments") or ())]
        free = [g for g in ours if not g.get("Attachments")]
        if here:
            return str(here[0]["InternetGatewayId"])
        if free:
            gateway = str(free[0]["InternetGatewayId"])
        else:
            made = self._api.call(
                "create_internet_gateway",
                TagSpecifications=[specification("internet-gateway", tags_for(self._stage, NETWORK))],
            )
            gateway = str(made["InternetGateway"]["InternetGatewayId"])
            log(f"made internet gateway {gateway}")
            self._api.await_listed(self._gateways, gateway)
        self._api.call("attach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)
        return gateway

    def _gateways(self) -> list[Json]:
        """Return the stage's internet gateways."""
        return self._api.listing(
            "describe_internet_gateways", "InternetGateways", Filters=of_stage(self._stage, NETWORK)
        )

    def remove(self, log: Log) -> None:
        """Remove the VPC and its gateway; it must be empty."""
        for vpc in self.vpcs():
            self._remove_vpc(str(vpc["VpcId"]), log)
        for gateway in self._gateways():
            self._remove_gateway(gateway, log)

    def _remove_vpc(self, vpc: str, log: Log) -> None:
        """Remove one VPC and its gateways; its key goes first, so that it is not taken for a whole one."""
        with tolerated("InvalidVpcID.NotFound"):
            self._api.call("delete_tags", Resources=[vpc], Tags=[{"Key": KEY_LABEL}])
        for gateway in self._gateways():
            if any(at["VpcId"] == vpc for at in gateway.get("Attachments") or ()):
                self._remove_gateway(gateway, log)
        with tolerated("InvalidVpcID.NotFound"):
            self._api.call("delete_vpc", VpcId=vpc)
            log(f"removed VPC {vpc}")

    def _remove_gateway(self, gateway: Json, log: Log) -> None:
        """Detach an internet gateway and remove it."""
        identifier = gateway["InternetGatewayId"]
        for at in gateway.get("Attachments") or ():
            with tolerated("Gateway.NotAttached", "InvalidInternetGatewayID.NotFound"):
                self._api.call("detach_internet_gateway", InternetGatewayId=identifier, VpcId=at["VpcId"])
        with tolerated("InvalidInternetGatewayID.NotFound"):
            self._api.call("delete_internet_gateway", InternetGatewayId=identifier)
            log(f"removed internet gateway {identifier}")

    def _refuse_change(self, name: str, identifier: str, filter_name: str, keys: str) -> None:
        """Raise if hosts are in a thing that has to be replaced.

        Raises:
            ProviderError: There are.

        """
        inside = self._api.listing(
            "describe_network_interfaces",
            "NetworkInterfaces",
            Filters=[{"Name": filter_name, "Values": [identifier]}],
        )
        if inside:
            raise ProviderError(
                f"{name}: {keys} can't be changed while something is in it ({len(inside)} network interfaces): put it "
                f"back, or remove the stage first (`doit destroy`)"
            )

    # -- subnets -------------------------------------------------------------------------------------------------------

    def subnets(self, name: str) -> list[Json]:
        """Return the stage's subnets of a name."""
        return self._api.listing("describe_subnets", "Subnets", Filters=of_stage(self._stage, name))

    def ensure_subnet(self, plan: SubnetPlan, key: str, log: Log) -> str:
        """Make a subnet in its zone."""
        vpc = self.vpc()
        for subnet in self.subnets(SUBNET + plan.name):
            identifier = str(subnet["SubnetId"])
            if subnet["VpcId"] == vpc and tags_of(subnet).get(KEY_LABEL) == key:
                return identifier
            self._refuse_change(SUBNET + plan.name, identifier, "subnet-id", "cidr and zone")
            with tolerated("InvalidSubnetID.NotFound"):
                self._api.call("delete_subnet", SubnetId=identifier)
        made = self._api.call(
            "create_subnet",
            VpcId=vpc,
            CidrBlock=plan.cidr,
            AvailabilityZone=plan.zone,
            TagSpecifications=[specification("subnet", tags_for(self._stage, SUBNET + plan.name, key))],
        )
        identifier = str(made["Subnet"]["SubnetId"])
        log(f"made subnet {identifier} {plan.cidr} in {plan.zone}")
        self._api.await_listed(lambda: self.subnets(SUBNET + plan.name), identifier)
        return identifier

    def remove_subnet(self, name: str, log: Log) -> None:
        """Remove the subnets of a name; their hosts must be gone."""
        for subnet in self.subnets(name):
            with tolerated("InvalidSubnetID.NotFound"):
                self._api.call("delete_subnet", SubnetId=subnet["SubnetId"])
                log(f"removed subnet {subnet['SubnetId']}")

    # -- the security group --------------------------------------------------------------------------------------------

    def groups(self) -> list[Json]:
        """Return the stage's security groups, with their rules."""
        return self._api.listing(
            "describe_security_groups", "SecurityGroups", Filters=of_stage(self._stage, FIREWALL)
        )

    def ensure_firewall(self, rules: Iterable[Rule], key: str, log: Log) -> str:
        """Make the security group, and its rules be these and no others, without a moment in which one is missing."""
        vpc = self.vpc()
        group = next((group for group in self.groups() if group["VpcId"] == vpc), None)
        if group is None:
            tags = tags_for(self._stage, FIREWALL, key)
            made = self._api.call(
                "create_security_group",
                GroupName=tags["Name"],
                Description=f"skep: stage {self._stage.name} of {self._stage.site_name}"[:255],
                VpcId=vpc,
                TagSpecifications=[specification("security-group", tags)],
            )
            group = {"GroupId": made["GroupId"], "IpPermissions": []}
            log(f"made security group {made['GroupId']}")
            self._api.await_listed(self.groups, str(made["GroupId"]))
        identifier = str(group["GroupId"])
        there, wanted = rules_of(group), set(map(as_kept, rules))
        missing, extra = sorted(wanted - there.keys()), sorted(there.keys() - wanted)
        if missing:
            log(f"opening {', '.join(map(str, missing))}")
            with tolerated("InvalidPermission.Duplicate"):
                self._api.call(
                    "authorize_security_group_ingress",
                    GroupId=identifier,
                    IpPermissions=[permission(rule, identifier) for rule in missing],
                )
        if extra:
            log(f"closing {', '.join(map(str, extra))}")
            with tolerated("InvalidPermission.NotFound"):
                self._api.call(
                    "revoke_security_group_ingress",
                    GroupId=identifier,
                    IpPermissions=[there[rule] for rule in extra],
                )
        if tags_of(group).get(KEY_LABEL, key) != key:
            self._api.call("create_tags", Resources=[identifier], Tags=as_tags({KEY_LABEL: key}))
        return identifier

    def remove_firewall(self, log: Log) -> None:
        """Remove the security group; nothing may be in it any more."""
        for group in self.groups():
            with tolerated("InvalidGroup.NotFound"):
                self._api.call("delete_security_group", GroupId=group["GroupId"])
                log(f"removed security group {group['GroupId']}")

    # -- public addresses ----------------------------------------------------------------------------------------------

    def addresses(self, name: str = "") -> list[Json]:
        """Return the stage's public addresses, or those of a name."""
        found = self._api.listing("describe_addresses", "Addresses", Filters=of_stage(self._stage, name))
        return sorted(found, key=lambda address: str(address["AllocationId"]))

    def ensure_address(self, name: str, key: str, log: Log) -> str:
        """Allocate a public address; it stays when its host is replaced."""
        found = self.addresses(name)
        if found:
            return str(found[0]["AllocationId"])
        made = self._api.call(
            "allocate_address",
            Domain="vpc",
            TagSpecifications=[specification("elastic-ip", tags_for(self._stage, name, key))],
        )
        identifier = str(made["AllocationId"])
        log(f"allocated {made['PublicIp']}")
        self._api.await_listed(lambda: self.addresses(name), identifier)
        return identifier

    def remove_address(self, name: str, log: Log) -> None:
        """Release a public address."""
        for address in self.addresses(name):
            self.disassociate(address, log)
            with tolerated("InvalidAllocationID.NotFound"):
                self._api.call("release_address", AllocationId=address["AllocationId"])
                log(f"released {address['PublicIp']}")

    def disassociate(self, address: Json, log: Log) -> None:
        """Take a public address off its host."""
        if address.get("AssociationId"):
            with tolerated("InvalidAssociationID.NotFound"):
                self._api.call("disassociate_address", AssociationId=address["AssociationId"])
                log(f"took {address['PublicIp']} off {address.get('InstanceId')}")


def as_kept(rule: Rule) -> Rule:
    """Return a rule as Amazon keeps it: without a port, where Amazon knows no ports of the protocol.

    "If you specify a protocol number other than tcp, udp, icmp, or icmpv6, traffic on all ports is allowed":
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
    """
    return rule if rule.protocol in _WITH_PORTS else Rule(rule.protocol, 0, rule.source)


def permission(rule: Rule, group: str) -> Json:
    """Return a rule as the API takes it. Pure.

    Args:
        rule: The rule, as it is kept.
        group: The group itself, which stands for what is inside.

    """
    first, last = rule.port or -1, rule.last or rule.port or -1
    found: Json = {"IpProtocol": _PROTOCOLS[rule.protocol], "FromPort": first, "ToPort": last}
    if rule.source == INSIDE:
        return {**found, "UserIdGroupPairs": [{"GroupId": group}]}
    return {**found, "IpRanges": [{"CidrIp": rule.source}]}


def rules_of(group: Json) -> dict[Rule, Json]:
    """Return the rules of a security group, each with the permission that revokes it. Pure.

    One that skep would not make has a source or protocol that no wanted rule has, and so is one too many.
    """
    names = {number: name for name, number in _PROTOCOLS.items()}
    found: dict[Rule, Json] = {}
    for entry in group.get("IpPermissions") or ():
        protocol = names.get(entry["IpProtocol"], entry["IpProtocol"])
        ports = {name: entry[name] for name in ("FromPort", "ToPort") if entry.get(name) is not None}
        first, last = ports.get("FromPort", -1), ports.get("ToPort", -1)
        if protocol in _WITH_PORTS:
            port, end = max(0, first), max(0, last)
        else:
            protocol, port, end = protocol if first == last else f"{protocol} {first} to {last}", 0, 0
        base = {"IpProtocol": entry["IpProtocol"], **ports}
        for key, inner in (
            ("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("PrefixListIds", "PrefixListId")
        ):  # fmt: skip
            for source in entry.get(key) or ():
                found[range_of(protocol, port, end, source[inner])] = {**base, key: [{inner: source[inner]}]}
        for pair in entry.get("UserIdGroupPairs") or ():
            inside = pair.get("GroupId") == group["GroupId"]
            source = INSIDE if inside else f"group {pair.get('GroupId')}"
            found[range_of(protocol, port, end, source)] = {
                **base,
                "UserIdGroupPairs": [{"GroupId": pair.get("GroupId")}],
            }
    return found
