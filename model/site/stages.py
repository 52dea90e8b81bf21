"""Stages on this machine, on prepared hosts and on hosts to install; and the union of all stages."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen, Port
from model.site.cloud_stages import AwsStage, AzureStage, GcpStage, OpenStackStage
from model.site.install import Device, Firmware, InstallHost, InstallNetwork, Partition
from model.site.stage_base import StageBase
from model.units import Seconds

HOST_IMAGE = "debootstrap:trixie"
"""The image of docker hosts where site.toml names none."""
FORMER_HOST_IMAGES = ("debootstrap:bookworm",)
"""Those that were it in older versions of skep."""


class DockerStage(StageBase, frozen=True, tag_field="provider", tag="docker"):
    """Hosts that are containers on this machine's Docker Engine."""

    cpus: (
        Annotated[
            float, Meta(gt=0, le=1_000_000, description="The CPUs that one host may use. By default all.")
        ]
        | None
    ) = None
    memory_size: (
        Annotated[
            int,
            Meta(
                ge=256,
                le=1_000_000,
                description="The memory of one host in MiB. By default there is no limit.",
            ),
        ]
        | None
    ) = None
    host_image: (
        Annotated[
            str,
            Meta(
                description="The hosts' image: a reference to pull, or `debootstrap:<suite>` to make it from Debian's "
                "packages. By default `debootstrap:trixie`; hosts that were made under an older default stay as they "
                "are."
            ),
        ]
        | None
    ) = None
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

    @property
    def image(self) -> str:
        """The image of the hosts that are made now."""
        return HOST_IMAGE if self.host_image is None else self.host_image


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
    memory_size: Annotated[int, Meta(ge=256, le=1_000_000, description="The memory of one host in MiB.")] = (
        2048
    )
    repository_memory_size: (
        Annotated[
            int, Meta(ge=256, le=1_000_000, description="The memory of the repository in MiB, if it differs.")
        ]
        | None
    ) = None
    cpus: Annotated[int, Meta(ge=1, le=1_000_000, description="The number of CPUs of one host.")] = 2
    repository_cpus: (
        Annotated[
            int, Meta(ge=1, le=1_000_000, description="The number of CPUs of the repository, if it differs.")
        ]
        | None
    ) = None
    disk_size: (
        Annotated[
            int,
            Meta(ge=1, le=1_000_000, description="The size of a host's disk in GiB. By default the box's."),
        ]
        | None
    ) = None
    repository_disk_size: (
        Annotated[
            int,
            Meta(ge=1, le=1_000_000, description="The size of the repository's disk in GiB, if it differs."),
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
