"""A volume's data, moved from one hive to another: its services stopped, the files copied and compared, then started.

To be killed at any point, and gone on with by anybody: the journal (`model/swarm/volume_move.py`) is in the swarm
before anything stops. Until the copy is compared, nothing but the target's unfinished copy changes, and that is made
anew. The data on the source stays as it was until `doit prune volumes=…`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from shlex import quote

from model.errors import HostError, ServiceError, SkepError
from model.json_types import Json
from model.keys.record import VolumeRecord
from model.labels import INCARNATION_LABEL, VOLUME_LABEL, belongs_to, labels_of
from model.log import Log
from model.stage import Host
from remote.mother.wait import telling, wait_for
from remote.swarm import volume_copy
from remote.swarm.volume_copy import Contents
from tasks.build_volumes import volume_labels
from tasks.cleanup.removing import GONE_TIMEOUT
from tasks.hosts.node_labels import node_labels
from tasks.hosts.volume_data import moves
from tasks.names import volume_task
from tasks.operate.moved_markers import moved_markers
from tasks.operate.volume_candidates import Candidate, MoveRefusedError, using
from tasks.run.context import Run
from tasks.services.rendering import renderer_of

Count = Callable[[int], None]
"""Takes the number of bytes of each piece that went through."""


@dataclass(frozen=True)
class Surveyed:
    """A volume to be copied, and what is known of its data.

    Args:
        candidate: The volume.
        source: The hive that has its files.
        contents: These.
        read_from: Their directory there.
        write_to: That of the copy on the target; where no volume is there yet, the directory of the engine's volumes.
        is_there: Whether that of the copy is there, be it empty.

    """

    candidate: Candidate
    source: Host
    contents: Contents
    read_from: str
    write_to: str
    is_there: bool


class MovedVolumes:
    """Moves volumes that go together.

    Args:
        run: The run; it holds the stage.
        candidates: The volumes.
        log: Takes progress.

    """

    def __init__(self, run: Run, candidates: Sequence[Candidate], log: Log) -> None:
        self._run, self._candidates, self._log = run, candidates, log

    # -- before anything is changed --------------------------------------------------------------------------------

    def surveyed(self) -> list[Surveyed]:
        """Count the files that are to be copied, and look for room on the target.

        Raises:
            MoveRefusedError: There is not enough.
            HostError: A host does not answer, or has no GNU tar.

        """
        found = [
            self._survey(each, each.source)
            for each in self._candidates
            if not each.move.is_copied and each.move.backups is None and each.source is not None
        ]
        wanted = sum(each.contents.used for each in found) * volume_copy.ROOM + volume_copy.SPARE
        for each in found:
            target = each.candidate.target
            room = self.look(target, each.write_to, disk="/")
            if each.is_there and room.entries and not each.candidate.has_begun:
                raise MoveRefusedError(
                    f"{target.short}: {each.write_to}, where volume {each.candidate.name} is to be, is not empty, and "
                    "would be lost: look into it, and empty it if it is not needed"
                )
            # What an unfinished copy takes is free when it is removed.
            free, entries = room.free + room.used, each.contents.entries
            if free < wanted:
                raise MoveRefusedError(
                    f"{target.short}: volume {each.candidate.name} needs {wanted / 1e6:.0f} MB on the disk of "
                    f"{each.write_to}, and {free / 1e6:.0f} MB are free: make room there, or give it a larger disk"
                )
            if room.free_entries is not None and room.free_entries + room.entries < entries:
                raise MoveRefusedError(
                    f"{target.short}: volume {each.candidate.name} has {entries} files, and the disk of "
                    f"{each.write_to} has room for {room.free_entries + room.entries} more (inodes)"
                )
        return found

    def _survey(self, candidate: Candidate, source: Host) -> Surveyed:
        """Count the files of one volume."""
        there = self._volume(source, candidate.name)
        if not there:
            raise ServiceError(f"{source.short}: has no volume {candidate.name}")
        read_from = volume_copy.data_directory(there)
        copy = self._volume(candidate.target, candidate.name)
        if copy and not belongs_to(labels_of(copy), self._run.stage.labels):
            raise MoveRefusedError(
                f"{candidate.target.short}: there is a volume {candidate.name} that is not this stage's: if it is not "
                f"needed, remove it there (docker volume rm {candidate.name})"
            )
        # As the engine would describe it: one that is bound to a directory is there before it is made.
        options = dict(renderer_of(self._run).volume(candidate.name).driver_opts)
        wanted = volume_copy.data_directory(copy or {"Options": options, "Mountpoint": ""})
        write_to = wanted or self.volume_root(candidate.target)
        if wanted in options.values() and not self._is_directory(candidate.target, wanted):
            raise MoveRefusedError(
                f"{candidate.target.short}: there is no directory {wanted}, to which volume {candidate.name} is bound: "
                "make it, as empty as the volume is to be"
            )
        contents = self.look(source, read_from)
        return Surveyed(candidate, source, contents, read_from, write_to, is_there=bool(wanted))

    def _volume(self, host: Host, name: str) -> Json:
        """Return a volume as its engine describes it; nothing if it has none of that name."""
        with closing(self._run.connections.reader(host)) as api:
            listed = api.volumes(filters={"name": name})["Volumes"] or ()
        return next((each for each in listed if each["Name"] == name), {})

    def _is_directory(self, host: Host, path: str) -> bool:
        """Return whether a host has a directory."""
        script = f"[ ! -d {quote(path)} ] || echo there\n"
        return bool(self._run.connections.to(host).script(script, label=f"looking for {path}").strip())

    def volume_root(self, host: Host) -> str:
        """Return the directory of an engine's volumes."""
        with closing(self._run.connections.reader(host)) as api:
            return f"{api.info()['DockerRootDir']}/volumes"

    def look(self, host: Host, directory: str, *, disk: str = "") -> Contents:
        """Count the files of a directory of a host."""
        script = volume_copy.look_script(directory, disk=disk)
        output = self._run.connections.to(host).script(
            script, timeout=volume_copy.LOOK_TIMEOUT, label=f"counting the files in {directory}"
        )
        return volume_copy.parse_look(output)

    # -- the move --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Write down what is to be moved, then stop all services that use it, and wait until no container does.

        Raises:
            SkepError: The swarm refuses, or a container does not end.

        """
        from remote.swarm.volume_moves import begin_move, stop_service, turn_to_backup

        run = self._run
        _, client = run.connections.manager()
        for each in self._candidates:
            if not each.has_begun:
                begin_move(client, run.stage.labels, each.move)
            elif each.is_turned:
                turn_to_backup(client, run.stage.labels, each.move)
        users = {service: each.move for each in self._candidates for service in each.move.stopped}
        for service, move in users.items():
            self._log(f"{service}: is stopped")
            stop_service(client, service, move)
        for each in self._candidates:
            if not each.move.is_copied:
                self._wait_until_free(each)

    def _wait_until_free(self, candidate: Candidate) -> None:
        """Wait until no container uses a volume; on a hive that is lost there is none to be waited for."""
        source, names = candidate.source, list[str]()
        hosts = [candidate.target]
        if source is not None and not (
            candidate.move.backups is not None and self._run.live_state.host(source).error
        ):
            hosts.insert(0, source)

        def is_free() -> bool:
            names[:] = [
                f"{container['Names'][0].lstrip('/')} on {host.short}"
                for host in hosts
                for container in using(self._run, candidate.name, host)
            ]
            return not names

        graces = [
            service.stop_grace_period or 0.0
            for name, service in self._run.stage.services.items()
            if name in candidate.move.stopped
        ]
        what = f"the containers that use volume {candidate.name} to end"
        wait_for(
            telling(is_free, what, self._log, lambda: ", ".join(names)),
            what,
            GONE_TIMEOUT + max(graces, default=0.0),
            reason=lambda: f"{', '.join(names)}: end it there, then type this again",
        )

    def copy(self, surveyed: Surveyed, count: Count, copied: Callable[[], None]) -> None:
        """Copy one volume, compare both, and write down that the copy is whole.

        Args:
            surveyed: The volume.
            count: Counts the bytes.
            copied: Is called when all bytes are there, before both copies are compared.

        Raises:
            SkepError: It can't be copied, or the copy differs.

        """
        from remote.swarm.volume_moves import note_copied

        run, name = self._run, surveyed.candidate.name
        source, target = surveyed.source, surveyed.candidate.target
        write_to = self.make(surveyed.candidate)
        connection = run.connections.to(target)
        connection.script(
            volume_copy.empty_script(write_to), timeout=volume_copy.LOOK_TIMEOUT, label="emptying the copy"
        )
        run.connections.to(source).transfer(
            volume_copy.send_command(surveyed.read_from),
            connection,
            volume_copy.receive_command(write_to),
            count,
            label=f"copying volume {name}",
        )
        copied()
        self._compare(surveyed, write_to)
        # The digest is of the files as they are on both disks now: nothing that ran meanwhile has changed them.
        self.refuse_users(surveyed.candidate, (source, target))
        _, client = run.connections.manager()
        note_copied(client, run.stage.labels, name)

    def make(self, candidate: Candidate) -> str:
        """Make the volume on the target, unless it is there, and return the directory of its files."""
        from remote.swarm.volumes import VolumeInspector, ensure_volume

        run, target = self._run, candidate.target
        wanted = renderer_of(run).volume(candidate.name)
        inspector = VolumeInspector(has_data=lambda: True, elsewhere=str)
        labels = volume_labels(run.stage, wanted, candidate.name)
        engine = run.connections.engine(target)
        ensure_volume(target.short, engine, candidate.name, wanted, labels, _quiet, inspector)
        return volume_copy.data_directory(self._volume(target, candidate.name))

    def _compare(self, surveyed: Surveyed, write_to: str) -> None:
        """Compare both copies.

        Raises:
            ServiceError: They differ.

        """
        source, target = surveyed.source, surveyed.candidate.target
        places = ((source, surveyed.read_from), (target, write_to))
        self._log(f"volume {surveyed.candidate.name}: comparing both copies")
        with ThreadPoolExecutor(2 * len(places)) as pool:
            digests = [pool.submit(self._digest, host, directory) for host, directory in places]
            counts = [pool.submit(self.look, host, directory) for host, directory in places]
            (one, other), (before, after) = (
                [each.result() for each in digests],
                [each.result() for each in counts],
            )
        words = f"{before.moved} files and directories, {before.size} bytes in files"
        if (before.moved, before.size) != (after.moved, after.size) or one != other:
            raise ServiceError(
                f"volume {surveyed.candidate.name}: the copy on {target.short} differs: {after.moved} files and "
                f"directories, {after.size} bytes in files, digest {other[:12]}; {source.short} has {words}, digest "
                f"{one[:12]}. Does the disk of {target.short} take extended attributes and access lists? Nothing is "
                f"lost: the data is on {source.short} as it was. {surveyed.candidate.move.refusal()}"
            )
        sockets = f", {before.sockets} sockets left out" if before.sockets else ""
        self._log(f"volume {surveyed.candidate.name}: both have {words}, digest {one[:12]}{sockets}")

    def _digest(self, host: Host, directory: str) -> str:
        """Return the digest of a host's copy.

        Raises:
            HostError: Its files can't be read.

        """
        output = self._run.connections.to(host).script(
            volume_copy.digest_script(directory),
            timeout=volume_copy.COMPARE_TIMEOUT,
            label=f"reading {directory}",
        )
        digest = volume_copy.parse_digest(output)
        if not digest:
            raise HostError(f"{host.short}: {directory}: not all files can be read\n{output}")
        return digest

    def refuse_users(self, candidate: Candidate, hosts: Sequence[Host]) -> None:
        """Refuse a copy that somebody wrote to, or whose source was written to, while it was made.

        Raises:
            ServiceError: A container uses the volume.

        """
        for host in hosts:
            if users := using(self._run, candidate.name, host):
                raise ServiceError(
                    f"volume {candidate.name}: container {users[0]['Names'][0].lstrip('/')} on {host.short} uses it "
                    "meanwhile: end it there, then type this again"
                )

    def _refuse_old_copy_in_use(self, candidate: Candidate) -> None:
        """Refuse to go on where somebody uses the old copy since it was copied: what that writes would stay behind.

        The copy is made anew then, unless a service of the volume runs with it already.

        Raises:
            ServiceError: A container uses it.

        """
        from remote.swarm.volume_moves import are_stopped, forget_copied

        run, source, move = self._run, candidate.source, candidate.move
        # With a backup it is agreed that what came since then is lost.
        if source is None or move.backups is not None or run.live_state.host(source).error:
            return
        try:
            self.refuse_users(candidate, (source,))
        except ServiceError:
            _, client = run.connections.manager()
            if are_stopped(client, move):
                forget_copied(client, candidate.name)
            raise

    def start(self) -> None:
        """Have the services run where the data is now: labels of nodes, then what each service had.

        Raises:
            SkepError: The swarm refuses; or a container uses an old copy, as one that was started meanwhile.

        """
        for each in self._candidates:
            self._refuse_old_copy_in_use(each)
        from remote.swarm.volume_moves import add_node_labels, set_node_label, start_service

        run = self._run
        _, client = run.connections.manager()
        others = {f"{VOLUME_LABEL}{name}" for name in moves(run)} - {
            f"{VOLUME_LABEL}{each.name}" for each in self._candidates
        }
        for target in dict.fromkeys(each.target for each in self._candidates if not each.move.source):
            # A host that was made anew: no run labels its node before its data is there.
            labels = node_labels(run.stage, target)
            wanted = {label: value for label, value in labels.items() if label not in others}
            add_node_labels(client, target, wanted, self._log)
        for each in self._candidates:
            label = f"{VOLUME_LABEL}{each.name}"
            held = run.stage.volume_hosts(each.name)
            set_node_label(client, each.target, label, self._log, held=True)
            for host in run.stage.hives:
                if host not in held:
                    set_node_label(client, host, label, self._log, held=False)
        users = {
            service: (before, each.target.short)
            for each in self._candidates
            for service, before in each.move.stopped.items()
        }
        for each in self._candidates:
            self._record(each)
        markers = moved_markers(run, self._candidates)
        for service, (before, where) in users.items():
            start_service(client, service, before, markers.get(service, {}))
            self._log(f"{service}: runs on {where} from now on")

    def end(self) -> None:
        """End the journals: all runs where it is to run, with its data.

        Raises:
            SkepError: The swarm refuses.

        """
        from remote.swarm.volume_moves import end_move

        run = self._run
        _, client = run.connections.manager()
        for each in self._candidates:
            end_move(client, each.name)
            line = f"volume {each.name} is on {each.target.short}"
            if each.source is not None:
                has = (
                    "may have the old copy, should it come back,"
                    if run.live_state.host(each.source).error
                    else "has the old copy"
                )
                line += (
                    f". {each.source.short} {has} until you type: doit prune confirm={run.stage.site_name} "
                    f"volumes={each.name}"
                )
            self._log(line)

    def _record(self, candidate: Candidate) -> None:
        """Write down the incarnation of a volume on its new hive, as the task that makes volumes does."""
        made = labels_of(self._volume(candidate.target, candidate.name)).get(INCARNATION_LABEL, "")
        task = volume_task(candidate.name, candidate.target.short)
        self._run.state.write(task, VolumeRecord(incarnation=made))

    def give_up(self, candidate: Candidate) -> None:
        """Remove the unfinished copy, have the services run where they did, and end the journal.

        Raises:
            SkepError: The swarm or an engine refuses; or the copy stays where a service would use it.

        """
        from remote.swarm.volume_moves import end_move, start_service

        run, there = self._run, candidate.target
        try:
            self._remove_copy(candidate)
        except SkepError as error:
            if there in run.stage.volume_hosts(candidate.name):
                raise
            self._log(f"{there.short}: its unfinished copy stays, which doit prune names: {error}")
        _, client = run.connections.manager()
        for service, before in candidate.move.stopped.items():
            start_service(client, service, before, {})
            self._log(f"{service}: runs on {candidate.move.source} as before")
        end_move(client, candidate.name)
        self._log(f"volume {candidate.name} stays on {candidate.move.source}")

    def _remove_copy(self, candidate: Candidate) -> None:
        """Remove the unfinished copy, if there is one; of a volume that is bound to a directory, its files."""
        from remote.engine.client import engine_errors
        from remote.swarm.volumes import remove_ended

        run, there, name = self._run, candidate.target, candidate.name
        volume = self._volume(there, name)
        # It is skep's own: a volume of somebody else's is never copied into.
        if INCARNATION_LABEL not in labels_of(volume):
            return
        run.connections.to(there).script(
            volume_copy.empty_script(volume_copy.data_directory(volume)),
            timeout=volume_copy.LOOK_TIMEOUT,
            label="emptying the copy",
        )
        with engine_errors(there.short, f"removing volume {name}"):
            engine = run.connections.engine(there)
            remove_ended(engine, name)
            engine.api.remove_volume(name)
        self._log(f"{there.short}: removed the unfinished copy of volume {name}")


def _quiet(_line: str) -> None:
    """Say nothing."""
