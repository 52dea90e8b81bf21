"""A volume that is being moved from one hive to another: what its journal in the swarm holds. Pure.

The journal is a Docker config of the stage's: there before anything stops, gone when all runs again. So whoever looks,
on whatever machine, sees the move, and can go on with it after a kill.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.errors import ServiceError
from model.json_types import Json
from model.keys.digest import sha256
from model.labels import (
    COPIED_LABEL,
    FROM_BACKUP_LABEL,
    MOVE_LABEL,
    MOVING_LABEL,
    NAME_LABEL,
    labels_of,
)

_NAME = "move."
"""Begins the label `skep.name` of a journal, so that it is taken for no config of site.toml."""
_DIGITS = 24
"""Of a digest in a journal's name: Docker takes 64 characters, and a volume's name may be longer."""
_NEVER = "node.labels.skep.stopped==true"
"""A placement constraint that no node meets."""


@dataclass(frozen=True)
class VolumeMove:
    """A move that has begun.

    Args:
        volume: The volume.
        source: The short name of the hive that has the data; empty where a backup is brought and nobody knows it.
        target: That of the hive that gets it.
        stopped: Each service that was stopped for it, to what it is to have again (`wanted`).
        is_copied: Whether the copy is whole and verified. From then on only the target may go on with it.
        incarnation: The volume's id on the source, which nobody may be able to ask when the move ends; empty if it has
            none.
        backups: Where a backup is brought in place of the source's files: each service that is saved, to the id of its
            generation. None where the files are copied.

    """

    volume: str
    source: str
    target: str
    stopped: Mapping[str, Json]
    is_copied: bool = False
    incarnation: str = ""
    backups: Mapping[str, str] | None = None

    @property
    def words(self) -> str:
        """From where to where, in words."""
        if self.backups is not None:
            return f"volume {self.volume} is being brought from a backup to {self.target}"
        return f"volume {self.volume} is being moved from {self.source} to {self.target}"

    def refusal(self) -> str:
        """Return why nothing may be done with the volume meanwhile, with the way out."""
        line = f"{self.words}, which has not ended: type: doit move_volume {self.volume} to={self.target}"
        if self.is_copied or not self.source:
            return line
        return (
            f"{line}. Or, to give it up: put {self.source} back in volumes.{self.volume}.hosts, and type: "
            f"doit move_volume {self.volume} to={self.source}"
        )

    @property
    def label(self) -> str:
        """The label of a service that is stopped for it."""
        return f"{self.volume} {self.target}"

    @property
    def data(self) -> bytes:
        """The content of its journal."""
        held = {
            "source": self.source,
            "target": self.target,
            "stopped": dict(self.stopped),
            "incarnation": self.incarnation,
        }
        return json.dumps(held, sort_keys=True).encode()


def moving_words(label: str) -> str:
    """Return why a service is stopped, with the way out, by the label that it then has; empty without one."""
    volume, _, target = label.partition(" ")
    if not volume:
        return ""
    return f"is stopped while volume {volume} is moved: doit move_volume {volume} to={target} goes on with it"


def refuse_moving(service: str, found: Json) -> None:
    """Refuse to have tasks of a service run that is stopped while a volume of it is moved.

    Args:
        service: Its name.
        found: The service as the swarm has it.

    Raises:
        ServiceError: It is.

    """
    if why := moving_words(labels_of(found).get(MOVING_LABEL, "")):
        raise ServiceError(f"service {service}: {why}")


def journal_name(volume: str, *, copied: bool = False, backup: bool = False) -> str:
    """Return the name of a journal: that a move began, that its copy is whole, or that a backup is brought."""
    return f"skep-move-{sha256(volume)[:_DIGITS]}{'-copied' if copied else '-backup' if backup else ''}"


def journal_labels(
    stage: Mapping[str, str], volume: str, *, copied: bool = False, backup: bool = False
) -> dict[str, str]:
    """Return the labels of a journal.

    Args:
        stage: The stage's labels.
        volume: The volume.
        copied: Whether it says that the copy is whole.
        backup: Whether it says which backup is brought.

    """
    mark = COPIED_LABEL if copied else FROM_BACKUP_LABEL if backup else MOVE_LABEL
    return {**stage, NAME_LABEL: f"{_NAME}{volume}", mark: volume}


def moves_in(configs: Iterable[Json]) -> dict[str, VolumeMove]:
    """Return the moves that have begun, by volume, from the stage's configs as the swarm lists them."""
    listed = list(configs)
    copied = {labels_of(config).get(COPIED_LABEL) for config in listed}
    backups = {
        volume: json.loads(base64.b64decode(config["Spec"]["Data"]))
        for config in listed
        if (volume := labels_of(config).get(FROM_BACKUP_LABEL)) is not None
    }
    found = {}
    for config in listed:
        volume = labels_of(config).get(MOVE_LABEL)
        if volume is not None:
            held = json.loads(base64.b64decode(config["Spec"]["Data"]))
            found[volume] = VolumeMove(
                volume,
                held["source"],
                held["target"],
                held["stopped"],
                volume in copied,
                held["incarnation"],
                backups.get(volume),
            )
    return found


# -- the services that use it ------------------------------------------------------------------------------------------


def wanted(spec: Json) -> Json:
    """Return what a service that is stopped is to have again: its number of tasks, or its constraints."""
    if "Replicated" in spec["Mode"]:
        return {"replicas": spec["Mode"]["Replicated"].get("Replicas", 1)}
    return {"constraints": (spec["TaskTemplate"].get("Placement") or {}).get("Constraints")}


def stopped_spec(spec: Json) -> Json:
    """Return a service's specification without tasks: with none wanted; of a global one, with no node that fits."""
    copy: Json = json.loads(json.dumps(spec))
    if "Replicated" in copy["Mode"]:
        copy["Mode"]["Replicated"]["Replicas"] = 0
        return copy
    placement = copy["TaskTemplate"].get("Placement") or {}
    constraints = placement.get("Constraints") or []
    if _NEVER not in constraints:
        copy["TaskTemplate"]["Placement"] = {**placement, "Constraints": [*constraints, _NEVER]}
    return copy


def started_spec(spec: Json, before: Json) -> Json:
    """Return a stopped service's specification as it was.

    Args:
        spec: Its specification now.
        before: What it had (`wanted`).

    """
    copy: Json = json.loads(json.dumps(spec))
    if "Replicated" in copy["Mode"]:
        if "replicas" in before:
            copy["Mode"]["Replicated"]["Replicas"] = before["replicas"]
        return copy
    placement = copy["TaskTemplate"].get("Placement") or {}
    constraints = [each for each in placement.get("Constraints") or () if each != _NEVER]
    if constraints or before.get("constraints") is not None:
        copy["TaskTemplate"]["Placement"] = {**placement, "Constraints": constraints}
    else:
        copy["TaskTemplate"]["Placement"] = {
            name: value for name, value in placement.items() if name != "Constraints"
        }
    return copy
