"""What the next run would do to each resource, and why; found out live, and changing nothing.

`tasks/explain/status.py` compares inputs with traces, the live look finds what is there, and the rules of
`tasks/explain/actions.py` say what becomes of it. Where a resource waits for another one's record, the plan says so and
does not guess: a rebuilt image may come out the same, and then its service stays as it is.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from model.errors import SkepError
from model.labels import labels_of
from model.swarm.address_pools import differs, swarm_wants
from remote.swarm.spec import MODES
from tasks import (
    build_images,
    build_infra,
    build_networks,
    build_volumes,
    deploy_services,
    initialize_services,
    setup_hosts,
)
from tasks.explain.actions import (
    BLOCKED,
    CHANGE,
    CREATE,
    REPLACE,
    containers_of,
    effect,
    in_place,
    is_made_anew,
)
from tasks.explain.status import FAILED, ResourceStatus, StatusTable
from tasks.hosts.rolling_replace import refusal, volumes_on
from tasks.names import CONFIG, SECRET, SWARM
from tasks.observe.drift import Missing, Unknown
from tasks.run.context import Run

NOTHING, ADOPT, MAY_CHANGE, UNKNOWN, ERROR = "nothing", "adopt", "may change", "unknown", "error"
READ_BACK = "not recorded here; doit reads it back, or makes it"
AS_WANTED = "it is there as wanted, and only not recorded here"
REMOVE, LEFT = "remove", "left"
"""Of what site.toml no longer has (`tasks/cleanup/orphans.py`)."""

_GO_WITH_HOME = {setup_hosts.PHASE, initialize_services.PHASE}
"""What has to be done again in a host, or a service, that is another one."""


@dataclass(frozen=True)
class Item:
    """What a run would do to one resource.

    Args:
        task: Its task; of what site.toml no longer has, the task that it would have.
        action: One of `tasks.explain.actions`' words, or of those above.
        reasons: Why.
        after: The tasks that it waits for, where what is done depends on what they bring.
        host: Where it is; empty where it belongs to no one host.

    """

    task: str
    action: str
    reasons: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    host: str = ""


class Planner:
    """Decides on each resource.

    Args:
        run: The run; its live look is asked.
        table: How the resources stand.

    """

    def __init__(self, run: Run, table: StatusTable) -> None:
        self._run, self._standings = run, table
        self._known: dict[str, Item] = {}

    def __getitem__(self, name: str) -> Item:
        """Return what a run would do to a resource."""
        if name not in self._known:
            self._known[name] = Item(name, NOTHING)  # ends a cycle; doit itself refuses one
            self._known[name] = self._decide(self._standings[name])
        return self._known[name]

    def _decide(self, standing: ResourceStatus) -> Item:
        """Decide on a resource: by what it is in, by what it is made from, then by itself."""
        task, host = standing.task, standing.step.host
        if standing.problems:
            return Item(task, ERROR, standing.problems, host=host)
        item = self._without_home(standing) or self._without_inputs(standing)
        if item is not None:
            return item
        if refused := _moved(self._run, standing):
            return Item(task, BLOCKED, (refused,), host=host)
        answer = self._standings.drift(task)
        if isinstance(answer, Unknown):
            return self._unasked(standing, answer)
        if standing.last is None:
            return self._not_recorded(standing, answer)
        reasons = tuple(standing.reasons())
        if standing.status == FAILED:
            reasons = ("its last run failed", *reasons)
        if isinstance(answer, Missing):
            return Item(task, CREATE, (*reasons, str(answer)), self._waits_for(standing), host)
        changed = {change.name for change in standing.changes}
        if answer is None and changed and not _sees_all(standing, changed):
            return self._otherwise(standing, changed, reasons)
        if answer is None and standing.step.real is not None and (changed or standing.notes):
            # Made by somebody else's run, or found by another's record: `ensure` will find it, too.
            return Item(task, ADOPT, (*reasons, "what is there is so already"), host=host)
        if answer is not None or changed:
            said = (*reasons, answer) if answer is not None and not changed else reasons
            return self._otherwise(standing, changed, said)
        if standing.status == FAILED or standing.notes:
            return Item(task, CHANGE, reasons, host=host)
        return self._may_change(standing) or Item(task, NOTHING, host=host)

    # -- what is made from, or in, something else ----------------------------------------------------------------------

    def _without_home(self, standing: ResourceStatus) -> Item | None:
        """Decide where all that a resource is in is made anew: most of what is in it then is, too."""
        found = containers_of(self._run, standing.step)
        new = [home for home in found if is_made_anew(self[home].action)]
        if not found or len(new) < len(found):
            return None
        if standing.last is None:
            return Item(standing.task, CREATE, ("never made",), tuple(new), standing.step.host)
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        said = f"{self._standings[new[0]].step.doc}{more} is made anew"
        if standing.step.phase in _GO_WITH_HOME:
            return Item(standing.task, CREATE, (said,), tuple(new), standing.step.host)
        # A provider may keep disks, and so volumes, a registry, even the swarm.
        said += ": whether this outlives that is known then"
        return Item(standing.task, UNKNOWN, (said,), tuple(new), standing.step.host)

    def _without_inputs(self, standing: ResourceStatus) -> Item | None:
        """Decide where a resource's inputs are not known yet, by whether there is such a thing at all."""
        if not standing.missing:
            return None
        task, step = standing.task, standing.step
        maker = self._standings.unmade(task)
        after = (maker,) if maker is not None else ()
        made = self[maker].action if maker is not None else NOTHING
        said = f"it needs {standing.missing}, which is not there yet"
        answer = self._there(standing, made, said)
        if isinstance(answer, Unknown):
            return self._unasked(standing, answer)
        if isinstance(answer, Missing):
            return Item(
                task, CREATE, ("never made" if standing.last is None else str(answer),), after, step.host
            )
        if standing.last is None and not is_made_anew(made):
            if answer is None:
                return Item(task, ADOPT, (AS_WANTED,), host=step.host)
            return Item(task, UNKNOWN, (READ_BACK,), after, step.host)
        if maker is not None and is_made_anew(made) and self._standings[maker].last is None:
            # It never was made from that one, so that it can't be what it will be.
            return Item(task, effect(step, ()), (said,), after, step.host)
        return Item(task, MAY_CHANGE, (said,), after, step.host)

    def _there(self, standing: ResourceStatus, made: str, said: str) -> str | None:
        """Ask whether there is such a thing, whatever its key, where its inputs are not known.

        Args:
            standing: How it stands.
            made: What is done to that which makes what it is missing.
            said: What it is missing, in words.

        """
        step = standing.step
        if step.real is None:
            return Missing("there is none")
        try:
            if step.phase != build_images.PHASE:
                return step.real("")
        except KeyError:
            pass
        # An image is found by its key alone, and what hangs on a secret by what is in that.
        recorded = all(self._standings[home].last is not None for home in containers_of(self._run, step))
        is_new = is_made_anew(made) if step.phase == build_images.PHASE else made in {CREATE, CHANGE, REPLACE}
        return Missing(said) if is_new and recorded and standing.last is None else said

    def _unasked(self, standing: ResourceStatus, answer: Unknown) -> Item:
        """Decide on what can't be looked at: what it is in may only have to be found again, else it is an error."""
        task, host = standing.task, standing.step.host
        waits = tuple(
            home
            for home in containers_of(self._run, standing.step)
            if self[home].action not in {NOTHING, MAY_CHANGE, ERROR}
        )
        if not waits:
            return Item(task, ERROR, (_first_line(answer),), host=host)
        if standing.last is None:
            return Item(task, UNKNOWN, (READ_BACK,), waits, host)
        found = tuple(standing.reasons()) or ("what became of it can't be seen now",)
        return Item(task, UNKNOWN, found, waits, host)

    def _waits_for(self, standing: ResourceStatus) -> tuple[str, ...]:
        """Return the tasks that a resource is made from and that may leave another record."""
        return tuple(dep for dep in sorted(standing.reads) if dep in self._standings and self._moves(dep))

    def _moves(self, dep: str) -> bool:
        """Return whether a resource may be another thing afterwards to those that are made from it."""
        item, standing = self[dep], self._standings[dep]
        if item.action == MAY_CHANGE:
            fed = [name for far in item.after for name in self._standings.fed_by(standing, far)]
            return is_made_anew(effect(standing.step, fed))
        if item.action == ADOPT and standing.last is not None and (standing.changes or not standing.notes):
            # Another one than the recorded one is found, as an earlier image after an edit was taken back.
            return effect(standing.step, {change.name for change in standing.changes}) != CHANGE
        return is_made_anew(item.action)

    def _may_change(self, standing: ResourceStatus) -> Item | None:
        """Decide on what is as it should be, but is made from what will be made anew."""
        after = self._waits_for(standing)
        if not after:
            return None
        fed = [name for dep in after for name in self._standings.fed_by(standing, dep)]
        what = ", ".join(dict.fromkeys(name.partition("[")[0].removesuffix(".") for name in fed)) or "it"
        said = f"only if {what} comes out differently from {', '.join(after)}"
        return Item(standing.task, MAY_CHANGE, (said,), after, standing.step.host)

    # -- what stands alone ---------------------------------------------------------------------------------------------

    def _not_recorded(self, standing: ResourceStatus, answer: str | None) -> Item:
        """Decide on what has no record here, but whose inputs are known: by whether it is there with their key."""
        task, step = standing.task, standing.step
        if step.real is None:
            return Item(task, CREATE, ("never made",), host=step.host)
        if answer is None:
            return Item(task, ADOPT, (AS_WANTED,), host=step.host)
        if isinstance(answer, Missing):
            return Item(task, CREATE, ("never made",), self._waits_for(standing), step.host)
        return self._otherwise(standing, frozenset(), ("not recorded here", answer))

    def _otherwise(
        self, standing: ResourceStatus, changed: "set[str] | frozenset[str]", reasons: tuple[str, ...]
    ) -> Item:
        """Decide on what is there, but not as it should be."""
        look = _LOOKS.get(standing.step.phase)
        found = look(self._run, standing, changed) if look is not None else None
        action, note = found or (effect(standing.step, changed), "")
        said = (*reasons, note) if note else reasons
        return Item(standing.task, action, said, self._waits_for(standing), standing.step.host)


