"""Overlay networks."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen


class Pool(Frozen, frozen=True):
    """A subnet of a network."""

    subnet: Annotated[str, Meta(description="As in `10.20.0.0/24`.")]
    gateway: Annotated[str, Meta(description="An address in `subnet`; its first by default.")] | None = None
    ip_range: (
        Annotated[str, Meta(description="The part of `subnet` that containers get, as in `10.20.0.128/25`.")]
        | None
    ) = None


class Ipam(Frozen, frozen=True):
    """Addresses of a network: one subnet, or several in `config`."""

    subnet: Annotated[str, Meta(description="As in `10.20.0.0/24`.")] | None = None
    gateway: Annotated[str, Meta(description="An address in `subnet`; its first by default.")] | None = None
    ip_range: (
        Annotated[str, Meta(description="The part of `subnet` that containers get, as in `10.20.0.128/25`.")]
        | None
    ) = None
    config: Annotated[
        list[Pool], Meta(description="In place of `subnet`, or beside it: further subnets.")
    ] = []
    driver: Annotated[str, Meta(description="Docker's driver for addresses.")] = "default"
    options: Annotated[dict[str, str], Meta(description="That driver's options.")] = {}

    @property
    def pools(self) -> list[Pool]:
        """All its subnets."""
        first = (
            []
            if self.subnet is None
            else [Pool(subnet=self.subnet, gateway=self.gateway, ip_range=self.ip_range)]
        )
        return [*first, *self.config]


class Network(Frozen, frozen=True):
    """An overlay network."""

    driver_opts: Annotated[dict[str, str], Meta(description="Options of Docker's overlay driver.")] = {}
    ipam: Annotated[Ipam, Meta(description="Its addresses; Docker chooses by default.")] | None = None
    attachable: Annotated[
        bool, Meta(description="Whether containers that belong to no service may join it.")
    ] = True
    encrypted: Annotated[bool, Meta(description="Whether what goes from host to host is encrypted.")] = False
    internal: Annotated[bool, Meta(description="Whether it has no way out of the site.")] = False
    labels: Annotated[dict[str, str], Meta(description="Labels of the network, beside skep's own.")] = {}
