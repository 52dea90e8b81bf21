"""The table of a service in `site.toml`, and the tables in it that have a unit or a short form."""

from typing import Annotated

from msgspec import Meta, field

from model.site.backup import BackupScriptBase
from model.site.base import Frozen, Name, Port
from model.site.images import RoleUse
from model.site.monitoring import AlertBase, Metrics
from model.site.secrets import ConfigUse, SecretUse
from model.site.services import ServiceBase, Ulimit
from model.site.volumes import Each
from model.site_file.forms import Duration, Size


class HealthcheckTable(Frozen, frozen=True):
    """A health check: Docker runs `test` in a container every `interval`."""

    test: Annotated[
        str | list[str],
        Meta(
            description="The command that tests the container: a text for the shell, or a list of words, which may "
            "begin with Docker's `CMD` or `CMD-SHELL`. `['NONE']` switches off the image's own check."
        ),
    ]
    interval: Duration = "30s"
    timeout: Annotated[Duration, Meta(description="How long one test may take, as in `10s`.")] = "30s"
    retries: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="How many tests in a row must fail for the container to be unhealthy.",
        ),
    ] = 3
    start_period: Annotated[
        Duration,
        Meta(description="How long after the container's start failed tests don't count, as in `60s`."),
    ] = "0s"
    start_interval: Annotated[
        Duration,
        Meta(
            description="The time between tests within `start_period`, until one succeeds, as in `1s`. `0s` leaves it "
            "to the engine, whose own is 5 s. Without `start_period` it never counts. Docker Engine before 25 tests "
            "every `interval` there as well."
        ),
    ] = "0s"


class RestartConfigTable(Frozen, frozen=True):
    """When a task that ended is started again."""

    condition: Annotated[
        str,
        Meta(
            pattern="^(none|on-failure|any)$",
            description="When a task that ended is started again: `any` (however it ended), `on-failure` (exit status "
            "not 0) or `none` (never).",
        ),
    ] = "any"
    delay: Annotated[Duration, Meta(description="The time before a task is started again, as in `5s`.")] = (
        "5s"
    )
    max_attempts: Annotated[
        int, Meta(ge=0, le=10_000, description="How often a task is started again. 0 is no limit.")
    ] = 0
    window: Annotated[
        Duration, Meta(description="The time in which attempts are counted, as in `2m`. `0s` counts all.")
    ] = "0s"


class RollbackConfigTable(Frozen, frozen=True):
    """How a service is rolled back."""

    parallelism: Annotated[
        int, Meta(ge=0, le=10_000, description="How many tasks are replaced at a time. 0 is all.")
    ] = 1
    delay: Annotated[Duration, Meta(description="The time between two tasks, as in `10s`.")] = "0s"
    failure_action: Annotated[
        str,
        Meta(
            pattern="^(pause|continue)$",
            description="What happens when an old task fails as well: `pause` or `continue`.",
        ),
    ] = "pause"
    monitor: Annotated[Duration, Meta(description="How long a task is watched for failure, as in `5s`.")] = (
        "5s"
    )
    max_failure_ratio: Annotated[
        float, Meta(ge=0, le=1, description="The share of tasks that may fail, from 0 to 1.")
    ] = 0.0
    order: Annotated[
        str,
        Meta(
            pattern="^(start-first|stop-first)$",
            description="The order: `stop-first` (one task ends, then the other starts) or `start-first`.",
        ),
    ] = "stop-first"


class UpdateConfigTable(Frozen, frozen=True):
    """How a changed service is rolled out."""

    parallelism: Annotated[
        int, Meta(ge=0, le=10_000, description="How many tasks are replaced at a time. 0 is all.")
    ] = 1
    delay: Annotated[Duration, Meta(description="The time between two tasks, as in `10s`.")] = "0s"
    failure_action: Annotated[
        str,
        Meta(
            pattern="^(pause|continue|rollback)$",
            description="What happens when a new task fails: `rollback` (the old tasks come back), `pause` or "
            "`continue`.",
        ),
    ] = "rollback"
    monitor: Annotated[
        Duration,
        Meta(
            description="How long a new task is watched for failure once it runs and is healthy, as in `5s`. A "
            "deployment takes at least this long."
        ),
    ] = "2s"
    max_failure_ratio: Annotated[
        float, Meta(ge=0, le=1, description="The share of tasks that may fail, from 0 to 1.")
    ] = 0.0
    order: Annotated[
        str,
        Meta(
            pattern="^(start-first|stop-first)$",
            description="The order: `stop-first` (the old task ends, then the new one starts) or `start-first`.",
        ),
    ] = "stop-first"


class PortMap(Frozen, frozen=True):
    """A published port, in its long form."""

    target_port: Annotated[Port, Meta(description="The container's port.")]
    published_port: (
        Annotated[
            Port,
            Meta(
                description="The host's port. By default skep chooses the lowest free port from 61001, and keeps it."
            ),
        ]
        | None
    ) = None
    protocol: Annotated[
        str, Meta(pattern="^(tcp|udp|sctp)$", description="The protocol: `tcp`, `udp` or `sctp`.")
    ] = "tcp"
    mode: Annotated[
        str,
        Meta(
            pattern="^(ingress|host)$",
            description="Where the port is published: with `host` on the hives where the service runs, with "
            "`ingress` on all (needs ip_vs in the kernel).",
        ),
    ] = "ingress"
    open_to: (
        Annotated[
            str,
            Meta(
                pattern="^(stage|all)$",
                description="Whom the port is open to: `stage` (the stage's own hosts), `all`, or a list of networks.",
            ),
        ]
        | Annotated[
            list[str],
            Meta(
                min_length=1,
                description="The networks, as in `192.0.2.0/24`, that the port is open to, and `stage` for its hosts.",
            ),
        ]
        | None
    ) = None