def _sees_all(standing: ResourceStatus, changed: Collection[str]) -> bool:
    """Return whether the live look would notice what changed: a volume's and the vault's marks are of less.

    So are the keys of what a provider changes in place.
    """
    phase, name = standing.step.phase, standing.step.name
    if phase == build_infra.PHASE:
        return not all(map(in_place, changed))
    if phase == setup_hosts.PHASE and name.endswith(f".{SWARM}"):
        return not set(changed) & setup_hosts.MADE_WITH
    return phase != build_volumes.PHASE and not name.endswith(".vault")


# -- what only the real thing can tell ---------------------------------------------------------------------------------

Finding = tuple[str, str]
"""An action, and what is to be said of it beside the reasons."""


def _infra(run: Run, standing: ResourceStatus, _changed: object) -> Finding | None:
    """Tell a thing that has to be another one from a host that only does not run, or gets a new ssh key."""
    name = standing.step.name
    resource = next((resource for resource in run.provider.resources() if resource.name == name), None)
    found = run.live_state.things.get(name)
    if resource is None or found is None:
        return None
    if found.key == resource.key:
        return CHANGE, ""
    if not found.key:
        return CREATE, "what is left of it is used"
    if not resource.is_host:
        return REPLACE, ""
    host = run.stage.host(name)
    if problem := refusal(run, host):
        return BLOCKED, problem
    held = volumes_on(run, host)
    return REPLACE, f"it holds volume {', '.join(held)}" if held else ""


