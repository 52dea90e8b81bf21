"""The tables of `site.toml` with values that have a unit or a short form; that of a service is in a file of its own.

Every other table is a type of `model.site` itself. `model.site_file.convert` makes the site's types from these.
"""

from typing import Annotated, Any

from msgspec import Meta

from model.site.backup import Backup
from model.site.base import Domain, Frozen, Label, Name, Variable
from model.site.cloud_stages import AwsStage, AzureStage, GcpStage, OpenStackStage
from model.site.hosts import SetupHosts
from model.site.images import Base, Build, ExternalRegistry, ImageBase, Registry, RoleUse
from model.site.monitoring import MonitoringBase
from model.site.networks import Network
from model.site.secrets import Config, SecretSource
from model.site.stages import DockerStage, KickstartStageBase, PreparedStage, VagrantStageBase
from model.site.volumes import Volume
from model.site_file.forms import Age, Duration, Size
from model.site_file.service_tables import HealthcheckTable, ServiceTable


class ImageTable(ImageBase, frozen=True):
    """An image that skep builds."""

    build: (
        Annotated[
            str | Build,
            Meta(
                description="Instead of `from`: a directory with a Dockerfile, relative to the site's directory, or "
                "a table ([dockerfiles.md](dockerfiles.md)). Roles are applied on top."
            ),
        ]
        | None
    ) = None

    roles: Annotated[
        list[str | RoleUse],
        Meta(
            description="The image's roles, applied in order, one layer each. A name, or a table with variables."
        ),
    ] = []
    expose: Annotated[
        list[str | int],
        Meta(
            description="The ports that the containers listen on, as in `53/udp` or `80`. This does not publish them."
        ),
    ] = []
    max_age: (
        Annotated[
            Age,
            Meta(
                description="How old the image's layers may get, for security updates. Older ones are built again. "
                "Images with the same `max_age` are rebuilt at the same time, counted from 1970, so that "
                "they keep sharing layers."
            ),
        ]
        | None
    ) = None
    healthcheck: (
        Annotated[
            HealthcheckTable,
            Meta(description="How Docker tests the containers' health. A service may have its own."),
        ]
        | None
    ) = None
    timeout: Annotated[Duration, Meta(description="How long one role may take, as in `30m`.")] = "30m"


class VagrantStageTable(VagrantStageBase, frozen=True, tag_field="provider", tag="vagrant"):
    """Hosts that are virtual machines on this machine, made by Vagrant."""

    boot_timeout: Annotated[
        Duration, Meta(description="How long a machine may take until it answers, as in `15m`.")
    ] = "10m"


class KickstartStageTable(
    KickstartStageBase, frozen=True, kw_only=True, tag_field="provider", tag="kickstart"
):
    """Hosts with no operating system: skep makes their unattended installation, and waits for them."""

    install_timeout: Annotated[
        Duration,
        Meta(description="How long `build_infra` waits until a host is installed and answers, as in `2h`."),
    ] = "2h"


StageTable = (
    DockerStage
    | PreparedStage
    | KickstartStageTable
    | VagrantStageTable
    | AwsStage
    | AzureStage
    | GcpStage
    | OpenStackStage
)


class MonitoringTable(MonitoringBase, frozen=True):
    """The site watches itself: Prometheus and Alertmanager on the repository host, metrics on all hosts."""

    retention: Annotated[
        Age, Meta(description="How long metrics are kept on the repository host, as in `30d`.")
    ] = "30d"


class LogsTable(Frozen, frozen=True):
    """What services and hosts say is kept on the repository host, so that it outlives tasks and hosts."""

    keep: Annotated[
        Age,
        Meta(description="How long lines are kept, as in `30d`; in whole days, hours are rounded up."),
    ] = "30d"
    max_size: Annotated[
        Size,
        Meta(
            description="What all that is kept may take of the repository host's disk, as in `20G`: beyond that the "
            "oldest files go before their time."
        ),
    ] = "20G"


class SiteTable(Frozen, frozen=True):
    """A whole site."""

    site: Annotated[
        Domain, Meta(description="The site's name, and the domain of its hosts: a DNS name in lower case.")
    ]
    stages: Annotated[
        dict[Label, StageTable], Meta(min_length=1, description="The site's environments, by name.")
    ]
    stage: Annotated[Label, Meta(description="The stage to use if none is given.")] | None = None
    operators: Annotated[
        dict[str, str | list[str]],
        Meta(
            description="The people who are let in on all hosts with ssh keys of their own: name to public key, or a "
            "list of them ([access.md](access.md)). Who is taken out is shut out by the next run."
        ),
    ] = {}
    setup_hosts: Annotated[SetupHosts, Meta(description="The set-up that all hosts share.")] = SetupHosts()
    secrets: Annotated[dict[Name, SecretSource], Meta(description="The site's secrets: name to source.")] = {}
    configs: Annotated[
        dict[Name, Config],
        Meta(description="The configs that services get as files: name to content, which may be a template."),
    ] = {}
    vars: Annotated[
        dict[Variable, Any],
        Meta(
            description="Variables for templates, as `vars.<name>`. They may be templates themselves. A stage's "
            "variables take precedence."
        ),
    ] = {}
    bases: Annotated[
        dict[str, Base],
        Meta(
            description="External image, as `from` of an image or `image` of a service names it, to how to obtain it. "
            "Images not listed are pulled."
        ),
    ] = {}
    registries: Annotated[
        dict[str, ExternalRegistry],
        Meta(
            description="External registry, as in `docker.io` or `registry.example:5000`, to its login or mirror."
        ),
    ] = {}
    images: Annotated[dict[Name, ImageTable], Meta(description="The images that skep builds, by name.")] = {}
    registry: Annotated[Registry, Meta(description="The site's own registry.")] = Registry()
    networks: Annotated[
        dict[Name, Network],
        Meta(description="The overlay networks, by name. By default services share one called `site`."),
    ] = {}
    volumes: Annotated[
        dict[Name, Volume],
        Meta(description="The named volumes. Those that a service of the stage mounts are made."),
    ] = {}
    services: Annotated[dict[Label, ServiceTable], Meta(description="The services, by name.")] = {}
    backup: (
        Annotated[Backup, Meta(description="Backups of the services' data ([backup.md](backup.md)).")] | None
    ) = None
    monitoring: (
        Annotated[
            MonitoringTable,
            Meta(
                description="Metrics of all hosts, and alarms ([monitoring.md](monitoring.md)). `[monitoring]` alone "
                "switches both on."
            ),
        ]
        | None
    ) = None
    logs: (
        Annotated[
            LogsTable,
            Meta(
                description="Logs of services and journals of hosts, kept on the repository host ([logs.md](logs.md)). "
                "`[logs]` alone switches that on."
            ),
        ]
        | None
    ) = None
