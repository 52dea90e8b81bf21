"""Phase 1: the hosts, and the networks, images and firewalls that they need of their provider."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from model.errors import ProviderError, SkepError
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord, Record
from model.log import Log
from model.stage import Host, Stage
from providers.base import Provider, Resource
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each
from tasks.hosts import decommission, fences, let_in_keys, moving
from tasks.hosts.held_first import hold_first
from tasks.hosts.registry_host import goes_down, waits_for_move
from tasks.hosts.rolling_replace import one_at_a_time, refusal
from tasks.hosts.ssh_key import SshKey
from tasks.hosts.volume_data import kept_for_move
from tasks.hosts.volumes_on import volumes_on
from tasks.names import SSH_KEY_TASK, infra_task
from tasks.phase import Orphan, Phase
from tasks.run.context import Run
from tasks.run.run_history import DESTROYING
from tasks.run.state import State
from tasks.step import BLOCKED, CHANGE, CREATE, REPLACE, Finding, Names, Step, Work

_AFTER_MOVE = "in the run after this one, when its registry has moved"
_SETTING = "setting."
"""Before the names of inputs that are changed in place."""


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for the ssh key, and one for each resource of the provider."""
    yield SshKey(run)
    for resource in run.provider.resources():
        yield ProviderResource(run, resource)


# -- the provider's resources ------------------------------------------------------------------------------------------


