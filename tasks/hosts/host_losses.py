"""The data that goes with a host that is made anew: the last copy of a volume, of the stage's secrets, of images."""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model.errors import SkepError
from model.stage import Host
from tasks.backup.site_backups import SiteBackups, begun_at, local_time
from tasks.hosts.volume_data import has_data, moves
from tasks.hosts.volumes_on import volumes_on
from tasks.names import VAULT
from tasks.run.context import Run

SECRETS = "secrets"
"""The name under which a person lets the only copy of the stage's secrets go."""
ALL = "all"
"""The name of everything that would be lost."""


@dataclass(frozen=True)
class HostLosses:
    """What is lost with one host.

    Args:
        run: The run; it observes.
        host: The host.

    """

    run: Run
    host: Host

    @property
    def answers(self) -> bool:
        """Whether the host answers."""
        return not self.run.live_state.host(self.host).error

    @cached_property
    def volumes(self) -> list[str]:
        """The volumes whose data is only on the host; where it does not answer, those that may be on it.

        A volume on a server is not lost, and neither is one that holds nothing, nor a copy that is not whole.
        """
        run, known = self.run, self.run.stage.site.volumes
        elsewhere = {run.stage.docker_volume(name) for name in known if not known[name].stays_behind}
        found = volumes_on(run.stage, run.state, self.host, run.live_state.host(self.host))
        elsewhere |= {
            name for name, move in moves(run).items() if move.target == self.host.short and not move.is_copied
        }
        return [name for name in found if name not in elsewhere and self._may_hold(name)]

    def _may_hold(self, volume: str) -> bool:
        """Return whether a volume holds data, or can't be looked into."""
        if not self.answers:
            return True
        try:
            return has_data(self.run.connections, volume, self.host)
        except SkepError:
            return True

    def has_only_secrets(self) -> bool:
        """Return whether the host has, or may have, the only copy of the stage's secrets: this checkout has none."""
        run, host = self.run, self.host
        with suppress(KeyError, SkepError):
            _ = run.secrets.vault
            return False
        if run.stage.home and host.short not in {run.stage.home, run.stage.repository.short}:
            return False
        seen = run.live_state.host(host)
        return bool(seen.error) or VAULT in seen.steps

    def lines(self) -> Iterator[str]:
        """Yield a line for each loss that has to be named."""
        where = "is there" if self.answers else "may be there"
        goes = (
            "goes with it"
            if self.run.provider.owns
            else "is lost when the machine is installed anew or another"
        )
        for volume in self.volumes:
            others = [
                host.short
                for name in self.run.stage.volumes
                if self.run.stage.docker_volume(name) == volume
                for host in self.run.stage.volume_hosts(name)
                if host != self.host
            ]
            own = (
                f" ({', '.join(others)}: data of {'its' if len(others) == 1 else 'their'} own)"
                if others
                else ""
            )
            move = moves(self.run).get(volume)
            if move is not None and not move.is_copied and self.host.short == move.source:
                own = f" (its copy on {move.target} is not whole: doit move_volume {volume} to={move.target})"
            yield f"volume {volume}: its data {where} alone{own}, and {goes}; {self._saved(volume)}"
        if self.has_only_secrets():
            yield (
                f"{SECRETS}: the stage's CA, passwords and generated secrets: this checkout has not read them, and "
                f"their copy {where} alone"
            )

    def _saved(self, volume: str) -> str:
        """Return what there is of a volume's data beside it."""
        saving = self._saving(volume)
        if not saving:
            return "last backup: none, skep has made none of it"
        if self.host == self.run.stage.repository:
            return "its backups are on this host, too, and go with it, but for copies off the site"
        shown = f"doit backups {' '.join(saving)}"
        try:
            found = {service: self._generations[service] for service in saving}
        except SkepError as error:
            return f"last backup: not known: {error} ({shown})"
        if not any(found.values()):
            return f"last backup: none that is of use ({shown})"
        zone = SiteBackups(self.run).zone
        words = ", ".join(
            f"{local_time(each['time'], zone)} ({each['id']} of {service})"
            for service, each in found.items()
            if each is not None
        )
        since = min(begun_at(each) for each in found.values() if each is not None)
        lost = f"what came since {local_time(since, zone)} is lost"
        if why := self._stays_away(volume):
            return f"last backup: {words}: {lost}; it does not come back by itself: {why}"
        line = f"its backup of {words} comes back: {lost}"
        if standby := self.run.stage.volumes[volume].standby:
            line += (
                f"; quicker: {standby[0]} has a standby of it: put {standby[0]} in volumes.{volume}.hosts, and type: "
                f"doit move_volume {volume} to={standby[0]} from=backup"
            )
        return line

    def _saving(self, volume: str) -> list[str]:
        """Return the services whose backups have a volume's data."""
        stage = self.run.stage
        return [
            name
            for name, service in stage.services.items()
            if stage.site.backup is not None
            and service.backup_scripts
            and any(
                stage.docker_volume(part.volume) == volume
                if part.volume
                else volume in map(stage.docker_volume, service.named_volumes)
                for part in service.backup_scripts
            )
        ]

    @cached_property
    def _generations(self) -> Mapping[str, Mapping[str, Any] | None]:
        """Each service that saves a volume of the host, to its newest good generation; None if it has none.

        Raises:
            SkepError: The repository host can't tell.

        """
        services = dict.fromkeys(name for volume in self.volumes for name in self._saving(volume))
        return SiteBackups(self.run).newest_good_ones(list(services))

    def _stays_away(self, volume: str) -> str:
        """Return why a volume's backup can't be brought to the new host by itself; empty if it can."""
        stage = self.run.stage
        if tuple(stage.hives) == (self.host,):
            return "the swarm goes, too, and its services are made anew: doit restore, when the host is there"
        several = [
            str(part.volume)
            for name in self._saving(volume)
            for part in stage.services[name].backup_scripts
            if part.volume and stage.volume_hosts(part.volume) != (self.host,)
        ]
        if several or volume not in stage.volumes or stage.volume_hosts(volume) != (self.host,):
            words = ", ".join(dict.fromkeys([*several, volume]))
            return f"not all of it is to be on this host alone ({words}): doit restore"
        return ""

    @cached_property
    def backups(self) -> Mapping[str, Mapping[str, str]]:
        """Each volume that comes back to the new host, to the services and generations that it comes back with.

        Of a service that comes back these are all its volumes of the host: it starts when they are there.
        """
        if self.run.stage.site.backup is None or self.host == self.run.stage.repository:
            return {}
        with suppress(SkepError):
            good = {name: str(each["id"]) for name, each in self._generations.items() if each is not None}
            saved = [
                volume
                for volume in self.volumes
                if good.keys() & self._saving(volume) and not self._stays_away(volume)
            ]
            services = {name for volume in saved for name in self._saving(volume) if name in good}
            return {
                volume: {name: good[name] for name in sorted(services) if volume in self._mounted(name)}
                for volume in sorted({each for name in services for each in self._mounted(name)})
            }
        return {}

    def _mounted(self, service: str) -> list[str]:
        """Return the volumes of a service that are on the host alone, and go with it."""
        stage = self.run.stage
        return [
            name
            for name in stage.services[service].named_volumes
            if name in stage.volumes
            and stage.volumes[name].is_on_host
            and not stage.volumes[name].external
            and stage.volume_hosts(name) == (self.host,)
            and name not in moves(self.run)
        ]

    def missing(self, named: Collection[str]) -> list[str]:
        """Return the losses that a person has not named, by the names to be typed."""
        lost = [*self.volumes, *([SECRETS] if self.has_only_secrets() else [])]
        return [] if ALL in named else [name for name in lost if name not in named]

    def unknown(self, named: Collection[str]) -> list[str]:
        """Return the names that are no volume of the stage."""
        known = {ALL, SECRETS, *map(self.run.stage.docker_volume, self.run.stage.volumes), *self.volumes}
        return [name for name in named if name not in known]

    def notes(self) -> Iterator[str]:
        """Yield what else goes, and is made anew or begins anew: it has not to be named."""
        run, host = self.run, self.host
        if host.short in {run.stage.home, run.stage.repository.short}:
            yield (
                f"{host.short} has the registry: images are built again, without those of earlier revisions, so that "
                "doit rollback can't go back to these; doit history begins anew. To keep the images of a host that "
                "answers, move the registry first (repository = in site.toml)"
            )
        record = run.state.host_record(host)
        with suppress(ValueError):
            if record is not None and run.provider.owns and ipaddress.ip_address(record.ssh_host).is_global:
                yield f"its public address, {record.ssh_host}, may become another one: see DNS afterwards"
        if not run.provider.owns and not self.answers:
            yield (
                f"{host.short} is not skep's to switch off: keep it off until it is installed anew, since its "
                "containers would run on beside those that take their place"
            )
