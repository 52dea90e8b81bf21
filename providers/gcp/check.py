"""The problems of a stage at Google, found before anything is made. Changes nothing."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from model.errors import ProviderError
from model.json_types import Json
from model.site import GcpStage
from model.stage import Stage
from providers.base import Found
from providers.cloud.check import CloudCheck, Question
from providers.cloud.host import HostSpec
from providers.cloud.retry import retry
from providers.gcp.api import WHILE_BUSY, GcpApi
from providers.gcp.errors import DENIED, GcpError
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
_SHARED = {"e2", "n1", "f1", "g1", "custom"}
"""The families of machine types that take of the quota CPUS."""
_EVERYWHERE = "CPUS_ALL_REGIONS"
_DISK_METRICS = {"pd-standard": "DISKS_TOTAL_GB", "hyperdisk-balanced": "HDB_TOTAL_GB"}
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
        quotas = {quota["metric"]: quota for quota in region.get("quotas") or ()}
        missing = self._missing()
        disk = sum(self._new_size(spec) + spec.data_size for spec in missing)
        wanted = {
            "INSTANCES": len(missing),
            "STATIC_ADDRESSES": self._missing_addresses(),
            _DISK_METRICS.get(self._config.disk_type, "SSD_TOTAL_GB"): disk,
            **self._cpus_by_metric(missing, quotas.keys()),
        }
        yield from self._exhausted(wanted, quotas, f"the project, in {self._api.region},")
        everywhere = {quota["metric"]: quota for quota in self._project_quotas()}
        yield from self._exhausted({_EVERYWHERE: sum(map(self._cpus, missing))}, everywhere, "the project")

    def _exhausted(self, wanted: Mapping[str, int], quotas: Mapping[str, Json], who: str) -> Iterator[str]:
        """Yield the quotas that are too small."""
        for what, needs in wanted.items():
            if quota := quotas.get(what):
                limit, taken = quota.get("limit", 0), quota.get("usage", 0)
                yield from self._too_few(
                    what, needs, limit, taken, who, "ask for more at IAM & Admin > Quotas"
                )

    def _project_quotas(self) -> list[Json]:
        """Return the quotas of all regions together; none for who may not see the project."""
        try:
            project = self._api.get("Projects.get")
        except GcpError as error:
            if error.code not in DENIED:
                raise
            return []
        return list((project or {}).get("quotas") or ())

    def _cpus_by_metric(self, specs: Sequence[HostSpec], metrics: Collection[str]) -> dict[str, int]:
        """Return how many CPUs hosts take of each quota.

        N2, C3 and others have quotas of their own, and take none of CPUS.
        https://cloud.google.com/compute/resource-usage#cpu_quota,
        https://github.com/GoogleCloudPlatform/pubsec-declarative-toolkit/issues/625
        """
        found = dict[str, int]()
        for spec in specs:
            family = spec.instance_type.partition("-")[0]
            taken = [metric for metric in [f"{family.upper()}_CPUS"] if metric in metrics]
            for metric in [*taken, *(["CPUS"] if family in _SHARED else [])]:
                found[metric] = found.get(metric, 0) + self._cpus(spec)
        return found

    def _cpus(self, spec: HostSpec) -> int:
        """Return the CPUs of a host; 0 of a machine type that is unknown, which another question reports."""
        kind = self._images.machine_type(spec.instance_type, spec.place.zone)
        return int(kind["guestCpus"]) if kind is not None else 0
