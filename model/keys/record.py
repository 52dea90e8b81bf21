"""What a phase gets back for a resource, and hands to the resources that are made from it.

Each is one JSON file in the state directory. A record holds what others need and nothing else: a service's record
has its id but not its image, so that an initialization, which depends on the service, is not run again by a new
image (*early cutoff*).
"""

from msgspec import Struct

ADMIN = "skep"
"""The user on hosts that skep logs in as: it has sudo and the stage's key."""


class Record(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of all records."""


class HostRecord(Record, frozen=True):
    """A host that exists, whoever provides it: where its ssh answers and how to know it again.

    Args:
        name: Its full name, as in `p-hive0.example`.
        id: The provider's id of this incarnation; a host that was made anew has another.
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
    """Something of which others need no more than that it is this one: an id, as of a network or a made step."""

    id: str = ""


class SwarmRecord(Record, frozen=True):
    """A hive's place in the swarm: the cluster's id and the node's."""

    cluster: str
    node: str


class ImageRecord(Record, frozen=True):
    """An image in the site's registry (or pulled from elsewhere): the reference with digest that services run."""

    reference: str


class VolumeRecord(Record, frozen=True):
    """A volume on a host: the id of its incarnation, another one when it was lost and made anew."""

    incarnation: str


class PortsRecord(Record, frozen=True):
    """The published ports that were chosen: `<service> <container's port>/<protocol>` to the host's port."""

    ports: dict[str, int] = {}


class ServiceRecord(Record, frozen=True):
    """A service: its id, which changes only when it is removed and made again."""

    id: str
