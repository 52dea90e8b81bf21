"""The installation of hosts that have no operating system: networks, partitions, settings of single hosts."""

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
    Meta(
        pattern=r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$",
        description="A MAC address, as in `52:54:00:12:34:56`.",
    ),
]
Firmware = Annotated[str, Meta(pattern="^(uefi|bios)$", description="`uefi` or `bios`.")]


class InstallNetwork(Frozen, frozen=True):
    """A network interface of the installed hosts."""

    interface: Annotated[
        Interface, Meta(description="The interface's name. With `bonding_interfaces` it is the bond's.")
    ]
    ips: Annotated[
        list[str],
        Meta(
            description="The hosts' addresses in this network, in order. The first network has the stage's "
            "addresses and takes none here. A further network without addresses only carries VLANs."
        ),
    ] = []
    netmask: (
        Annotated[
            str,
            Meta(
                description="The network mask, as in `255.255.255.0`. By default the first network has that of `cidr`."
            ),
        ]
        | None
    ) = None
    gateway: Annotated[str, Meta(description="The gateway of the default route.")] | None = None
    nameservers: Annotated[list[str], Meta(description="The addresses of name servers.")] = []
    vlanid: (
        Annotated[int, Meta(ge=1, le=4094, description="The VLAN's id. The VLAN is tagged on the interface.")]
        | None
    ) = None
    bonding_interfaces: Annotated[
        list[Interface], Meta(description="The interfaces that form the bond, which uses 802.3ad (LACP).")
    ] = []


class Partition(Frozen, frozen=True):
    """A partition of the target disk. The partitions that the firmware needs are added."""

    mount: Annotated[
        str, Meta(pattern=r"^(/[A-Za-z0-9._/-]*|swap)$", description="The mount point, or `swap`.")
    ]
    size: (
        Annotated[
            int,
            Meta(
                ge=64,
                le=1_000_000,
                description="The size in MiB. One partition may leave it out and gets the rest of the disk.",
            ),
        ]
        | None
    ) = None
    fstype: Annotated[str, Meta(pattern="^(ext4|xfs)$", description="The file system: `ext4` or `xfs`.")] = (
        "ext4"
    )


class InstallHost(Frozen, frozen=True):
    """The installation settings of one host that differ from the stage's."""

    mac: (
        Annotated[
            Mac,
            Meta(
                description="The MAC address of the interface that the host boots from. Network boot needs it."
            ),
        ]
        | None
    ) = None
    target: (
        Annotated[Device, Meta(description="The host's target disk, if it differs from the stage's.")] | None
    ) = None
    firmware: (
        Annotated[Firmware, Meta(description="The host's firmware, if it differs from the stage's.")] | None
    ) = None
