"""The problems of a stage at Azure, found before anything is made. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from model.errors import ProviderError
from model.hosts.firewall import inbound
from model.json_types import Json
from model.site import AzureStage
from model.stage import Stage
from providers.azure.api import AzureApi, properties
from providers.azure.errors import AzureError
from providers.azure.image import AzureImages, capability, is_closed, zones_of
from providers.azure.network import GROUP
from providers.base import Found
from providers.cloud.check import CloudCheck, Question
from providers.cloud.host import HostSpec
from providers.cloud.resources import NETWORK

_PERMISSIONS = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Network/virtualNetworks/write",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/networkSecurityGroups/write",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/publicIPAddresses/write",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/start/action",
    "Microsoft.Compute/virtualMachines/deallocate/action",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/disks/write",
)
"""The actions that skep needs, as far as roles tell them apart."""
_OF_NFS = (
    "Microsoft.Storage/storageAccounts/write",
    "Microsoft.Storage/storageAccounts/fileServices/shares/write",
)
_PUBLIC = "IPv4StandardSkuPublicIpAddresses"
_OTHER_NAMES = {_PUBLIC: (_PUBLIC, "StandardSkuPublicIpAddresses", "PublicIPAddresses")}
"""A usage's names: what Azure lists, what older lists had, and the sum of all kinds.