class MountTable(Frozen, frozen=True):
    """A mount in a service's containers."""

    target: Annotated[
        str, Meta(pattern="^/", description="The mount point in the container: an absolute path.")
    ]
    source: (
        Annotated[str, Meta(description="The volume's name in `[volumes]`, or a host's directory.")] | None
    ) = None
    type: Annotated[
        str,
        Meta(
            pattern="^(volume|bind|tmpfs)$",
            description="The type of the mount: `volume` (one of `[volumes]`), `bind` (a host's directory) or `tmpfs` "
            "(memory).",
        ),
    ] = "volume"
    readonly: Annotated[bool, Meta(description="Whether the mount is read-only.")] = False
    no_copy: Annotated[
        bool,
        Meta(
            description="Whether a new volume stays empty. By default it gets a copy of the image's files at `target`."
        ),
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
    tmpfs_size: Annotated[Size, Meta(description="The limit of a tmpfs, as in `64M`.")] | None = None
    tmpfs_mode: (
        Annotated[
            str, Meta(pattern="^[01]?[0-7]{3}$", description="The permissions of a tmpfs, as in `1777`.")
        ]
        | None
    ) = None
    hosts: Annotated[
        list[str] | Each,
        Meta(
            description="For a bind mount: the hive that the service runs on, since its data is there, as in "
            '`["hive0"]`; or `each`: every hive has data of its own.'
        ),
    ] = []


class ServiceNetwork(Frozen, frozen=True):
    """A network that a service joins, with further names of the service there."""

    name: Annotated[Name, Meta(description="The network's name in `[networks]`.")]
    aliases: Annotated[list[str], Meta(description="Further names of the service in this network.")] = []


class BackupScriptTable(BackupScriptBase, frozen=True):
    """One part of a service's data: what a command writes, or the files of a volume or directory."""

    timeout: Annotated[
        Duration,
        Meta(description="How long a command may be at work without writing anything, as in `30m`."),
    ] = "6h"


class AlertTable(AlertBase, frozen=True):
    """An alarm of a service's own. It has the label `service`, and those of the series that `expr` returns."""

    for_: Annotated[
        Duration,
        Meta(description="How long the condition must hold before the alarm is given, as in `5m`."),
    ] = field(name="for", default="0s")


class ServiceTable(ServiceBase, frozen=True):
    """A Swarm service."""

    ports: Annotated[
        list[str | PortMap],
        Meta(
            description="The published ports: `published:target[/protocol]`, `target[/protocol]`, or a table."
        ),
    ] = []
    networks: Annotated[
        list[Name | ServiceNetwork],
        Meta(
            description="The networks that the service joins, by their names in `[networks]`; or `host` alone, for the "
            "network of the host itself. By default all but external ones that there are when it is first deployed; it "
            "stays in those."
        ),
    ] = []
    volumes: Annotated[list[MountTable], Meta(description="The service's mounts.")] = []
    secrets: Annotated[
        list[str | SecretUse],
        Meta(
            description="The secrets that the containers get: a name in `[secrets]`, which becomes a file in "
            "`/run/secrets/` that root can read, or a table."
        ),
    ] = []
    configs: Annotated[
        list[str | ConfigUse],
        Meta(
            description="The configs that the containers get: a name in `[configs]`, which becomes a file in `/` that "
            "everybody can read, or a table. A config with a secret in it is delivered as a Docker secret."
        ),
    ] = []
    initialize_roles: Annotated[
        list[str | RoleUse],
        Meta(description="The roles that run in the running container, once for each change of a role."),
    ] = []
    mem_limit: Annotated[Size, Meta(description="The memory that one task may use, as in `512M`.")] | None = (
        None
    )
    mem_reservation: (
        Annotated[Size, Meta(description="The memory that is reserved for each task, as in `256M`.")] | None
    ) = None
    shm_size: (
        Annotated[Size, Meta(description="The size of `/dev/shm`, as in `256M`. By default Docker's 64M.")]
        | None
    ) = None
    env_file: Annotated[
        str | list[str],
        Meta(
            description="Files with lines `NAME=value`, relative to the site's directory, for `environment`, which "
            "takes precedence; of several files the last."
        ),
    ] = []
    ulimits: Annotated[
        dict[str, int | Ulimit],
        Meta(
            description="The limits of the containers' processes, as in `nofile = 65536`, or with `soft` and `hard`."
        ),
    ] = {}
    healthcheck: (
        Annotated[
            HealthcheckTable,
            Meta(description="How Docker tests the containers' health, instead of the image's way."),
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
    backup_scripts: Annotated[
        list[BackupScriptTable],
        Meta(description="The parts of the service's data that are saved ([backup.md](backup.md))."),
    ] = []
    metrics: Annotated[
        list[Metrics],
        Meta(
            description="Where the containers tell metrics of their own, which Prometheus reads "
            "([monitoring.md](monitoring.md))."
        ),
    ] = []
    alerts: Annotated[
        list[AlertTable],
        Meta(description="The service's own alarms, beside those that every service has."),
    ] = []
    stop_grace_period: Annotated[
        Duration,
        Meta(description="How long containers may take to end, as in `60s`. Then they are killed."),
    ] = "10s"
    converge_timeout: Annotated[
        Duration,
        Meta(
            description="How long the service may take until it runs, as in `5m`; longer where its own times need it "
            "(`start_period`, `stop_grace_period`, `delay`, `monitor`)."
        ),
    ] = "5m"
