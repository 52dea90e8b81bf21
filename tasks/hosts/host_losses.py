"""The data that goes with a host that is made anew: the last copy of a volume, of the stage's secrets, of images."""

import ipaddress
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from model.errors import SkepError
from model.stage import Host
from tasks.backup.site_backups import SiteBackups, local_time
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
        stage = self.run.stage
        saving = [
            name
            for name, service in stage.services.items()
            if stage.site.backup is not None
            and any(
                stage.docker_volume(part.volume) == volume
                if part.volume
                else volume in map(stage.docker_volume, service.named_volumes)
                for part in service.backup_scripts
            )
        ]
        if not saving:
            return "last backup: none, skep has made none of it"
        if self.host == stage.repository:
            return "its backups are on this host, too, and go with it, but for copies off the site"
        backups, shown = SiteBackups(self.run), f"doit backups {' '.join(saving)}"
        try:
            made = backups.generations(saving)
        except SkepError as error:
            return f"last backup: not known: {error} ({shown})"
        if not made:
            return f"last backup: none yet ({shown})"
        last = made[-1]
        at = local_time(last["time"], backups.zone)
        return f"last backup: {at} ({last['id']} of {last['service']}): what came since is lost"

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
