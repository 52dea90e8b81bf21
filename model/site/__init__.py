"""A site: its stages, images, networks, volumes and services.

Ports, mounts, secrets, configs and roles are in their long form, durations in seconds, sizes in bytes.
Attribute names are hive-builder's wherever it has the thing. Types whose attributes have a `Meta` are also tables of
`site.toml`; the tables that are written otherwise are in `model.site_file.tables`.
"""

from typing import Any

from msgspec import Struct

from model.site.backup import Backup, BackupCopy, BackupScript, Keep
from model.site.base import Domain, Frozen, Label, Name, Port, Scalar, Value, Variable
from model.site.cloud_stages import AwsStage, AzureStage, CloudStage, GcpStage, OpenStackStage, Subnet
from model.site.hosts import SetupHosts
from model.site.images import Base, Build, ExternalRegistry, Healthcheck, Image, Registry, RoleUse
from model.site.install import InstallHost, InstallNetwork, Partition
from model.site.logs import Logs
from model.site.monitoring import Alert, Metrics, Monitoring
from model.site.networks import Ipam, Network, Pool
from model.site.secrets import Config, ConfigUse, Generated, SecretSource, SecretUse
from model.site.services import (
    Logging,
    Mount,
    Placement,
    PublishedPort,
    RestartConfig,
    RollbackConfig,
    Service,
    Ulimit,
    UpdateConfig,
)
from model.site.stage_base import StageBase
from model.site.stages import (
    FORMER_HOST_IMAGES,
    HOST_IMAGE,
    DockerStage,
    KickstartStage,
    PreparedHost,
    PreparedStage,
    Stage,
    VagrantStage,
)
from model.site.volumes import Volume

__all__ = [
    "FORMER_HOST_IMAGES",
    "HOST_IMAGE",
    "Alert",
    "AwsStage",
    "AzureStage",
    "Backup",
    "BackupCopy",
    "BackupScript",
    "Base",
    "Build",
    "CloudStage",
    "Config",
    "ConfigUse",
    "DockerStage",
    "Domain",
    "ExternalRegistry",
    "Frozen",
    "GcpStage",
    "Generated",
    "Healthcheck",
    "Image",
    "InstallHost",
    "InstallNetwork",
    "Ipam",
    "Keep",
    "KickstartStage",
    "Label",
    "Logging",
    "Logs",
    "Metrics",
    "Monitoring",
    "Mount",
    "Name",
    "Network",
    "OpenStackStage",
    "Partition",
    "Placement",
    "Pool",
    "Port",
    "PreparedHost",
    "PreparedStage",
    "PublishedPort",
    "Registry",
    "RestartConfig",
    "RoleUse",
    "RollbackConfig",
    "Scalar",
    "SecretSource",
    "SecretUse",
    "Service",
    "SetupHosts",
    "Site",
    "Stage",
    "StageBase",
    "Subnet",
    "Ulimit",
    "UpdateConfig",
    "VagrantStage",
    "Value",
    "Variable",
    "Volume",
]


class Site(Struct, frozen=True, kw_only=True):
    """A whole site; the keys of each table are names.

    Attributes beside those of site.toml:

    froms: Image to the images and bases of the site that its Dockerfile builds on or takes files from.
    """

    site: str
    stages: dict[str, Stage]
    stage: str | None = None
    operators: dict[str, list[str]] = {}
    setup_hosts: SetupHosts = SetupHosts()
    secrets: dict[str, SecretSource] = {}
    configs: dict[str, Config] = {}
    vars: dict[str, Any] = {}
    bases: dict[str, Base] = {}
    registries: dict[str, ExternalRegistry] = {}
    images: dict[str, Image] = {}
    registry: Registry = Registry()
    networks: dict[str, Network] = {}
    volumes: dict[str, Volume] = {}
    services: dict[str, Service] = {}
    backup: Backup | None = None
    monitoring: Monitoring | None = None
    logs: Logs | None = None
    froms: dict[str, list[str]] = {}
