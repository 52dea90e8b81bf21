"""The types of `site.toml`. They are the only description of its format.

The loader, the JSON Schema that editors complete from and the reference in `docs/site.md` are made from them.
Attribute names are hive-builder's wherever it has the thing. Nothing here knows of TOML.
"""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits, `-` and `_`; at most 63 characters.",
    ),
]
Label = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="One label of a DNS name: lower-case letters, digits and `-`.",
    ),
]
Domain = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
        description="A DNS name in lower case.",
    ),
]
Duration = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$",
        description="A duration with its unit, as in `90s`, `1m30s`, `500ms`.",
    ),
]
Size = Annotated[
    str,
    Meta(pattern=r"^[0-9]+(\.[0-9]+)?[kKmMgGtT]?[bB]?$", description="Bytes, or with a unit, as in `512M`."),
]
Age = Annotated[
    str,
    Meta(pattern=r"^[1-9][0-9]*[hd]$", description="Hours or days, as in `12h` or `7d`."),
]
Variable = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="A shell variable: letters, digits and `_`."),
]
Port = Annotated[int, Meta(ge=1, le=65535, description="A port's number.")]
Scalar = str | int | float | bool


class Frozen(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of all types of the site: immutable, unknown keys refused, defaults left out of keys."""


class Users(Frozen, frozen=True):
    """A person with an account on every host."""

    public_keys: Annotated[list[str], Meta(description="The lines for `authorized_keys`.")] = []
    sudo: Annotated[bool, Meta(description="May run everything as root, without a password.")] = False
    groups: Annotated[list[str], Meta(description="Further groups, which must exist.")] = []


class SetupHosts(Frozen, frozen=True):
    """What `setup_hosts` makes the same on every host."""

    timezone: Annotated[
        str,
        Meta(description="A name of the tz database, as in `Europe/Berlin`.", pattern=r"^[A-Za-z0-9_+/-]+$"),
    ] = "UTC"
    ntp_servers: Annotated[
        list[Domain], Meta(description="Time servers for chrony; none leaves the clock alone.")
    ] = field(
        default_factory=lambda: ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"]
    )
    users: Annotated[dict[Label, Users], Meta(description="Accounts on every host.")] = {}
    firewall: Annotated[
        bool, Meta(description="Whether skep's rules guard each host; false leaves its firewall alone.")
    ] = True
    hosts: Annotated[
        dict[Domain, str], Meta(description="Further lines of `/etc/hosts`: name to address.")
    ] = {}
    daemon: Annotated[
        dict[str, Any],
        Meta(description="Further keys of Docker's `daemon.json`, in Docker's own words."),
    ] = {}


class StageBase(Frozen, frozen=True):
    """What every stage has, whatever its provider."""

    cidr: Annotated[str, Meta(description="The network of the hosts, as in `192.168.56.0/24`.")] | None = None
    number_of_hosts: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=250,
                description="Hosts in all. By default as many as `ip_address_list` has, "
                "else 4 with a separate repository and 3 without.",
            ),
        ]
        | None
    ) = None
    separate_repository: Annotated[
        bool,
        Meta(description="The last host only builds images and runs the registry, and joins no swarm."),
    ] = True
    custom_hostname: Annotated[
        Label,
        Meta(
            description="What the hosts are called before their number: lower-case letters, digits and `-`."
        ),
    ] = "hive"
    prefix: (
        Annotated[
            str,
            Meta(
                pattern=r"^([a-z0-9]([a-z0-9-]*))?$",
                description="Before each host's name; `p-` for private, `s-` for staging, else none.",
            ),
        ]
        | None
    ) = None
    ip_address_list: Annotated[
        list[str],
        Meta(description="The hosts' addresses in order; without it they are counted up in `cidr`."),
    ] = []
    internal_cidr: (
        Annotated[
            str,
            Meta(
                description="Where Docker's own networks have their addresses from, as in `172.31.252.0/22`: a quarter "
                "is for overlay networks, one for the routing mesh, an eighth each for docker_gwbridge and docker0."
            ),
        ]
        | None
    ) = None
    data_path_port: Annotated[
        int,
        Meta(
            ge=1024,
            le=49151,
            description="The UDP port of what overlay networks send from hive to hive, for where 4789 is not open; "
            "the swarm keeps the one that it was made with.",
        ),
    ] = 4789
    ssh_source_ips: Annotated[
        list[str],
        Meta(description="The networks that ssh is open to, this machine's among them; none means all."),
    ] = []
    vars: Annotated[
        dict[Variable, Any], Meta(description="Of this stage, in the place of those in the site's `[vars]`.")
    ] = {}


class DockerStage(StageBase, frozen=True, tag_field="provider", tag="docker"):
    """Hosts that are containers on this machine's Docker Engine."""

    cpus: Annotated[float, Meta(gt=0, description="CPUs that one host may use; all by default.")] | None = (
        None
    )
    memory_size: (
        Annotated[int, Meta(ge=256, description="Memory of one host in MiB; no limit by default.")] | None
    ) = None
    host_image: Annotated[
        str,
        Meta(
            description="What the hosts are made from: an image to pull, or "
            "`debootstrap:<suite>` for Debian's own packages."
        ),
    ] = "debootstrap:bookworm"
    mirror: Annotated[str, Meta(description="Where debootstrap's packages come from.")] = (
        "http://deb.debian.org/debian"
    )
    publish: (
        Annotated[
            bool,
            Meta(
                description="Reach the hosts through ports on 127.0.0.1, not by address. By default where the engine "
                "runs in a virtual machine, as on macOS."
            ),
        ]
        | None
    ) = None


class PreparedHost(Frozen, frozen=True):
    """How one host of a prepared stage differs from the others."""

    ssh_host: Annotated[str, Meta(description="Where ssh answers, where that is not its address.")] | None = (
        None
    )
    ssh_port: Annotated[Port, Meta(description="Its ssh port.")] | None = None
    host_keys: Annotated[
        list[str],
        Meta(description="Its public host keys (`ssh-ed25519 AAAA…`), pinned before the first connection."),
    ] = []


class PreparedStage(StageBase, frozen=True, tag_field="provider", tag="prepared"):
    """Hosts that exist already and answer ssh."""

    ssh_port: Annotated[Port, Meta(description="The ssh port of hosts that don't say theirs.")] = 22
    user: Annotated[
        str, Meta(description="Who to log in as the first time: root, or somebody with sudo.")
    ] = "root"
    private_key: (
        Annotated[str, Meta(description="That user's private key file; by default what ssh finds by itself.")]
        | None
    ) = None
    root_password: (
        Annotated[
            str,
            Meta(
                description="The name in `[secrets]` of that user's password, for a first log-in without a key."
            ),
        ]
        | None
    ) = None
    hosts: Annotated[
        dict[str, PreparedHost], Meta(description="Host (as in `hive0`) to what differs there.")
    ] = {}


class Subnet(Frozen, frozen=True):
    """A part of a stage's `cidr` in a cloud. Hosts are put into the subnets in turn."""

    cidr: Annotated[str, Meta(description="Its network, within the stage's `cidr`.")]
    name: Annotated[Label, Meta(description="What it is called; `subnet0` and so on by default.")] | None = (
        None
    )
    available_zone: (
        Annotated[str, Meta(description="The zone of its hosts; by default the stage's zones in turn.")]
        | None
    ) = None


class CloudStage(StageBase, frozen=True, kw_only=True):
    """What stages of all clouds have."""

    first_reserved: ClassVar[int] = 4
    """The addresses at the beginning of a subnet that the cloud keeps for itself, or that skep leaves free for it."""
    last_reserved: ClassVar[int] = 1
    """And those at its end."""
    default_zones: ClassVar[tuple[str, ...]] = ()
    """The zones where none are given; `{region}` in them stands for the region."""
    has_zonal_subnets: ClassVar[bool] = False
    """Whether a subnet lies in one zone, so that hosts in several zones need several subnets."""

    region: Annotated[str, Meta(description="The cloud's region.")] | None = None
    available_zones: Annotated[
        list[str], Meta(description="The zones that hosts are spread over, in turn.")
    ] = []
    subnets: Annotated[
        list[Subnet], Meta(description="The parts of `cidr`; by default skep makes them.")
    ] = []
    instance_type: Annotated[str, Meta(description="The hosts' size, by the cloud's own name.")]
    repository_instance_type: (
        Annotated[str, Meta(description="The repository's, if it is another.")] | None
    ) = None
    disk_size: Annotated[int, Meta(ge=8, description="GiB of a host's disk.")] = 20
    repository_disk_size: (
        Annotated[int, Meta(ge=8, description="GiB of the repository's disk, if they are others.")] | None
    ) = None
    mirrored_disk_size: (
        Annotated[
            int, Meta(ge=1, description="GiB of a further, empty disk of each hive, for mirrored volumes.")
        ]
        | None
    ) = None
    disk_encrypted: Annotated[bool, Meta(description="Whether the cloud encrypts the disks.")] = True
    kms_key_id: (
        Annotated[str, Meta(description="The key that encrypts them, if not the cloud's own.")] | None
    ) = None
    image_name: Annotated[
        str,
        Meta(
            description="What the hosts are made from: `debian-12` or another family that skep knows, or an image of "
            "the cloud by its own name or id."
        ),
    ] = "debian-12"
    public_addresses: Annotated[
        bool | list[Label],
        Meta(
            description="Whether hosts have public addresses, which stay when a host is made anew; or the names of "
            "those that have one. The others are reached by their address in `cidr`, and need another way out."
        ),
    ] = True
    nfs: Annotated[bool, Meta(description="Whether there is a file system of the cloud's for volumes.")] = (
        False
    )


class AwsStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="aws"):
    """Hosts that are instances of Amazon EC2."""

    default_zones: ClassVar[tuple[str, ...]] = ("{region}a", "{region}b", "{region}c")
    has_zonal_subnets: ClassVar[bool] = True

    region: Annotated[
        str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", description="The region, as in `eu-central-1`.")
    ]


