"""Stages: their hosts, and the providers of hosts."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from model.site.base import Frozen, Label, Port, Variable
from model.site.install import Device, Firmware, InstallHost, InstallNetwork, Partition
from model.units import Seconds


class StageBase(Frozen, frozen=True):
    """The keys of every stage, whatever its provider."""

    cidr: Annotated[str, Meta(description="The network of the hosts, as in `192.168.56.0/24`.")] | None = None
    number_of_hosts: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=250,
                description="The number of hosts in all. By default as many as `ip_address_list` has, else 4 with a "
                "separate repository and 3 without.",
            ),
        ]
        | None
    ) = None
    separate_repository: Annotated[
        bool,
        Meta(
            description="Whether the last host only builds images and runs the registry, and does not join the swarm."
        ),
    ] = True
    custom_hostname: Annotated[
        Label,
        Meta(description="The hosts' name before their number: lower-case letters, digits and `-`."),
    ] = "hive"
    prefix: (
        Annotated[
            str,
            Meta(
                pattern=r"^([a-z0-9]([a-z0-9-]*))?$",
                description="The prefix of host names. By default `p-` for stage private, `s-` for staging, else none.",
            ),
        ]
        | None
    ) = None
    ip_address_list: Annotated[
        list[str],
        Meta(description="The hosts' addresses, in order. By default they are counted up in `cidr`."),
    ] = []
    internal_cidr: (
        Annotated[
            str,
            Meta(
                description="The addresses for Docker's own networks, as in `172.31.252.0/22`: a quarter for overlay "
                "networks, a quarter for the routing mesh, an eighth each for docker_gwbridge and docker0."
            ),
        ]
        | None
    ) = None
    data_path_port: Annotated[
        int,
        Meta(
            ge=1024,
            le=49151,
            description="The UDP port of overlay network traffic between hives, for networks that block 4789. A swarm "
            "keeps the port that it was made with.",
        ),
    ] = 4789
    ssh_source_ips: Annotated[
        list[str],
        Meta(
            description="The networks that may connect by ssh; this machine must be in one of them. An empty "
            "list allows all."
        ),
    ] = []
    vars: Annotated[
        dict[Variable, Any],
        Meta(description="Variables of this stage, which take precedence over the site's `[vars]`."),
    ] = {}


class DockerStage(StageBase, frozen=True, tag_field="provider", tag="docker"):
    """Hosts that are containers on this machine's Docker Engine."""

    cpus: (
        Annotated[float, Meta(gt=0, description="The CPUs that one host may use. By default all.")] | None
    ) = None
    memory_size: (
        Annotated[
            int, Meta(ge=256, description="The memory of one host in MiB. By default there is no limit.")
        ]
        | None
    ) = None
    host_image: Annotated[
        str,
        Meta(
            description="The hosts' image: a reference to pull, or `debootstrap:<suite>` to make it from Debian's "
            "packages."
        ),
    ] = "debootstrap:bookworm"
    mirror: Annotated[str, Meta(description="The package mirror that debootstrap uses.")] = (
        "http://deb.debian.org/debian"
    )
    publish: (
        Annotated[
            bool,
            Meta(
                description="Whether hosts are reached through ports on 127.0.0.1 and not by address. By default "
                "only where the engine runs in a virtual machine, as on macOS."
            ),
        ]
        | None
    ) = None


class PreparedHost(Frozen, frozen=True):
    """The settings of one prepared host that differ from the stage's."""

    ssh_host: (
        Annotated[
            str,
            Meta(
                description="The name or address where the host's ssh answers, if it is not the host's address."
            ),
        ]
        | None
    ) = None
    ssh_port: Annotated[Port, Meta(description="The host's ssh port.")] | None = None
    host_keys: Annotated[
        list[str],
        Meta(
            description="The host's public ssh keys (`ssh-ed25519 AAAA…`), so that the first connection is checked."
        ),
    ] = []


