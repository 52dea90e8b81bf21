"""The images that hosts at Azure are made from, and their sizes."""

from model.errors import ProviderError
from model.json_types import Json
from providers.azure.api import AzureApi, properties
from providers.azure.errors import FORBIDDEN, NOT_FOUND, AzureError
from providers.cloud.memo import Memo

FAMILIES = {
    "debian-11": ("Debian", "debian-11", "11-gen2", "11-backports-arm64"),
    "debian-12": ("Debian", "debian-12", "12-gen2", "12-arm64"),
    "debian-13": ("Debian", "debian-13", "13-gen2", "13-arm64"),
    "ubuntu-22.04": ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22_04-lts-arm64"),
    "ubuntu-24.04": ("Canonical", "ubuntu-24_04-lts", "server", "server-arm64"),
    "almalinux-9": ("almalinux", "almalinux-x86_64", "9-gen2", ""),
}
"""Family to its publisher, offer, and its plans for x64 and for Arm64.

https://learn.microsoft.com/azure/virtual-machines/linux/cli-ps-findimage
"""
_VERSIONS = {"vmimage": "2024-07-01", "images": "2024-07-01", "galleries": "2023-07-03"}
"""The API's version by kind of image."""
_WORDS = 4
"""The parts of `publisher:offer:sku:version`."""


def image_name(reference: Json) -> str:
    """Return the whole name of an image, or its id. Pure."""
    if "id" in reference:
        return str(reference["id"])
    return ":".join(str(reference[word]) for word in ("publisher", "offer", "sku", "version"))


class AzureImages:
    """The images and sizes of one run: all hosts of one architecture get the same image.

    Args:
        api: Azure as the stage sees it.
        name: `image_name`: a family, `publisher:offer:sku[:version]`, or the id of an image.

    """

    def __init__(self, api: AzureApi, name: str) -> None:
        self._api, self._name = api, name
        self._sizes: Memo[str, dict[str, Json]] = Memo()
        self._found: Memo[str, Json] = Memo()
        self._descriptions: Memo[str, Json] = Memo()

    def sizes(self) -> dict[str, Json]:
        """Return the sizes that the region has, by name: one listing for a run."""
        region = self._api.region

        def ask() -> dict[str, Json]:
            found = self._api.listing("compute.resource_skus.list", filter=f"location eq '{region}'")
            return {one["name"]: one for one in found if one["resourceType"] == "virtualMachines"}

        return self._sizes.get(region, ask)

    def size(self, name: str) -> Json:
        """Return a size, as Azure describes it.

        Raises:
            ProviderError: The region has none of that name.

        """
        found = self.sizes().get(name)
        if found is None:
            family = name.rpartition("_")[0] or name[:10]
            near = sorted(other for other in self.sizes() if other.startswith(family[:11]))[:5]
            known = f"; it has {', '.join(near)}" if near else ""
            raise ProviderError(f"instance_type: {self._api.region} has no {name}{known}")
        return found

    def of(self, size: str) -> Json:
        """Return the reference of the newest image that runs on a size, with its version.

        Raises:
            ProviderError: There is none.

        """
        architecture = capability(self.size(size), "CpuArchitectureType", "x64")
        return self._found.get(architecture, lambda: self._find(architecture))

    def _find(self, architecture: str) -> Json:
        """Return the reference of the newest image of an architecture."""
        if self._name.startswith("/"):
            return {"id": self._name}
        if self._name in FAMILIES:
            publisher, offer, plan, other = FAMILIES[self._name]
            words = [publisher, offer, other if architecture == "Arm64" else plan]
        else:
            words = self._name.split(":")
        if not all(words) or len(words) not in {_WORDS - 1, _WORDS}:
            raise ProviderError(
                f"image_name {self._name!r}: is none of {', '.join(FAMILIES)} for {architecture}, no "
                "publisher:offer:sku and no id of an image"
            )
        publisher, offer, plan, *given = words
        version = given[0] if given and given[0] != "latest" else self._newest(publisher, offer, plan)
        return {"publisher": publisher, "offer": offer, "sku": plan, "version": version}

    def disk_size(self, size: str) -> int:
        """Return the GiB of the image that runs on a size; 0 if Azure does not say.

        The answer has `sizeInGb`, which is in none of the SDK's models:
        https://github.com/Azure/azure-sdk-for-net/issues/15705. A disk that is smaller is refused (409
        OperationNotAllowed): https://github.com/Azure/azure-sdk-for-python/issues/23051
        """
        disk = self.description(size).get("osDiskImage") or {}
        return int(disk.get("sizeInGb") or disk.get("sizeInGB") or disk.get("diskSizeGB") or 0)

    def description(self, size: str) -> Json:
        """Return what Azure says of the image that runs on a size; nothing of an image that is gone or hidden.

        https://learn.microsoft.com/rest/api/compute/virtual-machine-images/get
        """
        image = self.of(size)
        return self._descriptions.get(image_name(image), lambda: self._described(image))

    def _described(self, image: Json) -> Json:
        """Return what Azure says of an image; nothing to who may use it and not look at it, as one of a gallery."""
        try:
            return self._describe(image)
        except AzureError as error:
            if error.status != FORBIDDEN:
                raise
            return {}

    def _describe(self, image: Json) -> Json:
        """Ask for what Azure says of an image."""
        if "id" in image:
            kind = "galleries" if "/galleries/" in str(image["id"]).lower() else "images"
            found = self._api.look(str(image["id"]), _VERSIONS[kind])
            profile = properties(found or {}).get("storageProfile") or {}
            return {
                **properties(found or {}),
                "osDiskImage": profile.get("osDiskImage") or profile.get("osDisk"),
            }
        where = (
            f"/subscriptions/{self._api.subscription}/providers/Microsoft.Compute/locations/{self._api.region}"
            f"/publishers/{image['publisher']}/artifacttypes/vmimage/offers/{image['offer']}/skus/{image['sku']}"
            f"/versions/{image['version']}"
        )
        return properties(self._api.look(where, _VERSIONS["vmimage"]) or {})

    def _newest(self, publisher: str, offer: str, plan: str) -> str:
        """Return the newest version of an image."""
        where = (self._api.region, publisher, offer, plan)
        try:
            listed = self._api.listing("compute.virtual_machine_images.list", *where)
        except AzureError as error:
            if error.status != NOT_FOUND:
                raise
            listed = []
        found = [str(one["name"]) for one in listed]
        if not found:
            raise ProviderError(
                f"image_name {self._name}: {self._api.region} has no {publisher}:{offer}:{plan}: "
                f"`az vm image list --all --publisher {publisher} -l {self._api.region}` shows what there is"
            )
        return max(found, key=lambda name: [(len(part), part) for part in name.split(".")])


def capability(size: Json, name: str, default: str = "") -> str:
    """Return the value of a size's capability. Pure."""
    found = {one["name"]: one["value"] for one in size.get("capabilities") or ()}
    return str(found.get(name, default))


def zones_of(size: Json, region: str) -> list[str]:
    """Return the zones of a region that have a size. Pure."""
    here = [one for one in size.get("locationInfo") or () if one["location"].lower() == region]
    closed = {
        zone
        for one in size.get("restrictions") or ()
        if one.get("type") == "Zone"
        for zone in (one.get("restrictionInfo") or {}).get("zones") or ()
    }
    return sorted({zone for one in here for zone in one.get("zones") or ()} - closed)


def is_closed(size: Json) -> bool:
    """Return whether the subscription may not use a size in its region at all. Pure."""
    return any(one.get("type") == "Location" for one in size.get("restrictions") or ())
