"""The site's backups, asked of the hosts that make and keep them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from model.backup_names import BEFORE_RESTORE
from model.checks.backup import saving_services
from model.errors import HostError, SkepError
from model.stage import Host
from remote.backup.agent_calls import AgentFailedError, ask_agent
from remote.mother.questions import begin
from tasks.backup.newest_generation import newest_of
from tasks.run.context import Run

Heard = Callable[[str, Mapping[str, Any]], None]
"""Takes a host's short name and what its agent says."""
_DAY_LONG = 86_400.0
LATEST = "latest"


@dataclass(frozen=True)
class DataHome:
    """Where a service's data is.

    Args:
        host: The hive.
        pending: The generation that a restoration there was killed at, and is to go on with; empty if there is none.
        scripts: The parts that it restores; none for all.
        is_loading: Whether the service runs with what is restored so far, so that it may have new data.

    """

    host: Host
    pending: str = ""
    scripts: tuple[str, ...] = ()
    is_loading: bool = False

    def goes_on(self, generation: str, script: str) -> bool:
        """Return whether restoring this, a part or all of it (empty), goes on with what is pending."""
        return bool(self.pending) and (self.pending, self.scripts) == (
            generation[: len(self.pending)],
            (script,) if script else (),
        )


@dataclass(frozen=True)
class SiteBackups:
    """The backups of a stage.

    Args:
        run: The run.

    """

    run: Run

    @property
    def zone(self) -> tzinfo:
        """The site's time zone; UTC where this machine does not know it."""
        try:
            return ZoneInfo(self.run.stage.site.setup_hosts.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return UTC

    def services(self, names: Sequence[str]) -> list[str]:
        """Return services with backups: those that are named, or all.

        Raises:
            HostError: One has none.

        """
        known = [name for name, service in self.run.stage.services.items() if service.backup_scripts]
        if self.run.stage.site.backup is None:
            raise HostError("site.toml has no [backup] (docs/backup.md)")
        if unknown := [name for name in names if name not in known]:
            raise HostError(
                f"{', '.join(unknown)}: site.toml has no backup_scripts for it; services with: "
                f"{', '.join(known) or 'none'}"
            )
        return list(names) or known

    def generations(self, services: Sequence[str], heard: Heard | None = None) -> list[dict[str, Any]]:
        """Return the generations of services, the oldest first.

        Args:
            services: The services.
            heard: Is told which repositories can't be read, whose generations are missing.

        Raises:
            HostError: The repository host can't tell.

        """
        found: list[dict[str, Any]] = self.ask(self.run.stage.repository, "generations", heard=heard)
        return [each for each in found if each["service"] in services]

    def chosen(self, service: str, at: str, heard: Heard | None = None) -> dict[str, Any]:
        """Return a generation of a service.

        Args:
            service: The service.
            at: Its id or the beginning of that; `latest`; or a time of the site's time zone: then the newest that is
                not younger. `latest` is the newest good one (`newest_good`).
            heard: As of `generations`.

        Raises:
            HostError: There is none.

        """
        if at == LATEST:
            return self.newest_good(service, heard)
        found = self.generations([service], heard)
        if not found:
            raise HostError(f"{service}: there is no generation yet (doit backup {service})")
        if (moment := _moment(at, self.zone)) is not None:
            older = [each for each in found if datetime.fromisoformat(each["time"]) <= moment]
            if not older:
                raise HostError(
                    f"{service}: no generation is that old; the oldest is {self._words(found[:1])}"
                )
            return older[-1]
        named = [each for each in found if each["id"].startswith(at)]
        if len(named) != 1:
            raise HostError(
                f"at={at}: {'several generations begin so' if named else 'no generation of ' + service}; there are: "
                f"{self._words(found[-5:])} (doit backups {service})"
            )
        return named[0]

    def newest(self, service: str, heard: Heard | None = None) -> dict[str, Any]:
        """Return a service's newest generation, whatever its tests said, that is of no kind `before-restore`.

        What the repository host dated into the future is taken only if there is nothing else.

        Raises:
            HostError: There is none.

        """
        own = [each for each in self.generations([service], heard) if each["kind"] != BEFORE_RESTORE]
        found = newest_of(own)
        if found is None:
            raise HostError(f"{service}: there is no generation yet (doit backup {service})")
        return found

    def newest_good(self, service: str, heard: Heard | None = None) -> dict[str, Any]:
        """Return a service's newest generation that no test found fault with, and that is of no kind `before-restore`.

        What the repository host dated into the future is taken only if there is nothing else.

        Raises:
            HostError: There is none.

        """
        found = self.generations([service], heard)
        good = _newest_good(service, found)
        if good is None:
            there = f"; there are: {self._words(found[-5:])}" if found else ""
            raise HostError(f"{service}: there is no backup of use (doit backups {service}){there}")
        return good

    def newest_good_ones(self, services: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """Return the same of several services; None for one that has none.

        Raises:
            HostError: The repository host can't tell.

        """
        found = self.generations(services)
        return {service: _newest_good(service, found) for service in services}

    def _words(self, generations: Sequence[Mapping[str, Any]]) -> str:
        """Return generations as people name them."""
        return ", ".join(f"{each['id']} of {local_time(each['time'], self.zone)}" for each in generations)

    def backup(self, services: Sequence[str], heard: Heard) -> dict[str, Any]:
        """Have all hives make generations of the services that are theirs; return all results together.

        Raises:
            HostError: No hive made one of a service, though none said that it failed.

        """
        words = ["run", "--kind", "asked", *(word for name in services for word in ("--service", name))]
        results = {
            host: begin(partial(self._run_on, host, tuple(words), heard)) for host in self.run.stage.hives
        }
        whole: dict[str, Any] = {"generations": [], "failed": {}}
        for host, future in results.items():
            try:
                result = future.result(_DAY_LONG)
            except SkepError as error:
                whole["failed"][host.short] = str(error)
                continue
            whole["generations"] += result["generations"]
            whole["failed"] |= result["failed"]
        done = {each["service"] for each in whole["generations"]} | whole["failed"].keys()
        if missing := [name for name in services if name not in done]:
            whole["failed"] |= dict.fromkeys(
                missing, "no hive that answers has a running task of it, or its volumes"
            )
        return whole

    def _run_on(self, host: Host, words: tuple[str, ...], heard: Heard) -> Mapping[str, Any]:
        try:
            result: Mapping[str, Any] = self.ask(host, *words, heard=heard)
        except AgentFailedError as error:
            if error.result is None:
                raise
            return error.result
        return result

    def home(self, service: str) -> DataHome:
        """Return where a service's data is restored or tried: on the hive of its lowest task, else of its volumes.

        A restoration that was killed goes on where it began.

        Raises:
            HostError: No hive has either, or none answers.

        """
        places: dict[str, DataHome] = {}
        problems: list[str] = []
        asked = {
            host: begin(partial(self.ask, host, "where", "--service", service))
            for host in self.run.stage.hives
        }
        for host, future in asked.items():
            try:
                found = future.result(120.0)
            except TimeoutError:
                problems.append(f"{host.short} does not answer")
                continue
            except SkepError as error:
                problems.append(str(error))
                continue
            for key in ("pending", "runs", "volumes"):
                if found[key]:
                    home = DataHome(
                        host,
                        str(found["pending"]),
                        tuple(found.get("scripts", ())),
                        bool(found.get("loading")),
                    )
                    places.setdefault(key, home)
        for key in ("pending", "runs", "volumes"):
            if key in places:
                return places[key]
        reasons = f": {'; '.join(problems)}" if problems else ""
        raise HostError(f"{service}: no hive has a running task of it, or its volumes{reasons}")

    def bring(self, copy: str, service: str, heard: Heard) -> int:
        """Have a service's generations brought back from a place off the site; return the number of snapshots.

        Raises:
            HostError: There is no such place, or it can't be reached.

        """
        result = self.ask(self.run.stage.repository, "fetch", copy, "--service", service, heard=heard)
        return int(result["brought"])

    def shared(self, generation: Mapping[str, Any], host: Host, heard: Heard | None = None) -> str:
        """Have a generation in a hive's own repository, and return its id there.

        Raises:
            HostError: There is no such generation, or the repository host can't bring it there.

        """
        words = ("share", generation["id"], host.short)
        return str(self.ask(self.run.stage.repository, *words, heard=heard)["id"])

    def verify(self, service: str, generation: Mapping[str, Any], heard: Heard) -> Mapping[str, str]:
        """Have a generation restored aside, and tried; return what was found of each part.

        Raises:
            HostError: Its test fails, or it can't be tried.

        """
        host = self.home(service).host
        identity = self.shared(generation, host, heard)
        result = self.ask(host, "verify", identity, "--service", service, heard=heard)
        found: Mapping[str, str] = result["verified"]
        return found

    def restore(
        self,
        host: Host,
        service: str,
        generation: Mapping[str, Any],
        script: str,
        heard: Heard,
        *,
        must_save: bool,
    ) -> Mapping[str, Any]:
        """Have a service's data be that of a generation; what is there is saved by the hive before it changes anything.

        Args:
            host: The hive with its data (`home`).
            service: The service.
            generation: The generation.
            script: The part; empty for all.
            heard: Is told how far it is.
            must_save: Whether nothing is changed where what is there can't be saved.

        Raises:
            HostError: It can't be; the message says which data the service has.

        """
        identity = self.shared(generation, host, heard)
        words = ["restore", identity, "--service", service, "--save", "must" if must_save else "may"]
        words += ["--script", script] if script else []
        result: Mapping[str, Any] = self.ask(host, *words, heard=heard)
        return result

    def standbys(self, services: Sequence[str]) -> Iterator[str]:
        """Yield a line for each hive that keeps a service's newest generation restored, or is to."""
        stage = self.run.stage
        for host in stage.hives:
            wanted = [
                service
                for service in services
                if any(
                    host.short in stage.volumes[name].standby
                    for name in stage.services[service].named_volumes
                    if name in stage.volumes and service in saving_services(stage.site, name)
                )
            ]
            if not wanted:
                continue
            try:
                noted = {each["standby"]: each for each in self.status(host).get("standby", ())}
            except SkepError as error:
                yield f"! standby on {host.short}: not known: {error}"
                continue
            for service in wanted:
                yield _standby_words(service, host.short, noted.get(service, {}), self.zone)

    def status(self, host: Host) -> Mapping[str, Any]:
        """Return how the last jobs of a host ended.

        Raises:
            HostError: It can't tell.

        """
        found: Mapping[str, Any] = self.ask(host, "status")
        return found

    def ask(self, host: Host, *words: str, heard: Heard | None = None) -> Any:
        """Have a host's agent do something, and return its result.

        Raises:
            HostError: It can't be done.

        """
        connection = self.run.connections.to(host)
        return ask_agent(connection, *words, heard=partial(heard, host.short) if heard is not None else None)


def _standby_words(service: str, host: str, noted: Mapping[str, Any], zone: tzinfo) -> str:
    """Return how it stands with a standby."""
    has = ""
    if noted.get("generation"):
        age = datetime.now(UTC) - datetime.fromisoformat(noted["made"])
        has = f"{noted['generation'][:8]} of {local_time(noted['made'], zone)}, {age / timedelta(hours=1):.0f} h old"
    if error := noted.get("error"):
        return f"! {service}: standby on {host}: failed: {error} (it has {has or 'nothing yet'})"
    return f"{service}: standby on {host}: {has}" if has else f"! {service}: standby on {host}: nothing yet"


def _newest_good(service: str, generations: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a service's newest generation that no test found fault with, and that no restoration made."""
    good = [
        each
        for each in generations
        if each["service"] == service
        and each["kind"] != BEFORE_RESTORE
        and (not each["test"] or each["test"]["ok"])
    ]
    return newest_of(good)


def _moment(at: str, zone: tzinfo) -> datetime | None:
    """Return a time as people write it, in a time zone if it names none; None if it is none."""
    if not re.match(r"\d{4}-\d{2}-\d{2}", at):
        return None
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    # A minute that is named is meant whole.
    whole = found + timedelta(seconds=59) if len(at) <= len("2026-11-27 01:00") else found
    return whole if whole.tzinfo is not None else whole.replace(tzinfo=zone)


def begun_at(generation: Mapping[str, Any]) -> str:
    """Return when a generation was begun, from when on what came may not be in it; an older agent does not say it."""
    return str(generation.get("begun") or generation["time"])


def local_time(text: str, zone: tzinfo) -> str:
    """Return a time of an agent's as a clock in a time zone shows it."""
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}"