class OpenStackStage(CloudStage, frozen=True, kw_only=True, tag_field="provider", tag="openstack"):
    """Hosts that are servers of OpenStack."""

    cloud: (
        Annotated[str, Meta(description="The entry of clouds.yaml; by default what `OS_CLOUD` says.")] | None
    ) = None
    external_network: (
        Annotated[str, Meta(description="The network that leads out, if there are several.")] | None
    ) = None
    volume_type: (
        Annotated[
            str,
            Meta(
                description="The type of the hosts' disks, as one that encrypts; then all disks are volumes."
            ),
        ]
        | None
    ) = None
    disk_encrypted: Annotated[
        bool, Meta(description="Whether the disks are encrypted: `volume_type` must be one that does it.")
    ] = False


class VagrantStage(StageBase, frozen=True, tag_field="provider", tag="vagrant"):
    """Hosts that are virtual machines on this machine, made by Vagrant."""

    provider_backend: (
        Annotated[
            str,
            Meta(
                pattern="^(libvirt|virtualbox)$",
                description="What Vagrant makes them with; by default libvirt, or VirtualBox where that does not work.",
            ),
        ]
        | None
    ) = None
    box: Annotated[str, Meta(description="The Vagrant box that they are made from.")] = "debian/bookworm64"
    box_url: (
        Annotated[
            str,
            Meta(
                description="Where the box is had, if not from Vagrant's own catalogue: a URL, or a file, seen from "
                "the site's directory."
            ),
        ]
        | None
    ) = None
    driver: Annotated[
        str,
        Meta(
            pattern="^(kvm|qemu)$",
            description="libvirt's: `kvm`, or `qemu` where the processor can't (software emulation, slow).",
        ),
    ] = "kvm"
    boot_timeout: Annotated[
        Duration, Meta(description="How long a machine may take until it answers, as in `15m`.")
    ] = "10m"
    memory_size: Annotated[int, Meta(ge=256, description="Memory of one host in MiB.")] = 2048
    repository_memory_size: (
        Annotated[int, Meta(ge=256, description="The same of the repository, if it differs.")] | None
    ) = None
    cpus: Annotated[int, Meta(ge=1, description="CPUs of one host.")] = 2
    repository_cpus: (
        Annotated[int, Meta(ge=1, description="The same of the repository, if it differs.")] | None
    ) = None
    disk_size: (
        Annotated[int, Meta(ge=1, description="Size of the disk in GiB; the box's own by default.")] | None
    ) = None
    repository_disk_size: (
        Annotated[int, Meta(ge=1, description="The same of the repository, if it differs.")] | None
    ) = None
    mirrored_disk_size: (
        Annotated[int, Meta(ge=1, description="Size in GiB of a further disk for each hive.")] | None
    ) = None
    bridge: (
        Annotated[
            str, Meta(description="This machine's interface or bridge that they are put into with `cidr`.")
        ]
        | None
    ) = None
    dev: Annotated[str, Meta(description="The same in libvirt's own words; needs libvirt.")] | None = None
    vagrant_proxy: (
        Annotated[
            str,
            Meta(description="The proxy through which they fetch packages, as in `http://192.0.2.1:3128`."),
        ]
        | None
    ) = None


