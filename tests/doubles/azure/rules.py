"""The rules by which Azure refuses well-formed requests: references, addresses, things in use, sizes, quotas.

Held against: Azure's documentation, whose page each rule names. See `server.py`.
"""

import base64
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.json_types import Json

if TYPE_CHECKING:
    from tests.doubles.azure.server import Answer, Cloud, Request


_COMPUTE = "azure.mgmt.compute.v2024_11_01.models"
_DISKS = "azure.mgmt.compute.v2024_03_02.models"
_NETWORK = "azure.mgmt.network.models"
_STORAGE = "azure.mgmt.storage.v2024_01_01.models"
GROUP_MODEL = "azure.mgmt.resource.resources.models:ResourceGroup"
RUN_COMMAND_MODEL = "azure.mgmt.compute.models:RunCommandInput"

SIZES: dict[str, Json] = {
    "Standard_B2s": {"cpus": 2, "family": "standardBSFamily", "zones": ["1", "2", "3"]},
    "Standard_B4ms": {"cpus": 4, "family": "standardBSFamily", "zones": ["1", "2", "3"]},
    "Standard_D2ps_v5": {"cpus": 2, "family": "standardDPSv5Family", "zones": ["1", "2"], "arm": True},
    "Standard_A2_v2": {"cpus": 2, "family": "standardAv2Family", "zones": ["1"], "generations": "V1"},
    "Standard_E2s_v3": {"cpus": 2, "family": "standardESv3Family", "zones": ["1"]},
}
IMAGES = {
    ("Debian", "debian-12", "12-gen2"): ["0.20240102.1614", "0.20251101.2284", "0.20250210.2019"],
    ("Debian", "debian-12", "12-arm64"): ["0.20251101.2284"],
    ("Debian", "debian-12", "12-large"): ["1.0.0"],
    ("almalinux", "almalinux-hpc", "9-paid"): ["1.0.0"],
}
PLANS = {"9-paid": {"publisher": "almalinux", "product": "almalinux-hpc", "name": "9-paid"}}
"""The terms of images that cost money."""
IMAGE_SIZES = {"12-large": 50}
"""GiB of the disk in an image; in the others they are as in that of Ubuntu 22.04."""
_IMAGE_SIZE = 30
LIMITS = {
    "cores": 20,
    "virtualMachines": 100,
    "standardBSFamily": 10,
    "standardDPSv5Family": 10,
    "standardESv3Family": 10,
    "standardAv2Family": 10,
    "IPv4StandardSkuPublicIpAddresses": 20,
    "VirtualNetworks": 50,
    "NetworkInterfaces": 100,
}
"""What a subscription may have of each."""
_LARGEST_DATA = 65535
"""Bytes of custom data: https://learn.microsoft.com/azure/virtual-machines/custom-data"""


class RefusedError(Exception):
    """A refusal of Azure's.

    Args:
        code: The error's code.
        said: Its message.
        status: HTTP's status.

    """

    def __init__(self, code: str, said: str, status: int = 400) -> None:
        super().__init__(f"{code}: {said}")
        self.code, self.said, self.status = code, said, status


@dataclass(frozen=True)
class Type:
    """A kind of thing.

    Args:
        model: The model of what is sent to make one.
        update: The same of what is sent to change one.
        is_quick: Whether it is made at once.

    """

    model: str
    update: str = ""
    is_quick: bool = False


