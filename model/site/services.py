"""Services, and all that they are configured with."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field, structs

from model.site.backup import BackupScript
from model.site.base import Frozen, Label, Scalar, ShortForm
from model.site.images import Healthcheck, RoleUse
from model.site.monitoring import Alert, Metrics
from model.site.networks import HOST_NETWORK
from model.site.secrets import ConfigUse, SecretUse
from model.units import Bytes, Seconds, Written


class Placement(Frozen, frozen=True):
    """The nodes that a service's tasks may run on."""

    constraints: Annotated[
        list[str],
        Meta(
            description="The constraints that a node must meet, as in `node.labels.disk == ssd` or "
            "`node.hostname != hive0`: hosts may have their short names."
        ),
    ] = []
    preferences: Annotated[
        list[str], Meta(description="The labels that tasks are spread over, as in `node.labels.zone`.")
    ] = []
    max_replicas_per_node: (
        Annotated[
            int,
            Meta(ge=1, le=10_000, description="The most tasks on one node. By default there is no limit."),
        ]
        | None
    ) = None


class Logging(Frozen, frozen=True):
    """The logging of a service's containers."""

    driver: Annotated[
        str, Meta(description="Docker's logging driver, as in `json-file`, `journald`, `syslog`.")
    ]
    options: Annotated[
        dict[str, Scalar],
        Meta(description="The driver's options, as Docker documents them, as in `max-size`."),
    ] = {}


class Ulimit(Frozen, ShortForm, frozen=True):
    """A resource limit of a container's processes (ulimit)."""

    soft: Annotated[int, Meta(ge=-1, description="The limit that applies at first. -1 is no limit.")]
    hard: Annotated[
        int, Meta(ge=-1, description="The limit that processes may raise theirs to. -1 is no limit.")
    ]

    @property
    def short(self) -> int | None:
        """The limit, if both are equal."""
        return self.soft if self.soft == self.hard else None