Stage = DockerStage | PreparedStage | VagrantStage | AwsStage | OpenStackStage


class SecretSource(Frozen, frozen=True):
    """Where a secret comes from: exactly one of these."""

    generate: (
        Annotated[
            int, Meta(ge=12, le=256, description="Made once, of this many letters and digits, and kept.")
        ]
        | None
    ) = None
    env: Annotated[str, Meta(description="An environment variable of doit's.")] | None = None
    file: (
        Annotated[
            str,
            Meta(
                description="A file, seen from the site's directory; one line break at its end is left out."
            ),
        ]
        | None
    ) = None


class Base(Frozen, frozen=True):
    """How a base image is had, where it is not simply pulled: at most one of these."""

    debootstrap: (
        Annotated[str, Meta(description="Made from the packages of this Debian or Ubuntu suite.")] | None
    ) = None
    mirror: Annotated[str, Meta(description="Where debootstrap's packages come from.")] = (
        "http://deb.debian.org/debian"
    )
    include: Annotated[list[str], Meta(description="Packages that debootstrap adds.")] = []
    tarball: (
        Annotated[str, Meta(description="A root file system as a tar file, in the site's directory.")] | None
    ) = None
    archive: (
        Annotated[
            str, Meta(description="A file of `docker save`, in the site's directory; may be compressed.")
        ]
        | None
    ) = None
    tag: (
        Annotated[
            str, Meta(description="What the image is called in `archive`, where that is not the base's name.")
        ]
        | None
    ) = None
    image: (
        Annotated[
            str, Meta(description="Another reference to pull in its place: a mirror's, or one with a digest.")
        ]
        | None
    ) = None


