"""The markers of a service's initializations, taken along when volumes of the service are moved with their data.

A volume on another hive is another one to an initialization, which would load its first data again, over what people
have made of it since.
"""

from collections.abc import Sequence

from model.errors import SkepError
from model.keys.digest import key_of
from model.keys.record import ServiceRecord
from model.labels import labels_of
from tasks import initialize_services
from tasks.initialize_services import Initialization
from tasks.names import service_task
from tasks.operate.volume_candidates import Candidate
from tasks.run.context import Run


def moved_markers(run: Run, moved: Sequence[Candidate]) -> dict[str, dict[str, str]]:
    """Return the labels that services are to have, by service; none for a service that has no such role.

    Args:
        run: The run, whose state/ has the record of each volume on its new hive.
        moved: The volumes.

    """
    before = {f"{each.name}@{each.move.source}": each.move.incarnation for each in moved}
    after = {f"{each.name}@{each.target.short}" for each in moved}
    unknown = {each.name for each in moved if each.move.backups is not None and not each.move.incarnation}
    found: dict[str, dict[str, str]] = {}
    for step in initialize_services.steps(run):
        if not isinstance(step, Initialization) or step.service not in run.live_state.swarm.services:
            continue
        service = run.live_state.swarm.services[step.service]
        mounted = run.stage.services[step.service].named_volumes
        was = {name: value for name, value in before.items() if name.partition("@")[0] in mounted}
        marker = labels_of(service).get(step.label, "")
        if not marker or not was:
            continue
        if run.state.read(service_task(step.service), ServiceRecord) is None:
            # A checkout that never deployed it: its key has the same id as elsewhere.
            run.state.write(service_task(step.service), ServiceRecord(id=service["ID"]))
        try:
            wanted = step.marker_when_moved(marker, was, after)
        except (KeyError, SkepError):
            continue  # a run has to make something first that it needs, and runs it then
        if unknown.intersection(mounted):
            # Nobody can tell whether it was loaded into what is lost, but the backup has what was.
            wanted = key_of(step.inputs_now())
        if wanted != marker:
            found.setdefault(step.service, {})[step.label] = wanted
    return found
