"""A stage: its hosts, and who provides them."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from model.site.base import Frozen, Label, Port, Variable
from model.site.install import Device, Firmware, InstallHost, InstallNetwork, Partition
from model.units import Seconds


class StageBase(Frozen, frozen=True):
    """What every stage has, whatever its provider."""

    cidr: Annotated[str, Meta(description="The network of the hosts, as in `192.168.56.0/24`.")] | None = None
    number_of_hosts: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=250,
                description="Hosts in all. By default as many as `ip_address_list` has, "
                "else 4 with a separate repository and 3 without.",
            ),
        ]
        | None
    ) = None
    separate_repository: Annotated[
        bool,
        Meta(description="The last host only builds images and runs the registry, and joins no swarm."),
    ] = True
    custom_hostname: Annotated[
        Label,
        Meta(
            description="What the hosts are called before their number: lower-case letters, digits and `-`."
        ),
    ] = "hive"
    prefix: (
        Annotated[
            str,
            Meta(
                pattern=r"^([a-z0-9]([a-z0-9-]*))?$",
                description="Before each host's name; `p-` for private, `s-` for staging, else none.",
            ),
        ]
        | None
    ) = None
    ip_address_list: Annotated[
        list[str],
        Meta(description="The hosts' addresses in order; without it they are counted up in `cidr`."),
    ] = []
    internal_cidr: (
        Annotated[
            str,
            Meta(
                description="Where Docker's own networks have their addresses from, as in `172.31.252.0/22`: a quarter "
                "is for overlay networks, one for the routing mesh, an eighth each for docker_gwbridge and docker0."
            ),
        ]
        | None
    ) = None
    data_path_port: Annotated[
        int,
        Meta(
            ge=1024,
            le=49151,
            description="The UDP port of what overlay networks send from hive to hive, for where 4789 is not open; "
            "the swarm keeps the one that it was made with.",
        ),
    ] = 4789
    ssh_source_ips: Annotated[
        list[str],
        Meta(description="The networks that ssh is open to, this machine's among them; none means all."),
    ] = []
    vars: Annotated[
        dict[Variable, Any], Meta(description="Of this stage, in the place of those in the site's `[vars]`.")
    ] = {}


class DockerStage(StageBase, frozen=True, tag_field="provider", tag="docker"):
    """Hosts that are containers on this machine's Docker Engine."""

    cpus: Annotated[float, Meta(gt=0, description="CPUs that one host may use; all by default.")] | None = (
        None
    )
    memory_size: (
        Annotated[int, Meta(ge=256, description="Memory of one host in MiB; no limit by default.")] | None
    ) = None
    host_image: Annotated[
        str,
        Meta(
            description="What the hosts are made from: an image to pull, or "
            "`debootstrap:<suite>` for Debian's own packages."
        ),
    ] = "debootstrap:bookworm"
    mirror: Annotated[str, Meta(description="Where debootstrap's packages come from.")] = (
        "http://deb.debian.org/debian"
    )
    publish: (
        Annotated[
            bool,
            Meta(
                description="Reach the hosts through ports on 127.0.0.1, not by address. By default where the engine "
                "runs in a virtual machine, as on macOS."
            ),
        ]
        | None
    ) = None


class PreparedHost(Frozen, frozen=True):
    """How one host of a prepared stage differs from the others."""

    ssh_host: Annotated[str, Meta(description="Where ssh answers, where that is not its address.")] | None = (
        None
    )
    ssh_port: Annotated[Port, Meta(description="Its ssh port.")] | None = None
    host_keys: Annotated[
        list[str],
        Meta(description="Its public host keys (`ssh-ed25519 AAAA…`), pinned before the first connection."),
    ] = []


class PreparedStage(StageBase, frozen=True, tag_field="provider", tag="prepared"):
    """Hosts that exist already and answer ssh."""

    ssh_port: Annotated[Port, Meta(description="The ssh port of hosts that don't say theirs.")] = 22
    user: Annotated[
        str, Meta(description="Who to log in as the first time: root, or somebody with sudo.")
    ] = "root"
    private_key: (
        Annotated[str, Meta(description="That user's private key file; by default what ssh finds by itself.")]
        | None
    ) = None
    root_password: (
        Annotated[
            str,
            Meta(
                description="The name in `[secrets]` of that user's password, for a first log-in without a key."
            ),
        ]
        | None
    ) = None
    hosts: Annotated[
        dict[str, PreparedHost], Meta(description="Host (as in `hive0`) to what differs there.")
    ] = {}


class Subnet(Frozen, frozen=True):
    """A part of a stage's `cidr` in a cloud. Hosts are put into the subnets in turn."""

    cidr: Annotated[str, Meta(description="Its network, within the stage's `cidr`.")]
    name: Annotated[Label, Meta(description="What it is called; `subnet0` and so on by default.")] | None = (
        None
    )
    available_zone: (
        Annotated[str, Meta(description="The zone of its hosts; by default the stage's zones in turn.")]
        | None
    ) = None


