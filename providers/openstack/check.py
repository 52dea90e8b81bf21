"""What stands in the way of a stage at OpenStack, found out before anything is made. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.stage import Stage
from providers.base import Found
from providers.cloud.check import Ask, CloudCheck
from providers.cloud.host import instance_type
from providers.openstack.api import FORBIDDEN, OpenStackApi, OpenStackError
from providers.openstack.host import OpenStackHosts
from providers.openstack.network import OpenStackNetwork, config_of
from providers.openstack.nfs import SERVICE, OpenStackFileSystem

if TYPE_CHECKING:
    from model.json_types import Json

_NOBODY = "00000000-0000-0000-0000-000000000000"
"""The id of nothing that there is."""


class OpenStackCheck(CloudCheck):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        api: The services.
        network: What its hosts are in.
        hosts: Its hosts, which know flavors and images.
        nfs: Its file system.
        found: Lists what there is of the stage already.

    """

    def __init__(
        self,
        stage: Stage,
        api: OpenStackApi,
        network: OpenStackNetwork,
        hosts: OpenStackHosts,
        nfs: OpenStackFileSystem,
        found: Callable[[], Mapping[str, Found]],
    ) -> None:
        super().__init__(stage, found)
        self._api, self._network, self._hosts, self._nfs = api, network, hosts, nfs

    def _asks(self) -> Sequence[Ask]:
        """Return the questions, in order."""
        return (
            self._permissions,
            self._flavors,
            self._image,
            self._zones,
            self._leads_out,
            self._file_system,
            self._quotas,
        )

    def _permissions(self) -> Iterator[str]:
        """Yield what these credentials may not do, by asking for what can't be done: who may is told so in other words.

        OpenStack has no question for it. A role's name tells nothing, since what it may do is each cloud's own matter.
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
        if config_of(self._stage).nfs and self._api.has(SERVICE):
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
                self._hosts.flavor(name)
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _image(self) -> Iterator[str]:
        """Yield why there is no image."""
        try:
            self._hosts.image()
        except ProviderError as error:
            yield f"{self._path}.{error}"

    def _zones(self) -> Iterator[str]:
        """Yield the zones that there are not."""
        answer = self._api.ask("GET", "compute", "/os-availability-zone")["availabilityZoneInfo"]
        known = sorted(zone["zoneName"] for zone in answer if zone["zoneState"]["available"])
        for zone in sorted({self._stage.place(host).zone for host in self._stage.hosts} - {"", *known}):
            yield f"{self._path}.available_zones: there is no zone {zone}; there are {', '.join(known)}"

    def _leads_out(self) -> Iterator[str]:
        """Yield why there is no way out."""
        self._network.external()
        yield from ()

    def _file_system(self) -> Iterator[str]:
        """Yield why there can be no file system."""
        if config_of(self._stage).nfs:
            try:
                self._nfs.type()
            except OpenStackError:
                raise
            except ProviderError as error:
                yield f"{self._path}.{error}"

    def _quotas(self) -> Iterator[str]:
        """Yield the quotas that are too small for what is missing; a flavor that is unknown was said already."""
        limits = self._api.ask("GET", "compute", "/limits")["limits"]["absolute"]
        known = {name: flavor for flavor in self._hosts.flavors() for name in (flavor["id"], flavor["name"])}
        names = [instance_type(self._stage, host) for host in self._missing()]
        flavors = [known[name] for name in names if name in known]
        for what, most, used, needs in (
            ("servers", "maxTotalInstances", "totalInstancesUsed", len(names)),
            ("CPUs", "maxTotalCores", "totalCoresUsed", sum(flavor["vcpus"] for flavor in flavors)),
            ("MiB of memory", "maxTotalRAMSize", "totalRAMUsed", sum(flavor["ram"] for flavor in flavors)),
        ):
            if limits[most] >= 0:  # else there is no limit
                advice = "ask the cloud's operators for more"
                yield from self._too_few(what, needs, limits[most], limits[used], "the project", advice)
