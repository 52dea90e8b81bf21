"""The status of services, judged from a site's readings. Pure.

Tasks are counted by the containers that the hosts' engines have: the swarm goes on counting those of a host that is
gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from model.json_types import Json
from model.labels import MOVING_LABEL, ONE_OFF_LABEL, PINNED_LABEL, REVISION_LABEL, labels_of
from model.moments import engine_moment
from model.swarm.backup_stop import LEFT_STOPPED, as_before_backup, is_left_stopped, is_stopped_for_backup
from model.swarm.scaled import scale_words
from model.swarm.scheduling import meets_constraint
from model.swarm.scheduling_node import scheduling_node
from model.swarm.spread import spread_words
from model.swarm.volume_move import moving_words
from remote.backup.paused_containers import PAUSED, SAVED, paused_by_others
from remote.swarm import jobs
from remote.swarm.spec import is_changed_by_others
from tasks.names import service_task
from tasks.operate.site_view import RUNNING, SiteView

HEALTHY, UNHEALTHY, STARTING = "(healthy)", "(unhealthy)", "(health: starting)"
_NEVER_RAN = ("when swarm is not active", "context canceled")
"""Parts of the errors of tasks that an engine gave up before they ran, as it joined a swarm, or ended itself."""
RECENT, AGAIN = 600.0, 2
"""Seconds, and how often a task ends within them to be said to end again and again."""
_FAILED = {"failed", "rejected"}
_OF_TASKS = ("ContainerSpec", "ForceUpdate")
"""The parts of a specification that make a task another one."""
_TROUBLE = {"paused", "rollback_paused", "rollback_started"}
_UNDONE = "rollback_completed"


@dataclass(frozen=True)
class ServiceStatus:
    """A service.

    Args:
        name: Its name.
        mode: As site.toml has it.
        wanted: The tasks that are to run; of a job, to have run.
        running: The containers that run on hosts that answer, or are paused there; of a job, the tasks that ended well.
        healthy: Of those that run, how many their health check calls so; None without a health check.
        hosts: Host's short name to the number of containers that run there.
        since: When the youngest of them was made, in seconds since 1970; None where none runs.
        revision: The number of the revision; None before the first good deployment.
        image: The image, without its registry and with a short digest.
        pinned: Whether it was rolled back and stays so.
        notes: What is worth knowing and no fault.
        problems: What is wrong with it.

    """

    name: str
    mode: str
    wanted: int
    running: int
    healthy: int | None
    hosts: Mapping[str, int]
    since: float | None
    revision: int | None
    image: str
    pinned: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def service_statuses(view: SiteView) -> Iterator[ServiceStatus]:
    """Yield each service's status, of site.toml first."""
    for name in view.stage.services:
        yield _service(view, name, view.swarm.services.get(name))
    for name in sorted(view.swarm.services.keys() - view.stage.services.keys()):
        yield _service(view, name, view.swarm.services[name])