class ServiceBase(Frozen, frozen=True):
    """The keys of a service that have one form only."""

    image: Annotated[
        str,
        Meta(
            description="The image: a name in `[images]`, or a reference. A reference that is not in `[bases]` is "
            "pulled."
        ),
    ]
    available_on: Annotated[
        list[str], Meta(description="The stages that have the service. By default all.")
    ] = []
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="The command, instead of the image's: a text for the shell, or a list of words."
            ),
        ]
        | None
    ) = None
    entrypoint: (
        Annotated[
            str | list[str],
            Meta(
                description="The entrypoint, instead of the image's: a text for the shell, or a list of words; `['']` "
                "for none."
            ),
        ]
        | None
    ) = None
    environment: Annotated[
        dict[str, Scalar],
        Meta(
            description="Environment variables of the containers. Whoever may inspect the service on a manager "
            "can read a secret in them; `secrets` are safer."
        ),
    ] = {}
    user: (
        Annotated[str, Meta(description="The user that containers run as. By default the image's.")] | None
    ) = None
    working_dir: (
        Annotated[str, Meta(description="The containers' working directory. By default the image's.")] | None
    ) = None
    hosts: Annotated[
        dict[str, str], Meta(description="Lines of the containers' `/etc/hosts`, as name to address.")
    ] = {}
    dns: Annotated[
        list[str],
        Meta(description="Name servers for names outside of the swarm, instead of the host's."),
    ] = []
    endpoint_mode: Annotated[
        str,
        Meta(
            pattern="^(vip|dnsrr)$",
            description="How the service's name resolves: `vip` (to one virtual address; needs ip_vs in the hosts' "
            'kernel) or `dnsrr` (to the tasks\' addresses; published ports then need `mode = "host"`).',
        ),
    ] = "vip"
    dns_search: Annotated[
        list[str], Meta(description="The domains that names without dots are looked up in.")
    ] = []
    dns_options: Annotated[
        list[str], Meta(description="The resolver's options, as in `ndots:2` (see resolv.conf(5)).")
    ] = []
    hostname: (
        Annotated[str, Meta(description="The containers' host name. By default each container's id.")] | None
    ) = None
    mode: Annotated[
        str,
        Meta(
            pattern="^(replicated|global)(-job)?$",
            description="The service's mode: `replicated` (`replicas` tasks) or `global` (one task on each hive). "
            "`replicated-job` and `global-job` run tasks that end by themselves, once for each change.",
        ),
    ] = "replicated"
    replicas: Annotated[
        int,
        Meta(
            ge=0, le=10_000, description="The number of tasks of a `replicated` service or `replicated-job`."
        ),
    ] = 1
    max_concurrent: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=10_000,
                description="How many tasks of a `replicated-job` run at a time. By default all.",
            ),
        ]
        | None
    ) = None
    labels: Annotated[
        dict[str, Any],
        Meta(
            description="Further labels of the service. `true` and numbers are written as they are, a list as JSON."
        ),
    ] = {}
    container_labels: Annotated[
        dict[str, Scalar],
        Meta(
            description="Labels of the containers; `labels` are the service's, which programs in the swarm read."
        ),
    ] = {}
    placement: Annotated[Placement, Meta(description="The nodes that the service's tasks may run on.")] = (
        Placement()
    )
    logging: (
        Annotated[Logging, Meta(description="The containers' logging. By default the engine's.")] | None
    ) = None
    monitor_error: Annotated[
        list[str],
        Meta(
            description="Lines of the containers' logs that are errors, as regular expressions of Python's that may "
            "match anywhere in a line: with `[monitoring]` they are counted, and the first ones are an alarm. Of a "
            "line its first 64 kB are looked at."
        ),
    ] = []
    ignore_error: Annotated[
        list[str],
        Meta(description="Lines that are no errors, though one of `monitor_error` matches."),
    ] = []
    stop_signal: (
        Annotated[str, Meta(description="The signal that stops containers. By default the image's.")] | None
    ) = None
    init: Annotated[
        bool,
        Meta(description="Whether process 1 is Docker's own init, which reaps orphaned processes."),
    ] = False
    read_only: Annotated[bool, Meta(description="Whether the containers' root file system is read-only.")] = (
        False
    )
    cap_add: Annotated[list[str], Meta(description="Capabilities to add to Docker's defaults.")] = []
    cap_drop: Annotated[list[str], Meta(description="Capabilities to drop from Docker's defaults.")] = []
    sysctls: Annotated[dict[str, Scalar], Meta(description="Kernel parameters of the containers.")] = {}
    tty: Annotated[bool, Meta(description="Whether the containers have a terminal.")] = False
    standalone: Annotated[
        bool,
        Meta(
            description="Whether the containers run `/sbin/init`, such as systemd, with all that it needs: a tmpfs at "
            "`/run`, `/run/lock` and `/tmp`, cgroups, some capabilities."
        ),
    ] = False
    cpu_limit: (
        Annotated[float, Meta(gt=0, le=10_000, description="The CPUs that one task may use.")] | None
    ) = None
    cpu_reservation: (
        Annotated[float, Meta(gt=0, le=10_000, description="The CPUs that are reserved for each task.")]
        | None
    ) = None
    metadata: Annotated[
        bool,
        Meta(
            description="Whether the containers may reach the cloud's metadata service, which gives out a role's "
            "credentials. It is open for all services then on the hives where this one may run."
        ),
    ] = False
    depends_on: Annotated[
        list[Label],
        Meta(
            description="The services that must run and be healthy before this one is deployed. A change of "
            "theirs does not deploy this one again."
        ),
    ] = []
    try_: Annotated[
        list[str],
        Meta(
            description="Commands that a run shows at its end, to paste. `{address}` stands for a host where the "
            "service answers."
        ),
    ] = field(name="try", default_factory=list)


SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount point
FIRST_FREE_PORT = 61001
"""The lowest port that skep chooses for a service: hive-builder's, above Linux's range of ephemeral ports."""


OPEN_TO_STAGE, OPEN_TO_ALL = "stage", "all"
"""Whom a published port is open to, beside networks: the stage's own hosts, everybody."""


def _open_to(sources: list[str]) -> object:
    """Return whom a port is open to as site.toml writes it."""
    return sources[0] if sources in ([OPEN_TO_STAGE], [OPEN_TO_ALL]) else sources


class PublishedPort(ShortForm, frozen=True):
    """A published port.

    Args:
        target: The container's port.
        published: The host's port; 0 is one that skep chooses and then keeps.
        protocol: `tcp`, `udp` or `sctp`.
        mode: `ingress` publishes on all hives, `host` on those where the service runs.
        open_to: Whom site.toml opens it to: networks, `stage`, `all`; empty where it does not say.

    """

    target: int = field(name="target_port")
    published: int = field(name="published_port", default=0)
    protocol: str = "tcp"
    mode: str = "ingress"
    open_to: Annotated[list[str], Written(_open_to)] = []

    @property
    def is_open(self) -> bool:
        """Whether skep chooses the host's port."""
        return self.published == 0

    @property
    def sources(self) -> tuple[str, ...]:
        """Whom it is open to: networks, `stage`, `all`. A chosen port is the stage's own by default."""
        return tuple(self.open_to) or ((OPEN_TO_STAGE,) if self.is_open else (OPEN_TO_ALL,))

    def at(self, published: int) -> "PublishedPort":
        """Return the port, published at this port of the host, and open to whom it was."""
        return structs.replace(self, published=published, open_to=list(self.sources))

    @property
    def short(self) -> str | None:
        """`published:target/protocol`, without defaults; None with `mode = "host"` or `open_to`."""
        if self.mode != "ingress" or self.open_to:
            return None
        published = "" if self.is_open else f"{self.published}:"
        protocol = "" if self.protocol == "tcp" else f"/{self.protocol}"
        return f"{published}{self.target}{protocol}"