class PreparedStage(StageBase, frozen=True, tag_field="provider", tag="prepared"):
    """Hosts that exist already and answer ssh."""

    ssh_port: Annotated[
        Port, Meta(description="The ssh port of hosts that have none of their own in `hosts`.")
    ] = 22
    user: Annotated[str, Meta(description="The user for the first log-in: root, or a user with sudo.")] = (
        "root"
    )
    private_key: (
        Annotated[str, Meta(description="The user's private key file. By default ssh chooses.")] | None
    ) = None
    root_password: (
        Annotated[
            str,
            Meta(
                description="The name in `[secrets]` of the user's password, for a first log-in without a key."
            ),
        ]
        | None
    ) = None
    hosts: Annotated[
        dict[str, PreparedHost], Meta(description="Host, as in `hive0`, to the settings that differ there.")
    ] = {}


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
    disk_size: Annotated[int, Meta(ge=8, description="The size of a host's disk in GiB.")] = 20
    repository_disk_size: (
        Annotated[int, Meta(ge=8, description="The size of the repository's disk in GiB, if it differs.")]
        | None
    ) = None
    mirrored_disk_size: (
        Annotated[
            int,
            Meta(
                ge=1,
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
            "made anew keeps its public address. Hosts without one are reached by their address in `cidr`, "
            "and need another way to the internet."
        ),
    ] = True
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
    disk_size: Annotated[int, Meta(ge=10, description="The size of a host's disk in GiB.")] = 20
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
        Meta(ge=1024, description="The size of the file system for `nfs` in GiB. Some tiers begin at 2560."),
    ] = 1024


class OpenStackStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="openstack"):
    """Hosts that are servers of OpenStack."""

    cloud: (
        Annotated[str, Meta(description="The entry of clouds.yaml. By default the value of `OS_CLOUD`.")]
        | None
    ) = None
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
    share_size: Annotated[int, Meta(ge=1, description="The size of the share for `nfs` in GiB.")] = 100


class VagrantStageBase(StageBase, frozen=True):
    """The keys of a Vagrant stage that have one form only."""

    provider_backend: (
        Annotated[
            str,
            Meta(
                pattern="^(libvirt|virtualbox)$",
                description="Vagrant's provider. By default libvirt, or VirtualBox where libvirt does not work.",
            ),
        ]
        | None
    ) = None
    box: Annotated[str, Meta(description="The Vagrant box that the hosts are made from.")] = (
        "debian/bookworm64"
    )
    box_url: (
        Annotated[
            str,
            Meta(
                description="Where to get the box, if not from Vagrant's catalogue: a URL, or a file relative to the "
                "site's directory."
            ),
        ]
        | None
    ) = None
    driver: Annotated[
        str,
        Meta(
            pattern="^(kvm|qemu)$",
            description="libvirt's driver: `kvm`, or `qemu` where the processor has no virtualization (emulated in "
            "software, slow).",
        ),
    ] = "kvm"
    memory_size: Annotated[int, Meta(ge=256, description="The memory of one host in MiB.")] = 2048
    repository_memory_size: (
        Annotated[int, Meta(ge=256, description="The memory of the repository in MiB, if it differs.")] | None
    ) = None
    cpus: Annotated[int, Meta(ge=1, description="The number of CPUs of one host.")] = 2
    repository_cpus: (
        Annotated[int, Meta(ge=1, description="The number of CPUs of the repository, if it differs.")] | None
    ) = None
    disk_size: (
        Annotated[int, Meta(ge=1, description="The size of a host's disk in GiB. By default the box's.")]
        | None
    ) = None
    repository_disk_size: (
        Annotated[int, Meta(ge=1, description="The size of the repository's disk in GiB, if it differs.")]
        | None
    ) = None
    mirrored_disk_size: (
        Annotated[
            int,
            Meta(
                ge=1,
                description="The size in GiB of a further, empty disk of each hive, for mirrored volumes.",
            ),
        ]
        | None
    ) = None
    bridge: (
        Annotated[
            str,
            Meta(
                description="The interface or bridge of this machine that connects the hosts to the network of `cidr`."
            ),
        ]
        | None
    ) = None
    dev: Annotated[str, Meta(description="The same as libvirt's `dev`. Needs libvirt.")] | None = None
    vagrant_proxy: (
        Annotated[
            str,
            Meta(
                description="The proxy that the hosts fetch packages through, as in `http://192.0.2.1:3128`."
            ),
        ]
        | None
    ) = None


