"""Services that are held while their files are read: paused, or scaled to nothing. What a kill left is let go."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from agent.backup.hive.death_watch import in_case_of_death
from agent.backup.hive.journal import Journal, paused, released, restoring
from agent.backup.hive.task_container import containers_here, runs_somewhere
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from agent.host.service_labels import BACKUP_STOP, is_at_work

HANDED_OVER_TO = "restoring"
"""In the note of what is held: the generation whose restoration gets the service, as soon as it has noted that."""
_STOP_PATIENCE = 300.0
"""Seconds that a service's tasks may take to end."""
_REMEMBERED = 86_400.0
"""Seconds for which it is known when a service was let go."""
_ENGINE_PATIENCE, _PAUSE = 300.0, 2.0
"""Seconds for which an engine that does not answer is asked to let go what a job held, and between two tries."""
_FREEZE_PATIENCE = 60.0
"""Seconds for which a container is paused again and again that the kernel did not freeze."""


@contextmanager
def held(
    engine: EngineSocket, service: str, container: str | None, consistency: str, note: Journal | None = None
) -> Iterator[None]:
    """Hold a service while its files are read. A job that is killed meanwhile holds it no longer.

    Args:
        engine: The engine.
        service: The service.
        container: Its container here; None where none runs, so that nothing writes.
        consistency: `none`, `pause` or `stop`.
        note: Where it is noted down; by default on this host's disk.

    Raises:
        AgentError: It can't be paused or stopped, or can't be started again; or somebody started it meanwhile, so that
            its files may not fit together.

    """
    if consistency == "none":
        yield
        return
    if container is None:
        yield
        _must_hold(not runs_somewhere(engine, service), service)
        return
    journal = note or paused()
    content: dict[str, Any] = {"by": os.getpid()}
    if consistency == "pause":
        # All that are here: they have the same volume.
        content |= {"service": service, "paused": containers_here(engine, service)}
    else:
        replicas = replicas_of(engine, service)
        if replicas is None:
            raise AgentError(
                'consistency = "stop" is for replicated services: a global one can\'t be scaled to 0'
            )
        content |= {"stopped": service, "replicas": replicas}
    journal.write(content)
    # Unless the next job has let it go, and holds something itself.
    with in_case_of_death(lambda: let_go(engine, journal, content)):
        try:
            # Inside: one that does not answer in time may have been paused, or be stopping, all the same.
            if consistency == "pause":
                for each in content["paused"]:
                    _pause(engine, each)
            else:
                stop(engine, service, for_backup=True)
            yield
            check_held(engine, content, service)
        finally:
            let_go(engine, journal)


def _must_hold(is_held: bool, service: str) -> None:  # noqa: FBT001 - what is asserted
    """Make sure that nothing of a service wrote while its files were read.

    Raises:
        AgentError: It may have.

    """
    if not is_held:
        raise AgentError(
            f"service {service} was started, deployed or moved while its files were read, so that they may not fit "
            "together: make the backup again"
        )


def check_held(engine: EngineSocket, content: Mapping[str, Any], service: str) -> None:
    """Make sure that what a job holds is held still, so that nothing of it wrote.

    Args:
        engine: The engine.
        content: What is noted of it.
        service: The service.

    Raises:
        AgentError: It is not.

    """
    _must_hold(_is_held(engine, content), service)


def _is_held(engine: EngineSocket, content: Mapping[str, Any]) -> bool:
    """Return whether what a job holds is held still."""
    if "paused" in content:
        # Another one has the same volume.
        is_alone = containers_here(engine, content["service"]) == content["paused"]
        return is_alone and all(_is_paused(engine, each) for each in content["paused"])
    service = content["stopped"]
    return replicas_of(engine, service) == 0 and not _has_tasks(engine, service)


def let_go(
    engine: EngineSocket, note: Journal | None = None, only: Mapping[str, Any] | None = None
) -> list[str]:
    """Let go what a job holds, or a killed one held; return what was let go, in words.

    An engine that does not answer, as while it is upgraded, is asked for five minutes.

    Args:
        engine: The engine.
        note: Where it is noted down; by default on this host's disk.
        only: What is let go; by default whatever is held.

    Raises:
        AgentError: It can't be.

    """
    journal = note or paused()
    ends = time.monotonic() + _ENGINE_PATIENCE
    while True:
        content = journal.read()
        if content is None or only not in (None, content):
            return []
        try:
            return _let_go_once(engine, journal, content)
        except (AgentError, OSError):
            if time.monotonic() > ends:
                raise
        time.sleep(_PAUSE)


def _let_go_once(engine: EngineSocket, journal: Journal, content: Mapping[str, Any]) -> list[str]:
    """Let go what is noted, and clear the note; return what was let go, in words."""
    said = []
    stuck = []
    for container in content.get("paused", ()):
        # Not paused (any more), or gone: then nothing is left to be done.
        engine.ask("POST", f"/containers/{container}/unpause", allowed=(404, 409, 500))
        if _is_paused(engine, container):
            stuck.append(container[:12])
        said.append(f"container {container[:12]} runs on")
    if stuck:
        raise AgentError(f"container {', '.join(stuck)} stays paused: docker unpause {' '.join(stuck)}")
    if _is_handed_over(journal, content):
        journal.clear()
        return said
    if service := content.get("stopped"):
        start(engine, service, int(content["replicas"]))
        said.append(f"service {service} has its tasks again")
    _note_release(journal, str(content.get("service") or content["stopped"]))
    journal.clear()
    return said