class Mount(Struct, frozen=True, kw_only=True):
    """A mount in a service's containers.

    Args:
        target: The path in the container.
        source: The name of a volume, or a host's directory; None for a tmpfs.
        type: `volume`, `bind` or `tmpfs`.
        readonly: Whether the containers can't write there.
        no_copy: Whether a new volume stays empty where the image has files at `target`.
        propagation: How a bind mount shares mounts below it with the host.
        tmpfs_size: The limit of a tmpfs.
        tmpfs_mode: The permissions of a tmpfs, as in `1777`.
        hosts: The hive that a bind mount keeps its service on, or `each`.

    """

    target: str
    source: str | None = None
    type: str = "volume"
    readonly: bool = False
    no_copy: bool = False
    propagation: str | None = None
    tmpfs_size: Bytes | None = None
    tmpfs_mode: str | None = None
    hosts: list[str] | str = []

    @property
    def host_directory(self) -> str:
        """The host's directory of a bind mount; empty for other mounts."""
        return (self.source or "") if self.type == "bind" else ""

    @property
    def hive(self) -> str:
        """The hive that a bind mount keeps its service on; empty if it keeps it on none."""
        return self.hosts[0] if isinstance(self.hosts, list) and self.hosts else ""


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
    """How a service is rolled back."""

    parallelism: int = 1
    delay: Seconds = 0.0
    failure_action: str = "pause"
    monitor: Seconds = 5.0
    max_failure_ratio: float = 0.0
    order: str = "stop-first"


def _networks(networks: dict[str, list[str]]) -> list[object]:
    """Return a service's networks as site.toml writes them."""
    return [{"name": name, "aliases": aliases} if aliases else name for name, aliases in networks.items()]


class Service(ServiceBase, frozen=True):
    """A Swarm service.

    Attributes beside those of the table in site.toml:

    networks: Network to the further names of the service there; empty for all networks of the stage.
    """

    ports: list[PublishedPort] = []
    networks: Annotated[dict[str, list[str]], Written(_networks)] = {}
    volumes: list[Mount] = []
    secrets: list[SecretUse] = []
    configs: list[ConfigUse] = []
    initialize_roles: list[RoleUse] = []
    mem_limit: Bytes | None = None
    mem_reservation: Bytes | None = None
    shm_size: Bytes | None = None
    ulimits: dict[str, Ulimit] = {}
    healthcheck: Healthcheck | None = None
    restart_config: RestartConfig = RestartConfig()
    update_config: UpdateConfig = UpdateConfig()
    rollback_config: RollbackConfig = RollbackConfig()
    backup_scripts: list[BackupScript] = []
    metrics: list[Metrics] = []
    alerts: list[Alert] = []
    stop_grace_period: Seconds = 10.0
    converge_timeout: Seconds = 300.0

    @property
    def is_on_host_network(self) -> bool:
        """Whether its containers are in the network of their host, and in no other."""
        return HOST_NETWORK in self.networks

    @property
    def is_job(self) -> bool:
        """Whether its tasks end by themselves."""
        return self.mode.endswith("-job")

    @property
    def is_global(self) -> bool:
        """Whether each hive runs one task of it."""
        return self.mode.startswith("global")

    @property
    def named_volumes(self) -> tuple[str, ...]:
        """The names of the site's volumes that it mounts, each once."""
        mounts = (mount for mount in self.volumes if mount.type == "volume")
        return tuple(dict.fromkeys(mount.source for mount in mounts if mount.source))

    @property
    def port_modes(self) -> set[str]:
        """The modes of its published ports: `ingress`, `host`."""
        return {port.mode for port in self.ports}

    @property
    def open_ports(self) -> tuple[PublishedPort, ...]:
        """The published ports for which skep chooses the host's port."""
        return tuple(port for port in self.ports if port.is_open)