class VagrantStage(VagrantStageBase, frozen=True, tag_field="provider", tag="vagrant"):
    """Hosts that are virtual machines on this machine, made by Vagrant."""

    boot_timeout: Seconds = 600.0


class KickstartStageBase(StageBase, frozen=True, kw_only=True):
    """The keys of a kickstart stage that have one form only."""

    release: Annotated[
        str,
        Meta(
            pattern=r"^(debian-1[23]|ubuntu-(22\.04|24\.04)|(rhel|almalinux|rocky)-(8|9|10))$",
            description="The distribution to install: `debian-12`, `ubuntu-24.04`, `almalinux-9`, …",
        ),
    ] = "debian-12"
    networks: Annotated[
        list[InstallNetwork],
        Meta(min_length=1, description="The hosts' networks. The first one has the stage's addresses."),
    ]
    target: Annotated[Device, Meta(description="The disk to install to. All data on it is lost.")]
    firmware: Annotated[
        Firmware,
        Meta(
            description="The hosts' firmware. Only Ubuntu's installer needs it; the partitions of the other "
            "distributions suit both."
        ),
    ] = "uefi"
    partitions: Annotated[
        list[Partition], Meta(description="The disk's partitions. By default swap of 1 GiB, and `/`.")
    ] = []
    iso_src: (
        Annotated[
            str, Meta(description="The distribution's installation image, relative to the site's directory.")
        ]
        | None
    ) = None
    iso_dest: (
        Annotated[
            str,
            Meta(
                description="Where skep writes the stage's installation image: a file, or a device such as a USB stick."
            ),
        ]
        | None
    ) = None
    netboot_url: (
        Annotated[
            str,
            Meta(
                pattern=r"^http://[A-Za-z0-9.:\[\]-]+$",
                description="The URL at which hosts that boot from the network reach `doit serve_install` on this "
                "machine, as in `http://192.168.56.1:8000`.",
            ),
        ]
        | None
    ) = None
    netboot_src: (
        Annotated[
            str,
            Meta(
                description="The directory with the installer's kernel and initrd for network boot. By default they "
                "are taken from `iso_src`."
            ),
        ]
        | None
    ) = None
    hosts: Annotated[
        dict[str, InstallHost], Meta(description="Host, as in `hive0`, to the settings that differ there.")
    ] = {}
    root_password: (
        Annotated[
            str,
            Meta(
                description="The name in `[secrets]` of root's password. It is set when the host answers, and is not "
                "on the installation image. Without it root has no password."
            ),
        ]
        | None
    ) = None
    mirror: (
        Annotated[
            str,
            Meta(
                pattern=r"^https?://[^\s/]+(/\S*)?$",
                description="The package mirror. By default the distribution's own; for Red Hat's family, the "
                "packages on the image.",
            ),
        ]
        | None
    ) = None
    install_proxy: (
        Annotated[
            str,
            Meta(
                pattern=r"^http://\S+$",
                description="The proxy that packages are fetched through, as in `http://192.0.2.1:3128`.",
            ),
        ]
        | None
    ) = None
    packages: Annotated[list[str], Meta(description="Further packages to install.")] = []
    kernel_arguments: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:;=/@+-]+$")]],
        Meta(
            description="Arguments for the installer's kernel and the installed one, as in `console=ttyS0`."
        ),
    ] = []
    timezone: Annotated[str, Meta(description="The hosts' time zone.")] = "Etc/UTC"
    locale: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@-]+$", description="The hosts' locale.")] = "C.UTF-8"
    keyboard: Annotated[str, Meta(pattern=r"^[a-z]{2,8}$", description="The keyboard layout.")] = "us"


class KickstartStage(KickstartStageBase, frozen=True, kw_only=True, tag_field="provider", tag="kickstart"):
    """Hosts with no operating system: skep makes their unattended installation, and waits for them."""

    install_timeout: Seconds = 7200.0


Stage = (
    DockerStage
    | PreparedStage
    | KickstartStage
    | VagrantStage
    | AwsStage
    | AzureStage
    | GcpStage
    | OpenStackStage
)