class ExternalRegistry(Frozen, frozen=True):
    """A registry that images are pulled from. Nothing of it makes an image stale."""

    user: Annotated[str, Meta(description="Who logs in there.")] | None = None
    password: (
        Annotated[str, Meta(description="The name in `[secrets]` of that user's password, or token.")] | None
    ) = None
    mirror: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?$",
                description="A registry that is asked in its place, as in `mirror.example:5000`, with its own login.",
            ),
        ]
        | None
    ) = None


class RoleUse(Frozen, frozen=True):
    """A role with variables of its own."""

    role: Annotated[
        str,
        Meta(
            description="A directory below `roles/`, or one of skep's own: `python`, `trust-ca`, `certificate`.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        ),
    ]
    vars: Annotated[dict[Variable, Scalar], Meta(description="Its variables.")] = {}


class Healthcheck(Frozen, frozen=True):
    """How Docker finds out whether a container is well: it runs `test` every `interval`."""

    test: Annotated[str | list[str], Meta(description="A command for the shell, or its words.")]
    interval: Duration = "30s"
    timeout: Annotated[Duration, Meta(description="How long one test may take, as in `10s`.")] = "30s"
    retries: Annotated[int, Meta(ge=1, description="Failed tests in a row that make it unhealthy.")] = 3
    start_period: Annotated[
        Duration, Meta(description="How long after its start failed tests don't count, as in `60s`.")
    ] = "0s"


class Image(Frozen, frozen=True):
    """An image that skep builds."""

    from_: Annotated[str, Meta(description="The base image; `[bases]` may say how it is had.")] | None = (
        field(name="from", default=None)
    )
    build: (
        Annotated[
            str,
            Meta(
                description="In place of `from`: a directory with a Dockerfile, in the site's directory; what its "
                "`.dockerignore` names does not count. Roles may come on top."
            ),
        ]
        | None
    ) = None
    roles: Annotated[list[str | RoleUse], Meta(description="Applied in order, one layer each.")] = []
    vars: Annotated[dict[Variable, Scalar], Meta(description="Variables that all its roles see.")] = {}
    secrets: Annotated[
        list[str],
        Meta(
            description="Of `[secrets]`: what its roles find as files in `/.skep/secrets/` (roles of Ansible: as "
            "variables), and nobody in the image."
        ),
    ] = []
    privileged: Annotated[
        bool,
        Meta(description="Whether its roles run in a privileged container; not every engine can do that."),
    ] = False
    standalone: Annotated[
        bool,
        Meta(
            description="Whether it has an init, as systemd, which runs while its roles are applied: from the role "
            "after that which installs `/sbin/init`."
        ),
    ] = False
    pull_on: Annotated[
        list[Label], Meta(description="The stages where it is not built but pulled from `pull_from`.")
    ] = []
    pull_from: (
        Annotated[str, Meta(description="Its reference in another registry, as in `hub.example/web:1.2`.")]
        | None
    ) = None
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
    env: Annotated[dict[str, Scalar], Meta(description="Environment of its containers.")] = {}
    entrypoint: (
        Annotated[
            str | list[str],
            Meta(
                description="What its containers run: a text for the shell, or words. "
                "With one, the base's command does not count."
            ),
        ]
        | None
    ) = None
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="The entrypoint's arguments, or what is run without one: a text for the shell, or words."
            ),
        ]
        | None
    ) = None
    user: (
        Annotated[str, Meta(description="Who its containers run as; by default as its base says.")] | None
    ) = None
    working_dir: Annotated[str, Meta(description="The directory that its containers start in.")] | None = None
    stop_signal: (
        Annotated[str, Meta(description="What ends its containers in order, as in `SIGQUIT`.")] | None
    ) = None
    expose: Annotated[
        list[str | int],
        Meta(
            description="The ports that its containers listen on, as in `53/udp` or `80`. Nothing is opened by it."
        ),
    ] = []
    labels: Annotated[dict[str, str], Meta(description="Labels of the image, beside skep's own.")] = {}
    healthcheck: (
        Annotated[Healthcheck, Meta(description="How its containers are tested; a service may say another.")]
        | None
    ) = None
    timeout: Annotated[Duration, Meta(description="How long one role may take, as in `30m`.")] = "30m"