class ProviderResource(Step):
    """A host, or something that hosts need of their provider.

    Args:
        run: The run.
        resource: The provider's description of it.

    """

    def __init__(self, run: Run, resource: Resource) -> None:
        self._run, self._resource = run, resource
        self.task, self.doc = infra_task(resource.name), resource.doc
        self.host = resource.name if resource.is_host else ""
        # A new ssh key counts where it goes in, as into every host.
        self.needs = (SSH_KEY_TASK,) if resource.is_host or resource.embeds_ssh_key else ()
        # Whoever changes a network looks first whether another run is at work, by a log-in.
        self.after = (*map(infra_task, resource.needs), *(() if self.needs else (SSH_KEY_TASK,)))

    def inputs(self) -> Inputs:
        """Return the resource's inputs and settings, and the ssh keys that it lets in."""
        run = self._run
        settings = {f"{_SETTING}{name}": value for name, value in self._resource.settings.items()}
        ssh_key = {"ssh_key": run.state.record(SSH_KEY_TASK, FactRecord).id} if self.needs else {}
        made = run.state.last_inputs(self.task) if self._resource.defaults else {}
        operators = let_in_keys.inputs(run.stage) if self._resource.is_host else {}
        return {**self._resource.as_made(made), **settings, **ssh_key, **operators}

    def ensure(self, work: Work) -> Record:
        """Have the provider make it; a host's ssh entry is written at once, for the steps that follow."""
        run, resource = self._run, self._resource
        _check(run, work.task)
        hold_first(run, work.log)
        if refused := moving.refusal(run, work.task):
            raise ProviderError(refused)
        run.place.settle(work.log)  # after a listing, so that the credentials have said all
        before = run.state.read(work.task, HostRecord) if resource.is_host else None
        if before is not None:
            let_in_keys.let_operator_in(run, run.stage.host(resource.name), work.log)
        if not resource.is_host:
            return self._made(None, work, "")
        with fences.back_in_turn(run, run.stage.host(resource.name), work.task, work.log) as old_node:
            return self._made(before, work, old_node)

    def _made(self, before: HostRecord | None, work: Work, old_node: str) -> Record:
        """Have the provider make it, and keep what is known of it; a fenced host leaves its old swarm at once."""
        run, resource = self._run, self._resource
        if resource.is_host and waits_for_move(run, run.stage.host(resource.name)):
            record: Record = self._as_it_is(before, work.log)
        else:
            with one_at_a_time(run, resource, work.log):
                if run.progress.moves:
                    run.stage_lock.let_go(run.stage.hosts)
                elif resource.is_host and goes_down(run, run.stage.host(resource.name)):
                    run.stage_lock.let_go([run.stage.host(resource.name)])
                record = run.provider.ensure(resource, work.log)
        if resource.defaults and (before is None or getattr(record, "id", "") != before.id):
            work.inputs.update({name: resource.inputs[name] for name in resource.defaults})
        if isinstance(record, HostRecord):
            host = run.stage.host(resource.name)
            run.state.write(work.task, record)
            # Before the old connection goes: whoever opens the next one must know the new host's key.
            run.connections.write_ssh_files()
            # Where the lock is held the connection works, and the lock would be free for as long as a new one takes.
            is_mended = run.live_state.host(host).error and host not in run.stage_lock.held_on
            if before != record or is_mended or self._has_new_key(work):
                run.connections.reset(host)
            if old_node:
                fences.leave_old_swarm(run, host, old_node, work.log)
            let_in_keys.settle(run, host, work.log)
            run.stage_lock.join(host)
            _see_anew(run, host)
            if before is not None:
                run.live_state.host(host)  # asked here, where doit does not wait for the answer
        elif not resource.is_host:
            for host in run.live_state.unreachable():
                _see_anew(run, host)
        return record

    def recall(self, work: Work) -> Record | None:
        """Return the record of a thing that the provider lists as wanted; of a host one that a log-in has proved.

        Nothing is made, though another run may remove it just then. Who is let in stays as it is: that may be what is
        going to be changed.
        """
        run = self._run
        if run.live_state.resource(self.name, self._resource.key) is not None:
            return None
        if not self._resource.is_host:
            found = run.live_state.things.get(self.name)
            return None if found is None else FactRecord(id=found.id)
        record = run.provider.recall(self._resource)
        if record is not None:
            run.state.write(work.task, record)
            run.connections.write_ssh_files()
        return record

    def _has_new_key(self, work: Work) -> bool:
        """Return whether an open connection may be by another ssh key than the one that is used from now on."""
        last = self._run.state.last_inputs(work.task)
        # Of a host that only this run has found, as in a fresh clone, the connection is this run's own.
        return bool(last) and work.inputs.get("ssh_key") != last.get("ssh_key")

    def _as_it_is(self, record: HostRecord | None, log: Log) -> HostRecord:
        """Leave the host with the registry as it is until the registry has moved.

        Raises:
            ProviderError: Its registry can't move as it is.

        """
        new = self._run.stage.repository.short
        if record is None or not self._run.live_state.things[self.name].running:
            why = "state/ does not say how to log in there" if record is None else "it does not run"
            raise ProviderError(
                f"{self.name}: has to be changed, and has the registry, which has not moved to {new} yet ({why}): put "
                f"the change back in site.toml, run doit, then change it; or, to lose the registry: doit "
                f"replace={self.name}"
            )
        line = f"{self.name} stays as it is until its registry has moved to {new}: the next run changes it"
        self._run.progress.later.append(line)
        log(line)
        return record

    def real(self, key: str) -> str | None:
        """Compare with the provider's listing, whose key does not cover the ssh key: of a host, ask the host itself."""
        del key
        answer = self._run.live_state.resource(self.name, self._resource.key)
        if answer is not None or not self._resource.is_host:
            return answer
        if fences.fenced_node(self._run, self.name):
            return f"{self.name} is fenced: it has to leave its old swarm before anything else"
        found = self._run.live_state.things.get(self.name)
        record = self._run.state.read(self.task, HostRecord)
        if found is not None and record is not None and found.id != record.id:
            # It has other host keys as well: nothing else would let this checkout log in again.
            return f"{self.name} was made anew: it is another one than state/ knows"
        host = self._run.stage.host(self.name)
        return self._run.live_state.host(host).refusal or let_in_keys.drift(self._run, host) or None

    def effect(self, changed: Names) -> str:
        """Return CHANGE for new ssh keys and for settings; all else makes it another thing."""
        return CHANGE if all(map(_is_in_place, changed)) else REPLACE

    def shows(self, changed: Names) -> bool:
        """Return False for inputs that are changed in place: the real thing's key does not cover them."""
        return not all(map(_is_in_place, changed))

    def inspect(self, changed: Names) -> Finding | None:
        """Tell a thing that has to be replaced from a host that only is stopped, or gets a new ssh key."""
        del changed
        found = self._run.live_state.things.get(self.name)
        if found is None:
            return None
        if found.key == self._resource.key:
            return Finding(CHANGE)
        if not found.key:
            return Finding(CREATE, "what remains of it is reused")
        if not self._resource.is_host:
            return Finding(REPLACE)
        host = self._run.stage.host(self.name)
        if waits_for_move(self._run, host):
            return Finding(CHANGE, _AFTER_MOVE)
        if problem := refusal(self._run, host):
            return Finding(BLOCKED, problem)
        held = volumes_on(self._run.stage, self._run.state, host, self._run.live_state.host(host))
        return Finding(REPLACE, f"it holds volume {', '.join(held)}" if held else "")

    def refusal(self) -> str:
        """Return what keeps a thing that is to be another, and so the hosts, from being changed."""
        try:
            return moving.refusal(self._run) if self._is_other() else ""
        except SkepError:
            return ""  # the provider can't be asked, which the plan says by itself

    def _is_other(self) -> bool:
        """Return whether the thing is there, and has to be stopped, another one, or at another address."""
        if self._run.provider.owns:
            found = self._run.live_state.things.get(self.name)
            if found is None:  # as the network of hosts that are to have other addresses
                return not self._resource.is_host and moving.moves_at_once(self._run)
            return found.key != self._resource.key or found.must_stop
        return self.name in moving.moved_hosts(self._run)


def _see_anew(run: Run, host: Host) -> None:
    """Forget that a host did not answer, or how it looked: it, or its network, was just mended or made anew."""
    run.connections.retry(host)
    run.live_state.renew(host)


