"""The tables of `site.toml` that are written otherwise than they are meant: with units, or in a short form.

Every other table is a type of `model.site` itself. `model.site_file.convert` makes the site's types from these.
"""

from typing import Annotated, Any

from msgspec import Meta

from model.site.base import Domain, Frozen, Label, Name, Port, Variable
from model.site.hosts import SetupHosts
from model.site.images import Base, ExternalRegistry, ImageBase, Registry, RoleUse
from model.site.networks import Network
from model.site.secrets import Config, ConfigUse, SecretSource, SecretUse
from model.site.services import ServiceBase, Ulimit
from model.site.stages import (
    AwsStage,
    AzureStage,
    DockerStage,
    GcpStage,
    KickstartStageBase,
    OpenStackStage,
    PreparedStage,
    VagrantStageBase,
)
from model.site.volumes import Volume
from model.site_file.forms import Age, Duration, Size


class HealthcheckTable(Frozen, frozen=True):
    """How Docker finds out whether a container is well: it runs `test` every `interval`."""

    test: Annotated[str | list[str], Meta(description="A command for the shell, or its words.")]
    interval: Duration = "30s"
    timeout: Annotated[Duration, Meta(description="How long one test may take, as in `10s`.")] = "30s"
    retries: Annotated[int, Meta(ge=1, description="Failed tests in a row that make it unhealthy.")] = 3
    start_period: Annotated[
        Duration, Meta(description="How long after its start failed tests don't count, as in `60s`.")
    ] = "0s"


class RestartConfigTable(Frozen, frozen=True):
    """When a task that ended is started again."""

    condition: Annotated[
        str,
        Meta(
            pattern="^(none|on-failure|any)$",
            description="`any` (however it ended), `on-failure` (exit status not 0) or `none` (never).",
        ),
    ] = "any"
    delay: Annotated[Duration, Meta(description="Before it is started again, as in `5s`.")] = "5s"
    max_attempts: Annotated[int, Meta(ge=0, description="How often; 0 is without end.")] = 0
    window: Annotated[
        Duration, Meta(description="In which attempts are counted, as in `2m`; `0s` is for ever.")
    ] = "0s"


class RollbackConfigTable(Frozen, frozen=True):
    """How a service goes back to what it was."""

    parallelism: Annotated[int, Meta(ge=0, description="Tasks at a time; 0 is all.")] = 1
    delay: Annotated[Duration, Meta(description="Between two tasks, as in `10s`.")] = "0s"
    failure_action: Annotated[
        str,
        Meta(pattern="^(pause|continue)$", description="When old tasks fail, too: `pause` or `continue`."),
    ] = "pause"
    monitor: Annotated[Duration, Meta(description="How long a task is watched for failure, as in `5s`.")] = (
        "5s"
    )
    max_failure_ratio: Annotated[
        float, Meta(ge=0, le=1, description="The part of the tasks that may fail, from 0 to 1.")
    ] = 0.0
    order: Annotated[
        str,
        Meta(
            pattern="^(start-first|stop-first)$",
            description="`stop-first` (one task ends, then the other starts) or `start-first`.",
        ),
    ] = "stop-first"


class UpdateConfigTable(Frozen, frozen=True):
    """How a changed service is rolled out."""

    parallelism: Annotated[int, Meta(ge=0, description="Tasks at a time; 0 is all.")] = 1
    delay: Annotated[Duration, Meta(description="Between two tasks, as in `10s`.")] = "0s"
    failure_action: Annotated[
        str,
        Meta(
            pattern="^(pause|continue|rollback)$",
            description="When new tasks fail: `rollback` (the old ones come back), `pause` or `continue`.",
        ),
    ] = "rollback"
    monitor: Annotated[
        Duration,
        Meta(
            description="How long a new task is watched for failure once it runs and is healthy, as in `5s`; a "
            "deployment takes as long."
        ),
    ] = "2s"
    max_failure_ratio: Annotated[
        float, Meta(ge=0, le=1, description="The part of the tasks that may fail, from 0 to 1.")
    ] = 0.0
    order: Annotated[
        str,
        Meta(
            pattern="^(start-first|stop-first)$",
            description="`stop-first` (the old task ends, then the new one starts) or `start-first`.",
        ),
    ] = "stop-first"


class ImageTable(ImageBase, frozen=True):
    """An image that skep builds."""

    roles: Annotated[list[str | RoleUse], Meta(description="Applied in order, one layer each.")] = []
    expose: Annotated[
        list[str | int],
        Meta(
            description="The ports that its containers listen on, as in `53/udp` or `80`. Nothing is opened by it."
        ),
    ] = []
    max_age: (
        Annotated[
            Age,
            Meta(
                description="Its layers are built anew this often, as for security updates. All images with the same "
                "`max_age` are so at the same time, counted from 1970, so that they go on sharing layers."
            ),
        ]
        | None
    ) = None
    healthcheck: (
        Annotated[
            HealthcheckTable, Meta(description="How its containers are tested; a service may say another.")
        ]
        | None
    ) = None
    timeout: Annotated[Duration, Meta(description="How long one role may take, as in `30m`.")] = "30m"


class PortMap(Frozen, frozen=True):
    """A published port, in long form."""

    target_port: Annotated[Port, Meta(description="The container's port.")]
    published_port: (
        Annotated[
            Port,
            Meta(
                description="The host's port; by default the lowest that is free from 61001, which it then keeps."
            ),
        ]
        | None
    ) = None
    protocol: Annotated[str, Meta(pattern="^(tcp|udp|sctp)$", description="`tcp`, `udp` or `sctp`.")] = "tcp"
    mode: Annotated[
        str,
        Meta(
            pattern="^(ingress|host)$",
            description="`host` publishes on the hosts where it runs, `ingress` on all (needs ip_vs in the kernel).",
        ),
    ] = "ingress"