class CloudStage(StageBase, frozen=True, kw_only=True):
    """What stages of all clouds have."""

    first_reserved: ClassVar[int] = 4
    """The addresses at the beginning of a subnet that the cloud keeps for itself, or that skep leaves free for it."""
    last_reserved: ClassVar[int] = 1
    """And those at its end."""
    default_zones: ClassVar[tuple[str, ...]] = ()
    """The zones where none are given; `{region}` in them stands for the region."""
    has_zonal_subnets: ClassVar[bool] = False
    """Whether a subnet lies in one zone, so that hosts in several zones need several subnets."""

    region: Annotated[str, Meta(description="The cloud's region.")] | None = None
    available_zones: Annotated[
        list[str], Meta(description="The zones that hosts are spread over, in turn.")
    ] = []
    subnets: Annotated[
        list[Subnet], Meta(description="The parts of `cidr`; by default skep makes them.")
    ] = []
    instance_type: Annotated[str, Meta(description="The hosts' size, by the cloud's own name.")]
    repository_instance_type: (
        Annotated[str, Meta(description="The repository's, if it is another.")] | None
    ) = None
    disk_size: Annotated[int, Meta(ge=8, description="GiB of a host's disk.")] = 20
    repository_disk_size: (
        Annotated[int, Meta(ge=8, description="GiB of the repository's disk, if they are others.")] | None
    ) = None
    mirrored_disk_size: (
        Annotated[
            int, Meta(ge=1, description="GiB of a further, empty disk of each hive, for mirrored volumes.")
        ]
        | None
    ) = None
    disk_encrypted: Annotated[bool, Meta(description="Whether the cloud encrypts the disks.")] = True
    kms_key_id: (
        Annotated[str, Meta(description="The key that encrypts them, if not the cloud's own.")] | None
    ) = None
    image_name: Annotated[
        str,
        Meta(
            description="What the hosts are made from: `debian-12` or another family that skep knows, or an image of "
            "the cloud by its own name or id."
        ),
    ] = "debian-12"
    public_addresses: Annotated[
        bool | list[Label],
        Meta(
            description="Whether hosts have public addresses, which stay when a host is made anew; or the names of "
            "those that have one. The others are reached by their address in `cidr`, and need another way out."
        ),
    ] = True
    nfs: Annotated[bool, Meta(description="Whether there is a file system of the cloud's for volumes.")] = (
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
        Annotated[str, Meta(description="The subscription; by default what `AZURE_SUBSCRIPTION_ID` says.")]
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
        Annotated[str, Meta(description="The project's id; by default that of the credentials.")] | None
    ) = None
    disk_size: Annotated[int, Meta(ge=10, description="GiB of a host's disk.")] = 20
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
            description="With `nfs`: the kind of Filestore, by Google's name.",
        ),
    ] = "BASIC_HDD"
    filestore_capacity: Annotated[
        int, Meta(ge=1024, description="With `nfs`: its size in GiB; some kinds begin at 2560.")
    ] = 1024


class OpenStackStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="openstack"):
    """Hosts that are servers of OpenStack."""

    cloud: (
        Annotated[str, Meta(description="The entry of clouds.yaml; by default what `OS_CLOUD` says.")] | None
    ) = None
    external_network: (
        Annotated[str, Meta(description="The network that leads out, if there are several.")] | None
    ) = None
    volume_type: (
        Annotated[
            str,
            Meta(
                description="The type of the hosts' disks, as one that encrypts; then all disks are volumes."
            ),
        ]
        | None
    ) = None
    disk_encrypted: Annotated[
        bool, Meta(description="Whether the disks are encrypted: `volume_type` must be one that does it.")
    ] = False
    share_type: (
        Annotated[
            str,
            Meta(description="With `nfs`: Manila's type of the share; by default the cloud's own default."),
        ]
        | None
    ) = None
    share_size: Annotated[int, Meta(ge=1, description="With `nfs`: its size in GiB.")] = 100


