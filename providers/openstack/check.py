"""The problems of a stage at OpenStack, found before anything is made. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.site import OpenStackStage
from model.stage import Stage
from providers.base import Found
from providers.cloud.check import CloudCheck, Question
from providers.cloud.host import HostSpec
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import FORBIDDEN, OpenStackError
from providers.openstack.image import OpenStackImages, disk_size
from providers.openstack.network import OpenStackNetwork
from providers.openstack.nfs import SERVICE, OpenStackFileSystem

if TYPE_CHECKING:
    from model.json_types import Json

_NOBODY = "00000000-0000-0000-0000-000000000000"
"""The id of nothing that there is."""


class OpenStackCheck(CloudCheck[OpenStackStage]):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        config: The stage's table.
        found: Lists what there is of the stage already.
        api: The services.
        images: The image and the flavors of its hosts.
        network: The network of its hosts.
        nfs: Its file system.

    """

    def __init__(
        self,
        stage: Stage,
        config: OpenStackStage,
        found: Callable[[], Mapping[str, Found]],
        api: OpenStackApi,
        images: OpenStackImages,
        network: OpenStackNetwork,
        nfs: OpenStackFileSystem,
    ) -> None:
        super().__init__(stage, config, found)
        self._api, self._images, self._network, self._nfs = api, images, network, nfs

    def _questions(self) -> Sequence[Question]:
        """Return the questions, in order."""
        return (
            self._permissions,
            self._flavors,
            self._image,
            self._disks,
            self._zones,
            self._leads_out,
            self._file_system,
            self._quotas,
        )

    def _permissions(self) -> Iterator[str]:
        """Yield the calls that these credentials may not make.

        OpenStack has no question for it, and a role's name tells nothing: each cloud decides what the role may do. So
        the calls are made with an id that does not exist: credentials that may make them get another refusal.
        """
        server = {
            "name": "skep-check",
            "flavorRef": _NOBODY,
            "imageRef": _NOBODY,
            "networks": [{"uuid": _NOBODY}],
        }
        probes: list[tuple[str, str, Json]] = [
            ("network", "/floatingips", {"floatingip": {"floating_network_id": _NOBODY}}),
            ("compute", "/servers", {"server": server}),
        ]
        if self._config.nfs and self._api.has(SERVICE):
            share = {"share_proto": "NFS", "size": 1, "share_type": _NOBODY}
            probes.append((SERVICE, "/shares", {"share": share}))
        for service, path, body in probes:
            try:
                self._api.ask("POST", service, path, body)
            except OpenStackError as error:
                if error.status == FORBIDDEN and not error.is_quota:
                    yield str(error)

    def _flavors(self) -> Iterator[str]:
        """Yield the flavors that there are not."""
        for name in self._sizes():
            try:
                self._images.flavor(name)
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _image(self) -> Iterator[str]:
        """Yield why there is no image."""
        try:
            self._images.image()
        except ProviderError as error:
            yield f"{self._path}.{error}"

    def _image_size(self, spec: HostSpec) -> int:
        """Return the GiB of the disk in the image."""
        del spec  # all hosts have one image
        return disk_size(self._images.image())

    def _zones(self) -> Iterator[str]:
        """Yield the zones that there are not."""
        answer = self._api.ask("GET", "compute", "/os-availability-zone")["availabilityZoneInfo"]
        known = sorted(zone["zoneName"] for zone in answer if zone["zoneState"]["available"])
        for zone in sorted({spec.place.zone for spec in self._specs} - {"", *known}):
            yield f"{self._path}.available_zones: there is no zone {zone}; there are {', '.join(known)}"

    def _leads_out(self) -> Iterator[str]:
        """Yield why there is no way out."""
        self._network.external()
        yield from ()

    def _file_system(self) -> Iterator[str]:
        """Yield why there can be no file system."""
        if self._config.nfs:
            try:
                self._nfs.type()
            except OpenStackError:
                raise
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _quotas(self) -> Iterator[str]:
        """Yield the quotas that are too small for the missing hosts; another question reports unknown flavors."""
        limits = self._api.ask("GET", "compute", "/limits")["limits"]["absolute"]
        known = {name: flavor for flavor in self._images.flavors() for name in (flavor["id"], flavor["name"])}
        names = [spec.instance_type for spec in self._missing()]
        flavors = [known[name] for name in names if name in known]
        for what, most, used, needs in (
            ("servers", "maxTotalInstances", "totalInstancesUsed", len(names)),
            ("CPUs", "maxTotalCores", "totalCoresUsed", sum(flavor["vcpus"] for flavor in flavors)),
            ("MiB of memory", "maxTotalRAMSize", "totalRAMUsed", sum(flavor["ram"] for flavor in flavors)),
        ):
            if limits[most] >= 0:  # else there is no limit
                advice = "ask the cloud's operators for more"
                yield from self._too_few(what, needs, limits[most], limits[used], "the project", advice)