class MountTable(Frozen, frozen=True):
    """Something mounted into a service's containers."""

    target: Annotated[
        str, Meta(pattern="^/", description="Where in the container: a path that begins with `/`.")
    ]
    source: Annotated[str, Meta(description="A name of `[volumes]`, or a host's directory.")] | None = None
    type: Annotated[
        str,
        Meta(
            pattern="^(volume|bind|tmpfs)$",
            description="`volume` (one of `[volumes]`), `bind` (a host's directory) or `tmpfs` (memory).",
        ),
    ] = "volume"
    readonly: Annotated[bool, Meta(description="Whether its containers can't write there.")] = False
    no_copy: Annotated[
        bool, Meta(description="Whether a new volume stays empty, where the image has something at `target`.")
    ] = False
    propagation: (
        Annotated[
            str,
            Meta(
                pattern="^r?(private|shared|slave)$",
                description="How mounts below a bind mount are shared with the host, as in `rslave`.",
            ),
        ]
        | None
    ) = None
    tmpfs_size: (
        Annotated[Size, Meta(description="Limit of a tmpfs: bytes, or with a unit, as in `64M`.")] | None
    ) = None
    tmpfs_mode: (
        Annotated[str, Meta(pattern="^[01]?[0-7]{3}$", description="Permissions of a tmpfs, as in `1777`.")]
        | None
    ) = None


class ServiceNetwork(Frozen, frozen=True):
    """A network of a service, with further names for it there."""

    name: Annotated[Name, Meta(description="A name of `[networks]`.")]
    aliases: Annotated[list[str], Meta(description="What the service is called there, beside its name.")] = []


class ServiceTable(ServiceBase, frozen=True):
    """A Swarm service."""

    ports: Annotated[
        list[str | PortMap],
        Meta(description="`published:target[/protocol]`, `target[/protocol]`, or a table."),
    ] = []
    networks: Annotated[
        list[Name | ServiceNetwork], Meta(description="Of `[networks]`; all of them by default.")
    ] = []
    volumes: Annotated[list[MountTable], Meta(description="What is mounted.")] = []
    secrets: Annotated[
        list[str | SecretUse],
        Meta(
            description="Of `[secrets]`: names, each a file in `/run/secrets/` that root can read, or tables."
        ),
    ] = []
    configs: Annotated[
        list[str | ConfigUse],
        Meta(
            description="Of `[configs]`: names, each a file in `/` that everybody can read, or tables. One with a "
            "secret in it is delivered as a Docker secret."
        ),
    ] = []
    initialize_roles: Annotated[
        list[str | RoleUse], Meta(description="Run in the running container, once for each change of theirs.")
    ] = []
    mem_limit: (
        Annotated[
            Size, Meta(description="Memory that one task may use: bytes, or with a unit, as in `512M`.")
        ]
        | None
    ) = None
    mem_reservation: (
        Annotated[Size, Meta(description="Memory that a hive must have to spare for a task, as in `256M`.")]
        | None
    ) = None
    ulimits: Annotated[
        dict[str, int | Ulimit],
        Meta(description="Limits by name, as in `nofile = 65536`, or with `soft` and `hard`."),
    ] = {}
    healthcheck: (
        Annotated[
            HealthcheckTable, Meta(description="How its containers are tested, in place of the image's way.")
        ]
        | None
    ) = None
    restart_config: Annotated[
        RestartConfigTable, Meta(description="When a task that ended is started again.")
    ] = RestartConfigTable()
    update_config: Annotated[UpdateConfigTable, Meta(description="How a changed service is rolled out.")] = (
        UpdateConfigTable()
    )
    rollback_config: Annotated[
        RollbackConfigTable, Meta(description="How a service goes back when an update fails.")
    ] = RollbackConfigTable()
    stop_grace_period: Annotated[
        Duration,
        Meta(description="How long its containers may take to end, as in `60s`; then they are killed."),
    ] = "10s"
    converge_timeout: Annotated[
        Duration, Meta(description="How long it may take until it runs, as in `5m`.")
    ] = "5m"


class VagrantStageTable(VagrantStageBase, frozen=True, tag_field="provider", tag="vagrant"):
    """Hosts that are virtual machines on this machine, made by Vagrant."""

    boot_timeout: Annotated[
        Duration, Meta(description="How long a machine may take until it answers, as in `15m`.")
    ] = "10m"


class KickstartStageTable(
    KickstartStageBase, frozen=True, kw_only=True, tag_field="provider", tag="kickstart"
):
    """Hosts with no operating system: skep makes what installs them, and waits for them."""

    install_timeout: Annotated[
        Duration, Meta(description="How long `build_infra` waits for a host to be installed and answer.")
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


class SiteTable(Frozen, frozen=True):
    """A whole site."""

    site: Annotated[
        Domain, Meta(description="The site's name, and the domain of its hosts: a DNS name in lower case.")
    ]
    stages: Annotated[dict[Label, StageTable], Meta(min_length=1, description="Its environments.")]
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
    images: Annotated[dict[Name, ImageTable], Meta(description="The images that skep builds.")] = {}
    registry: Annotated[Registry, Meta(description="Where they are kept, and how long.")] = Registry()
    networks: Annotated[
        dict[Name, Network],
        Meta(description="Overlay networks; where none is here, services share one all the same."),
    ] = {}
    volumes: Annotated[
        dict[Name, Volume], Meta(description="Named volumes, made where a service of the stage mounts them.")
    ] = {}
    services: Annotated[dict[Label, ServiceTable], Meta(description="What runs.")] = {}
