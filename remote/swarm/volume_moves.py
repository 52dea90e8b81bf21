"""Moves of volumes in the swarm: their journals, the services that are stopped for them, and the labels of nodes."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from model.json_types import Json
from model.labels import BACKUP_STOP_LABEL, MOVING_LABEL, labels_of
from model.log import Log
from model.stage import Host
from model.swarm.host_node import is_of
from model.swarm.volume_move import (
    VolumeMove,
    journal_labels,
    journal_name,
    started_spec,
    stopped_spec,
)
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.services import find_service, write_service

WRITE_TIMEOUT = 60
"""Seconds for which a change is tried again: the swarm itself changes things meanwhile, or elects another leader."""


def begin_move(client: DockerClient, stage: Mapping[str, str], move: VolumeMove) -> None:
    """Write down that a move begins, and which backup is brought. What an older one had come to is forgotten first.

    Args:
        client: A manager's engine.
        stage: The stage's labels.
        move: The move.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(move.volume, "writing down that it is moved", ServiceError):
        _remove(client, journal_name(move.volume, copied=True))
        _remove(client, journal_name(move.volume, backup=True))
        if move.backups is not None:
            _note_backup(client, stage, move.volume, move.backups)
        client.api.create_config(
            journal_name(move.volume), move.data, labels=journal_labels(stage, move.volume)
        )


def turn_to_backup(client: DockerClient, stage: Mapping[str, str], move: VolumeMove) -> None:
    """Write down that a move which began as a copy goes on with a backup.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(move.volume, "writing down which backup is brought", ServiceError):
        _note_backup(client, stage, move.volume, move.backups or {})


def _note_backup(
    client: DockerClient, stage: Mapping[str, str], volume: str, backups: Mapping[str, str]
) -> None:
    """Write down which backups are brought."""
    data = json.dumps(dict(backups), sort_keys=True).encode()
    client.api.create_config(
        journal_name(volume, backup=True), data, labels=journal_labels(stage, volume, backup=True)
    )


def note_copied(client: DockerClient, stage: Mapping[str, str], volume: str) -> None:
    """Write down that the copy of a volume is whole and verified.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(volume, "writing down that it is copied", ServiceError):
        client.api.create_config(
            journal_name(volume, copied=True), b"copied", labels=journal_labels(stage, volume, copied=True)
        )


def forget_copied(client: DockerClient, volume: str) -> None:
    """Write down that the copy of a volume is not whole any more, so that it is made anew.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(volume, "writing down that its copy is to be made anew", ServiceError):
        _remove(client, journal_name(volume, copied=True))


def end_move(client: DockerClient, volume: str) -> None:
    """Remove the journal of a move: first what says that there is one.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(volume, "writing down that it is moved", ServiceError):
        _remove(client, journal_name(volume))
        _remove(client, journal_name(volume, copied=True))
        _remove(client, journal_name(volume, backup=True))


def _remove(client: DockerClient, name: str) -> None:
    """Remove a config, if it is there."""
    with suppress(NotFound):
        client.api.remove_config(name)


def stop_service(client: DockerClient, name: str, move: VolumeMove) -> None:
    """Have a service run no task any more; it keeps its digest, so that it is as it was when it is started again.

    Args:
        client: A manager's engine.
        name: The service.
        move: What it is stopped for.

    Raises:
        ServiceError: The swarm refuses.

    """

    def stopped(found: Json) -> Json:
        spec = stopped_spec(found["Spec"])
        return {**spec, "Labels": {**labels_of(spec), MOVING_LABEL: move.label}}

    _change(client, name, stopped)


