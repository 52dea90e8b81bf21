"""The problems of a stage at Amazon, found before anything is made. Changes nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from model.errors import ProviderError
from model.hosts.placement import subnets
from model.json_types import Json
from model.secrets.secret import Secret
from model.site import AwsStage
from model.stage import Stage
from providers.aws.api import AwsApi, specification, tags_for
from providers.aws.errors import BUSY, AwsError
from providers.aws.host import AwsHosts
from providers.aws.image import AwsImages, disk_size
from providers.base import Found
from providers.cloud.check import CloudCheck, Question
from providers.cloud.cloud_init import HostKey, SshKeys
from providers.cloud.host import HostSpec
from providers.cloud.resources import ADDRESS, FIREWALL, NETWORK

_STANDARD = frozenset("acdhimrtz")
"""First letters of the types that share one quota of CPUs.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""
_KEY = "check"
"""Of what is asked for in a dry run."""
_DENIED = {"UnauthorizedOperation", "AccessDeniedException", "AccessDenied"}


class AwsCheck(CloudCheck[AwsStage]):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        config: The stage's table.
        found: Lists what there is of the stage already.
        api: The region's API.
        images: The images of its hosts.
        hosts: What is asked for to make them.

    """

    def __init__(
        self,
        stage: Stage,
        config: AwsStage,
        found: Callable[[], Mapping[str, Found]],
        api: AwsApi,
        images: AwsImages,
        hosts: AwsHosts,
    ) -> None:
        super().__init__(stage, config, found)
        self._api, self._images, self._hosts = api, images, hosts

    def problems(self) -> Iterator[str]:
        """Yield the problems, one line each. An account that may not list is still told of all the others."""
        try:
            self._api.call("get_caller_identity", service="sts")
        except AwsError as error:
            yield str(error)
            return  # all else would say the same
        try:
            self._there = self._found()
        except AwsError as error:
            yield str(error)
        yield from self._asked()

    def _questions(self) -> Sequence[Question]:
        """Return the questions, in order."""
        return self._zones, self._types, self._images_of, self._disks, self._permissions, self._quotas

    def _zones(self) -> Iterator[str]:
        """Yield the zones that the region does not have for this account."""
        listed = self._api.listing("describe_availability_zones", "AvailabilityZones")
        known = sorted(zone["ZoneName"] for zone in listed if zone["State"] == "available")
        for zone in dict.fromkeys(plan.zone for plan in subnets(self._config)):
            if zone not in known:
                yield (
                    f"{self._path}.available_zones: {self._api.region} has no zone {zone} for this account; it has "
                    f"{', '.join(known)}"
                )

    def _types(self) -> Iterator[str]:
        """Yield the types of instances that a zone does not have."""
        wanted, names = self._placed_sizes(), self._sizes()
        listed = self._api.listing(
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": names}],
        )
        offered = {(offer["InstanceType"], offer["Location"]) for offer in listed}
        for name in names:
            zones = sorted(zone for kind, zone in offered if kind == name)
            if not zones:
                yield f"{self._path}.instance_type: {self._api.region} has no {name}"
                continue
            for zone in sorted(zone for kind, zone in wanted if kind == name and zone not in zones):
                yield f"{self._path}.instance_type: zone {zone} has no {name}; {', '.join(zones)} have"

    def _images_of(self) -> Iterator[str]:
        """Yield why there is no image for a type of instance; `_types` reports unknown types."""
        for name in self._sizes():
            try:
                self._images.of(name)
            except AwsError as error:
                if not error.code.startswith("InvalidInstanceType"):
                    yield f"{self._path}.image_name: {error}"
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _image_size(self, spec: HostSpec) -> int:
        """Return the GiB of the snapshot of a host's image."""
        return disk_size(self._images.of(spec.instance_type))

    def _permissions(self) -> Iterator[str]:
        """Yield the permissions that this account lacks, as far as a dry run shows it."""
        for operation, arguments in self._probes():
            try:
                self._api.call(operation, DryRun=True, **arguments)
            except AwsError as error:
                if error.code in _DENIED:
                    yield str(error)

    def _probes(self) -> Iterator[tuple[str, Json]]:
        """Yield calls with what the real ones have: policies may demand tags, encryption or metadata options."""
        yield "create_vpc", {"CidrBlock": self._config.cidr, **self._tagged("vpc", NETWORK)}
        yield "create_internet_gateway", self._tagged("internet-gateway", NETWORK)
        about = {"GroupName": "skep-check", "Description": "skep"}
        yield "create_security_group", {**about, **self._tagged("security-group", FIREWALL)}
        for spec in self._specs:
            if spec.is_public:
                tags = self._tagged("elastic-ip", ADDRESS + spec.short)
                yield "allocate_address", {"Domain": "vpc", **tags}
                break
        keys = SshKeys(HostKey(Secret(""), "ssh-ed25519 check"), "ssh-ed25519 check")
        try:
            request = self._hosts.request_without_network(self._specs[0], _KEY, keys)
        except ProviderError:
            return  # `_images_of` reports it
        yield "run_instances", request

    def _tagged(self, kind: str, name: str) -> Json:
        """Return the argument that gives a thing its tags."""
        return {"TagSpecifications": [specification(kind, tags_for(self._stage, name, _KEY))]}

    # -- quotas --------------------------------------------------------------------------------------------------------

    def _quotas(self) -> Iterator[str]:
        """Yield the quotas that are too small for the missing hosts; one that may not be asked for is no problem."""
        checks: list[tuple[str, str, str, int, Callable[[], int]]] = [
            ("ec2", "L-0263D0A3", "public addresses", self._missing_addresses(), self._used_addresses),
            ("vpc", "L-F678F1CE", "VPCs", int(NETWORK not in self._there), self._used_vpcs),
            ("ec2", "L-1216C47A", "CPUs of standard instances", self._cpus(self._missing()), self._used_cpus),
        ]
        for service, code, what, wanted, used in checks:
            if not wanted:
                continue
            try:
                answer = self._api.call(
                    "get_service_quota", service="service-quotas", ServiceCode=service, QuotaCode=code
                )
                limit, taken = int(answer["Quota"]["Value"]), used()
            except AwsError as error:
                if error.code not in _DENIED | BUSY | {"NoSuchResourceException"}:
                    yield str(error)
                continue
            who = f"this account, in {self._api.region},"
            yield from self._too_few(
                what, wanted, limit, taken, who, f"ask for more at Service Quotas ({code})"
            )

    def _used_addresses(self) -> int:
        """Return the number of public addresses that the account has."""
        return len(self._api.listing("describe_addresses", "Addresses"))

    def _used_vpcs(self) -> int:
        """Return the number of VPCs that the account has."""
        return len(self._api.listing("describe_vpcs", "Vpcs"))

    def _used_cpus(self) -> int:
        """Return the CPUs of all standard instances that the account has."""
        reservations = self._api.listing("describe_instances", "Reservations")
        kinds = Counter(
            instance["InstanceType"]
            for reservation in reservations
            for instance in reservation["Instances"]
            if instance["State"]["Name"] in {"pending", "running"}
            and instance["InstanceType"][0] in _STANDARD
        )
        return sum(self._cpus_of(kind) * count for kind, count in kinds.items())

    def _cpus(self, specs: list[HostSpec]) -> int:
        """Return the CPUs that hosts need of the quota."""
        kinds = [spec.instance_type for spec in specs]
        return sum(self._cpus_of(kind) for kind in kinds if kind[0] in _STANDARD)

    def _cpus_of(self, kind: str) -> int:
        """Return the CPUs of a type of instance; 0 for an unknown one, which `_types` reports."""
        try:
            return int(self._images.instance_type(kind)["VCpuInfo"]["DefaultVCpus"])
        except AwsError:
            return 0
