"""The markers of a service's initializations, taken along when volumes of the service are moved with their data.

A volume on another hive is another one to an initialization, which would load its first data again, over what people
have made of it since.
"""

from collections.abc import Iterator, Sequence

from model.errors import ServiceError
from model.keys.digest import key_of
from model.keys.record import ServiceRecord
from model.labels import labels_of
from tasks import initialize_services
from tasks.initialize_services import Initialization
from tasks.names import service_task
from tasks.operate.volume_candidates import Candidate
from tasks.run.context import Run


def unknown_markers(run: Run, moved: Sequence[Candidate]) -> list[str]:
    """Return why markers can't be told, by this checkout or at all: a run would load first data over what is moved.

    Args:
        run: The run.
        moved: The volumes, which need not be on their new hives yet.

    """
    return [
        f"service {step.service}: a run would load its first data ({step.label}) again over what is in "
        f"{', '.join(each.name for each in moved)}, since nobody can tell here that it was loaded: {why}; then type "
        "this again"
        for step, _ in _marked(run, moved)
        if (why := step.unknown(_after(moved)))
    ]


def moved_markers(run: Run, moved: Sequence[Candidate]) -> dict[str, dict[str, str]]:
    """Return the labels that services are to have, by service; none for a service that has no such role.

    Args:
        run: The run, whose state/ has the record of each volume on its new hive.
        moved: The volumes.

    Raises:
        ServiceError: A marker can't be told (`unknown_markers`).

    """
    if problems := unknown_markers(run, moved):
        raise ServiceError("\n".join(problems))
    before = {f"{each.name}@{each.move.source}": each.move.incarnation for each in moved}
    unknown = {each.name for each in moved if each.move.backups is not None and not each.move.incarnation}
    found: dict[str, dict[str, str]] = {}
    for step, marker in _marked(run, moved):
        mounted = run.stage.services[step.service].named_volumes
        was = {name: value for name, value in before.items() if name.partition("@")[0] in mounted}
        wanted = step.marker_when_moved(marker, was, _after(moved))
        if unknown.intersection(mounted):
            # Nobody can tell whether it was loaded into what is lost, but the backup has what was.
            wanted = key_of(step.inputs_now())
        if wanted != marker:
            found.setdefault(step.service, {})[step.label] = wanted
    return found


def _marked(run: Run, moved: Sequence[Candidate]) -> Iterator[tuple[Initialization, str]]:
    """Yield the initializations that were done in services with such a volume, each with its marker."""
    names = {each.name for each in moved}
    for step in initialize_services.steps(run):
        if not isinstance(step, Initialization) or step.service not in run.live_state.swarm.services:
            continue
        service = run.live_state.swarm.services[step.service]
        marker = labels_of(service).get(step.label, "")
        if not marker or not names.intersection(run.stage.services[step.service].named_volumes):
            continue
        if run.state.read(service_task(step.service), ServiceRecord) is None:
            # A checkout that never deployed it: its key has the same id as elsewhere.
            run.state.write(service_task(step.service), ServiceRecord(id=service["ID"]))
        yield step, marker


def _after(moved: Sequence[Candidate]) -> set[str]:
    """Return the volumes as they are to be."""
    return {f"{each.name}@{each.target.short}" for each in moved}
