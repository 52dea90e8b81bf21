"""The types of `site.toml`. They are the only description of its format.

The loader, the JSON Schema that editors complete from and the reference in `docs/site.md` are made from them.
Attribute names are hive-builder's wherever it has the thing. Nothing here knows of TOML.
"""

from typing import Annotated, Any

from msgspec import Meta

from model.site.base import Age, Domain, Duration, Frozen, Label, Name, Port, Scalar, Size, Value, Variable
from model.site.hosts import SetupHosts, Users
from model.site.images import Base, ExternalRegistry, Healthcheck, Image, Registry, RoleUse
from model.site.install import InstallHost, InstallNetwork, Partition
from model.site.networks import Ipam, Network, Pool
from model.site.secrets import Config, ConfigUse, SecretSource, SecretUse
from model.site.services import (
    Logging,
    Mount,
    Placement,
    PortMap,
    RestartConfig,
    RollbackConfig,
    Service,
    ServiceNetwork,
    Ulimit,
    UpdateConfig,
)
from model.site.stages import (
    AwsStage,
    AzureStage,
    CloudStage,
    DockerStage,
    GcpStage,
    KickstartStage,
    OpenStackStage,
    PreparedHost,
    PreparedStage,
    Stage,
    StageBase,
    Subnet,
    VagrantStage,
)
from model.site.volumes import Volume

__all__ = [
    "Age",
    "AwsStage",
    "AzureStage",
    "Base",
    "CloudStage",
    "Config",
    "ConfigUse",
    "DockerStage",
    "Domain",
    "Duration",
    "ExternalRegistry",
    "Frozen",
    "GcpStage",
    "Healthcheck",
    "Image",
    "InstallHost",
    "InstallNetwork",
    "Ipam",
    "KickstartStage",
    "Label",
    "Logging",
    "Mount",
    "Name",
    "Network",
    "OpenStackStage",
    "Partition",
    "Placement",
    "Pool",
    "Port",
    "PortMap",
    "PreparedHost",
    "PreparedStage",
    "Registry",
    "RestartConfig",
    "RoleUse",
    "RollbackConfig",
    "Scalar",
    "SecretSource",
    "SecretUse",
    "Service",
    "ServiceNetwork",
    "SetupHosts",
    "Site",
    "Size",
    "Stage",
    "StageBase",
    "Subnet",
    "Ulimit",
    "UpdateConfig",
    "Users",
    "VagrantStage",
    "Value",
    "Variable",
    "Volume",
]


class Site(Frozen, frozen=True):
    """A whole site."""

    site: Annotated[
        Domain, Meta(description="The site's name, and the domain of its hosts: a DNS name in lower case.")
    ]
    stages: Annotated[dict[Label, Stage], Meta(min_length=1, description="Its environments.")]
    stage: Annotated[Label, Meta(description="The stage to work on where none is asked for.")] | None = None
    setup_hosts: Annotated[SetupHosts, Meta(description="What is made the same on every host.")] = (
        SetupHosts()
    )
    secrets: Annotated[
        dict[Name, SecretSource], Meta(description="Name to where the secret comes from.")
    ] = {}
    configs: Annotated[
        dict[Name, Config], Meta(description="Name to a file that services get; it may be a template.")
    ] = {}
    vars: Annotated[
        dict[Variable, Any],
        Meta(
            description="What templates find as `vars.<name>`; a stage may say others. They may be templates."
        ),
    ] = {}
    bases: Annotated[
        dict[str, Base],
        Meta(
            description="Image of elsewhere, as `from` of an image or `image` of a service names it, to how it is had; "
            "one that is not here is pulled."
        ),
    ] = {}
    registries: Annotated[
        dict[str, ExternalRegistry],
        Meta(
            description="Host of a registry, as in `docker.io` or `registry.example:5000`, to how it is used."
        ),
    ] = {}
    images: Annotated[dict[Name, Image], Meta(description="The images that skep builds.")] = {}
    registry: Annotated[Registry, Meta(description="Where they are kept, and how long.")] = Registry()
    networks: Annotated[
        dict[Name, Network],
        Meta(description="Overlay networks; where none is here, services share one all the same."),
    ] = {}
    volumes: Annotated[
        dict[Name, Volume], Meta(description="Named volumes, made where a service of the stage mounts them.")
    ] = {}
    services: Annotated[dict[Label, Service], Meta(description="What runs.")] = {}