class VagrantStageBase(StageBase, frozen=True):
    """The keys of a stage of Vagrant's that mean what is written."""

    provider_backend: (
        Annotated[
            str,
            Meta(
                pattern="^(libvirt|virtualbox)$",
                description="What Vagrant makes them with; by default libvirt, or VirtualBox where that does not work.",
            ),
        ]
        | None
    ) = None
    box: Annotated[str, Meta(description="The Vagrant box that they are made from.")] = "debian/bookworm64"
    box_url: (
        Annotated[
            str,
            Meta(
                description="Where the box is had, if not from Vagrant's own catalogue: a URL, or a file, seen from "
                "the site's directory."
            ),
        ]
        | None
    ) = None
    driver: Annotated[
        str,
        Meta(
            pattern="^(kvm|qemu)$",
            description="libvirt's: `kvm`, or `qemu` where the processor can't (software emulation, slow).",
        ),
    ] = "kvm"
    memory_size: Annotated[int, Meta(ge=256, description="Memory of one host in MiB.")] = 2048
    repository_memory_size: (
        Annotated[int, Meta(ge=256, description="The same of the repository, if it differs.")] | None
    ) = None
    cpus: Annotated[int, Meta(ge=1, description="CPUs of one host.")] = 2
    repository_cpus: (
        Annotated[int, Meta(ge=1, description="The same of the repository, if it differs.")] | None
    ) = None
    disk_size: (
        Annotated[int, Meta(ge=1, description="Size of the disk in GiB; the box's own by default.")] | None
    ) = None
    repository_disk_size: (
        Annotated[int, Meta(ge=1, description="The same of the repository, if it differs.")] | None
    ) = None
    mirrored_disk_size: (
        Annotated[int, Meta(ge=1, description="Size in GiB of a further disk for each hive.")] | None
    ) = None
    bridge: (
        Annotated[
            str, Meta(description="This machine's interface or bridge that they are put into with `cidr`.")
        ]
        | None
    ) = None
    dev: Annotated[str, Meta(description="The same in libvirt's own words; needs libvirt.")] | None = None
    vagrant_proxy: (
        Annotated[
            str,
            Meta(description="The proxy through which they fetch packages, as in `http://192.0.2.1:3128`."),
        ]
        | None
    ) = None


class VagrantStage(VagrantStageBase, frozen=True, tag_field="provider", tag="vagrant"):
    """Hosts that are virtual machines on this machine, made by Vagrant."""

    boot_timeout: Seconds = 600.0


class KickstartStageBase(StageBase, frozen=True, kw_only=True):
    """The keys of a stage of hosts with no operating system that mean what is written."""

    release: Annotated[
        str,
        Meta(
            pattern=r"^(debian-1[23]|ubuntu-(22\.04|24\.04)|(rhel|almalinux|rocky)-(8|9|10))$",
            description="What is installed: `debian-12`, `ubuntu-24.04`, `almalinux-9`, …",
        ),
    ] = "debian-12"
    networks: Annotated[
        list[InstallNetwork],
        Meta(min_length=1, description="The hosts' networks; the first one has the stage's addresses."),
    ]
    target: Annotated[Device, Meta(description="The disk that is installed to. All that is on it goes.")]
    firmware: Annotated[
        Firmware,
        Meta(
            description="How the hosts boot. Only Ubuntu's installer has to know; the others' partitions suit both."
        ),
    ] = "uefi"
    partitions: Annotated[
        list[Partition], Meta(description="The disk's partitions; by default swap of 1 GiB, and `/`.")
    ] = []
    iso_src: (
        Annotated[
            str, Meta(description="The distribution's installation image, seen from the site's directory.")
        ]
        | None
    ) = None
    iso_dest: (
        Annotated[
            str,
            Meta(description="Where the image for this stage goes: a file, or a device such as a USB stick."),
        ]
        | None
    ) = None
    netboot_url: (
        Annotated[
            str,
            Meta(
                pattern=r"^http://[A-Za-z0-9.:\[\]-]+$",
                description="Where hosts that boot from the network find `doit serve_install` on this machine, as in "
                "`http://192.168.56.1:8000`.",
            ),
        ]
        | None
    ) = None
    netboot_src: (
        Annotated[
            str,
            Meta(
                description="The directory with the installer's kernel and initrd for it; by default they are taken "
                "out of `iso_src`."
            ),
        ]
        | None
    ) = None
    hosts: Annotated[
        dict[str, InstallHost], Meta(description="Host (as in `hive0`) to what differs there.")
    ] = {}
    root_password: (
        Annotated[
            str,
            Meta(
                description="The name in `[secrets]` of root's password. It is set when the host answers, and is on "
                "no medium. Without it root has none."
            ),
        ]
        | None
    ) = None
    mirror: (
        Annotated[
            str,
            Meta(
                pattern=r"^https?://[^\s/]+(/\S*)?$",
                description="Where packages come from; the distribution's own by default, and what is on the image "
                "for those of Red Hat's family.",
            ),
        ]
        | None
    ) = None
    install_proxy: (
        Annotated[
            str,
            Meta(
                pattern=r"^http://\S+$", description="The proxy for packages, as in `http://192.0.2.1:3128`."
            ),
        ]
        | None
    ) = None
    packages: Annotated[list[str], Meta(description="Further packages.")] = []
    kernel_arguments: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:;=/@+-]+$")]],
        Meta(description="For the installer's kernel and the installed one, as in `console=ttyS0`."),
    ] = []
    timezone: Annotated[str, Meta(description="The hosts' time zone.")] = "Etc/UTC"
    locale: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@-]+$", description="The hosts' locale.")] = "C.UTF-8"
    keyboard: Annotated[str, Meta(pattern=r"^[a-z]{2,8}$", description="The keyboard's layout.")] = "us"


class KickstartStage(KickstartStageBase, frozen=True, kw_only=True, tag_field="provider", tag="kickstart"):
    """Hosts with no operating system: skep makes what installs them, and waits for them."""

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
