"""How a host without an operating system is installed: its networks, its disk, what is its own."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen

Interface = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,14}$",
        description="A network interface's name, as in `eno1` or `bond0`.",
    ),
]
Device = Annotated[
    str,
    Meta(
        pattern=r"^/dev/[A-Za-z0-9/_.:+-]+$", description="A disk, as in `/dev/sda` or `/dev/disk/by-id/…`."
    ),
]
Mac = Annotated[
    str,
    Meta(pattern=r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$", description="A MAC, as in `52:54:00:12:34:56`."),
]
Firmware = Annotated[str, Meta(pattern="^(uefi|bios)$", description="`uefi` or `bios`.")]


class InstallNetwork(Frozen, frozen=True):
    """One network interface that the installed hosts have."""

    interface: Annotated[Interface, Meta(description="Its name; with `bonding_interfaces` the bond's.")]
    ips: Annotated[
        list[str],
        Meta(
            description="The hosts' addresses on it, in order. The first network has the stage's own; a further one "
            "without them has none and only carries VLANs."
        ),
    ] = []
    netmask: (
        Annotated[
            str, Meta(description="As in `255.255.255.0`; on the first network that of `cidr` by default.")
        ]
        | None
    ) = None
    gateway: Annotated[str, Meta(description="The default route's next hop.")] | None = None
    nameservers: Annotated[list[str], Meta(description="Addresses of name servers.")] = []
    vlanid: Annotated[int, Meta(ge=1, le=4094, description="The VLAN, tagged on that interface.")] | None = (
        None
    )
    bonding_interfaces: Annotated[
        list[Interface], Meta(description="The ports of a bond, which does 802.3ad (LACP).")
    ] = []


class Partition(Frozen, frozen=True):
    """One partition of the target disk; what the firmware needs is added."""

    mount: Annotated[
        str, Meta(pattern=r"^(/[A-Za-z0-9._/-]*|swap)$", description="Where it is mounted, or `swap`.")
    ]
    size: (
        Annotated[int, Meta(ge=64, description="MiB; the one partition without it gets what is left.")] | None
    ) = None
    fstype: Annotated[str, Meta(pattern="^(ext4|xfs)$", description="Its file system: `ext4` or `xfs`.")] = (
        "ext4"
    )


class InstallHost(Frozen, frozen=True):
    """How the installation of one host differs from the others'."""

    mac: (
        Annotated[Mac, Meta(description="Of the interface that it boots from, for booting from the network.")]
        | None
    ) = None
    target: Annotated[Device, Meta(description="The disk that it is installed to.")] | None = None
    firmware: Annotated[Firmware, Meta(description="How it boots.")] | None = None
