"""What runs."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from model.site.base import Frozen, Label, Name, Port, Scalar, Size
from model.site.images import Healthcheck, RoleUse
from model.site.secrets import ConfigUse, SecretUse
from model.units import Seconds


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


class Mount(Frozen, frozen=True):
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


class Placement(Frozen, frozen=True):
    """Where a service's tasks may run."""

    constraints: Annotated[list[str], Meta(description="As in `node.labels.disk==ssd`.")] = []
    preferences: Annotated[
        list[str], Meta(description="Labels to spread over, as in `node.labels.zone`.")
    ] = []
    max_replicas_per_node: (
        Annotated[int, Meta(ge=1, description="Tasks of it on one host; no limit by default.")] | None
    ) = None


class Logging(Frozen, frozen=True):
    """Where Docker puts what a service's containers print."""

    driver: Annotated[
        str, Meta(description="Docker's logging driver, as in `json-file`, `journald`, `syslog`.")
    ]
    options: Annotated[
        dict[str, Scalar], Meta(description="The driver's options, in its own words, as in `max-size`.")
    ] = {}


class Ulimit(Frozen, frozen=True):
    """A limit of what a container's processes may use."""

    soft: Annotated[int, Meta(ge=-1, description="What holds at first; -1 is no limit.")]
    hard: Annotated[int, Meta(ge=-1, description="What the processes may raise it to; -1 is no limit.")]


