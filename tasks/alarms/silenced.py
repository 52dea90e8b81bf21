"""Which alarms a run's own work may cause, and for how long: they are silenced meanwhile."""

import contextlib
from collections.abc import Iterable, Iterator

from model.alarms.touched import Touched
from model.errors import SkepError
from model.keys.record import FactRecord, ServiceRecord
from model.log import Log
from model.stage import Host
from model.swarm.time_to_run import time_to_run
from tasks.names import NODE_METRICS, OBSERVE, PROMETHEUS, service_task, setup_task
from tasks.run.context import Run

HOST_DOWN = 5400.0
"""Seconds that a host may be down for its change: installed anew, set up, back in the swarm, its services running."""
NEW = 7200.0
"""Seconds that a run may take until all that is new to the site is there."""
_WATCHED = frozenset({"docker", NODE_METRICS, OBSERVE})
"""The set-up steps that a host needs so that Prometheus finds it well."""
_LAST_MANAGERS = "ManagersFew"
OF_THE_SWARM = (_LAST_MANAGERS, "SwarmLost")
"""The alarms about the swarm as a whole."""
_NEW_HOSTS = "hosts are new to monitoring"


@contextlib.contextmanager
def silenced_service(run: Run, name: str, work: str, log: Log) -> Iterator[None]:
    """Have nobody told of a service's alarms within, for as long as it, or its old form, may take until it runs.

    Afterwards they are told, also where the service waited for this to be deployed.

    Args:
        run: The run.
        name: The service.
        work: What is done, in words, for those who look at the silences: `service web is deployed`.
        log: Takes a line if that can't be.

    """
    service = run.stage.services[name]
    longest = 2 * time_to_run(service, len(run.stage.hives), run.stage.site.images)
    try:
        run.silences.begin(work, Touched(services={name}), longest, log)
        yield
    finally:
        run.silences.end([work, _waiting(name)], log)


def silence_until_deployed(run: Run, names: Iterable[str], log: Log) -> None:
    """Have nobody told of the alarms of services that this run has yet to deploy, until each one is, or the run ends.

    Args:
        run: The run.
        names: The services.
        log: Takes a line if that can't be.

    """
    run.silences.begin_once({_waiting(name): Touched(services={name}) for name in names}, NEW, log)


def _waiting(name: str) -> str:
    """Return what a service waits for, in words."""
    return f"service {name} is still to be deployed"


def silence_host(run: Run, host: Host, log: Log) -> None:
    """Have nobody told of the alarms of a host that is taken down, of services that have tasks there, and of managers.

    `end_silence_of_host` ends that.
    """
    run.silences.begin(_work(host), touched_with_host(run, host), HOST_DOWN, log)


def touched_with_host(run: Run, host: Host) -> Touched:
    """Return what is touched where a host goes down: it, the services that have tasks there, the number of managers.

    Tasks that left the hosts before it may be there as well by now.
    """
    there = {*run.live_state.host(host).services}
    run.progress.moved |= there
    services = run.progress.moved & run.stage.services.keys()
    return Touched(services, {host.short}, {_LAST_MANAGERS} if host.is_hive else ())


def services_there(run: Run, host: Host) -> set[str]:
    """Return the services that have tasks on a host by what the swarm tells; none where no alarm has to be silenced."""
    from remote.swarm import upkeep

    if not run.silences.is_there:
        return set()
    # What nobody can tell is told of, should there be an alarm.
    with contextlib.suppress(SkepError):
        beside, client = run.connections.manager(except_=host, patience=0)
        return upkeep.services_on(beside.short, client, run.stage.labels, host)
    return set()


@contextlib.contextmanager
def silenced_host(run: Run, host: Host, log: Log) -> Iterator[None]:
    """Do within as `silence_host` does."""
    try:
        silence_host(run, host, log)
        yield
    finally:
        end_silence_of_host(run, host, log)


def end_silence_of_host(run: Run, host: Host, log: Log) -> None:
    """Have people told again, now that a host is back."""
    run.silences.end([_work(host)], log)


def _work(host: Host) -> str:
    """Return what is done, in words."""
    return f"{host.short} is taken down for its change"


def silence_what_is_new(run: Run, step: str, log: Log) -> None:
    """Before a set-up step has others look for what this run has yet to make: have nobody told of that meanwhile.

    Agents look for all services of site.toml, also for those whose images are built only now, and for all hives in the
    swarm, also for those that join it only now; Prometheus for all hosts, also for those that are set up only now.

    Args:
        run: The run.
        step: The set-up step's name.
        log: Takes a line if that can't be.

    """
    if step not in (OBSERVE, PROMETHEUS):
        return
    silence_until_deployed(run, (name for name in run.stage.services if _is_new_service(run, name)), log)
    if hosts := [host for host in run.stage.hosts if _is_new_host(run, host)]:
        alarms = {_LAST_MANAGERS} if any(host.is_hive for host in hosts) else ()
        touched = Touched(hosts={host.short for host in hosts}, alarms=alarms)
        run.silences.begin_once({_NEW_HOSTS: touched}, NEW, log)


def _is_new_service(run: Run, name: str) -> bool:
    """Return whether a service was never deployed, as far as is known here."""
    return (
        run.state.read(service_task(name), ServiceRecord) is None
        and name not in run.live_state.swarm.services
    )


def _is_new_host(run: Run, host: Host) -> bool:
    """Return whether a host did not tell of itself when the run began."""
    look = run.live_state.host(host)
    if not look.error:
        return not look.steps.keys() >= _WATCHED
    return any(run.state.read(setup_task(host.short, step), FactRecord) is None for step in _WATCHED)
