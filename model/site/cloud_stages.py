"""Stages in clouds."""

from typing import Annotated, ClassVar

from msgspec import Meta

from model.site.base import Frozen, Label
from model.site.stage_base import StageBase


class Subnet(Frozen, frozen=True):
    """A subnet of a stage's `cidr` in a cloud. Hosts are put into the subnets in turn."""

    cidr: Annotated[str, Meta(description="The subnet's addresses, within the stage's `cidr`.")]
    name: Annotated[Label, Meta(description="The subnet's name. By default `subnet0` and so on.")] | None = (
        None
    )
    available_zone: (
        Annotated[
            str, Meta(description="The zone of the subnet's hosts. By default the stage's zones, in turn.")
        ]
        | None
    ) = None


class CloudStage(StageBase, frozen=True, kw_only=True):
    """The keys of the stages of all clouds."""

    first_reserved: ClassVar[int] = 4
    """The number of addresses at the beginning of a subnet that the cloud reserves, or that skep leaves free for it."""
    last_reserved: ClassVar[int] = 1
    """The number of reserved addresses at a subnet's end."""
    default_zones: ClassVar[tuple[str, ...]] = ()
    """The default zones; `{region}` in them stands for the region."""
    has_zonal_subnets: ClassVar[bool] = False
    """Whether a subnet lies in one zone, so that hosts in several zones need several subnets."""
    default_disk_size: ClassVar[int] = 20
    """GiB of a host's disk, unless its image needs more."""
    priced: ClassVar[tuple[str, ...]] = (
        "GiB of disk",
        "public addresses",
        "file systems",
        "GiB of Filestore",
        "GiB of Azure Files",
        "GiB of file system",
    )
    """The units beside instance types that `prices` may have."""

    region: Annotated[str, Meta(description="The cloud's region.")] | None = None
    available_zones: Annotated[
        list[str], Meta(description="The zones that hosts are spread over, in turn.")
    ] = []
    subnets: Annotated[
        list[Subnet], Meta(description="The subnets of `cidr`. By default skep makes them.")
    ] = []
    instance_type: Annotated[str, Meta(description="The hosts' instance type, by the cloud's name.")]
    repository_instance_type: (
        Annotated[str, Meta(description="The repository's instance type, if it differs.")] | None
    ) = None
    disk_size: (
        Annotated[
            int,
            Meta(
                ge=8,
                le=1_000_000,
                description="The size of a host's disk in GiB. By default 20, in Azure 30; or what the image needs, "
                "if that is more.",
            ),
        ]
        | None
    ) = None
    repository_disk_size: (
        Annotated[
            int,
            Meta(ge=8, le=1_000_000, description="The size of the repository's disk in GiB, if it differs."),
        ]
        | None
    ) = None
    mirrored_disk_size: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=1_000_000,
                description="The size in GiB of a further, empty disk of each hive, for mirrored volumes.",
            ),
        ]
        | None
    ) = None
    disk_encrypted: Annotated[bool, Meta(description="Whether the cloud encrypts the disks.")] = True
    kms_key_id: (
        Annotated[str, Meta(description="The key that encrypts the disks. By default the cloud's own.")]
        | None
    ) = None
    image_name: Annotated[
        str,
        Meta(
            description="The hosts' image: `debian-12` or another family that skep knows, or the name or id of "
            "an image of the cloud."
        ),
    ] = "debian-12"
    public_addresses: Annotated[
        bool | list[Label],
        Meta(
            description="Whether hosts have public addresses, or the names of the hosts that have one. A host that is "
            "replaced keeps its public address. Hosts without one are reached by their address in `cidr`, "
            "and need another way to the internet."
        ),
    ] = True
    prices: Annotated[
        dict[str, Annotated[float, Meta(ge=0)]],
        Meta(
            description="Your prices by month, in any currency: of one host of an instance type "
            '(`"t3.medium" = 30.4`), '
            "of a `GiB of disk`, of `public addresses`, `file systems`, a `GiB of Filestore`, `GiB of Azure Files` or "
            "`GiB of file system`. `doit plan`, the first run and `doit halt` sum them up."
        ),
    ] = {}
    nfs: Annotated[bool, Meta(description="Whether the cloud makes a shared file system for volumes.")] = (
        False
    )


class AwsStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="aws"):
    """Hosts that are instances of Amazon EC2."""

    default_zones: ClassVar[tuple[str, ...]] = ("{region}a", "{region}b", "{region}c")
    has_zonal_subnets: ClassVar[bool] = True

    region: Annotated[
        str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", description="The region, as in `eu-central-1`.")
    ]


class AzureStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="azure"):
    """Hosts that are virtual machines of Azure."""

    default_zones: ClassVar[tuple[str, ...]] = ("1", "2", "3")
    default_disk_size: ClassVar[int] = 30

    region: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]+$",
            description="The region, as in `westeurope` (`az account list-locations`).",
        ),
    ]
    subscription_id: (
        Annotated[str, Meta(description="The subscription. By default the value of `AZURE_SUBSCRIPTION_ID`.")]
        | None
    ) = None


class GcpStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="gcp"):
    """Hosts that are instances of Google's Compute Engine."""

    first_reserved: ClassVar[int] = 2
    last_reserved: ClassVar[int] = 2
    default_zones: ClassVar[tuple[str, ...]] = ("{region}-a", "{region}-b", "{region}-c")

    region: Annotated[
        str, Meta(pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="The region, as in `europe-west3`.")
    ]
    project: (
        Annotated[str, Meta(description="The project's id. By default that of the credentials.")] | None
    ) = None
    disk_size: (
        Annotated[
            int,
            Meta(
                ge=10,
                le=1_000_000,
                description="The size of a host's disk in GiB. By default 20; or what the image needs, "
                "if that is more.",
            ),
        ]
        | None
    ) = None
    disk_type: Annotated[
        str,
        Meta(
            pattern="^(pd-standard|pd-balanced|pd-ssd|hyperdisk-balanced)$",
            description="The type of the hosts' disks, by Google's name.",
        ),
    ] = "pd-balanced"
    filestore_tier: Annotated[
        str,
        Meta(
            pattern="^(BASIC_HDD|BASIC_SSD|ZONAL|REGIONAL|ENTERPRISE)$",
            description="The Filestore tier for `nfs`, by Google's name.",
        ),
    ] = "BASIC_HDD"
    filestore_capacity: Annotated[
        int,
        Meta(
            ge=1024,
            le=1_000_000,
            description="The size of the file system for `nfs` in GiB. Some tiers begin at 2560.",
        ),
    ] = 1024


class OpenStackStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="openstack"):
    """Hosts that are servers of OpenStack."""

    cloud: (
        Annotated[str, Meta(description="The entry of clouds.yaml. By default the value of `OS_CLOUD`.")]
        | None
    ) = None
    dns_servers: Annotated[
        list[str],
        Meta(
            description="The name servers that hosts get from their subnets. By default those of the cloud, which not "
            "every cloud has."
        ),
    ] = []
    external_network: (
        Annotated[str, Meta(description="The external network, if there are several.")] | None
    ) = None
    volume_type: (
        Annotated[
            str,
            Meta(
                description="The volume type of the hosts' disks, such as an encrypting one. With it all disks are "
                "volumes."
            ),
        ]
        | None
    ) = None
    disk_encrypted: Annotated[
        bool,
        Meta(description="Whether the disks are encrypted. `volume_type` must then be an encrypting type."),
    ] = False
    share_type: (
        Annotated[
            str,
            Meta(description="Manila's share type for `nfs`. By default the cloud's default."),
        ]
        | None
    ) = None
    share_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="The size of the share for `nfs` in GiB.")
    ] = 100
