"""The labels by which skep recognizes its own things. A cloud calls them tags or metadata.

Sites that exist carry them: a label's text never changes, whatever its constant is called.
"""

from collections.abc import Mapping
from typing import Any

LABEL_PREFIX = "skep."
"""Begins every label of skep's own; a label of site.toml may not begin so."""

SITE_LABEL, STAGE_LABEL = "skep.site", "skep.stage"
"""On everything that belongs to a stage: the site's and the stage's name."""
NAME_LABEL = "skep.name"
"""On everything with a name in site.toml: that name. On a service's revision: the service."""
KEY_LABEL = "skep.key"
"""On each thing that is complete: its key, the digest of its inputs. A run makes or changes a thing without it."""

SERVICE_LABEL = "com.docker.swarm.service.name"
"""The swarm's own, on each container of a service: the service."""
TASK_ID_LABEL = "com.docker.swarm.task.id"
"""The swarm's own, on each container of a service: the task's id."""
TASK_NAME_LABEL = "com.docker.swarm.task.name"
"""The swarm's own, on each container of a service: `web.2.<id>`; of a global service the node's id for the number."""

# -- services ----------------------------------------------------------------------------------------------------------
SPEC_LABEL = "skep.spec"
"""On a service: the digest of the specification that it was last seen to run well with. On a revision: its digest."""
REVISION_LABEL = "skep.generation"
"""On a service: the number of the revision that it runs. On a Docker config: it holds that revision of a service."""
IMAGE_LABEL = "skep.image"
"""On a revision: the reference of the image that it runs. On a machine in a cloud: the image that it was made from."""
FILES_LABEL = "skep.files"
"""On a revision: the ids of the Docker secrets and configs that it needs, with commas between them."""
NETWORKS_LABEL = "skep.networks"
"""On a revision: its networks' names by their ids, as JSON: a network that was replaced has another id."""
PINNED_LABEL = "skep.pinned"
"""On a service that was rolled back: the revision that it stays at until its definition changes."""
SCALED_LABEL, SCALED_UNTIL_LABEL = "skep.scaled", "skep.scaled-until"
"""On a service that was scaled by hand: its number of tasks; and until when runs leave that alone."""
SPREAD_LABEL = "skep.spread"
"""On a service that is spread anew, and has more tasks for a while: the number that it goes back to."""
ONE_OFF_LABEL = "skep.one-off"
"""On a service that `doit run SERVICE -- COMMAND` made for one task: the service that it is a copy of."""
INITIALIZED_LABEL = "skep.initialized."
"""On a service, with a role's name behind it: the key that the role last initialized the service with."""
MOVING_LABEL = "skep.moving"
"""On a service that is stopped while a volume of it is moved: the volume, and the hive that gets it."""
BACKUP_STOP_LABEL = "skep.stopped-for-backup"
"""On a service that is stopped while its files are saved: the number of tasks that it has again after that."""
PORT_LABEL = "skep.port."
"""On a service, with `TARGET.PROTOCOL` behind it: the published port that was chosen."""
DISCONNECTED_LABEL = "skep.taken-out."
"""On a service, with a network's name behind it: how to connect the service to the network again, as JSON."""

# -- nodes and volumes -------------------------------------------------------------------------------------------------
VOLUME_LABEL = "skep.volume."
"""On a swarm's node, with a volume's name behind it: the node holds the volume."""
GIVEN_LABEL = "skep.node-labels"
"""Of a node: the names of its labels that are from site.toml, with commas."""
CORDONED_LABEL = "skep.aside"
"""On a swarm's node: skep drained it and not a person, so skep may make it active again."""
FENCED_LABEL = "skep.fenced."
"""On a swarm that was recovered, with a host's name behind it: the node that the host was, and must be no more."""
NODE_ID_LABEL = "com.docker.swarm.node.id"
"""The swarm's own, on each container of a service: the node that it was started for."""
INCARNATION_LABEL = "skep.incarnation"
"""On a volume: an id that tells it from another volume of its name, before or after it."""
DEFINITION_LABEL = "skep.definition"
"""On a volume: the key of its definition."""
MOVE_LABEL, COPIED_LABEL, FROM_BACKUP_LABEL = "skep.move", "skep.move-copied", "skep.move-backup"
"""On a Docker config: it says that the volume of this name is being moved; and that its copy is whole."""

# -- images ------------------------------------------------------------------------------------------------------------
SHELL_LABEL = "skep.shell"
"""On the container of a shell in a failed build: the image's reference, by which the next good build removes it."""

# -- hosts -------------------------------------------------------------------------------------------------------------
HOST_KEY_TAG = "skep.host-key"
"""On a machine in a cloud: the ssh host key that it was given, so that its first login is checked."""
AUTHORIZED_KEY_TAG = "skep.admitted"
"""On a machine in a cloud: the fingerprint of the ssh key that it lets in."""
PUBLISH_LABEL = "skep.publish"
"""On a docker host's container: whether the engine's machine publishes its ports."""
ADDRESS_LABEL = "skep.address"
"""On a docker host's volume: the address that the host had when it was made."""
CHECK_LABEL = "skep.probe"
"""On the container with which the docker provider checks an engine."""
HOST_IMAGE_LABEL = "skep.host-image"
"""On the docker provider's host image: its key."""
HOST_IMAGE_BUILD_LABEL, HOST_IMAGE_BUILDER_LABEL = "skep.host-image-build", "skep.host-image-builder"
"""On the parts of an unfinished build of the host image: the image's key, and the builder."""


def labels_of(thing: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of an object of Docker's API or of its specification; the API has null for none."""
    labels: Mapping[str, str] | None = thing.get("Spec", thing).get("Labels")
    return labels or {}


def belongs_to(labels: Mapping[str, str], owner: Mapping[str, str]) -> bool:
    """Return whether a thing with these labels has all labels of an owner, such as a stage."""
    return owner.items() <= labels.items()


def label_filter(labels: Mapping[str, str], *names: str) -> dict[str, list[str]]:
    """Return a Docker Engine's filter for things with all of these labels, and with labels of these names."""
    return {"label": [*(f"{name}={value}" for name, value in labels.items()), *names]}


def is_skeps(name: str, labels: Mapping[str, str]) -> bool:
    """Return whether one of a node's labels is skep's own, or was given by site.toml."""
    return name.startswith(LABEL_PREFIX) or name in labels.get(GIVEN_LABEL, "").split(",")


def own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that are skep's own."""
    return {name: value for name, value in labels.items() if name.startswith(LABEL_PREFIX)}


def labels_of_others(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that are not skep's own."""
    return {name: value for name, value in labels.items() if not name.startswith(LABEL_PREFIX)}
