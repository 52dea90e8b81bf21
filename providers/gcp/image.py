"""The images that hosts at Google are made from."""

import re

from model.errors import ProviderError
from model.json_types import Json
from providers.cloud.memo import Memo
from providers.gcp.api import GcpApi

FAMILIES = {
    "debian-11": ("debian-cloud", "debian-11", ""),
    "debian-12": ("debian-cloud", "debian-12", "debian-12-arm64"),
    "debian-13": ("debian-cloud", "debian-13", "debian-13-arm64"),
    "ubuntu-22.04": ("ubuntu-os-cloud", "ubuntu-2204-lts", "ubuntu-2204-lts-arm64"),
    "ubuntu-24.04": ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64", "ubuntu-2404-lts-arm64"),
    "almalinux-9": ("almalinux-cloud", "almalinux-9", "almalinux-9-arm64"),
}
"""Family to the project that publishes it, and its names there, for x86 and for Arm.

https://cloud.google.com/compute/docs/images/os-details
"""
_ARM = "ARM64"


class GcpImages:
    """The images of one run: all hosts of one architecture get the same.

    Args:
        api: The region's API.
        name: `image_name`: a family, or `<project>/<family or image>`.

    """

    def __init__(self, api: GcpApi, name: str) -> None:
        self._api, self._name = api, name
        self._found: Memo[bool, Json] = Memo()

    def machine_type(self, name: str, zone: str) -> Json | None:
        """Return a machine type of a zone, as Google describes it; None if the zone has none of that name."""
        return self._api.get("MachineTypes.get", zone=zone, machine_type=name)

    def of(self, machine_type: str, zone: str) -> Json:
        """Return the newest image that runs on a machine type.

        Raises:
            ProviderError: There is none.

        """
        kind = self.machine_type(machine_type, zone)
        if kind is None:
            raise ProviderError(f"instance_type: zone {zone} has no {machine_type}")
        is_arm = kind.get("architecture") == _ARM
        return self._found.get(is_arm, lambda: self._find(is_arm=is_arm))

    def _find(self, *, is_arm: bool) -> Json:
        """Return the newest image of an architecture."""
        if self._name in FAMILIES:
            project, x86, arm = FAMILIES[self._name]
            name = arm if is_arm else x86
        else:
            project, _, name = self._name.partition("/")
            if not re.fullmatch(r"[a-z][a-z0-9.:-]*/[a-z][a-z0-9-]*", self._name):
                raise ProviderError(
                    f"image_name {self._name!r}: is not one of {', '.join(FAMILIES)}, or <project>/<family or image>"
                )
        found = self._api.get("Images.get_from_family", project=project, family=name) if name else None
        if found is None and name and self._name not in FAMILIES:
            found = self._api.get("Images.get", project=project, image=name)
        if found is None:
            where = " for Arm" if is_arm else ""
            raise ProviderError(f"image_name: there is no {self._name}{where} in project {project}")
        return found


def disk_size(image: Json) -> int:
    """Return the GiB that the disk of an instance must have at least for an image. Pure."""
    return int(image.get("diskSizeGb") or 0)