TYPES = {
    "Microsoft.Network/virtualNetworks": Type(f"{_NETWORK}:VirtualNetwork"),
    "Microsoft.Network/virtualNetworks/subnets": Type(f"{_NETWORK}:Subnet"),
    "Microsoft.Network/networkSecurityGroups": Type(f"{_NETWORK}:NetworkSecurityGroup"),
    "Microsoft.Network/publicIPAddresses": Type(f"{_NETWORK}:PublicIPAddress"),
    "Microsoft.Network/networkInterfaces": Type(f"{_NETWORK}:NetworkInterface"),
    "Microsoft.Compute/virtualMachines": Type(
        f"{_COMPUTE}:VirtualMachine", f"{_COMPUTE}:VirtualMachineUpdate"
    ),
    "Microsoft.Compute/disks": Type(f"{_DISKS}:Disk", f"{_DISKS}:DiskUpdate"),
    "Microsoft.Storage/storageAccounts": Type(f"{_STORAGE}:StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/fileServices/shares": Type(f"{_STORAGE}:FileShare", is_quick=True),
}


def kind_of(identifier: str) -> str:
    """Return the kind of a thing by its id or address, as `Microsoft.AzureNetwork/virtualNetworks/subnets`."""
    _, _, rest = identifier.partition("/providers/")
    namespace, *words = rest.split("/") if rest else [""]
    return "/".join([namespace, *words[::2]]) if namespace else ""


def parent_of(identifier: str) -> str:
    """Return the id of a thing's parent; empty for a thing in the group itself."""
    kind = kind_of(identifier)
    if kind.endswith("/fileServices/shares"):
        return identifier.rsplit("/", 4)[0]
    return identifier.rsplit("/", 2)[0] if kind.count("/") > 1 else ""


def props(thing: Any) -> Any:
    """Return the properties of a thing."""
    return thing.setdefault("properties", {})


def _id(reference: Json | None) -> str:
    """Return the id in a reference."""
    return str((reference or {}).get("id", "")).lower()


# -- making ------------------------------------------------------------------------------------------------------------


def on_put(cloud: "Cloud", made: Json, there: Json | None) -> Callable[[], None]:
    """Refuse a thing that can't be made; return the effect of its making."""
    hooks: dict[str, Callable[[Cloud, Json, Json | None], Callable[[], None] | None]] = {
        "virtualNetworks": _network,
        "subnets": _subnet,
        "networkSecurityGroups": _firewall,
        "publicIPAddresses": _address,
        "networkInterfaces": _interface,
        "virtualMachines": _machine,
        "storageAccounts": _account,
        "shares": _share,
    }
    kind = kind_of(made["id"]).rpartition("/")[2]
    if kind not in {"subnets", "shares"} and not made.get("location"):
        raise RefusedError("LocationRequired", "The location property is required for this definition.")
    return hooks[kind](cloud, made, there) or (lambda: None)


def _network(cloud: "Cloud", made: Json, _: Json | None) -> None:
    """Check a virtual network; its subnets are those of the request.

    Those that are left out are removed: https://learn.microsoft.com/azure/templates/microsoft.network/virtualnetworks
    """
    sent = {one["name"]: one for one in props(made).pop("subnets", None) or ()}
    for below in cloud.of_kind("Microsoft.Network/virtualNetworks/subnets", made["id"] + "/"):
        if below["name"] not in sent:
            _refuse_used_subnet(cloud, below)
            del cloud.things[below["id"].lower()]
        else:
            props(below)["addressPrefix"] = sent[below["name"]]["properties"]["addressPrefix"]


def _subnet(cloud: "Cloud", made: Json, there: Json | None) -> None:
    """See to a subnet: within its network, and beside the others."""
    parent = cloud.find(parent_of(made["id"]))
    own = ipaddress.ip_network(props(made)["addressPrefix"])
    whole = [ipaddress.ip_network(one) for one in props(parent)["addressSpace"]["addressPrefixes"]]
    if not any(own.subnet_of(one) for one in whole):  # type: ignore[arg-type]
        raise RefusedError("NetcfgSubnetRangeOutsideVnet", f"{own} is not contained in the address space.")
    if own.prefixlen > 29:
        raise RefusedError("InvalidCIDRNotation", f"{own} is too small: a subnet is /29 or larger.")
    for other in cloud.of_kind("Microsoft.Network/virtualNetworks/subnets", parent_of(made["id"]) + "/"):
        if other is not there and own.overlaps(ipaddress.ip_network(props(other)["addressPrefix"])):
            raise RefusedError("NetcfgSubnetRangesOverlap", f"Subnet {other['name']} overlaps with {own}.")


def _firewall(_: "Cloud", made: Json, __: Json | None) -> None:
    """See to the rules of a network security group.

    https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
    """
    taken: dict[tuple[str, int], str] = {}
    for rule in props(made).get("securityRules") or ():
        own = rule["properties"]
        if not 100 <= own["priority"] <= 4096:
            raise RefusedError("SecurityRuleInvalidPriority", f"{rule['name']}: 100 to 4096.")
        place = (own["direction"], own["priority"])
        if place in taken:
            raise RefusedError(
                "SecurityRuleConflict", f"{rule['name']} and {taken[place]} have one priority."
            )
        taken[place] = rule["name"]
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?", rule["name"]):
            raise RefusedError("InvalidResourceName", f"{rule['name']} is no name.")
        ports = own.get("destinationPortRange", "")
        if own["protocol"] in {"Icmp", "Esp", "Ah"} and ports != "*":
            raise RefusedError(
                "SecurityRuleInvalidPortRange", f"{rule['name']}: {own['protocol']} has no ports."
            )
        source = own.get("sourceAddressPrefix", "")
        if source != "*" and "/" in source:
            ipaddress.ip_network(source)


def _address(_: "Cloud", made: Json, there: Json | None) -> None:
    """See to a public address, which stays the one that it is."""
    if made.get("sku", {}).get("name") == "Standard" and props(made)["publicIPAllocationMethod"] != "Static":
        raise RefusedError("StandardSkuPublicIPAddressesMustBeStatic", "A Standard address must be Static.")
    number = int(uuid.uuid4()) % 250 + 1
    props(made)["ipAddress"] = props(there)["ipAddress"] if there else f"203.0.113.{number}"


def _interface(cloud: "Cloud", made: Json, there: Json | None) -> None:
    """Check a network interface: its references, and whether its address is free."""
    own = props(made)
    firewall = _id(own.get("networkSecurityGroup"))
    homes = own["ipConfigurations"]
    for home in homes:
        at = home["properties"]
        wanted = [_id(at.get("subnet")), *filter(None, [firewall, _id(at.get("publicIPAddress"))])]
        for reference in wanted:
            if cloud.find(reference) is None:
                raise RefusedError("InvalidResourceReference", f"{reference} was not found.")
        subnet = ipaddress.ip_network(props(cloud.find(wanted[0]))["addressPrefix"])
        address = ipaddress.ip_address(at["privateIPAddress"])
        if address not in subnet:
            raise RefusedError("PrivateIPAddressNotInSubnet", f"{address} is not in {subnet}.")
        if address in [*list(subnet)[:4], subnet[-1]]:
            raise RefusedError("PrivateIPAddressInReservedRange", f"{address} is reserved.")
        for other in cloud.of_kind(kind_of(made["id"])):
            if other is there:
                continue
            for its in _homes(other):
                if its["privateIPAddress"] == str(address) and _id(its["subnet"]) == wanted[0]:
                    raise RefusedError("PrivateIPAddressIsAllocated", f"{address} is {other['name']}'s.")
                if wanted[2 if firewall else 1 :] and _id(its.get("publicIPAddress")) == wanted[-1]:
                    raise RefusedError("PublicIPAddressInUse", f"{wanted[-1]} is {other['name']}'s.")
    if there is not None:
        own["virtualMachine"] = props(there).get("virtualMachine")


def _homes(interface: Json) -> list[Json]:
    """Return the configurations of a network interface."""
    return [one["properties"] for one in props(interface)["ipConfigurations"]]


def _machine(cloud: "Cloud", made: Json, there: Json | None) -> Callable[[], None]:
    """See to a virtual machine."""
    own = props(made)
    if there is not None:
        if own.get("osProfile", {}).get("customData") != there["hidden"]:
            raise RefusedError(
                "PropertyChangeNotAllowed", "Changing 'osProfile.customData' is not allowed.", 409
            )
        raise RefusedError("Conflict", "The machine is there.", 409)
    profile, size = own["osProfile"], SIZES.get(own["hardwareProfile"]["vmSize"])
    if size is None:
        raise RefusedError("InvalidParameter", f"The value {own['hardwareProfile']['vmSize']} is not valid.")
    data = base64.b64decode(profile.get("customData", ""), validate=True)
    if len(data) > _LARGEST_DATA:
        raise RefusedError("InvalidParameter", "customData is too long.")
    if profile["adminUsername"] in {"root", "admin", "user"}:
        raise RefusedError("InvalidParameter", "The Admin Username specified is not allowed.")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", profile["computerName"]):
        raise RefusedError("InvalidParameter", f"computerName {profile['computerName']} is not valid.")
    image = own["storageProfile"]["imageReference"]
    versions = IMAGES.get((image["publisher"], image["offer"], image["sku"]), [])
    if image["version"] not in versions:
        raise RefusedError("PlatformImageNotFound", "The platform image is not available.", 404)
    if bool(size.get("arm")) != ("arm64" in image["sku"]):
        raise RefusedError("BadRequest", "The size can't boot the image's architecture.")
    _refuse_small_disk(own["storageProfile"])
    _refuse_image(cloud, made, size)
    for zone in made.get("zones") or ():
        if zone not in size["zones"]:
            raise RefusedError("SkuNotAvailable", f"The size is not available in zone {zone}.", 409)
    _quotas(cloud, size)
    for reference in own["networkProfile"]["networkInterfaces"]:
        interface = cloud.find(_id(reference))
        if interface is None:
            raise RefusedError("InvalidResourceReference", f"{reference['id']} was not found.")
        if _id(props(interface).get("virtualMachine")):
            raise RefusedError("NicInUse", f"{interface['name']} is attached to another machine.")
        props(interface)["virtualMachine"] = {"id": made["id"]}
    _make_disks(cloud, made)
    made["hidden"] = profile.get("customData")
    own["vmId"] = str(uuid.uuid4())
    own["instanceView"] = {"statuses": []}

    def end() -> None:
        if set(made.get("zones") or ()) & set(cloud.settings.full):
            raise RefusedError("ZonalAllocationFailed", "Allocation failed: no capacity in the zone.", 409)
        _wait_for_host_key(data)
        power(made, "running")

    return end


def _wait_for_host_key(data: bytes) -> None:
    """Do as the agent on the machine, which gives up where cloud-init makes no RSA host key.

    https://github.com/Azure/WALinuxAgent/blob/master/azurelinuxagent/pa/provision/cloudinit.py: it waits for 1800 s,
    then reports ProvisioningFailed. That Azure then fails the machine is taken to be so; it was not seen.
    """
    keys = json.loads(data.partition(b"\n")[2]).get("ssh_keys") or {} if data else {}
    if keys and not {"rsa_private", "rsa_public"} <= keys.keys():
        raise RefusedError(
            "OSProvisioningClientError",
            "OS provisioning failed: ssh host key was not found at /etc/ssh/ssh_host_rsa_key.pub after 1800s",
            409,
        )


def _refuse_image(cloud: "Cloud", made: Json, size: Json) -> None:
    """Refuse a size of another generation than the image, and a paid image without its plan or its terms.

    https://learn.microsoft.com/azure/virtual-machines/generation-2
    https://learn.microsoft.com/azure/virtual-machines/linux/cli-ps-findimage (purchase plan)
    """
    name, sku = (
        props(made)["hardwareProfile"]["vmSize"],
        props(made)["storageProfile"]["imageReference"]["sku"],
    )
    if "V2" not in size.get("generations", "V1,V2"):
        raise RefusedError(
            "BadRequest", f"The selected VM size '{name}' cannot boot Hypervisor Generation '2'."
        )
    if made.get("plan") != PLANS.get(sku):
        raise RefusedError(
            "VMMarketplaceInvalidInput",
            "Creating a virtual machine from Marketplace image requires Plan information in the request.",
        )
    if sku in PLANS and sku not in cloud.settings.accepted:
        raise RefusedError(
            "MarketplacePurchaseEligibilityFailed",
            "Marketplace purchase eligibility check returned errors: legal terms have not been accepted.",
        )


def _refuse_small_disk(profile: Json) -> None:
    """Refuse a disk that is smaller than its image.

    https://github.com/Azure/azure-sdk-for-python/issues/23051: 409 Conflict.
    """
    size = profile["osDisk"].get("diskSizeGB")
    needed = IMAGE_SIZES.get(profile["imageReference"]["sku"], _IMAGE_SIZE)
    if size is not None and size < needed:
        raise RefusedError(
            "OperationNotAllowed",
            f"The specified disk size {size} GB is smaller than the size of the corresponding disk in the VM image: "
            f"{needed} GB. This is not allowed. Please choose equal or greater size or do not specify an explicit "
            "size.",
            409,
        )


def _make_disks(cloud: "Cloud", made: Json) -> None:
    """Make the disks of a machine."""
    profile = props(made)["storageProfile"]
    prefix = made["id"].rpartition("/providers/")[0] + "/providers/Microsoft.Compute/disks/"
    for disk in (profile["osDisk"], *(profile.get("dataDisks") or ())):
        identifier = prefix + disk["name"]
        if cloud.find(identifier) is not None:
            raise RefusedError("ConflictingUserInput", f"Disk {disk['name']} already exists.", 409)
        disk["managedDisk"]["id"] = identifier
        cloud.things[identifier.lower()] = {
            "id": identifier,
            "name": disk["name"],
            "type": "Microsoft.Compute/disks",
            "location": made["location"],
            "managedBy": made["id"],
            "properties": {"diskSizeGB": disk["diskSizeGB"], "provisioningState": "Succeeded"},
        }


def _used(cloud: "Cloud", family: str = "") -> int:
    """Return how many CPUs machines have, or those of a family."""
    machines = cloud.of_kind("Microsoft.Compute/virtualMachines")
    sizes = [SIZES[props(one)["hardwareProfile"]["vmSize"]] for one in machines]
    return sum(size["cpus"] for size in sizes if family in {"", size["family"]})


def _quotas(cloud: "Cloud", size: Json) -> None:
    """Refuse a machine that is one too many."""
    for name, used in (("cores", _used(cloud)), (size["family"], _used(cloud, size["family"]))):
        limit = cloud.settings.limits.get(name, LIMITS[name])
        if used + size["cpus"] > limit:
            raise RefusedError(
                "OperationNotAllowed", f"Operation could not be completed as it exceeds quota {name}.", 409
            )


def power(machine: Json, state: str) -> None:
    """Have a machine run, or not."""
    props(machine)["instanceView"] = {
        "statuses": [
            {"code": "ProvisioningState/succeeded", "level": "Info"},
            {"code": f"PowerState/{state}", "level": "Info"},
        ]
    }


def _account(cloud: "Cloud", made: Json, there: Json | None) -> None:
    """See to a storage account."""
    if not re.fullmatch("[a-z0-9]{3,24}", made["name"]):
        raise RefusedError("AccountNameInvalid", f"{made['name']} is not a valid storage account name.")
    if there is not None and (there["kind"], there["sku"]) != (made["kind"], made["sku"]):
        raise RefusedError("StorageAccountKindOrSkuChange", "They can't be changed.", 409)
    for rule in props(made).get("networkAcls", {}).get("virtualNetworkRules") or ():
        subnet = cloud.find(_id(rule))
        services = [one["service"] for one in props(subnet or {}).get("serviceEndpoints") or ()]
        if "Microsoft.Storage" not in services:
            raise RefusedError("NetworkAclsValidationFailure", f"{rule['id']} has no service endpoint.")


def _share(cloud: "Cloud", made: Json, _: Json | None) -> None:
    """See to a share of NFS.

    https://learn.microsoft.com/azure/storage/files/storage-files-how-to-create-nfs-shares
    """
    account = cloud.find(parent_of(made["id"]))
    if account is None or props(account)["provisioningState"] != "Succeeded":
        raise RefusedError("StorageAccountIsNotProvisioned", "The account is being made.", 409)
    if props(made).get("enabledProtocols") == "NFS":
        if (account["kind"], account["sku"]["name"]) != ("FileStorage", "Premium_LRS"):
            raise RefusedError("InvalidParameter", "NFS needs a premium account of kind FileStorage.")
        if props(account).get("supportsHttpsTrafficOnly", True):
            raise RefusedError("InvalidParameter", "NFS needs supportsHttpsTrafficOnly to be false.")
        if props(made)["shareQuota"] < 100:
            raise RefusedError("InvalidParameter", "A premium share has at least 100 GiB.")


# -- changing ----------------------------------------------------------------------------------------------------------


def on_update(cloud: "Cloud", there: Json, body: Json) -> None:
    """Change a thing in place, or refuse."""
    changes = body.get("properties", {})
    if kind_of(there["id"]).endswith("/disks"):
        owner = cloud.find(str(there.get("managedBy", "")))
        state = str(props(owner or {}).get("instanceView"))
        if changes["diskSizeGB"] < props(there)["diskSizeGB"]:
            raise RefusedError("ResizeDiskError", "A disk can't be made smaller.")
        if "PowerState/running" in state:
            raise RefusedError("OperationNotAllowed", "The disk's machine must be deallocated.", 409)
        props(there)["diskSizeGB"] = changes["diskSizeGB"]
        profile = props(owner or {}).get("storageProfile", {})
        for disk in (profile.get("osDisk", {}), *(profile.get("dataDisks") or ())):
            if disk.get("name") == there["name"]:
                disk["diskSizeGB"] = changes["diskSizeGB"]
        return
    size = changes["hardwareProfile"]["vmSize"]
    if size not in SIZES:
        raise RefusedError("InvalidParameter", f"The value {size} is not valid.")
    props(there)["hardwareProfile"]["vmSize"] = size


# -- removing ----------------------------------------------------------------------------------------------------------


def _refuse_used_subnet(cloud: "Cloud", subnet: Json) -> None:
    """Refuse to remove a subnet in which something is."""
    own = subnet["id"].lower()
    for one in cloud.of_kind("Microsoft.Network/networkInterfaces"):
        if any(_id(home["subnet"]) == own for home in _homes(one)):
            raise RefusedError("InUseSubnetCannotBeDeleted", f"{subnet['name']} is in use by {one['name']}.")


def on_delete(cloud: "Cloud", there: Json) -> None:
    """Refuse to remove a thing that is in use."""
    kind, own = kind_of(there["id"]).rpartition("/")[2], there["id"].lower()
    interfaces = cloud.of_kind("Microsoft.Network/networkInterfaces")
    if kind == "virtualNetworks":
        for subnet in cloud.of_kind("Microsoft.Network/virtualNetworks/subnets", own + "/"):
            _refuse_used_subnet(cloud, subnet)
    elif kind == "subnets":
        _refuse_used_subnet(cloud, there)
    elif kind == "networkSecurityGroups":
        if any(_id(props(one).get("networkSecurityGroup")) == own for one in interfaces):
            raise RefusedError("InUseNetworkSecurityGroupCannotBeDeleted", f"{there['name']} is in use.")
    elif kind == "publicIPAddresses":
        if any(_id(home.get("publicIPAddress")) == own for one in interfaces for home in _homes(one)):
            raise RefusedError("PublicIPAddressCannotBeDeleted", f"{there['name']} is in use.")
    elif kind == "networkInterfaces":
        if _id(props(there).get("virtualMachine")):
            raise RefusedError("NicInUse", f"{there['name']} is attached to a machine.")
    elif kind == "disks" and there.get("managedBy"):
        raise RefusedError("OperationNotAllowed", f"{there['name']} is attached to a machine.", 409)


def on_deleted(cloud: "Cloud", there: Json) -> None:
    """Carry out a removal's effects: a machine releases its interfaces, and takes along the disks that it may."""
    if not kind_of(there["id"]).endswith("/virtualMachines"):
        return
    own = props(there)
    for reference in own["networkProfile"]["networkInterfaces"]:
        interface = cloud.find(_id(reference))
        if interface is not None:
            props(interface)["virtualMachine"] = None
    for disk in (own["storageProfile"]["osDisk"], *(own["storageProfile"].get("dataDisks") or ())):
        identifier = disk["managedDisk"]["id"].lower()
        if disk.get("deleteOption") == "Delete":
            cloud.things.pop(identifier, None)
        elif identifier in cloud.things:
            cloud.things[identifier]["managedBy"] = None


# -- what a subscription is asked --------------------------------------------------------------------------------------


def of_subscription(
    cloud: "Cloud",
    request: "Request",
    words: list[str],
    paged: "Callable[[Request, list[Json]], Answer]",
) -> "Answer":
    """Answer a request that names no group."""
    from tests.doubles.azure.server import Answer

    namespace, *rest = words
    match rest:
        case ["permissions"] if namespace == "Microsoft.Authorization":
            # https://learn.microsoft.com/azure/azure-resource-manager/resource-manager-api-authentication
            return paged(request, cloud.settings.permissions)
        case []:
            state = "NotRegistered" if namespace in cloud.settings.unregistered else "Registered"
            return Answer(200, {"namespace": namespace, "registrationState": state})
        case ["virtualMachines"] if request.query.get("statusOnly") == "true":
            keys = ("id", "name", "type", "location")
            found = [
                {**{k: one[k] for k in keys}, "properties": {"instanceView": props(one)["instanceView"]}}
                for one in cloud.of_kind("Microsoft.Compute/virtualMachines")
            ]
            return paged(request, found)
        case [
            "offerTypes",
            "virtualmachine",
            "publishers",
            _,
            "offers",
            _,
            "plans",
            plan,
            "agreements",
            "current",
        ]:
            return Answer(200, {"properties": {"accepted": plan in cloud.settings.accepted}})
        case ["skus"]:
            return paged(request, list(_skus(request)))
        case ["locations", _, "usages"]:
            return paged(request, list(_usages(cloud, namespace)))
        case ["locations", _, "operations", identifier]:
            operation = cloud.operations[identifier]
            if request.query.get("monitor"):
                if operation.fault is not None:
                    raise operation.fault
                return Answer(200 if operation.is_over else 202, cloud.find(operation.target))
            if not operation.is_over:
                return Answer(200, {"status": "InProgress"})
            if operation.fault is not None:
                fault = {"code": operation.fault.code, "message": operation.fault.said}
                return Answer(200, {"status": "Failed", "error": fault})
            return Answer(200, {"status": "Succeeded"})
        case [
            "locations",
            _,
            "publishers",
            publisher,
            "artifacttypes",
            _,
            "offers",
            offer,
            "skus",
            sku,
            "versions",
            *version,
        ]:
            return Answer(200, _image(publisher, offer, sku, version))
    raise RefusedError("InvalidResourceType", f"{request.path} could not be found.", 404)


def _image(publisher: str, offer: str, sku: str, version: list[str]) -> list[Json] | Json:
    """Return the versions of an image, or what is said of one of them."""
    found = [
        {"name": name, "location": "westeurope", "id": name}
        for name in IMAGES.get((publisher, offer, sku), [])
    ]
    there = [one for one in found if not version or one["name"] == version[0]]
    if not there:
        raise RefusedError("NotFound", f"Artifact: {publisher}:{offer}:{sku} was not found.", 404)
    if not version:
        return found
    # The size is in no model: https://github.com/Azure/azure-sdk-for-net/issues/15705
    disk = {"operatingSystem": "Linux", "sizeInGb": IMAGE_SIZES.get(sku, _IMAGE_SIZE)}
    plan = {"plan": PLANS[sku]} if sku in PLANS else {}
    said = {"hyperVGeneration": "V2", "osDiskImage": disk, "dataDiskImages": [], **plan}
    return {**there[0], "properties": said}


def _skus(request: "Request") -> Iterator[Json]:
    """Yield the sizes of a region."""
    region = request.query["$filter"].split("'")[1]
    yield {"resourceType": "disks", "name": "Premium_LRS", "locations": [region]}
    for name, size in SIZES.items():
        yield {
            "resourceType": "virtualMachines",
            "name": name,
            "family": size["family"],
            "locations": [region],
            "locationInfo": [{"location": region, "zones": size["zones"]}],
            "capabilities": [
                {"name": "vCPUs", "value": str(size["cpus"])},
                {"name": "HyperVGenerations", "value": size.get("generations", "V1,V2")},
                {"name": "CpuArchitectureType", "value": "Arm64" if size.get("arm") else "x64"},
            ],
            "restrictions": [],
        }


def _usages(cloud: "Cloud", namespace: str) -> Iterator[Json]:
    """Yield a subscription's usage of its quotas."""
    machines = cloud.of_kind("Microsoft.Compute/virtualMachines")
    if namespace == "Microsoft.Compute":
        families = {size["family"] for size in SIZES.values()}
        used = {"cores": _used(cloud), "virtualMachines": len(machines)}
        used |= {family: _used(cloud, family) for family in families}
    else:
        used = {
            "IPv4StandardSkuPublicIpAddresses": len(cloud.of_kind("Microsoft.Network/publicIPAddresses")),
            "VirtualNetworks": len(cloud.of_kind("Microsoft.Network/virtualNetworks")),
            "NetworkInterfaces": len(cloud.of_kind("Microsoft.Network/networkInterfaces")),
        }
    for name, count in sorted(used.items()):
        if name in cloud.settings.unlisted:
            continue
        limit = cloud.settings.limits.get(name, LIMITS[name])
        yield {
            "name": {"value": name, "localizedValue": f"{name} (in words)"},
            "currentValue": count,
            "limit": limit,
            "unit": "Count",
        }