def _service(view: SiteView, name: str, found: Json | None) -> ServiceStatus:
    """Return a service's status."""
    defined = view.stage.services.get(name)
    running = view.running(name)
    hosts: dict[str, int] = {}
    for short, _ in running:
        hosts[short] = hosts.get(short, 0) + 1
    states = [str(container.get("Status", "")) for _, container in running]
    checked = [state for state in states if any(word in state for word in (HEALTHY, UNHEALTHY, STARTING))]
    healthy = sum(HEALTHY in state for state in checked) if checked else None
    labels = labels_of(found) if found else {}
    tasks = view.swarm.tasks.get(str(found["ID"]), ()) if found else ()
    wanted, count = _counts(view, name, found, tasks, len(running))
    problems = list(_service_problems(view, name, found, tasks, (wanted, count), states))
    notes = []
    if found and defined is None:
        original = labels.get(ONE_OFF_LABEL)
        ended = bool(tasks) and all(task["Status"]["State"] in jobs.ENDED for task in tasks)
        of_run = f"is a task of doit run {original}{', and has ended (doit prune)' if ended else ''}"
        notes.append(of_run if original else "is not in site.toml (doit prune)")
    if (
        found
        and defined is not None
        and not defined.is_global
        and not defined.is_job
        and defined.replicas != wanted
    ):
        scaled = scale_words(labels)
        notes.append(f"replicas: {wanted}, in site.toml {defined.replicas}{f': {scaled}' if scaled else ''}")
    if found and defined is not None and not defined.is_job and is_changed_by_others(found["Spec"]):
        notes.append(f"somebody else changed it (doit why {service_task(name)} --live)")
    paused = [(short, container) for short, container in running if container.get("State") == PAUSED]
    problems += [
        f"{short}: its container {paused_by_others(name, str(container['Id']), short)}"
        for short, container in paused
        if not view.is_saved(short, container)
    ]
    if any(view.is_saved(*each) for each in paused):
        notes.append(SAVED)
    if found and (words := spread_words(found["Spec"])):
        notes.append(f"{words}; if none is at work: doit rebalance confirm={view.stage.site_name}")
    if found and is_left_stopped(found, view.reading.at):
        problems.append(f"{LEFT_STOPPED} (doit starts it)")
    elif found and is_stopped_for_backup(found["Spec"]):
        notes.append("is stopped while its files are saved, and goes on then")
    if stopped := moving_words(labels.get(MOVING_LABEL, "")):
        problems.append(stopped)
    update = ((found or {}).get("UpdateStatus") or {}).get("State")
    if update == "updating":
        notes.append("is being updated")
    elif update == _UNDONE:
        # What runs is what ran before: whether it is what site.toml says is told by `stale`.
        notes.append("its last update was rolled back")
    number = labels.get(REVISION_LABEL, "")
    mode = defined.mode if defined else _mode(found)
    image = found["Spec"]["TaskTemplate"].get("ContainerSpec", {}).get("Image", "") if found else ""
    return ServiceStatus(
        name=name,
        mode=mode,
        wanted=wanted,
        running=count,
        healthy=healthy,
        hosts=hosts,
        since=max((float(container.get("Created", 0)) for _, container in running), default=None),
        revision=int(number) if number.isdecimal() else None,
        image=_short_image(image),
        pinned=PINNED_LABEL in labels,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _mode(found: Json | None) -> str:
    """Return the mode of a service of the swarm, as site.toml writes it."""
    words = {
        "Replicated": "replicated",
        "Global": "global",
        "ReplicatedJob": "replicated-job",
        "GlobalJob": "global-job",
    }
    return next((words[word] for word in (found or {}).get("Spec", {}).get("Mode", {}) if word in words), "")


def _short_image(image: str) -> str:
    """Return an image's reference without its registry, and with twelve letters of its digest."""
    name, _, digest = image.partition("@")
    registry, slash, rest = name.partition("/")
    path = rest if slash and any(letter in registry for letter in ".:") else name
    path = path.rpartition(":")[0] if ":" in path and digest and len(path.rpartition(":")[2]) >= 40 else path  # noqa: PLR2004 - a key
    return f"{path}@{digest.removeprefix('sha256:')[:12]}" if digest else path


def _counts(
    view: SiteView, name: str, found: Json | None, tasks: Sequence[Json], running: int
) -> tuple[int, int]:
    """Return how many tasks a service wants, and how many it has: of a job, those that ended well."""
    defined = view.stage.services.get(name)
    if found is None:
        if defined is None:
            return 0, running
        return (len(view.stage.hives) if defined.is_global else defined.replicas), running
    if jobs.is_job(found):
        done, wanted = jobs.progress(found, tasks)
        return wanted, done
    mode = as_before_backup(found["Spec"])["Mode"]
    if "Replicated" in mode:
        return int(mode["Replicated"].get("Replicas", 1)), running
    return _eligible(view, found), running


def _eligible(view: SiteView, found: Json) -> int:
    """Return on how many nodes a global service is to run; one that is down counts, one that is drained does not."""
    wanted = (found["Spec"]["TaskTemplate"].get("Placement") or {}).get("Constraints") or ()
    nodes = [
        scheduling_node(node, view.short_names[identity], None)
        for identity, node in view.swarm.nodes.items()
        if node["Spec"].get("Availability", "active") == "active"
    ]
    return sum(all(meets_constraint(constraint, node) for constraint in wanted) for node in nodes)


def _service_problems(
    view: SiteView,
    name: str,
    found: Json | None,
    tasks: Sequence[Json],
    counts: tuple[int, int],
    states: Sequence[str],
) -> Iterator[str]:
    """Yield what is wrong with a service."""
    wanted, running = counts
    unhealthy = sum(UNHEALTHY in state for state in states)
    sick = f"{unhealthy} of {len(states)} containers are unhealthy (doit logs {name})"
    if found is None:
        defined = view.stage.services.get(name)
        if not isinstance(view.reading.swarm, str):
            yield "is not deployed (doit deploy_services)"
        elif running < wanted and defined is not None and not defined.is_job:
            yield f"{running} of {wanted} tasks run, as the hosts that answer say"
        if unhealthy:
            yield sick
        return
    is_meant = ONE_OFF_LABEL in labels_of(found) or is_stopped_for_backup(found["Spec"])
    if running < wanted and not is_meant and not (jobs.is_job(found) and jobs.is_at_work(found, tasks)):
        verb = "ended well" if jobs.is_job(found) else "run"
        yield f"{running} of {wanted} tasks {verb}{_why_fewer(view, tasks)}"
    elsewhere = view.unwanted(name)
    for short in sorted({*elsewhere}):
        yield (
            f"{elsewhere.count(short)} more on {short}, which the swarm does not reach and has replaced elsewhere"
        )
    if failing := _failing(view, found, tasks):
        yield f"{failing} (doit logs {name})"
    if unhealthy:
        yield sick
    update = found.get("UpdateStatus") or {}
    if update.get("State") in _TROUBLE:
        yield f"its last update: {str(update['State']).replace('_', ' ')}: {update.get('Message', '')}".rstrip(
            ": "
        )


def _failing(view: SiteView, found: Json, tasks: Sequence[Json]) -> str:
    """Return that tasks of the present specification end again and again, though one may just run; empty if not."""
    template = found["Spec"]["TaskTemplate"]
    failed: dict[str, list[Json]] = {}
    for task in tasks:
        ended = engine_moment(str(task["Status"].get("Timestamp", ""))) or 0.0
        is_present = all(task.get("Spec", {}).get(key) == template.get(key) for key in _OF_TASKS)
        never_ran = any(part in _error(task) for part in _NEVER_RAN)
        if (
            task["Status"]["State"] in _FAILED
            and is_present
            and not never_ran
            and ended > view.reading.at - RECENT
        ):
            failed.setdefault(str(task.get("Slot") or task.get("NodeID")), []).append(task)
    most = max(failed.values(), key=len, default=[])
    if len(most) < AGAIN:
        return ""
    last = max(most, key=lambda task: str(task["Status"].get("Timestamp", "")))
    return (
        f"ends again and again: {len(most)} times within {RECENT / 60:.0f} min, the last time: {_error(last)}"
    )


def _why_fewer(view: SiteView, tasks: Sequence[Json]) -> str:
    """Return why fewer tasks run than wanted, as the silent hosts and the newest task that does not run tell."""
    reasons = []
    lost: dict[str, int] = {}
    for task in tasks:
        short = view.short_names.get(str(task.get("NodeID", "")), "")
        if task["Status"]["State"] == RUNNING and short and view.is_silent(short):
            lost[short] = lost.get(short, 0) + 1
    reasons += [f"{count} on {short}, which does not answer" for short, count in sorted(lost.items())]
    newest = max(
        (task for task in tasks if task["Status"]["State"] != RUNNING and (_error(task))),
        key=lambda task: str(task["Status"].get("Timestamp", "")),
        default=None,
    )
    if newest is not None:
        reasons.append(
            f"the last one that ended: {_error(newest)}" if newest.get("NodeID") else _error(newest)
        )
    return f" ({'; '.join(reasons)})" if reasons else ""


def _error(task: Json) -> str:
    """Return why a task does not run; empty if it says nothing."""
    return str(task["Status"].get("Err") or "")