Seen in scripts that read `az network list-usages`, and in Microsoft's documentation of `az quota list`.
"""
_VERSION = "2015-07-01"
_TERMS_VERSION = "2021-01-01"
_REGISTERED = "Registered"
_PERMITTED = frozenset({"AuthorizationFailed"})


def is_allowed(action: str, permissions: Sequence[Json]) -> bool:
    """Return whether one of several roles allows an action: it has it, and does not except it. Pure.

    https://learn.microsoft.com/azure/role-based-access-control/role-definitions
    """

    def fits(patterns: Sequence[str] | None) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns or ())

    return any(fits(one.get("actions")) and not fits(one.get("notActions")) for one in permissions)


class AzureCheck(CloudCheck[AzureStage]):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        config: The stage's table.
        found: Lists what there is of the stage already.
        api: Azure as the stage sees it.
        images: The images of its hosts, and their sizes.

    """

    def __init__(
        self,
        stage: Stage,
        config: AzureStage,
        found: Callable[[], Mapping[str, Found]],
        api: AzureApi,
        images: AzureImages,
    ) -> None:
        super().__init__(stage, config, found)
        self._api, self._images = api, images

    def _questions(self) -> Sequence[Question]:
        """Return the questions, in order."""
        return (
            self._permissions,
            self._services,
            self._protocols,
            self._zones,
            self._images_of,
            self._generations,
            self._terms,
            self._disks,
            self._quotas,
        )

    def _permissions(self) -> Iterator[str]:
        """Yield the permissions that these credentials lack: in the resource group if there is one, else in all."""
        scope, where = f"/subscriptions/{self._api.subscription}", "the subscription"
        wanted = [*_PERMISSIONS, *(_OF_NFS if self._config.nfs else ())]
        if GROUP in self._there:
            scope, where = f"{scope}/resourceGroups/{self._api.group}", f"resource group {self._api.group}"
            wanted = wanted[1:]
        try:
            permissions = self._api.ask(f"{scope}/providers/Microsoft.Authorization/permissions", _VERSION)
        except AzureError as error:
            if error.code not in _PERMITTED:
                raise
            return  # who may not ask, may yet be allowed the rest
        missing = [action for action in wanted if not is_allowed(action, permissions)]
        if missing:
            yield (
                f"{self._path}: the credentials lack {', '.join(missing)} in {where}: assign them the role "
                "Contributor there"
            )

    def _services(self) -> Iterator[str]:
        """Yield the services that the subscription does not use yet."""
        wanted = ["Microsoft.Compute", "Microsoft.Network"]
        if self._config.nfs:
            wanted.append("Microsoft.Storage")
        for namespace in wanted:
            state = self._api.call("resource.providers.get", namespace).get("registrationState")
            if state != _REGISTERED:
                yield (
                    f"{self._path}: {namespace} is {state} in the subscription: "
                    f"`az provider register --namespace {namespace}`"
                )

    def _protocols(self) -> Iterator[str]:
        """Yield the protocols that Azure's networks don't carry."""
        if any(rule.protocol == "sctp" for rule in inbound(self._stage)):
            yield f"{self._path}: a service publishes an SCTP port, and Azure's networks carry no SCTP"

    def _zones(self) -> Iterator[str]:
        """Yield the sizes that the region, or a zone, does not have."""
        wanted = self._placed_sizes()
        for name in self._sizes():
            try:
                size = self._images.size(name)
            except AzureError:
                raise
            except ProviderError as error:
                yield f"{self._path}.{error}"
                continue
            if is_closed(size):
                yield f"{self._path}.instance_type: the subscription may not use {name} in {self._api.region}"
                continue
            there = zones_of(size, self._api.region)
            for zone in sorted(zone for kind, zone in wanted if kind == name and zone not in {"", *there}):
                yield (
                    f"{self._path}.available_zones: {name} is not available in zone {zone} of {self._api.region}: "
                    + (f"set {there}" if there else 'it has no zones: set [""]')
                )

    def _images_of(self) -> Iterator[str]:
        """Yield why there is no image for a size; `_zones` reports unknown sizes."""
        for name in self._sizes():
            if name in self._images.sizes():
                try:
                    self._images.of(name)
                except AzureError:
                    raise
                except ProviderError as error:
                    yield f"{self._path}.{error}"

    def _image_size(self, spec: HostSpec) -> int:
        """Return the GiB of a host's image."""
        return self._images.disk_size(spec.instance_type)

    def _descriptions(self) -> Iterator[tuple[str, Json]]:
        """Yield the hosts' sizes, each with what Azure says of its image; other questions report that there is none."""
        for name in self._sizes():
            try:
                yield name, self._images.description(name)
            except ProviderError:
                continue

    def _generations(self) -> Iterator[str]:
        """Yield sizes that can't start their image: they are of another generation.

        https://learn.microsoft.com/azure/virtual-machines/generation-2
        """
        for name, image in self._descriptions():
            wanted = str(image.get("hyperVGeneration") or "")
            known = capability(self._images.size(name), "HyperVGenerations")
            if wanted and known and wanted not in known.split(","):
                yield (
                    f"{self._path}.instance_type: {name} starts images of generation {known} alone, and "
                    f"{self._config.image_name} is of {wanted}: set another instance_type or image_name "
                    f"(publisher:offer:sku)"
                )

    def _terms(self) -> Iterator[str]:
        """Yield paid images whose terms the subscription has not accepted.

        https://learn.microsoft.com/rest/api/marketplaceordering/marketplace-agreements/get
        """
        plans = {str(image["plan"]): image["plan"] for _, image in self._descriptions() if image.get("plan")}
        for plan in plans.values():
            where = f"publishers/{plan['publisher']}/offers/{plan['product']}/plans/{plan['name']}"
            path = f"/subscriptions/{self._api.subscription}/providers/Microsoft.MarketplaceOrdering"
            try:
                found = self._api.look(
                    f"{path}/offerTypes/virtualmachine/{where}/agreements/current", _TERMS_VERSION
                )
            except AzureError as error:
                if error.code not in _PERMITTED:
                    raise
                continue  # who may not ask, may yet have accepted them
            if not properties(found or {}).get("accepted"):
                urn = f"--publisher {plan['publisher']} --offer {plan['product']} --plan {plan['name']}"
                yield (
                    f"{self._path}.image_name: {self._config.image_name} costs money by terms that the subscription "
                    f"has not accepted: `az vm image terms accept {urn}`"
                )

    # -- quotas --------------------------------------------------------------------------------------------------------

    def _quotas(self) -> Iterator[str]:
        """Yield the quotas that are too small for the missing hosts."""
        missing, wanted = self._missing(), dict[str, int]()
        for spec in missing:
            size = self._images.sizes().get(spec.instance_type)
            if size is not None:
                cpus = int(capability(size, "vCPUs", "0"))
                for name in ("cores", str(size["family"])):
                    wanted[name] = wanted.get(name, 0) + cpus
        wanted["virtualMachines"] = len(missing)
        network = {
            _PUBLIC: self._missing_addresses(),
            "VirtualNetworks": int(NETWORK not in self._there),
            "NetworkInterfaces": len(missing),
        }
        for what, needed in (("compute.usage.list", wanted), ("network.usages.list", network)):
            if any(needed.values()):
                yield from self._exhausted(what, needed)

    def _exhausted(self, what: str, needed: Mapping[str, int]) -> Iterator[str]:
        """Yield the quotas of a list that are too small, or that Azure does not list."""
        try:
            usages = {one["name"]["value"].lower(): one for one in self._api.listing(what, self._api.region)}
        except AzureError as error:
            if error.code not in _PERMITTED:
                raise
            return  # who may not ask, may yet be allowed the rest
        who = f"the subscription, in {self._api.region},"
        for name, count in needed.items():
            names = _OTHER_NAMES.get(name, (name,))
            usage = next((usages[one.lower()] for one in names if one.lower() in usages), None)
            if usage is None and count:
                yield (
                    f"{self._path}: Azure lists no quota {' or '.join(names)} for {self._api.region} (`az network "
                    "list-usages`, `az vm list-usage`), so it can't be checked: set another "
                    "region or instance_type, and report it to skep's makers"
                )
            elif usage is not None:
                advice = "ask for more under Quotas in the portal"
                words, limit, taken = usage["name"]["localizedValue"], usage["limit"], usage["currentValue"]
                yield from self._too_few(words, count, limit, taken, who, advice)
