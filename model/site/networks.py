"""Overlay networks."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen

HOST_NETWORK = "host"
"""The network of the host itself, as a service's `networks` name it."""
MTU = "com.docker.network.driver.mtu"
"""The option of a network that sets its MTU, VXLAN's overhead included."""


class Pool(Frozen, frozen=True):
    """A subnet of an overlay network."""

    subnet: Annotated[str, Meta(description="The subnet, as in `10.20.0.0/24`.")]
    gateway: (
        Annotated[str, Meta(description="The gateway's address in `subnet`. By default the first address.")]
        | None
    ) = None
    ip_range: (
        Annotated[
            str,
            Meta(
                description="The part of `subnet` that containers get addresses from, as in `10.20.0.128/25`."
            ),
        ]
        | None
    ) = None


class Ipam(Frozen, frozen=True):
    """The addresses of an overlay network: one subnet, or several in `config`."""

    subnet: Annotated[str, Meta(description="The subnet, as in `10.20.0.0/24`.")] | None = None
    gateway: (
        Annotated[str, Meta(description="The gateway's address in `subnet`. By default the first address.")]
        | None
    ) = None
    ip_range: (
        Annotated[
            str,
            Meta(
                description="The part of `subnet` that containers get addresses from, as in `10.20.0.128/25`."
            ),
        ]
        | None
    ) = None
    config: Annotated[
        list[Pool], Meta(description="Further subnets, instead of `subnet` or in addition.")
    ] = []
    driver: Annotated[str, Meta(description="Docker's IPAM driver.")] = "default"
    options: Annotated[dict[str, str], Meta(description="The IPAM driver's options.")] = {}

    @property
    def pools(self) -> list[Pool]:
        """All subnets."""
        first = (
            []
            if self.subnet is None
            else [Pool(subnet=self.subnet, gateway=self.gateway, ip_range=self.ip_range)]
        )
        return [*first, *self.config]


class Network(Frozen, frozen=True):
    """An overlay network."""

    driver_opts: Annotated[dict[str, str], Meta(description="The options of Docker's overlay driver.")] = {}
    ipam: (
        Annotated[Ipam, Meta(description="The network's addresses. By default Docker chooses them.")] | None
    ) = None
    attachable: Annotated[
        bool, Meta(description="Whether containers that belong to no service may join the network.")
    ] = True
    encrypted: Annotated[bool, Meta(description="Whether traffic between hosts is encrypted.")] = False
    internal: Annotated[bool, Meta(description="Whether the network is cut off from the outside.")] = False
    labels: Annotated[dict[str, str], Meta(description="Further labels of the network.")] = {}
    external: Annotated[
        bool,
        Meta(description="Whether the network is there already: it is used, and neither made nor removed."),
    ] = False
    name: (
        Annotated[str, Meta(description="With `external`: the network's name in Docker, if it is another.")]
        | None
    ) = None