def start_service(client: DockerClient, name: str, before: Json, markers: Mapping[str, str]) -> None:
    """Have a service that was stopped run as it did. One that is gone, or was started meanwhile, stays so.

    Args:
        client: A manager's engine.
        name: The service.
        before: What it had.
        markers: Labels that it is to have besides.

    Raises:
        ServiceError: The swarm refuses.

    """

    def started(found: Json) -> Json:
        if MOVING_LABEL not in labels_of(found):
            return found["Spec"]  # type: ignore[no-any-return]
        spec = started_spec(found["Spec"], before)
        # That of a backup as well, which was lost with its hive: it would tell of another time.
        ours = {MOVING_LABEL, BACKUP_STOP_LABEL}
        labels = {label: value for label, value in labels_of(spec).items() if label not in ours}
        return {**spec, "Labels": {**labels, **markers}}

    _change(client, name, started)


def are_stopped(client: DockerClient, move: VolumeMove) -> bool:
    """Return whether all services that a move stopped are stopped for it still; one that is gone is.

    Raises:
        ServiceError: The swarm refuses.

    """
    with engine_errors(move.volume, "looking at its services", ServiceError):
        found = [find_service(client, name) for name in move.stopped]
    return all(MOVING_LABEL in labels_of(each) for each in found if each is not None)


def _change(client: DockerClient, name: str, changed: Callable[[Json], Json]) -> None:
    """Change a service, if it is there."""

    def written() -> bool:
        found = find_service(client, name)
        if found is not None and (spec := changed(found)) != found["Spec"]:
            write_service(client, found, spec)
        return True

    with engine_errors(name, "changing the service", ServiceError):
        # "update out of sequence": the swarm changed it between reading and writing.
        wait_for(written, f"service {name} to be changed", WRITE_TIMEOUT, retry=APIError, kind=ServiceError)


def add_node_labels(client: DockerClient, host: Host, labels: Mapping[str, str], log: Log) -> None:
    """Give a hive's node labels that it lacks, as one of a host that was made anew.

    Args:
        client: A manager's engine.
        host: The hive.
        labels: The labels.
        log: Takes a line for the log.

    Raises:
        ServiceError: The swarm refuses.

    """
    _relabel(
        client, host, lambda now: {**now, **labels}, lambda: log(f"{host.short}: its node has its labels")
    )


def set_node_label(client: DockerClient, host: Host, label: str, log: Log, *, held: bool) -> None:
    """Give a hive's node a label, or take it off; nothing else of the node is touched.

    Args:
        client: A manager's engine.
        host: The hive.
        label: The label.
        log: Takes a line for the log.
        held: Whether it is to have it.

    Raises:
        ServiceError: The swarm has no node of the hive, or refuses.

    """

    def wanted(now: Mapping[str, str]) -> dict[str, str]:
        others = {name: value for name, value in now.items() if name != label}
        return {**others, label: "true"} if held else others

    said = f"{host.short}: {'has' if held else 'no longer has'} the label {label}"
    _relabel(client, host, wanted, lambda: log(said), must_be_there=held)


def _relabel(
    client: DockerClient,
    host: Host,
    wanted: Callable[[Mapping[str, str]], Mapping[str, str]],
    say: Callable[[], None],
    *,
    must_be_there: bool = False,
) -> None:
    """Change the labels of a hive's nodes, and say it of each that had others.

    Raises:
        ServiceError: The swarm refuses; or it has no node of the hive, and one must be there.

    """

    def labelled() -> bool:
        nodes = [node for node in client.api.nodes() if is_of(node, host)]
        if not nodes and must_be_there:
            raise ServiceError(f"{host.short}: is not in the swarm: run doit setup_hosts")
        for node in nodes:
            labels = wanted(labels_of(node))
            if labels != labels_of(node):
                spec = {**node["Spec"], "Labels": labels}
                client.api.update_node(node["ID"], node["Version"]["Index"], spec)
                say()
        return True

    with engine_errors(host.short, "labelling its node", ServiceError):
        wait_for(
            labelled,
            f"the node of {host.short} to be labelled",
            WRITE_TIMEOUT,
            retry=APIError,
            kind=ServiceError,
        )
