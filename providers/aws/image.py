"""The images that hosts at Amazon are made from."""

from model.errors import ProviderError
from model.json_types import Json
from providers.aws.api import AwsApi
from providers.cloud.memo import Memo

FAMILIES = {
    "debian-11": ("136693071363", "debian-11-{deb}-*"),
    "debian-12": ("136693071363", "debian-12-{deb}-*"),
    "debian-13": ("136693071363", "debian-13-{deb}-*"),
    "ubuntu-22.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{deb}-server-*"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{deb}-server-*"),
    "almalinux-9": ("764336703387", "AlmaLinux OS 9* {arch}"),
}
"""Family to the account that publishes it and the names that it has there.

https://wiki.debian.org/Cloud/AmazonEC2Image, https://documentation.ubuntu.com/aws, https://wiki.almalinux.org/cloud/AWS
"""

_DEB = {"x86_64": "amd64", "arm64": "arm64"}
_ARCH = {"x86_64": "x86_64", "arm64": "aarch64"}


class AwsImages:
    """The images of one run: all hosts of one architecture get the same.

    Args:
        api: The region's API.
        name: `image_name`: a family, `ami-…`, or `<account>/<name>`, in which `*` stands for anything.

    """

    def __init__(self, api: AwsApi, name: str) -> None:
        self._api, self._name = api, name
        self._types: Memo[str, Json] = Memo()
        self._found: Memo[str, Json] = Memo()

    def of(self, instance_type: str) -> Json:
        """Return the newest image that runs on a type of instance, as Amazon describes it.

        Raises:
            ProviderError: There is none.

        """
        kind = self.instance_type(instance_type)
        architectures = kind["ProcessorInfo"]["SupportedArchitectures"]
        architecture = next((name for name in architectures if name in _DEB), "")
        if not architecture:
            raise ProviderError(
                f"instance_type {instance_type}: runs {', '.join(architectures)}, and skep knows no image"
            )
        return self._found.get(architecture, lambda: self._find(architecture, instance_type))

    def instance_type(self, name: str) -> Json:
        """Return a type of instance, as Amazon describes it."""

        def ask() -> Json:
            [found] = self._api.listing("describe_instance_types", "InstanceTypes", InstanceTypes=[name])
            return found

        return self._types.get(name, ask)

    def _find(self, architecture: str, instance_type: str) -> Json:
        """Return the newest image of an architecture."""
        if self._name.startswith("ami-"):
            [image] = self._api.listing("describe_images", "Images", ImageIds=[self._name])
            if image["Architecture"] != architecture:
                raise ProviderError(
                    f"image_name {self._name}: is for {image['Architecture']}, and {instance_type} is {architecture}"
                )
            return image
        owner, pattern = FAMILIES.get(self._name) or (*self._name.split("/", 1), "")[:2]
        if not pattern:
            raise ProviderError(
                f"image_name {self._name!r}: is not one of {', '.join(FAMILIES)}, an ami-… or <account>/<name>"
            )
        wanted = (
            pattern.format(deb=_DEB[architecture], arch=_ARCH[architecture])
            if self._name in FAMILIES
            else pattern
        )
        found = self._api.listing(
            "describe_images",
            "Images",
            Owners=[owner],
            Filters=[
                {"Name": "name", "Values": [wanted]},
                {"Name": "architecture", "Values": [architecture]},
                {"Name": "state", "Values": ["available"]},
            ],
        )
        if not found:
            raise ProviderError(
                f"image_name {self._name}: {self._api.region} has no {wanted} of account {owner} for {architecture}"
            )
        # In one and the same second, the id decides: two runs must come to the same.
        newest: Json = max(found, key=lambda image: (image["CreationDate"], image["ImageId"]))
        return newest


def disk_size(image: Json) -> int:
    """Return the GiB of an image's snapshot, which the disk of an instance must have at least. Pure."""
    root = image.get("RootDeviceName")
    return max(
        (
            int((mapping.get("Ebs") or {}).get("VolumeSize") or 0)
            for mapping in image.get("BlockDeviceMappings") or ()
            if mapping.get("DeviceName") == root
        ),
        default=0,
    )
