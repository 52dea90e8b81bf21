"""The tables of `site.toml` that are written otherwise than they are meant: with units, or in a short form.

Every other table is a type of `model.site` itself. `model.site_file.convert` makes the site's types from these.
"""

from typing import Annotated, Any

from msgspec import Meta

from model.site.base import Domain, Frozen, Label, Name, Variable
from model.site.hosts import SetupHosts
from model.site.images import Base, ExternalRegistry, ImageBase, Registry
from model.site.networks import Network
from model.site.secrets import Config, SecretSource
from model.site.services import ServiceBase
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
from model.site_file.forms import Age, Duration


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


class ServiceTable(ServiceBase, frozen=True):
    """A Swarm service."""

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
