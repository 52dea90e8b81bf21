"""A lost site, made again: hosts, volumes with their files, services, their dumps; then as every site is.

Each part may be killed and is typed again. Runs of doit are always done again, since they find what is there; what
hives were asked for is noted in the journal, with the host that has the data: one that was made anew gets it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from model.errors import HostError, SkepError
from model.keys.digest import key_of
from model.log import Log
from model.stage import Host, Stage
from tasks import initialize_services
from tasks.backup.hive_restoration import HiveRestoration, Parts, parts_of
from tasks.backup.patient_backups import PatientBackups
from tasks.backup.restored_services import copy_name, files_host, filled_volumes, lost_pins
from tasks.backup.site_backups import Heard, SiteBackups
from tasks.backup.site_restore_journal import ChosenGeneration, SiteRestoreJournal
from tasks.hosts.stage_vault import was_set_up
from tasks.hosts.volume_data import has_data
from tasks.initialize_services import Initialization
from tasks.names import service_task
from tasks.run.context import Run

Again = Callable[[Sequence[str]], int]
"""Runs doit on the stage, which nobody holds meanwhile, and returns its exit status."""
_HOSTS = ("build_infra", "setup_hosts", "build_images", "build_networks")


@dataclass(frozen=True)
class RestoredSite:
    """The restoration of a stage.

    Args:
        stage: The stage.
        owns: Whether its provider makes its hosts, so that there were none before.
        journal: How far it is.
        opened: Gives a run that holds the stage.
        again: Runs doit.
        heard: Takes what hosts' agents say.
        log: Takes lines.

    """

    stage: Stage
    owns: bool
    journal: SiteRestoreJournal
    opened: Callable[[], AbstractContextManager[Run]]
    again: Again
    heard: Heard
    log: Log

    def carry_out(self) -> int:
        """Make the site again, from where it is; return the exit status.

        Raises:
            SkepError: Something can't be done; the same again goes on.

        """
        for part in self._parts():
            if status := part():
                return status
        for line in lost_pins(self._services):
            self.log(line)
        self.journal.end()
        return 0

    def _parts(self) -> Iterator[Callable[[], int]]:
        """Yield the parts, in their order; each returns an exit status."""
        dumped = [service_task(name) for name in self._dumped]
        if not self.owns:
            yield lambda: self.again(_HOSTS[:1])
            yield self._held(self._check_hosts)
        yield lambda: self.again(_HOSTS)
        yield self._held(self._suspend)
        yield lambda: self.again(("build_volumes",))
        yield self._held(self._check_volumes, self._fetch, self._bring_all_files)
        # Before all others, which may write into an empty database.
        yield lambda: self.again(dumped) if dumped else 0
        yield self._held(self._load_all_dumps)
        yield lambda: self.again(("deploy_services",))
        yield self._held(self._mark, partial(self._fetch, is_all=True), self._resume)
        yield lambda: self.again(())

    @property
    def _services(self) -> Mapping[str, ChosenGeneration]:
        """The generation of each service that has one, and that site.toml still has."""
        content = self.journal.read()
        found = content.services if content is not None else {}
        return {name: each for name, each in found.items() if name in self.stage.services}

    def _held(self, *do: Callable[[Run], None]) -> Callable[[], int]:
        """Return a part that holds the stage, and does one thing after another."""

        def part() -> int:
            with self.opened() as run:
                for each in do:
                    each(run)
            return 0

        return part

    def _once(self, name: str, do: Callable[[], object]) -> None:
        """Do something that was not done yet, and note it."""
        if not self.journal.is_done(name):
            do()
            self.journal.note(name)

    def _each(self, run: Run, do: Callable[[Run, str], None]) -> None:
        """Do something for each service; one that fails keeps no other from it.

        Raises:
            HostError: Some failed; the message has all of them.

        """
        failed = []
        for name in self._services:
            try:
                do(run, name)
            except SkepError as error:
                failed.append(f"{name}: {error}")
        if failed:
            raise HostError("\n".join(failed))

    # -- hosts and volumes that are new --------------------------------------------------------------------------------

    def _check_hosts(self, run: Run) -> None:
        """Refuse machines that are set up already: they may be a site that lives.

        Raises:
            HostError: Some are.

        """
        name = "hosts were new"
        if self.journal.is_done(name):
            return
        if used := [host.short for host in self.stage.hosts if was_set_up(run, host)]:
            raise HostError(
                f"{', '.join(used)}: was set up by skep before, and may be a site that lives: nothing was changed "
                "there; for its data in its place: doit restore SERVICE in a clone of the site; else install it anew"
            )
        self.journal.note(name)

    def _check_volumes(self, run: Run) -> None:
        """Refuse volumes that have data before anything was restored.

        Raises:
            HostError: Some have.

        """
        noted = "volumes were empty"
        if self.journal.is_done(noted):
            return
        found = [
            f"volume {name} on {host.short}"
            for service in self._services
            for name in filled_volumes(self.stage, service)
            for host in self.stage.volume_hosts(name)
            if has_data(run.connections, self.stage.docker_volume(name), host)
        ]
        if found:
            raise HostError(
                f"{', '.join(dict.fromkeys(found))}: has data already, over which nothing is restored: save what you "
                "need of it, empty it there, then type the same again"
            )
        self.journal.note(noted)

    # -- asking hosts --------------------------------------------------------------------------------------------------

    def _suspend(self, run: Run) -> None:
        """Have no hive back up services whose data is still to be restored."""
        words = [word for name in self._services for word in ("--service", name)]
        for host in self.stage.hives:
            self._ask(run, host, "suspend", *words)

    def _resume(self, run: Run) -> None:
        """Have hives save everything by themselves again."""
        for host in self.stage.hives:
            self._ask(run, host, "resume")

    def _fetch(self, run: Run, *, is_all: bool = False) -> None:
        """Have the repository host bring the chosen generations from the copy, or all."""
        content, host = self.journal.read(), self.stage.repository
        name = copy_name(self.stage, content.copy if content is not None else "")
        words = [word for each in self._services.values() for word in ("--generation", each.id)]
        if is_all or words:
            noted = f"{'all' if is_all else 'chosen'} generations on {_id(run, host)}"
            self._once(noted, lambda: self._ask(run, host, "fetch", name, *([] if is_all else words)))

    def _bring_all_files(self, run: Run) -> None:
        """Have all volumes have their files."""
        self._each(run, self._bring_files)

    def _load_all_dumps(self, run: Run) -> None:
        """Have all dumps loaded."""
        self._each(run, self._load_dumps)

    def _bring_files(self, run: Run, service: str) -> None:
        """Have a service's volumes have the files of its generation, before any task of it runs."""
        files = self._parts_of(run, service).files
        if not files:
            return
        host = files_host(self.stage, service, self._services[service])

        def bring() -> None:
            self.log(f"{service}: the files of {_words(self._services[service])} go to {host.short}")
            there = self._on(run, host, service)
            there.read(list(files))
            there.swap()

        self._once(f"files of {service} on {_id(run, host)}", bring)

    def _load_dumps(self, run: Run, service: str) -> None:
        """Have a service's dumps loaded as it runs, and what is no longer needed removed."""
        parts, hosts = self._parts_of(run, service), []
        if parts.loaded:
            home = SiteBackups(run).home(service).host
            hosts.append(home)

            def load() -> None:
                self.log(
                    f"{service}: the dumps of {_words(self._services[service])} are loaded on {home.short}"
                )
                there = self._on(run, home, service)
                there.read(parts.loaded)
                there.load(parts.loaded)

            self._once(f"dumps of {service} on {_id(run, home)}", load)
        if parts.files:
            hosts.append(files_host(self.stage, service, self._services[service]))
        for host in dict.fromkeys(hosts):
            self._on(run, host, service).settle()

    def _on(self, run: Run, host: Host, service: str) -> HiveRestoration:
        """Return a service's generation, on a hive."""
        return HiveRestoration(PatientBackups(run), host, service, self._services[service].id, self.heard)

    def _parts_of(self, run: Run, service: str) -> Parts:
        """Return what a service's generation has."""
        names = dict.fromkeys(self._services[service].parts, "")
        return parts_of(SiteBackups(run), service, {"scripts": names})

    def _ask(self, run: Run, host: Host, *words: str) -> None:
        """Ask a host's agent."""
        PatientBackups(run).ask(host, *words, heard=self.heard)

    # -- first data ------------------------------------------------------------------------------------------------

    @property
    def _dumped(self) -> list[str]:
        """The services whose generation has parts that go through the running service."""
        return [
            name
            for name, generation in self._services.items()
            if any(
                not script.volume and script.name in generation.parts
                for script in self.stage.services[name].backup_scripts
            )
        ]

    def _mark(self, run: Run) -> None:
        """Mark the first data of restored services as loaded: it is in what was restored.

        Raises:
            HostError: A marker can't be told. No run has loaded anything by then.

        """
        from remote.swarm.services import set_labels

        labels: dict[str, dict[str, str | None]] = {}
        run.observer.enabled = True
        # A marker without what a secret's command prints is that of no run, which would load the first data again.
        run.secrets.may_run_commands = True
        try:
            for step in initialize_services.steps(run):
                if isinstance(step, Initialization) and step.service in self._services:
                    if why := step.unknown(()):
                        raise HostError(
                            f"service {step.service}: its first data can't be marked as loaded: {why}"
                        )
                    labels.setdefault(step.service, {})[step.label] = key_of(step.inputs_now())
        finally:
            run.observer.close()
        for service, marks in labels.items():
            _, client = run.connections.manager()
            set_labels(client, service, marks)
            self.log(f"{service}: its first data is in what was restored, and is not loaded again")


def _id(run: Run, host: Host) -> str:
    """Return a host's name with what tells it from one that is made in its place."""
    record = run.state.host_record(host)
    return f"{host.short} ({record.id if record is not None else ''})"


def _words(generation: ChosenGeneration) -> str:
    """Return a generation for a reader."""
    return f"{generation.id[:8]} of {generation.time:%Y-%m-%d %H:%M}"
