"""A host that a person wants anew: out of the swarm, removed with its disk; the next run makes it again.

For a host that is dead, broken, or to be another machine. A note in state/ says how far that has come: after a kill
the same command goes on, and takes no host down a second time that is made again already, with new data on it.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from model.errors import HostError, SkepError
from model.log import Log
from model.reasons import reason_of
from model.stage import Host
from remote.mother.files import file_errors, write_whole
from remote.mother.wait import telling, wait_for, wait_until_none
from remote.ssh.ssh_files import forget_host_keys, is_other_host
from tasks.hosts.decommission import leave_swarm
from tasks.hosts.host_losses import HostLosses
from tasks.names import volume_task
from tasks.run.context import Run
from tasks.run.silent_hives import silent_hives
from tasks.run.state import State

_NOTES = "replacing"
"""The directory of notes in state/, one for each host."""
MAJORITY_PATIENCE = 40.0
"""Seconds for which a majority is waited for: the managers that are left elect another leader within 20."""
SERVICES_PATIENCE = 120
"""Seconds for which services may start on a host that is back."""


@dataclass(frozen=True)
class Replacement:
    """How far the replacement of a host has come.

    Args:
        host: The host's short name.
        is_removed: Whether it is out of the swarm, removed and forgotten.
        is_out: Whether it is out of the swarm, so that no task of a service writes data there any more, and its removal
            may have begun.
        backups: Each volume that comes back, to the services and generations that it comes back with.
        has_begun: Whether the swarm has the journals of that, which count from then on.

    """

    host: str
    is_removed: bool
    is_out: bool = False
    backups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    has_begun: bool = False


def note_path(state: State, short: str) -> Path:
    """Return the path of the note on a host's replacement."""
    return state.root / _NOTES / f"{short}.json"


