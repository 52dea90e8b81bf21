"""Named volumes."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen


class Volume(Frozen, frozen=True):
    """A named volume. Services refer to it by name."""

    hosts: Annotated[
        list[str],
        Meta(
            description="The hives that hold the volume, as in `hive0`. Services that mount it run only there. By "
            "default all."
        ),
    ] = []
    driver: Annotated[str, Meta(description="Docker's volume driver.")] = "local"
    driver_opts: Annotated[
        dict[str, str],
        Meta(
            description="The driver's options, as Docker documents them: `type`, `device` and `o` of `local`."
        ),
    ] = {}
    labels: Annotated[dict[str, str], Meta(description="Further labels of the volume.")] = {}

    @property
    def filesystem(self) -> str:
        """The file system that Docker's `local` driver mounts for it, as in `nfs`; empty if it mounts none."""
        kind = self.driver_opts.get("type", "") if self.driver == "local" else ""
        return "" if kind == "none" else kind

    @property
    def is_on_host(self) -> bool:
        """Whether its data is on the host's own disk, and not on a server or in memory."""
        return self.driver == "local" and not self.filesystem
