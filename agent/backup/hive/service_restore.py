"""`backup restore`: a service has the data of a generation again. Whatever ends it, typed again it goes on.

The generation is read first, as the service runs. Then what the service has is saved, its files once it is stopped, so
that nothing that it wrote is lost. It stays so while they are changed; if it is not healthy with the new ones, it has
the old ones back. Dumps are loaded into the service as it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.backup.hive import journal
from agent.backup.hive.dump_loading import healthy_container, load_generation
from agent.backup.hive.handed_over import stopped_for
from agent.backup.hive.held import replicas_of, start, stop, version_of
from agent.backup.hive.restored import Restoration
from agent.backup.hive.run import Generation, HiveBackup
from agent.backup.hive.suspended import HALF, forgive, going_on
from agent.backup.hive.task_container import container_here, has_volume, users_of
from agent.errors import AgentError

_GLOBAL = "it runs on each hive, so that it can't be stopped here alone"


@dataclass(frozen=True)
class Restore:
    """A service that goes back to a generation.

    Args:
        restoration: The service and its hive.

    """

    restoration: Restoration

    @property
    def _note(self) -> journal.Journal:
        """The note of what is to be restored, and how many tasks the service has by itself."""
        return journal.restoring(self.restoration.service, self.restoration.state)

    def pending(self) -> dict[str, Any]:
        """Return what a restoration that did not end was at.

        Returns:
            `pending`, the generation as the site knows it; empty if there is none. `scripts`, the parts, none for all.
            `loading`, whether the service runs with what is restored so far, so that it may have new data.

        """
        noted = self._note.read() or {}
        return {
            "pending": str(noted.get("generation", noted.get("id", "")))[:8],
            "scripts": list(noted.get("scripts", ())),
            "loading": bool(noted.get("loading")),
        }

    def carry_out(
        self, generation: str, scripts: tuple[str, ...], *, must_save: bool = True
    ) -> dict[str, Any]:
        """Have the service's data be that of a generation; what it has now is saved before.

        Args:
            generation: Its id in this hive's repository.
            scripts: The parts; none for all.
            must_save: Whether nothing is changed where what it has now can't be saved.

        Returns:
            `volumes` and `loaded`, what was changed, and `bytes`.

        Raises:
            AgentError: It can't be; the message says which data the service has now.

        """
        restoration = self.restoration
        identity = restoration.restic.identity(generation)
        noted = self._note.read()
        if noted is not None and (noted["id"], set(noted.get("scripts", ()))) != (identity, set(scripts)):
            if not noted.get("loading") and noted["replicas"] is not None:
                raise AgentError(
                    f"{restoration.service} is half restored to {self.pending()['pending']}: type that again first, "
                    f"with {going_on(noted)}"
                )
            # It runs, with its files changed or none to be: what its dumps did is undone by another generation at most.
            restoration.settle()
            noted = None
        is_loading = noted is not None and bool(noted.get("loading"))
        if not is_loading:
            self._refuse(identity, scripts)
        read = restoration.read(identity, scripts)
        goes_on = noted is not None
        if noted is None:
            noted = self._begun(identity, scripts, has_files=bool(read["volumes"]))
        changes_files = bool(read["volumes"]) and not is_loading
        is_stopped = False
        # The files that a kill left in the middle are none of the service's; what it ran with since then is.
        if not goes_on or not changes_files:
            is_stopped = self._save(identity, noted, stops=changes_files, must_save=must_save)
            self._note.write(noted)
        if changes_files:
            self._change_files(identity, noted, is_stopped=is_stopped)
        self._note.write(noted | {"loading": True})
        loaded = load_generation(restoration, identity, scripts)["loaded"]
        self._end()
        return {"volumes": read["volumes"], "loaded": loaded, "bytes": read["bytes"]}

    def _begun(self, identity: str, scripts: Sequence[str], *, has_files: bool) -> dict[str, Any]:
        """Return the note of a restoration that begins."""
        restoration = self.restoration
        return {
            "id": identity,
            "generation": str(restoration.restic.snapshots(identity)[0].get("original", identity)),
            "scripts": list(scripts),
            "replicas": replicas_of(restoration.engine, restoration.service) if has_files else None,
            "files": "new",
        }

    def _save(self, identity: str, noted: Mapping[str, Any], *, stops: bool, must_save: bool) -> bool:
        """Save what the service has now; return whether it is stopped, as noted, and is to have its files changed.

        Raises:
            AgentError: It can't be saved, and must be; or somebody else has come to use its volumes.

        """
        restoration = self.restoration
        service, output = restoration.service, restoration.output
        backup = HiveBackup(
            restoration.config, restoration.engine, restoration.restic, output, state=restoration.state
        )

        def while_stopped(do: Callable[[], Generation]) -> Generation:
            output.say(f"{service} is stopped")
            return stopped_for(restoration, noted, do)

        if stops:
            self._refuse(identity, noted["scripts"])
        try:
            made = backup.save_before_restore(service, while_stopped if stops else None)
        except AgentError as error:
            said = f"{service}: what is there now can't be saved: {error}"
            if must_save:
                raise AgentError(
                    f"{said}; nothing was changed; to lose what is there now: unsaved=yes"
                ) from error
            output.say(said)
            return False
        output.say(f"{service}: what is there now is {made['id']}")
        return stops

    def _end(self) -> None:
        """Remove what is left of the way; the service is saved again, and that it was not counts as no failure."""
        restoration = self.restoration
        restoration.settle()
        forgive(restoration.service, HALF, restoration.state)
        self._note.clear()

    def _refuse(self, identity: str, scripts: Sequence[str]) -> None:
        """Refuse files that can't be changed as a whole: others would go on writing to the old ones.

        Raises:
            AgentError: Somebody else has them mounted; or the service runs on each hive.

        """
        restoration = self.restoration
        entries = restoration.entries(identity, tuple(scripts)).values()
        volumes = [str(entry["volume"]) for entry in entries if entry["volume"]]
        if volumes and replicas_of(restoration.engine, restoration.service) is None:
            raise AgentError(f"service {restoration.service}: {_GLOBAL}: restore its files with into=DIR")
        for volume in volumes:
            others = users_of(restoration.engine, volume, except_=restoration.service)
            if others:
                raise AgentError(
                    f"volume {volume} is mounted by {', '.join(others)} as well: stop that (of a service: doit scale "
                    "NAME=0), type the same again, and start it again"
                )

    def _change_files(self, identity: str, noted: dict[str, Any], *, is_stopped: bool) -> None:
        """Stop the service, change its files, start it; change them back if it is not healthy with the new ones."""
        restoration = self.restoration
        service, output, replicas = restoration.service, restoration.output, int(noted["replicas"])
        if noted["files"] == "new":
            if not is_stopped:
                self._refuse(identity, noted.get("scripts", ()))
                output.say(f"{service} is stopped")
            stop(restoration.engine, service)
            restoration.swap(identity)
            output.say(f"{service} starts with the files of {identity[:8]}")
            before = version_of(restoration.engine, service)
            start(restoration.engine, service, replicas)
            if not replicas:
                return
            try:
                healthy_container(restoration, before)
            except AgentError as error:
                noted |= {"files": "old", "why": str(error)}
                self._note.write(noted)
            else:
                return
        output.say(f"{noted['why']}: it gets its old files back")
        stop(restoration.engine, service)
        restoration.unswap()
        before = version_of(restoration.engine, service)
        start(restoration.engine, service, replicas)
        self._end()
        try:
            healthy_container(restoration, before)
        except AgentError as error:
            raise AgentError(
                f"{noted['why']} with the files of {identity[:8]}; with its old files: {error}"
            ) from error
        raise AgentError(f"{noted['why']} with the files of {identity[:8]}; it has its old files again")


def where(restoration: Restoration) -> dict[str, Any]:
    """Return what this hive has of a service: its lowest task (`runs`), its volumes (`volumes`), what is `pending`."""
    volumes = [
        script.volume for script in restoration.config.service(restoration.service).scripts if script.volume
    ]
    return {
        "runs": container_here(restoration.engine, restoration.service, restoration.config.hives) is not None,
        "volumes": bool(volumes) and all(has_volume(restoration.engine, each) for each in volumes),
        **Restore(restoration).pending(),
    }
