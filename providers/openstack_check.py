"""What stands in the way of a stage at OpenStack, found out before anything is made. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from model.errors import ProviderError
from model.stage import Stage
from providers.base import Found
from providers.cloud_check import Ask, CloudCheck
from providers.cloud_host import instance_type
from providers.openstack_api import Api
from providers.openstack_host import Hosts
from providers.openstack_network import Network


class Check(CloudCheck):
    """The questions that are asked before a stage is made.

    Args:
        stage: The stage.
        api: The services.
        network: What its hosts are in.
        hosts: Its hosts, which know flavors and images.
        found: Lists what there is of the stage already.

    """

    def __init__(
        self,
        stage: Stage,
        api: Api,
        network: Network,
        hosts: Hosts,
        found: Callable[[], Mapping[str, Found]],
    ) -> None:
        super().__init__(stage, found)
        self._api, self._network, self._hosts = api, network, hosts

    def _asks(self) -> Sequence[Ask]:
        """Return the questions, in order."""
        return self._flavors, self._image, self._zones, self._leads_out, self._quotas

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
