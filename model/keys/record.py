"""The records of resources, which the resources made from them read.

Each is one JSON file in the state directory. A record holds what others need and nothing else: a service's record
has its id but not its image, so that an initialization, which depends on the service, is not run again by a new
image (*early cutoff*).
"""

from msgspec import Struct

ADMIN = "skep"
"""The user that skep logs in as on hosts. It has sudo and the stage's key."""


class Record(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The base of all records."""


class HostRecord(Record, frozen=True):
    """A host of any provider: the address of its ssh, and its identity.

    Args:
        name: Its full name, as in `p-hive0.example`.
        id: The provider's id of this incarnation; a host that was replaced has another.
        address: Its address in the stage's network.
        ssh_host: Where its ssh answers, seen from the mother.
        ssh_port: And on which port.
        user: The admin user, who has sudo and the stage's key.
        host_keys: Its public host keys, `<type> <base64>`; none where the provider can't know them, then the
            first connection's is kept.

    """

    name: str
    id: str
    address: str
    ssh_host: str
    ssh_port: int = 22
    user: str = ADMIN
    host_keys: tuple[str, ...] = ()


class FactRecord(Record, frozen=True):
    """A resource of which others only need the identity: an id, as of a network."""

    id: str = ""


class SwarmRecord(Record, frozen=True):
    """A hive's membership in the swarm: the cluster's id and the node's."""

    cluster: str
    node: str


class ImageRecord(Record, frozen=True):
    """An image: the reference with digest that services run.

    Args:
        reference: The reference.
        is_absent: Whether it is a base that the registry lost, and that is made again when an image is built on it.

    """

    reference: str
    is_absent: bool = False


class VolumeRecord(Record, frozen=True):
    """A volume on a host: the id of its incarnation, which changes when the volume is lost and made again."""

    incarnation: str


class PortsRecord(Record, frozen=True):
    """The published ports that skep chose: `<service> <container's port>/<protocol>` to the host's port."""

    ports: dict[str, int] = {}


class ServiceRecord(Record, frozen=True):
    """A service: its id, which changes only when it is removed and made again."""

    id: str
