"""Which alarms a run's own work may cause, and for how long: they are silenced meanwhile."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.keys.record import FactRecord, ServiceRecord
from model.log import Log
from model.stage import Host
from model.swarm.time_to_run import time_to_run
from tasks.names import NODE_METRICS, OBSERVE, PROMETHEUS, service_task, setup_task
from tasks.run.context import Run

if TYPE_CHECKING:
    from remote.monitoring.alertmanager import Matchers

HOST_DOWN = 5400.0
"""Seconds that a host may be down for its change: installed anew, set up, back in the swarm, its services running."""
NEW = 7200.0
"""Seconds that a run may take until all that is new to the site is there."""
_WATCHED = frozenset({"docker", NODE_METRICS, OBSERVE})
"""The set-up steps that a host needs so that Prometheus finds it well."""
_LAST_MANAGERS = "ManagersFew"


@contextlib.contextmanager
def silenced_service(run: Run, name: str, log: Log) -> Iterator[None]:
    """Have nobody told of a service's alarms within, for as long as it, or its old form, may take until it runs."""
    service = run.stage.services[name]
    longest = 2 * time_to_run(service, len(run.stage.hives), run.stage.site.images)
    with run.silences.during(f"service {name} is deployed", [{"service": name}], longest, log):
        yield


def silence_host(run: Run, host: Host, log: Log) -> None:
    """Have nobody told of the alarms of a host that is taken down, of services that have tasks there, and of managers.

    `end_silence_of_host` ends that.
    """
    matchers: list[Matchers] = [{"host": host.short}]
    services = run.live_state.host(host).services.keys() & run.stage.services.keys()
    if services:
        matchers.append({"service": services})
    if host.is_hive:
        matchers.append({"alertname": _LAST_MANAGERS})
    run.silences.begin(_work(host), matchers, HOST_DOWN, log)


def end_silence_of_host(run: Run, host: Host, log: Log) -> None:
    """Have people told again, now that a host is back."""
    run.silences.end(_work(host), log)


def _work(host: Host) -> str:
    """Return what is done, in words."""
    return f"{host.short} is taken down for its change"


def silence_what_is_new(run: Run, step: str, log: Log) -> None:
    """Before a set-up step has others look for what this run has yet to make: have nobody told of that until it ends.

    Agents look for all services of site.toml, also for those whose images are built only now, and Prometheus for all
    hosts, also for those that are set up only now.

    Args:
        run: The run.
        step: The set-up step's name.
        log: Takes a line if that can't be.

    """
    if step not in (OBSERVE, PROMETHEUS):
        return
    if services := {name for name in run.stage.services if _is_new_service(run, name)}:
        run.silences.begin_once("services are new", [{"service": services}], NEW, log)
    if step != PROMETHEUS:
        return
    if hosts := {host.short for host in run.stage.hosts if _is_new_host(run, host)}:
        run.silences.begin_once("hosts are new to monitoring", [{"host": hosts}], NEW, log)


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
