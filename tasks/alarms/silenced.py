"""Which alarms a run's own work may cause, and for how long: they are silenced meanwhile."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.log import Log
from model.stage import Host
from model.swarm.time_to_run import time_to_run
from tasks.run.context import Run

if TYPE_CHECKING:
    from remote.monitoring.alertmanager import Matchers

HOST_DOWN = 5400.0
"""Seconds that a host may be down for its change: installed anew, set up, back in the swarm, its services running."""
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