def replacement_under_way(state: State, short: str) -> Replacement | None:
    """Return the replacement of a host that did not end; None if there is none."""
    try:
        found = json.loads(note_path(state, short).read_bytes())
        return Replacement(
            str(found["host"]),
            bool(found["is_removed"]),
            bool(found.get("is_out")),
            found.get("backups") or {},
            bool(found.get("has_begun")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def replacements_under_way(state: State) -> list[Replacement]:
    """Return the replacements that did not end."""
    shorts = sorted(path.stem for path in (state.root / _NOTES).glob("*.json"))
    return [found for short in shorts if (found := replacement_under_way(state, short)) is not None]


def end_replacement(state: State, short: str) -> None:
    """Note that a host is not being replaced any more."""
    path = note_path(state, short)
    with file_errors(path):
        path.unlink(missing_ok=True)


def replacement_words(state: State) -> list[str]:
    """Return a line for each replacement that did not end."""
    return [
        f"{found.host}: {'is removed, and not made again yet' if found.is_removed else 'is being taken down'}: doit "
        f"replace_host {found.host} goes on with that"
        for found in replacements_under_way(state)
    ]


def end_made(run: Run, *, is_whole: bool) -> None:
    """Note that hosts are not being replaced any more: a run of all tasks has come to its end.

    One that is not made yet goes on to be waited for, as a machine that its owner has yet to install. To type it again
    takes down nothing that is made.

    Args:
        run: The run.
        is_whole: Whether all tasks went well, so that every host is as it should be.

    """
    shorts = {host.short: host for host in run.stage.hosts}
    for found in replacements_under_way(run.state):
        host = shorts.get(found.host)
        is_made = run.provider.owns and host is not None and run.state.host_record(host) is not None
        if is_whole or (is_made and found.is_removed and not found.backups):
            end_replacement(run.state, found.host)


def lost_on_the_way(run: Run, chosen: Collection[str]) -> list[str]:
    """Return why a run would make volumes empty that are to come back from backups, as the swarm does not know yet.

    Args:
        run: The run.
        chosen: Its tasks.

    """
    lines = []
    for found in replacements_under_way(run.state):
        if found.has_begun or not found.is_removed:
            continue
        made = {name for name in found.backups if volume_task(name, found.host) in chosen} - run.may_replace
        if made:
            lines.append(
                f"{found.host}: volume {', '.join(sorted(made))} is to come back from a backup, and this would make it "
                f"empty: doit replace_host {found.host} goes on with that"
            )
    return lines


@dataclass(frozen=True)
class HostReplacement:
    """The removal of a host whose place stays.

    Args:
        run: The run; it holds the stage, and observes.
        host: The host.

    """

    run: Run
    host: Host

    @cached_property
    def losses(self) -> HostLosses:
        """The data that goes with it."""
        return HostLosses(self.run, self.host)

    @property
    def was_taken_down(self) -> bool:
        """Whether a replacement that was killed has taken it down already, so that only the run is left to do."""
        found = self._noted()
        return found is not None and found.is_removed

    @property
    def goes_on(self) -> bool:
        """Whether one that was killed may have begun to remove it: its losses were agreed to, and some are lost.

        Of a host that still answers they can be told anew.
        """
        found = self._noted()
        return found is not None and found.is_out and not self.losses.answers

    @property
    def is_whole_swarm(self) -> bool:
        """Whether it is the only hive."""
        return self.host.is_hive and len(self.run.stage.hives) == 1

    def swarm_problem(self, log: Log) -> str:
        """Return why the swarm can't do without it; empty if it can. Looked at before anything else.

        Args:
            log: Takes a line while it is waited for, as right after a leader was lost.

        """
        others = [hive for hive in self.run.stage.hives if hive != self.host]
        if not self.host.is_hive or not others:
            return ""
        if all(self.run.state.host_record(hive) is None for hive in others):
            tasks = " ".join(f"build_infra:{hive.short}" for hive in others)
            return f"this checkout has not met the other hives yet, so that no majority can be told: doit {tasks}"
        try:
            wait_for(
                telling(self._is_expendable, "the swarm", log),
                "the swarm",
                MAJORITY_PATIENCE,
                retry=HostError,
            )
        except HostError as error:
            if not self._has_leader():
                return (
                    f"the swarm does not have a leader: {reason_of(error)}: start the other hives first, as they were "
                    "(doit); if half of the hives or more are lost for good: first doit recover_swarm keep=HOST, with "
                    "one that is left, then this again"
                )
            return (
                f"the swarm would be left without a majority: {reason_of(error)}: bring the other hives back first "
                "(doit, or doit replace_host of one that is lost); if half of the hives or more are lost for good: "
                "doit recover_swarm keep=HOST, with one that is left"
            )
        return ""

    def _has_leader(self) -> bool:
        """Return whether a manager answers that has a leader, so that a majority of them is there."""
        try:
            self.run.connections.manager(except_=self.host, patience=0)
        except HostError:
            return False
        return True

    def _is_expendable(self) -> bool:
        """Return True if the swarm keeps its majority without the host.

        Raises:
            HostError: It does not.

        """
        from remote.swarm import nodes as swarm_nodes

        beside, client = self.run.connections.manager(except_=self.host, patience=0)
        if beside == self.host:
            raise HostError(f"no other manager than {self.host.short} answers")
        if swarm_nodes.has_node(beside.short, client, self.host):
            swarm_nodes.check_expendable(
                beside.short,
                client,
                self.host,
                [],
                silent=silent_hives(self.run.connections, self.run.stage.hives, self.host),
            )
        return True

    def has_new_machine(self) -> bool:
        """Return whether another machine is at a borrowed host's address already, by its ssh host key."""
        return is_other_host(self.run.live_state.host(self.host).refusal)

    def take_down(self, log: Log) -> None:
        """Take the host out of the swarm, remove it with its disk, and forget it.

        To be repeated after a kill at any point: what is done already is found so.

        Raises:
            SkepError: The swarm or the provider refuses.

        """
        run, host = self.run, self.host
        backups = self._noted_backups() if self.goes_on else self.losses.backups or self._noted_backups()
        if not self.goes_on:
            self._note(Replacement(host.short, is_removed=False, backups=backups))
        if host.is_hive and not self.is_whole_swarm:
            leave_swarm(run, host, "", log)
        if not run.provider.owns and self.losses.answers:
            self._forget_swarm(log)
        self._note(Replacement(host.short, is_removed=False, is_out=True, backups=backups))
        run.stage_lock.let_go([host])
        record = run.state.host_record(host)
        run.connections.to(host).close()
        run.provider.remove(host.short, log)
        if not run.provider.owns and record is not None:
            # Whatever machine is there next is another one.
            forget_host_keys(run.connections.files, record.name)
        for task in run.state.tasks_of_host(host.short):
            run.state.forget(task)
        run.connections.write_ssh_files()
        self._note(Replacement(host.short, is_removed=True, is_out=True, backups=backups))

    def _noted_backups(self) -> Mapping[str, Mapping[str, str]]:
        """Return what was to come back when the host was taken down first."""
        found = self._noted()
        return found.backups if found is not None else {}

    @property
    def coming_back(self) -> Replacement | None:
        """What comes back from backups, once the host is taken down; None if nothing (more) does."""
        found = self._noted()
        return found if found is not None and found.is_removed and found.backups else None

    def begins_to_come_back(self) -> None:
        """Note that the swarm has the journals of what comes back."""
        if (found := self.coming_back) is not None:
            self._note(replace(found, has_begun=True))

    def came_back(self) -> None:
        """Note that nothing is to come back any more."""
        if (found := self.coming_back) is not None:
            self._note(replace(found, backups={}))

    def services_lacking(self, log: Log) -> str:
        """Wait until all services run again, now that the host is back; return what does not, empty if all do."""
        from remote.swarm import upkeep

        run = self.run

        def lacking() -> list[str]:
            beside, client = run.connections.manager()
            counts = upkeep.task_counts(beside.short, client, run.stage.labels)
            wanted = {name: count.desired for name, count in counts.items()}
            return upkeep.shortfalls(beside.short, client, run.stage.labels, wanted)

        try:
            wait_until_none(lacking, "the services to run again", SERVICES_PATIENCE, log)
        except HostError as error:
            return str(error)
        return ""

    def _forget_swarm(self, log: Log) -> None:
        """Have a borrowed host's engine leave a swarm that no longer knows it: its containers end.

        Where it does not, its owner is told: nobody else can end them.
        """
        from remote.engine.client import connect
        from remote.swarm.membership import leave

        connection = self.run.connections.to(self.host)
        try:
            connection.open()
            with closing(connect(self.host.short, connection.docker_socket)) as engine:
                leave(self.host, engine)
                log(f"{self.host.short} left the swarm")
        except SkepError as error:
            log(
                f"{self.host.short} does not leave the swarm by itself ({reason_of(error).splitlines()[0]}): switch it "
                "off, and keep it off until it is installed anew, since its containers would run on beside those that "
                "take their place"
            )

    def _note(self, noted: Replacement) -> None:
        """Keep how far it has come."""
        text = json.dumps(asdict(noted))
        write_whole(note_path(self.run.state, self.host.short), f"{text}\n".encode())

    def _noted(self) -> Replacement | None:
        """Return how far a replacement of this host came that did not end; None if there is none."""
        return replacement_under_way(self.run.state, self.host.short)
