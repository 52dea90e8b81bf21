"""The problems of a stage at Google, found before anything is made. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from model.errors import ProviderError
from model.site import GcpStage
from model.stage import Stage
from providers.base import Found
from providers.cloud.check import CloudCheck, Question
from providers.cloud.host import HostSpec
from providers.cloud.retry import retry
from providers.gcp.api import WHILE_BUSY, GcpApi
from providers.gcp.image import GcpImages, disk_size

PERMISSIONS = (
    "compute.addresses.create",
    "compute.disks.create",
    "compute.firewalls.create",
    "compute.instances.create",
    "compute.instances.setMetadata",
    "compute.networks.create",
    "compute.subnetworks.create",
)
_OF_NFS = "file.instances.create"


class GcpCheck(CloudCheck[GcpStage]):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        config: The stage's table.
        found: Lists what there is of the stage already.
        api: The project's API.
        images: The images of its hosts.

    """

    def __init__(
        self,
        stage: Stage,
        config: GcpStage,
        found: Callable[[], Mapping[str, Found]],
        api: GcpApi,
        images: GcpImages,
    ) -> None:
        super().__init__(stage, config, found)
        self._api, self._images = api, images

    def _questions(self) -> Sequence[Question]:
        """Return the questions, in order."""
        return self._permissions, self._zones, self._types, self._disks, self._quotas

    def _permissions(self) -> Iterator[str]:
        """Yield the permissions that these credentials lack."""
        wanted = [*PERMISSIONS, *([_OF_NFS] if self._config.nfs else [])]
        path = f"projects/{self._api.project}:testIamPermissions"
        answer = retry(
            lambda: self._api.call("projects.POST", {"permissions": wanted}, path=path), WHILE_BUSY
        )
        missing = sorted(set(wanted) - set(answer.get("permissions") or ()))
        if missing:
            yield (
                f"{self._path}: the credentials lack {', '.join(missing)} in project {self._api.project}: "
                "docs/providers.md has the roles that skep needs"
            )

    def _zones(self) -> Iterator[str]:
        """Yield the zones that the region does not have."""
        listed = self._api.listing("Zones.list")
        known = sorted(
            zone["name"]
            for zone in listed
            if zone["region"].rpartition("/")[2] == self._api.region and zone["status"] == "UP"
        )
        if not known:
            yield f"{self._path}.region: there is no region {self._api.region}"
        for zone in sorted({spec.place.zone for spec in self._specs} - set(known)):
            if known:
                yield (
                    f"{self._path}.available_zones: {self._api.region} has no zone {zone}; it has {', '.join(known)}"
                )

    def _types(self) -> Iterator[str]:
        """Yield machine types that a zone does not have, and why there is no image for one."""
        for name, zone in sorted(self._placed_sizes()):
            try:
                self._images.of(name, zone)
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _image_size(self, spec: HostSpec) -> int:
        """Return the GiB of a host's image."""
        return disk_size(self._images.of(spec.instance_type, spec.place.zone))

    def _quotas(self) -> Iterator[str]:
        """Yield the quotas that are too small for the missing hosts."""
        region = self._api.get("Regions.get", region=self._api.region)
        if region is None:
            return  # `_zones` reports it
        missing = self._missing()
        disk = sum(self._new_size(spec) + spec.data_size for spec in missing)
        metric = "DISKS_TOTAL_GB" if self._config.disk_type == "pd-standard" else "SSD_TOTAL_GB"
        wanted = {
            "INSTANCES": len(missing),
            "STATIC_ADDRESSES": self._missing_addresses(),
            "CPUS": sum(map(self._cpus, missing)),
            metric: disk,
        }
        who = f"the project, in {self._api.region},"
        for quota in region.get("quotas") or ():
            what, limit, taken = quota["metric"], quota.get("limit", 0), quota.get("usage", 0)
            advice = "ask for more at IAM & Admin > Quotas"
            yield from self._too_few(what, wanted.get(what, 0), limit, taken, who, advice)

    def _cpus(self, spec: HostSpec) -> int:
        """Return the CPUs of a host; 0 of a machine type that is unknown, which another question reports."""
        kind = self._images.machine_type(spec.instance_type, spec.place.zone)
        return int(kind["guestCpus"]) if kind is not None else 0