class Registry(Frozen, frozen=True):
    """The site's registry, on the repository host."""

    keep: Annotated[
        int,
        Meta(
            ge=1,
            description="How many generations of each image and base stay there, the newest first, to go back to; "
            "what is in use stays in any case. The rest is removed when a run that made an image ends well.",
        ),
    ] = 5


class Volume(Frozen, frozen=True):
    """A named volume. Services name it; it is defined only here."""

    hosts: Annotated[
        list[str],
        Meta(
            description="The hives that hold it, as in `hive0`; its services run only there. All by default."
        ),
    ] = []
    driver: Annotated[str, Meta(description="Docker's volume driver.")] = "local"
    driver_opts: Annotated[
        dict[str, str],
        Meta(
            description="The driver's options, in its own words, as in `type`, `device` and `o` of `local`."
        ),
    ] = {}
    labels: Annotated[dict[str, str], Meta(description="Labels of the volume, beside skep's own.")] = {}


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


class RestartConfig(Frozen, frozen=True):
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


class RollbackConfig(Frozen, frozen=True):
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


class UpdateConfig(Frozen, frozen=True):
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


class Service(Frozen, frozen=True):
    """A Swarm service."""

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
    healthcheck: (
        Annotated[
            Healthcheck, Meta(description="How its containers are tested, in place of the image's way.")
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
    restart_config: Annotated[RestartConfig, Meta(description="When a task that ended is started again.")] = (
        RestartConfig()
    )
    update_config: Annotated[UpdateConfig, Meta(description="How a changed service is rolled out.")] = (
        UpdateConfig()
    )
    rollback_config: Annotated[
        RollbackConfig, Meta(description="How a service goes back when an update fails.")
    ] = RollbackConfig()
    stop_grace_period: Annotated[
        Duration,
        Meta(description="How long its containers may take to end, as in `60s`; then they are killed."),
    ] = "10s"
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
    secrets: Annotated[list[str], Meta(description="Of `[secrets]`, as files in `/run/secrets/`.")] = []
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
    converge_timeout: Annotated[
        Duration, Meta(description="How long it may take until it runs, as in `5m`.")
    ] = "5m"
    try_: Annotated[
        list[str],
        Meta(description="Commands to paste, said when a run ends; `{address}` is a host where it answers."),
    ] = field(name="try", default_factory=list)


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