def _network(run: Run, standing: ResourceStatus, _changed: object) -> Finding:
    """Tell a network that can be made anew from one that services use."""
    name = standing.step.name
    found = run.live_state.swarm.networks.get(name, {})
    users = ", ".join(
        sorted(
            service
            for service, seen in run.live_state.swarm.services.items()
            for joined in seen["Spec"]["TaskTemplate"].get("Networks") or ()
            if joined["Target"] == found.get("Id")
        )
    )
    if users and name in run.may_replace:
        return REPLACE, f"{users} will be stopped and deployed again"
    if users:
        said = f"{users} use it as it is, and a network can't be changed in place: doit will refuse"
        return BLOCKED, f"{said}; with replace={name} they are stopped, and deployed again in the new one"
    return REPLACE, ""


def _volume(run: Run, standing: ResourceStatus, _changed: object) -> Finding:
    """Tell a volume that is only not the recorded one from one that is defined otherwise, and may hold data."""
    from remote.swarm.volumes import is_as_defined

    name = standing.step.name.partition("@")[0]
    host = run.stage.host(standing.step.host)
    labels = labels_of(run.live_state.host(host).volumes.get(name, {}))
    if is_as_defined(labels, build_volumes.volume_labels(run, name)):
        return ADOPT, "the one that is there is used"
    if users := ", ".join(sorted(build_volumes.mounting(run, name, host))):
        return BLOCKED, f"it is defined otherwise, and {users} use it: doit will refuse, and leave it alone"
    try:
        data = build_volumes.has_data(run, name, host)
    except SkepError:
        data = True
    if data:
        return BLOCKED, "it is defined otherwise and may hold data: doit will refuse, and leave it alone"
    return REPLACE, "it is defined otherwise, and empty"


