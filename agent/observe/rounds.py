"""`agent observe`: look at this host every 15 s, and write the figures to node-exporter's textfile directory.

Each part fails by itself: its figures are then missing, `skep_observe_failed` says so, and the journal says why.
Killed at any moment, it goes on with its counts where they were written last.
"""

import select
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.errors import AgentError, reason_of
from agent.host.durable_files import read_json, write_json
from agent.host.shipping_notes import NOTES
from agent.observe.backup_figures import backup_figures
from agent.observe.certificate_ends import certificate_figures
from agent.observe.container_events import SERVICE_LABEL, START, TaskFailures
from agent.observe.disk_figures import DiskFigures
from agent.observe.engine_reader import EngineReader
from agent.observe.error_counts import ErrorCounts
from agent.observe.exposition import Exposition
from agent.observe.observe_config import CONFIG, ObserveConfig, observe_config
from agent.observe.shipping_figures import shipping_figures
from agent.observe.swarm_figures import swarm_figures

PAUSE = 15.0
"""Seconds from one look to the next."""
TEXTFILE = Path("/var/lib/prometheus/node-exporter/skep.prom")
STATE = Path("/var/lib/skep/observe/state.json")
PATIENCE = 8.0
"""Seconds that a look waits for the engine in all: what is not answered by then has failed."""
_RUNNING, _UNHEALTHY = "running", "(unhealthy)"


def main(arguments: Sequence[str]) -> int:
    """Look for ever; return 1 if the configuration can't be read."""
    if arguments:
        sys.stderr.write("usage: agent observe\n")
        return 2
    try:
        observer = HostObserver(observe_config(CONFIG), EngineReader())
    except AgentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    while True:
        began = time.monotonic()
        observer.look()
        observer.wait(began + PAUSE)


