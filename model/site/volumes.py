"""Named volumes."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen

_OF_DISKS = frozenset(
    {
        *("btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "ntfs", "ntfs3"),
        *("overlay", "reiserfs", "vfat", "xfs", "zfs"),
    }
)
"""File systems of a host's own disks, whatever names the device (`LABEL=data`, `pool/data`)."""
_OF_SHARED_DISKS = frozenset({"gfs2", "ocfs2"})
"""File systems of disks that several hosts have at once."""

EACH = "each"
"""What `hosts` says where every hive has data of its own."""
Each = Annotated[
    str, Meta(pattern=f"^{EACH}$", description='A list of hives, as in `["hive0"]`, or `"each"`.')
]


class Volume(Frozen, frozen=True):
    """A named volume. Services refer to it by name."""

    hosts: Annotated[
        list[str] | Each,
        Meta(
            description="The hives that hold the volume, as in `hive0`; services that mount it run only there. Or "
            "`each`: every hive has one with data of its own. A local volume needs it where a service could move."
        ),
    ] = []
    driver: Annotated[
        str,
        Meta(
            description="Docker's volume driver. An external volume may have one that keeps its data elsewhere."
        ),
    ] = "local"
    driver_opts: Annotated[
        dict[str, str],
        Meta(
            description="The driver's options, as Docker documents them: `type`, `device` and `o` of `local`."
        ),
    ] = {}
    labels: Annotated[dict[str, str], Meta(description="Further labels of the volume.")] = {}
    backup: Annotated[
        bool,
        Meta(
            description="`false` says that nothing need save the volume's data: skep names those that nothing saves."
        ),
    ] = True
    standby: Annotated[
        list[str],
        Meta(
            description="Hives that keep the newest backup of the volume's service restored, so that a move of the "
            "volume from its backup has it there at once (docs/backup.md)."
        ),
    ] = []
    external: Annotated[
        bool,
        Meta(description="Whether the volume is there already: it is used, and neither made nor removed."),
    ] = False
    name: (
        Annotated[str, Meta(description="With `external`: the volume's name in Docker, if it is another.")]
        | None
    ) = None

    @property
    def named_hosts(self) -> list[str]:
        """The hives that it names; empty if all hold it."""
        return [] if isinstance(self.hosts, str) else self.hosts

    @property
    def filesystem(self) -> str:
        """The file system that Docker's `local` driver mounts for it, as in `nfs`; empty if it mounts none."""
        kind = self.driver_opts.get("type", "") if self.driver == "local" else ""
        return "" if kind == "none" else kind

    @property
    def is_on_host(self) -> bool:
        """Whether its data is on the host's own disk, and not on a server or in memory."""
        return self.driver == "local" and not self.filesystem

    @property
    def stays_behind(self) -> bool:
        """Whether its data stays on the host when a service moves: on the host's disk, or on a device of its own."""
        device, kind = self.driver_opts.get("device", ""), self.filesystem
        if device.startswith(("//", "/dev/drbd")) or kind in _OF_SHARED_DISKS:
            return False
        return self.is_on_host or (self.driver == "local" and (device.startswith("/") or kind in _OF_DISKS))