def _is_handed_over(journal: Journal, content: Mapping[str, Any]) -> bool:
    """Return whether a service that was stopped is a restoration's by now, which changes its files and starts it."""
    identity = content.get(HANDED_OVER_TO)
    if identity is None:
        return False
    noted = restoring(content["stopped"], journal.path.parent).read() or {}
    return noted.get("id") == identity and not noted.get("loading")


def _pause(engine: EngineSocket, container: str) -> None:
    """Pause a container. On a busy host the kernel may need more than one try until all of its processes stand.

    Raises:
        AgentError: It can't be, in the engine's words.

    """
    ends = time.monotonic() + _FREEZE_PATIENCE
    while time.monotonic() < ends:
        engine.ask("POST", f"/containers/{container}/pause", allowed=(500,))
        if _is_paused(engine, container):
            return
        time.sleep(_PAUSE)
    engine.ask("POST", f"/containers/{container}/pause")


def _note_release(journal: Journal, service: str) -> None:
    """Note when a service was let go: who looks for what runs gives it the time that it needs to start."""
    note, now = released(journal), time.time()
    recent = {name: at for name, at in (note.read() or {}).items() if now - at < _REMEMBERED}
    with suppress(OSError):  # at worst somebody is told that it does not run
        note.write({**recent, service: now})


def _is_paused(engine: EngineSocket, container: str) -> bool:
    """Return whether a container is paused; one that is gone is not."""
    details = engine.ask("GET", f"/containers/{container}/json", allowed=(404,))
    return details is not None and bool(details["State"]["Paused"])


def replicas_of(engine: EngineSocket, service: str) -> int | None:
    """Return how many tasks a service is to have; None for one that runs on each hive."""
    mode = engine.ask("GET", f"/services/{service}")["Spec"]["Mode"]
    return (mode.get("Replicated") or {}).get("Replicas")


def version_of(engine: EngineSocket, service: str) -> int:
    """Return the version of the swarm in which a service was changed last: what is made later has a larger one."""
    return int(engine.ask("GET", f"/services/{service}")["Version"]["Index"])


def stop(engine: EngineSocket, service: str, *, for_backup: bool = False) -> None:
    """Have a service run no task, and wait until the last one ended.

    Args:
        engine: The engine.
        service: The service.
        for_backup: Whether it gets a label by which others see that it goes on as it was when its files are saved.

    Raises:
        AgentError: The swarm refuses, or a task does not end.

    """
    ends = time.monotonic() + _STOP_PATIENCE
    _scale(engine, service, 0, ends, for_backup=for_backup)
    while _has_tasks(engine, service):
        if time.monotonic() > ends:
            raise AgentError(f"service {service}: its tasks did not end within {_STOP_PATIENCE:.0f} s")
        time.sleep(0.5)


def start(engine: EngineSocket, service: str, replicas: int) -> None:
    """Have a service that was stopped run so many tasks; what somebody deployed meanwhile stays as it is.

    One that a run has stopped meanwhile, as for a volume's move, is that run's to start.

    Raises:
        AgentError: The swarm refuses.

    """
    _scale(engine, service, replicas, time.monotonic() + _STOP_PATIENCE, only_from=0)


def _scale(
    engine: EngineSocket,
    service: str,
    replicas: int,
    ends: float,
    *,
    only_from: int | None = None,
    for_backup: bool = False,
) -> None:
    """Have the swarm want so many tasks of a service, if it is there, with or without the label of a backup.

    Args:
        engine: The engine.
        service: The service.
        replicas: The number of its tasks.
        ends: Until when that is tried again if somebody else changes the service.
        only_from: The number that it must have, or it keeps its own, and so does one that a run has changed for a
            while; whatever it has by default.
        for_backup: Whether it gets that label, with the number that it has now.

    Raises:
        AgentError: The swarm refuses.

    """
    while True:
        found = engine.ask("GET", f"/services/{service}", allowed=(404,))
        if found is None:
            return
        spec: dict[str, Any] = found["Spec"]
        # Somebody may have deployed it as one that runs on each hive.
        mode = spec["Mode"].get("Replicated") or {}
        has = mode.get("Replicas")
        had_label = (spec.get("Labels") or {}).pop(BACKUP_STOP, None) is not None
        is_as_wanted = has == replicas or (only_from is not None and (has != only_from or is_at_work(spec)))
        if is_as_wanted and (for_backup or not had_label):
            return
        if not is_as_wanted:
            mode["Replicas"] = replicas
            if for_backup:
                spec["Labels"] = {**(spec.get("Labels") or {}), BACKUP_STOP: str(has)}
        try:
            engine.ask(
                "POST", f"/services/{found['ID']}/update", body=spec, version=found["Version"]["Index"]
            )
        except AgentError as error:
            # Somebody else changed it between the two questions.
            if "out of sequence" not in str(error) or time.monotonic() > ends:
                raise
        else:
            return


def _has_tasks(engine: EngineSocket, service: str) -> bool:
    """Return whether tasks of a service may still write."""
    tasks = engine.ask("GET", "/tasks", filters={"service": [service]}, allowed=(404,)) or []
    return any(
        task["Status"]["State"] in {"running", "starting", "preparing", "ready", "assigned"} for task in tasks
    )
