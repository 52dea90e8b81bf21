"""The recovery of a swarm that lost its majority: the others are fenced, then one manager makes a swarm of its state.

Each step may be killed and done again. That hosts are fenced is on the disk before the new swarm is made, and in that
from its beginning; the lost nodes go last, so that a recovery that was killed is known by them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from model.errors import HostError, ProviderError, SkepError
from model.keys.record import HostRecord
from model.log import Log
from model.reasons import reason_of
from model.stage import Host
from model.swarm.address_pools import swarm_options
from remote.mother.wait import attempts
from tasks.hosts import fences
from tasks.names import NODE_LABELS, host_task, setup_task, swarm_task
from tasks.operate.lost_managers import (
    GONE,
    HALTED,
    LEAVES,
    NOBODY,
    OFF,
    OUT,
    LostManager,
    SwarmLoss,
    formed_meanwhile,
)
from tasks.run.context import Run

SILENCE_TIMEOUT = 30.0
"""Seconds within which a host that was halted has to be silent."""
_SWARM_PORT = 2377
_KNOCK = """
for at in {places}; do
    timeout 3 bash -c "exec 3<>/dev/tcp/${{at%:*}}/${{at##*:}}" 2>/dev/null && echo "$at" &
done
wait
"""


@dataclass(frozen=True)
class SwarmRecovery:
    """The recovery of a swarm.

    Args:
        run: The run; it holds the stage where something is changed.
        loss: How the majority was lost.

    """

    run: Run
    loss: SwarmLoss

    def lines(self) -> Iterator[str]:
        """Yield what will be done, for a person."""
        run, loss = self.run, self.loss
        keep = loss.keep.short
        if loss.is_formed:
            yield f"{keep} leads a new swarm already; what is left of the old one is removed from it:"
        else:
            yield f"{keep} makes a new swarm of what it knows, and is its only manager; first the others are fenced:"
        for each in loss.lost:
            yield f"  {each.name}  {each.reason}: {self._fencing(each)}"
        if not loss.is_formed:
            services = ", ".join(loss.services)
            yield (
                f"the containers of {services} on {keep} restart"
                if services
                else f"no container of a service runs on {keep} now, so that none restarts"
            )
        lost = {each.host for each in loss.lost}
        for volume in run.stage.volumes:
            if {*run.stage.volume_hosts(volume)} <= lost:
                holders = ", ".join(host.short for host in run.stage.volume_hosts(volume))
                yield f"volume {volume} is only on {holders}: services with it wait until that is back"
        yield from loss.notes

    def _fencing(self, each: LostManager) -> str:
        """Return how a lost manager is fenced, in words."""
        return {
            LEAVES: "it leaves the old swarm now, and its containers of services end",
            HALTED: f"provider {self.run.stage.provider} switches it off",
            GONE: "nothing is left to be fenced",
            OFF: "it is off, as was said",
            OUT: "nothing is left to be fenced",
            NOBODY: "skep can't switch it off: do that yourself",
        }[each.fence]

    def carry_out(self, log: Log) -> None:
        """Fence the others, make the new swarm, and take the others' nodes out of it.

        Raises:
            SkepError: A host can't be fenced, so that nothing was made; or the new swarm is not made.

        """
        run, loss = self.run, self.loss
        nodes = {each.name: each.node for each in loss.lost if each.fence != OUT}
        if not loss.is_formed:
            off = self._fence(log)
            if not formed_meanwhile(run, loss.keep):
                self._note_fences(off, log)
                self._form(log)
        client = run.connections.engine(loss.keep)
        self._forget(log)
        from remote.swarm import nodes as swarm_nodes
        from remote.swarm import recovery

        recovery.say_fenced(loss.keep.short, client, run.state.fences())
        for each in loss.lost:
            host = each.host or Host(each.name, each.name, each.address, is_hive=True, is_repository=False)
            swarm_nodes.remove_node(loss.keep.short, client, host, log, each.node)
        log(f"{loss.keep.short} is the swarm's manager; {len(nodes)} lost nodes are out of it")

    # -- the steps -------------------------------------------------------------------------------------------------

    def _fence(self, log: Log) -> set[str]:
        """Cut the others off, and make sure that they are; return those that could only be switched off.

        Raises:
            SkepError: One is not.

        """
        run, loss = self.run, self.loss
        run.stage_lock.let_go(each.host for each in loss.lost if each.host in run.stage.hosts)
        off = {each.name for each in loss.lost if each.fence == LEAVES and not self._leaves(each, log)}
        for each in loss.lost:
            if each.fence == HALTED or each.name in off:
                if each.host is not None:
                    run.connections.to(each.host).close()
                try:
                    run.provider.fence(each.name, log)
                except ProviderError as error:
                    raise ProviderError(
                        f"{error}\n    No swarm was made. Switch {each.name} off yourself, then type it again with "
                        f"off={each.name}"
                    ) from error
                log(f"{each.name} is off")
        self._check_silence(
            [each for each in loss.lost if each.fence in {HALTED, OFF} or each.name in off], log
        )
        return off

    def _leaves(self, each: LostManager, log: Log) -> bool:
        """Have a host that answers leave the old swarm; return whether it did, so that it need not be switched off.

        Raises:
            HostError: It did not, and its provider can't switch it off.

        """
        try:
            if each.host is not None:
                fences.leave(self.run, each.host, each.node, log)
        except SkepError as error:
            why = f"{each.name} does not leave its old swarm ({reason_of(error).splitlines()[0]})"
            if not self.run.provider.halts:
                raise HostError(
                    f"{why}: switch it off, then type it again, with off={each.name} as well"
                ) from error
            log(f"{why}: it is switched off")
            return False
        return True

    def _check_silence(self, hosts: Sequence[LostManager], log: Log) -> None:
        """Make sure that no host answers which is said to be off.

        Raises:
            HostError: One does.

        """
        places = {f"{each.address}:{port}": each for each in hosts for port in self._ports(each)}
        if not places:
            return
        connection = self.run.connections.to(self.loss.keep)
        script, answers = _KNOCK.format(places=" ".join(places)), [""]
        for _ in attempts(SILENCE_TIMEOUT):
            answers = connection.script(
                script, timeout=30, label="asking whether the lost hosts are off"
            ).split()
            if not answers:
                log(f"{', '.join(dict.fromkeys(each.name for each in places.values()))}: silent")
                return
            if all(places[at].fence == OFF for at in answers if at in places):
                break  # what a person says is so now, or it is not
        raise HostError(
            "; ".join(
                f"{places[at].name} answers {self.loss.keep.short} at {at}, so it is not off"
                for at in answers
                if at in places
            )
            + ": switch it off, then type it again"
        )

    def _ports(self, each: LostManager) -> list[int]:
        """Return the ports at which a host that runs would answer: ssh's, by default or its own, and the swarm's."""
        record = self.run.state.read(host_task(each.name), HostRecord)
        return sorted({22, _SWARM_PORT, *([record.ssh_port] if record is not None else [])})

    def _note_fences(self, off: Collection[str], log: Log) -> None:
        """Put on the disk who is fenced, before the old swarm is given up: whoever runs doit next knows it."""
        run, loss = self.run, self.loss
        if loss.keep.short in run.state.fences():
            run.state.lift_fence(loss.keep.short)
        for each in loss.lost:
            if each.host is not None and (each.name in off or each.fence in {HALTED, GONE, OFF}):
                run.state.fence(each.name, each.node)
        log(f"noted as fenced: {', '.join(run.state.fences()) or 'none'}")

    def _form(self, log: Log) -> None:
        """Make the new swarm."""
        from remote.swarm import recovery

        run, loss = self.run, self.loss
        recovery.force_new_cluster(
            loss.keep,
            run.connections.engine(loss.keep),
            loss.address,
            swarm_options(run.stage.config),
            run.state.fences(),
            log,
        )

    def _forget(self, log: Log) -> None:
        """Forget that the others were members, and have those that are off forget it, if their provider can."""
        run = self.run
        for each in self.loss.lost:
            if run.provider.halts and each.host is not None:
                try:
                    run.provider.forget_swarm(each.name, log)
                except SkepError as error:
                    # The new swarm is there, and this is but the surer way: the host's task has it leave in any case.
                    log(f"{each.name} leaves its old swarm when doit logs in to it, and not before: {error}")
            for task in (swarm_task(each.name), setup_task(each.name, NODE_LABELS)):
                run.state.forget(task)