def _is_in_place(name: str) -> bool:
    """Return whether an input of the provider's things is changed in place."""
    return name in {"ssh_key", "format"} or name.startswith((_SETTING, let_in_keys.INPUT))


def _check(run: Run, task: str) -> None:
    """Raise with all obstacles before the stage's first host is made; checked once a run."""
    first, problems = run.coordination.found_once(
        "check the provider", task, lambda: _problems(run.stage, run.state, run.provider)
    )
    if problems and first != task:
        raise ProviderError(f"nothing was made: see the error of {first}")
    if problems:
        raise ProviderError("\n".join(problems))


def _problems(stage: Stage, state: State, provider: Provider) -> list[str]:
    """Return all obstacles to the stage's first host."""
    if any(state.host_record(host) is not None for host in stage.hosts):
        return []
    try:
        return list(provider.check())
    except SkepError as error:
        return [str(error)]


# -- what the stage no longer wants ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrphanHost(Orphan):
    """A host that the stage no longer has.

    Args:
        former: What is on it; None as long as it was not asked.
        kept: Why it stays, also where a person names its volumes: one of them is being moved.

    """

    kind, order = "host", 80
    former: decommission.FormerHost | None = None
    kept: str = ""

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes that are, or may be, on it."""
        return self.former.volumes if self.former is not None else ()

    @property
    def going(self) -> str:
        """It, with its volumes, in words."""
        held = f"with volume {', '.join(self.volumes)}" if self.volumes else "it has no volume"
        return f"{self.words}, after it left the swarm; {held}"

    @property
    def staying(self) -> str:
        """Why it stays: a volume is being moved, or nobody named its volumes."""
        if self.kept:
            return self.kept
        held = ",".join(self.volumes)
        doubt = self.former.doubt if self.former is not None else ""
        may = f"may be on it ({doubt})" if doubt else "would be lost with it"
        return f"volume {held} {may}: save the data that you need; to remove it: volumes={held}"

    def examined(self, run: Run) -> Self:
        """Ask the host for its volumes."""
        former = decommission.former(run.stage, run.state, run.connections, self.name)
        # Of a swarm that does not answer the host can't be taken out: its removal refuses by itself.
        kept = "" if run.live_state.swarm.error else kept_for_move(run, self.name, former.volumes)
        return replace(self, former=former, kept=kept)

    def may_go(self, volumes: Collection[str]) -> bool:
        """Return whether its volumes were named, and none of them is being moved."""
        return not self.kept and super().may_go(volumes)

    def remove(self, run: Run, log: Log) -> None:
        """Take it out of the swarm, then remove it with its disk."""
        decommission.remove(run, self.name, log)

    @classmethod
    def remove_all(cls, run: Run, orphans: Sequence[Self], going: Collection[str], log: Log) -> list[str]:
        """Remove one after the other: each time the swarm has to do without one more."""
        remove = super().remove_all
        return [problem for orphan in orphans for problem in remove(run, [orphan], going, log)]


class OrphanResource(Orphan):
    """A thing of the provider that is no host, as a file system. Nothing removes it: it may hold data."""

    kind, order, is_kept = "provider resource", 100, True

    @property
    def staying(self) -> str:
        """Why it stays: nothing removes it."""
        return "it may hold data; remove it at the provider if nothing needs it"

    def may_go(self, volumes: Collection[str]) -> bool:
        """Return False."""
        del volumes
        return False

    def remove(self, run: Run, log: Log) -> None:
        """Remove nothing."""


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the provider's things that the stage does not want."""
    wanted = {resource.name for resource in run.provider.resources()}
    for name in sorted(run.live_state.things.keys() - wanted):
        kind = OrphanHost if run.live_state.things[name].is_host else OrphanResource
        yield kind(name, infra_task(name))


def destroy(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove the hosts that the provider made, all at a time, then its other things."""
    del volumes
    # These go last: as long as one of them lives, no other run begins.
    held = [host.short for host in run.stage_lock.held_on]
    run.stage_lock.let_go(run.stage.hosts)
    # Closed first: commands over a connection to a host that is gone would wait for its timeout.
    run.connections.disconnect(except_=held)
    if not there.owned:
        return []
    removed = set()

    def remove(name: str) -> None:
        run.provider.remove(name, log)
        removed.add(name)

    if run.stage.repository.short in there.hosts:
        run.history.going_down(DESTROYING)
    problems = each([name for name in there.hosts if name not in held], remove, log)
    problems += each([name for name in there.hosts if name in held], remove, log)
    run.connections.disconnect(except_=[short for short in held if short not in removed])
    if run.stage.repository.short in removed:
        run.history.went_down()
    return [*problems, *(problem for name in there.others for problem in each([name], remove, log))]


PHASE = Phase(
    "build_infra", "make the hosts, and the networks and disks that they need", steps, orphans, destroy
)