class ServiceBase(Frozen, frozen=True):
    """The keys of a service that mean what is written."""

    image: Annotated[
        str,
        Meta(
            description="A name of `[images]`, or a reference; it may be one of `[bases]`, else it is pulled."
        ),
    ]
    available_on: Annotated[list[str], Meta(description="The stages that have it; all by default.")] = []
    command: (
        Annotated[
            str | list[str],
            Meta(description="In place of the image's command: a text for the shell, or words."),
        ]
        | None
    ) = None
    entrypoint: (
        Annotated[
            str | list[str],
            Meta(description="In place of the image's entrypoint: a text for the shell, or words."),
        ]
        | None
    ) = None
    environment: Annotated[
        dict[str, Scalar],
        Meta(
            description="Environment variables of its containers. One with a secret in it can be read by who may look "
            "at the service on a manager; `secrets` are safer."
        ),
    ] = {}
    user: Annotated[str, Meta(description="Who its containers run as, if not who the image says.")] | None = (
        None
    )
    working_dir: (
        Annotated[str, Meta(description="The directory that they start in, if not the image's.")] | None
    ) = None
    hosts: Annotated[
        dict[str, str], Meta(description="Lines of the containers' `/etc/hosts`: name to address.")
    ] = {}
    dns: Annotated[
        list[str],
        Meta(description="Name servers for names that the swarm does not know, in place of the host's."),
    ] = []
    endpoint_mode: Annotated[
        str,
        Meta(
            pattern="^(vip|dnsrr)$",
            description="What its name resolves to: `vip` (one address for all; needs ip_vs in the hosts' kernel) "
            'or `dnsrr` (the tasks\' own addresses; published ports then need `mode = "host"`).',
        ),
    ] = "vip"
    dns_search: Annotated[
        list[str], Meta(description="Domains in which names without dots are looked up.")
    ] = []
    dns_options: Annotated[
        list[str], Meta(description="Options of the resolver, as in `ndots:2` (resolv.conf(5)).")
    ] = []
    hostname: (
        Annotated[str, Meta(description="The containers' host name; by default the containers' ids.")] | None
    ) = None
    mode: Annotated[
        str,
        Meta(
            pattern="^(replicated|global)(-job)?$",
            description="`replicated` (as many tasks as `replicas` says) or `global` (one on each hive); with `-job`, "
            "tasks that are to end by themselves, once for each change.",
        ),
    ] = "replicated"
    replicas: Annotated[
        int, Meta(ge=0, description="How many tasks, where `mode` is `replicated` or `replicated-job`.")
    ] = 1
    max_concurrent: (
        Annotated[
            int, Meta(ge=1, description="How many tasks of a `replicated-job` run at a time; all by default.")
        ]
        | None
    ) = None
    labels: Annotated[
        dict[str, Any], Meta(description="Labels of the service; values that are no text are kept as JSON.")
    ] = {}
    networks: Annotated[
        list[Name | ServiceNetwork], Meta(description="Of `[networks]`; all of them by default.")
    ] = []
    placement: Annotated[Placement, Meta(description="Where its tasks may run.")] = Placement()
    logging: (
        Annotated[Logging, Meta(description="Where what they print goes; by default as the engine has it.")]
        | None
    ) = None
    ports: Annotated[
        list[str | PortMap],
        Meta(description="`published:target[/protocol]`, `target[/protocol]`, or a table."),
    ] = []
    stop_signal: (
        Annotated[str, Meta(description="What ends its containers, if not what the image says.")] | None
    ) = None
    init: Annotated[
        bool,
        Meta(description="Whether Docker's own init is process 1, which reaps what others leave behind."),
    ] = False
    read_only: Annotated[bool, Meta(description="Whether the containers' root can't be written.")] = False
    cap_add: Annotated[list[str], Meta(description="Capabilities beyond Docker's own choice.")] = []
    cap_drop: Annotated[list[str], Meta(description="Capabilities less than Docker's own choice.")] = []
    sysctls: Annotated[dict[str, Scalar], Meta(description="Kernel settings of its containers.")] = {}
    ulimits: Annotated[
        dict[str, int | Ulimit],
        Meta(description="Limits by name, as in `nofile = 65536`, or with `soft` and `hard`."),
    ] = {}
    tty: Annotated[bool, Meta(description="Whether its containers have a terminal.")] = False
    standalone: Annotated[
        bool,
        Meta(
            description="Whether its containers run `/sbin/init`, as systemd, with what that needs: a tmpfs at `/run`, "
            "`/run/lock` and `/tmp`, cgroups, some capabilities."
        ),
    ] = False
    cpu_limit: Annotated[float, Meta(gt=0, description="CPUs that one task may use.")] | None = None
    mem_limit: (
        Annotated[
            Size, Meta(description="Memory that one task may use: bytes, or with a unit, as in `512M`.")
        ]
        | None
    ) = None
    cpu_reservation: (
        Annotated[float, Meta(gt=0, description="CPUs that a hive must have to spare for a task.")] | None
    ) = None
    mem_reservation: (
        Annotated[Size, Meta(description="Memory that a hive must have to spare for a task, as in `256M`.")]
        | None
    ) = None
    volumes: Annotated[list[Mount], Meta(description="What is mounted.")] = []
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
    depends_on: Annotated[
        list[Label],
        Meta(
            description="The services that have to run, and be healthy, before it is deployed. It is not deployed anew "
            "when they change."
        ),
    ] = []
    initialize_roles: Annotated[
        list[str | RoleUse], Meta(description="Run in the running container, once for each change of theirs.")
    ] = []
    try_: Annotated[
        list[str],
        Meta(description="Commands to paste, said when a run ends; `{address}` is a host where it answers."),
    ] = field(name="try", default_factory=list)


class RestartConfig(Struct, frozen=True, kw_only=True):
    """When a task that ended is started again."""

    condition: str = "any"
    delay: Seconds = 5.0
    max_attempts: int = 0
    window: Seconds = 0.0


class UpdateConfig(Struct, frozen=True, kw_only=True):
    """How a changed service is rolled out."""

    parallelism: int = 1
    delay: Seconds = 0.0
    failure_action: str = "rollback"
    monitor: Seconds = 2.0
    max_failure_ratio: float = 0.0
    order: str = "stop-first"


class RollbackConfig(Struct, frozen=True, kw_only=True):
    """How a service goes back to what it was."""

    parallelism: int = 1
    delay: Seconds = 0.0
    failure_action: str = "pause"
    monitor: Seconds = 5.0
    max_failure_ratio: float = 0.0
    order: str = "stop-first"


class Service(ServiceBase, frozen=True):
    """A Swarm service."""

    healthcheck: Healthcheck | None = None
    restart_config: RestartConfig = RestartConfig()
    update_config: UpdateConfig = UpdateConfig()
    rollback_config: RollbackConfig = RollbackConfig()
    stop_grace_period: Seconds = 10.0
    converge_timeout: Seconds = 300.0
