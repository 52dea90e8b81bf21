"""A host whose packages are upgraded: drained where its containers would start anew, restarted where it has to be.

One host at a time, and the next one only when the swarm and the services are as they were before. To be repeated after
a kill at any point: dpkg goes on where it was cut off, a host that is stopped is started, a drained one takes tasks
again.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model.errors import CommandError, HostError, ProviderError, SkepError
from model.keys.record import HostRecord
from model.labels import CORDONED_LABEL, labels_of
from model.log import Log
from model.stage import Host
from model.swarm.host_node import node_of
from remote.hostsetup.updates import (
    LOOK_TIMEOUT,
    UPGRADE_TIMEOUT,
    HostUpdates,
    look_script,
    parse_updates,
    upgrade_script,
)
from remote.mother.wait import Pace, telling, wait_for, wait_until_none
from tasks.alarms.silenced import silenced_host
from tasks.hosts.rolling_replace import SERVICES_TIMEOUT, is_member, stopped_one_at_a_time
from tasks.names import host_task
from tasks.run.context import Run

STEPS_TIMEOUT = 90
"""Seconds that a host's units get to be active again."""
RESTART_TIMEOUT = 900
"""Seconds that a machine gets to be there again after a restart: firmware of servers takes minutes."""
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
_RESTART = "nohup sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 &\n"


@dataclass(frozen=True)
class HostLook:
    """What is to be done on a host.

    Args:
        host: The host.
        updates: What it says of its packages.
        error: Why it says nothing; empty if it does.
        is_stopped: Whether its provider says that it does not run, so that it can be started.
        is_aside: Whether a run that was killed has drained it.

    """

    host: Host
    updates: HostUpdates
    error: str = ""
    is_stopped: bool = False
    is_aside: bool = False

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.updates.is_current and not (self.error or self.is_aside)


def looks(run: Run, hosts: Sequence[Host]) -> list[HostLook]:
    """Ask hosts for their packages, all at once, and return them in the order in which they are to be upgraded.

    Hosts that are no hives go first, the swarm's leader last, so that it is elected anew but once.
    """
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        found = list(pool.map(lambda host: look(run, host), hosts))
    nodes = run.live_state.swarm.nodes.values()
    leads = {
        host.short: bool((node_of(nodes, host).get("ManagerStatus") or {}).get("Leader")) for host in hosts
    }
    return sorted(found, key=lambda each: (each.host.is_hive, leads[each.host.short]))


def look(run: Run, host: Host, *, is_started: bool = False) -> HostLook:
    """Ask a host for its packages.

    Args:
        run: The run.
        host: The host.
        is_started: Whether it was started since its provider listed it.

    """
    node = node_of(run.live_state.swarm.nodes.values(), host)
    is_aside = CORDONED_LABEL in labels_of(node.get("Spec") or {})
    thing = run.live_state.things.get(host.short)
    if thing is not None and not (thing.running or is_started) and run.provider.halts:
        return HostLook(
            host, HostUpdates(), f"{host.short}: does not run", is_stopped=True, is_aside=is_aside
        )
    if error := run.live_state.host(host).error:
        return HostLook(host, HostUpdates(), error, is_aside=is_aside)
    try:
        output = run.connections.to(host).script(
            look_script(), timeout=LOOK_TIMEOUT, label="looking for newer packages"
        )
    except SkepError as error:
        return HostLook(host, HostUpdates(), str(error), is_aside=is_aside)
    return HostLook(host, parse_updates(output), is_aside=is_aside)