def _moved(run: Run, standing: ResourceStatus) -> str:
    """Return why a volume will not be made where it is to be: its data is on a host that is no longer to have it."""
    if standing.step.phase != build_volumes.PHASE:
        return ""
    name = standing.step.name.partition("@")[0]
    try:
        return build_volumes.elsewhere(run, name, run.stage.volumes[name], run.stage.host(standing.step.host))
    except SkepError:
        return ""


def _service(run: Run, standing: ResourceStatus, changed: object) -> Finding | None:
    """Tell a service that is updated from one whose mode has to be another."""
    name = standing.step.name
    if name.startswith((SECRET, CONFIG)):
        return None
    mode = run.live_state.swarm.services.get(name, {}).get("Spec", {}).get("Mode", {})
    wanted = MODES[run.stage.services[name].mode]
    del changed
    return (REPLACE, "its mode can't be changed in place") if mode and wanted not in mode else (CHANGE, "")


def _setup(run: Run, standing: ResourceStatus, _changed: object) -> Finding | None:
    """Tell a place in a swarm that is made anew, or was made otherwise than it is wanted and stays so."""
    if not standing.step.name.endswith(f".{SWARM}"):
        return None
    swarm = run.live_state.host(run.stage.host(standing.step.host)).info.get("Swarm") or {}
    different = (
        differs(swarm_wants(run.stage.config), swarm.get("Cluster") or {}) if swarm.get("Cluster") else ""
    )
    if not different:
        return None
    if SWARM in run.may_replace:
        return REPLACE, f"the swarm was made with {different}; all services are deployed again"
    return BLOCKED, f"the swarm was made with {different}, and stays so; replace=swarm makes it anew"


_LOOKS: dict[str, Callable[[Run, ResourceStatus, object], Finding | None]] = {
    build_infra.PHASE: _infra,
    setup_hosts.PHASE: _setup,
    build_networks.PHASE: _network,
    build_volumes.PHASE: _volume,
    deploy_services.PHASE: _service,
}


def _first_line(text: str) -> str:
    """Return the first line of a message."""
    return text.splitlines()[0] if text else text