class HostObserver:
    """Looks at this host.

    Args:
        config: The host and its site.
        engine: The host's engine.
        textfile: Where the figures are written.
        state: Where counts are kept.
        shipping: Where the shipper of logs notes how far they have arrived.

    Raises:
        AgentError: A regular expression can't be read.

    """

    def __init__(
        self,
        config: ObserveConfig,
        engine: EngineReader,
        textfile: Path = TEXTFILE,
        state: Path = STATE,
        shipping: Path = NOTES,
    ) -> None:
        self._config, self._engine = config, engine
        self._textfile, self._state, self._shipping = textfile, state, shipping
        self._written: Any = read_json(state, {})
        try:
            self._failures, self._errors = self._begun(self._written)
        except (LookupError, TypeError, ValueError, AttributeError):
            self._failures, self._errors = self._begun({})  # of another form, as of another version
        self._disks = DiskFigures(engine)
        self._said: dict[str, str] = {}
        self._containers: Mapping[str, str] | None = None
        """Container to its service, as the engine told last; None as long as it has told nothing."""

    def _begun(self, noted: Mapping[str, Any]) -> tuple[TaskFailures, ErrorCounts]:
        """Return the counts that go on from what was kept."""
        services, failures = self._config.services, noted.get("failures", {})
        counts = {name: int(failures.get(name, 0)) for name in services}
        return (
            TaskFailures(self._engine, counts, int(noted.get("events", 0)), self._happened),
            ErrorCounts(services, noted.get("errors", {}), Path(self._config.containers)),
        )

    def look(self) -> None:
        """Take one look, and write what was seen."""
        config, figures, now = self._config, Exposition(), time.time()
        self._engine.be_patient_for(PATIENCE)
        clock = time.monotonic()
        parts: list[tuple[str, Callable[[Exposition], None]]] = []
        if config.is_hive:
            parts += [
                ("engine", self._services),
                ("swarm", lambda part: swarm_figures(self._engine, config, part)),
                ("volumes", lambda part: self._disks.volumes(config, part, clock)),
                ("logs", lambda _: self._logs(now)),
            ]
        if config.registry:
            parts.append(("registry", lambda part: self._disks.registry(config, part, clock)))
        if config.schedule:
            parts.append(("backups", lambda part: backup_figures(config, part, now)))
        parts.append(("certificates", certificate_figures))
        parts.append(("shipping", lambda part: shipping_figures(part, self._shipping)))
        for name, read in parts:
            self._part(name, read, figures)
        for service, count in self._failures.counts.items():
            figures.add("skep_service_task_failures_total", count, service=service)
        for service, count in self._errors.counts.items():
            figures.add("skep_log_errors_total", count, service=service)
        figures.add("skep_observed_timestamp_seconds", round(now, 3))
        self._keep()
        try:
            figures.write(self._textfile)
        except OSError as error:
            self._say("file", reason_of(error))
        else:
            self._say("file", "")

    def wait(self, until: float) -> None:
        """Wait for the next look, and take in meanwhile what the engine tells.

        Args:
            until: When it is, on the clock that is never set.

        """
        while (left := until - time.monotonic()) > 0:
            stream = self._failures.stream
            # Not `select`, which can't have a file of a number over 1023: logs are held open.
            poll = select.poll()
            if stream:
                poll.register(stream, select.POLLIN)
            if poll.poll(left * 1000):
                try:
                    self._failures.take(self._config.services)
                except AgentError:
                    continue  # the next look begins anew, and says so if it can't

    def close(self) -> None:
        """Leave the engine."""
        self._failures.close()
        self._errors.close()

    def _part(self, name: str, read: Callable[[Exposition], None], figures: Exposition) -> None:
        """Read a part; what it added before it failed counts."""
        part = Exposition()
        try:
            read(part)
            problem = ""
        except Exception as error:  # noqa: BLE001 - a mistake in one part must not take the others along
            words = reason_of(error)
            problem = words if isinstance(error, AgentError | OSError) else f"{type(error).__name__}: {words}"
        self._say(name, problem)
        figures.take(part)
        figures.add("skep_observe_failed", int(bool(problem)), part=name)

    def _services(self, part: Exposition) -> None:
        """Add the services' tasks here, and have the engine tell of those that end."""
        # Before it is asked what is there: a container whose start was told and that is not there then is removed.
        with suppress(AgentError):  # what has ended is begun anew below
            self._failures.take(self._config.services)
        # Those that ended are asked for where lines of theirs may be left to read.
        found = self._engine.read(
            "/containers/json", all=bool(self._errors.counts), filters={"label": [SERVICE_LABEL]}
        )
        self._containers = {
            str(each["Id"]): str((each.get("Labels") or {}).get(SERVICE_LABEL, "")) for each in found
        }
        for service, count in running_tasks(found, self._config.services).items():
            part.add("skep_service_tasks_running", count, service=service)
        self._failures.follow(time.time())

    def _happened(self, action: str, container: str, service: str) -> None:
        """Read a container's log from its start on, and at its end, lest it be removed before the next look."""
        if action == START:
            self._errors.has_begun(container, service, time.time())
        else:
            self._errors.has_ended(container, time.time())

    def _logs(self, now: float) -> None:
        """Count the errors in services' logs."""
        if self._containers is None:
            raise AgentError("the Docker Engine has not told yet which containers there are")
        self._errors.look(self._containers, now)

    def _keep(self) -> None:
        """Keep the counts on disk, if they changed."""
        state = {
            "failures": dict(self._failures.counts),
            "events": self._failures.since,
            "errors": self._errors.noted(),
        }
        if state == self._written:
            return
        try:
            write_json(self._state, state)
        except OSError as error:
            self._say("state", reason_of(error))
        else:
            self._written = state
            self._say("state", "")

    def _say(self, part: str, problem: str) -> None:
        """Have the journal say what is wrong with a part, once, and that it is right again."""
        if problem != self._said.get(part, ""):
            sys.stderr.write(f"{part}: {problem or 'is read again'}\n")
            sys.stderr.flush()
            self._said[part] = problem


def running_tasks(containers: Iterable[Mapping[str, Any]], services: Iterable[str]) -> dict[str, int]:
    """Return how many containers of each service run and are not unhealthy.

    Args:
        containers: Containers as the engine lists them.
        services: Services that count also where none of theirs is here.

    """
    counts = dict.fromkeys(services, 0)
    for each in containers:
        service = (each.get("Labels") or {}).get(SERVICE_LABEL)
        if service and each.get("State") == _RUNNING and _UNHEALTHY not in str(each.get("Status", "")):
            counts[service] = counts.get(service, 0) + 1
    return counts