class HostUpgrade:
    """The upgrade of one host.

    Args:
        run: The run; it holds the stage, and observes.
        found: What is to be done.
        log: Takes progress.

    """

    def __init__(self, run: Run, found: HostLook, log: Log) -> None:
        self._run, self._found, self._host = run, found, found.host
        self._tell = log

    def _log(self, text: str) -> None:
        """Write a line with the host's name."""
        short = self._host.short
        self._tell(text if text.startswith(short) else f"{short}: {text}")

    def upgrade(self) -> None:
        """Upgrade it, and return when all is as it was before.

        Raises:
            SkepError: It is not, or the swarm can't do without the host.

        """
        run, host, found = self._run, self._host, self._found
        if found.is_stopped:
            self._log("does not run: it is started")
            self._start()
            found = look(run, host, is_started=True)
        if found.error:
            raise HostError(found.error)
        if lost := found.updates.lost:
            raise HostError(
                f"{host.short}: an upgrade would remove {', '.join(lost)}, which the site needs: look into it with "
                f"doit ssh {host.short} (apt-get -s full-upgrade)"
            )
        before = self._running()
        drifted = self._drifted()
        updates = found.updates
        # Where containers start anew in any case, they do so elsewhere, and in order.
        drains = updates.touches_engine or bool(updates.restart) or found.is_aside
        with self._down(drains=drains):
            if updates.updates or updates.half_done:
                updates = self._take(updates)
            if updates.restart and drains:
                self._restart(updates)
                updates = HostUpdates()
        if updates.restart:  # the new packages ask for it, and nobody knew that they would
            with self._down(drains=True):
                self._restart(updates)
        self._take_tasks()
        self._wait_until_as_before(before, drifted)

    @contextlib.contextmanager
    def _down(self, *, drains: bool) -> Iterator[None]:
        """Hold the host's turn within; afterwards it takes tasks again, and what ran before runs."""
        run, host = self._run, self._host
        if is_member(run, host):
            with stopped_one_at_a_time(run, host, self._log, restarts=drains):
                yield
        else:
            with silenced_host(run, host, self._log):
                yield
            run.connections.forget_engine(host)
            run.live_state.renew(host)

    def _take(self, updates: HostUpdates) -> HostUpdates:
        """Install the newer packages, and return what is left to do."""
        count = sum(bool(update.new) for update in updates.updates)
        self._log(
            f"upgrading {count} {'package' if count == 1 else 'packages'}"
            if count
            else "finishing what was cut off"
        )
        output = self._run.connections.to(self._host).script(
            upgrade_script(), timeout=UPGRADE_TIMEOUT, label="upgrading its packages"
        )
        after = parse_updates(output)
        if after.half_done:
            raise HostError(
                f"{self._host.short}: dpkg could not set up all packages: doit ssh {self._host.short} -- sudo dpkg "
                "--audit"
            )
        if after.engine != updates.engine:
            self._log(f"engine {updates.engine or 'none'} → {after.engine or 'none'}")
        return after

    # -- restarts --------------------------------------------------------------------------------------------------

    def _restart(self, updates: HostUpdates) -> None:
        """Restart the host, and return when it lets us in again.

        Raises:
            HostError: It is a container that nobody here can start.

        """
        run, host = self._run, self._host
        self._log(f"is restarted ({updates.restart})")
        run.stage_lock.let_go([host])
        if not updates.is_container:
            self._reboot()
        elif run.provider.owns and run.provider.halts:
            self._check_unchanged()
            run.connections.to(host).close()
            run.provider.halt(host.short, self._log)
            self._start()
        else:
            raise HostError(
                f"{host.short}: has to be restarted ({updates.restart}), and is a container that skep can't start: "
                "restart it, then type this again"
            )

    def _reboot(self) -> None:
        """Have the machine restart itself; it is the same host, at the same address, and its disk is mounted anew."""
        run, host = self._run, self._host
        connection = run.connections.to(host)
        before = connection.run(_BOOT_ID).strip()
        connection.script(_RESTART, label="restarting")
        connection.close()

        def is_back() -> bool:
            connection.forget_failure()
            return connection.run(_BOOT_ID, timeout=20).strip() != before

        what = f"{host.short} to be there again after its restart"
        wait_for(
            telling(is_back, what, self._log),
            what,
            RESTART_TIMEOUT,
            retry=(HostError, CommandError),
            pace=Pace(first=2.0, longest=5.0),
        )
        self._met()

    def _start(self) -> None:
        """Have its provider start it."""
        self._check_unchanged()
        run, host = self._run, self._host
        resource = next(each for each in run.provider.resources() if each.name == host.short)
        record = run.provider.ensure(resource, self._log)
        if isinstance(record, HostRecord):
            run.state.write(host_task(host.short), record)
            run.connections.write_ssh_files()
        self._met()

    def _met(self) -> None:
        """Use new connections to the host, and hold the stage's lock there again."""
        run, host = self._run, self._host
        run.connections.reset(host)
        run.stage_lock.join(host)
        run.live_state.renew(host)

    def _check_unchanged(self) -> None:
        """Refuse to have a provider touch a host that site.toml wants otherwise: it would be made anew.

        Raises:
            ProviderError: It does.

        """
        run, host = self._run, self._host
        thing = run.live_state.things.get(host.short)
        resource = next(each for each in run.provider.resources() if each.name == host.short)
        if thing is not None and thing.goes_down(resource):
            raise ProviderError(
                f"{host.short}: site.toml wants it otherwise than it is, so that it can't be restarted as it is: run "
                "doit first (doit plan shows the difference)"
            )

    # -- whether all is well ---------------------------------------------------------------------------------------

    def _take_tasks(self) -> None:
        """Have the swarm give it tasks, also where its engine was down as its turn came, so that it had none.

        Raises:
            HostError: It is no ready manager.

        """
        from remote.swarm import nodes as swarm_nodes

        run, host = self._run, self._host
        if not host.is_hive or not is_member(run, host):
            return

        def is_back() -> bool:
            beside, client = run.connections.manager(except_=host)
            swarm_nodes.check_back(beside.short, client, host)
            return True

        what = f"{host.short} to be a ready manager again"
        wait_for(telling(is_back, what, self._log), what, swarm_nodes.JOIN_TIMEOUT, retry=SkepError)
        beside, client = run.connections.manager(except_=host)
        node = node_of(client.api.nodes(), host)
        swarm_nodes.ensure_node_labels(
            beside.short, client, node["ID"], {}, self._log, swarm_nodes.is_not_aside
        )

    def _running(self) -> Mapping[str, int]:
        """Return how many tasks of each service run."""
        from remote.swarm import upkeep

        beside, client = self._run.connections.manager(except_=self._host)
        counts = upkeep.task_counts(beside.short, client, self._run.stage.labels)
        return {name: count.running for name, count in counts.items()}

    def _drifted(self) -> set[str]:
        """Return what of the host's set-up is not as it was applied, a line for each."""
        state = self._run.live_state.host(self._host)
        return {f"{name}: {line}" for name, step in state.steps.items() for line in step.drift}

    def _wait_until_as_before(self, before: Mapping[str, int], drifted: set[str]) -> None:
        """Wait until the services run that ran before, and the host's files and units are as they were.

        Raises:
            HostError: They are not; the message says what.

        """
        from remote.swarm import upkeep

        run, host = self._run, self._host

        def lacking() -> list[str]:
            beside, client = run.connections.manager(except_=host)
            return upkeep.shortfalls(beside.short, client, run.stage.labels, before)

        def changed() -> list[str]:
            run.live_state.renew(host)
            state = run.live_state.host(host)
            return [state.error] if state.error else sorted(self._drifted() - drifted)

        wait_until_none(
            changed, f"{host.short} to be set up as before (doit mends it)", STEPS_TIMEOUT, self._log
        )
        wait_until_none(
            lacking, f"the services to run as before {host.short} was upgraded", SERVICES_TIMEOUT, self._log
        )
