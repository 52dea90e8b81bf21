"""`backup restore`: a service has the data of a generation again. Whatever ends it, typed again it goes on.

The volumes' files are changed while the service is stopped; if it is not healthy with the new ones, it has the old ones
back. Dumps are loaded into the service as it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.backup.hive import journal
from agent.backup.hive.dump_loading import healthy_container, load_generation
from agent.backup.hive.held import replicas_of, start, stop, version_of
from agent.backup.hive.restored import Restoration
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

    def carry_out(self, generation: str, scripts: tuple[str, ...]) -> dict[str, Any]:
        """Have the service's data be that of a generation.

        Args:
            generation: Its id in this hive's repository.
            scripts: The parts; none for all.

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
            self._end()
            noted = None
        if noted is None or not noted.get("loading"):
            self._refuse_others(identity, scripts)
        read = restoration.read(identity, scripts)
        if noted is None:
            replicas = replicas_of(restoration.engine, restoration.service) if read["volumes"] else None
            if read["volumes"] and replicas is None:
                raise AgentError(f"service {restoration.service}: {_GLOBAL}: restore its files with into=DIR")
            noted = {
                "id": identity,
                "generation": str(restoration.restic.snapshots(identity)[0].get("original", identity)),
                "scripts": list(scripts),
                "replicas": replicas,
                "files": "new",
            }
            self._note.write(noted)
        if read["volumes"] and not noted.get("loading"):
            self._change_files(identity, noted)
        self._note.write(noted | {"loading": True})
        loaded = load_generation(restoration, identity, scripts)["loaded"]
        self._end()
        return {"volumes": read["volumes"], "loaded": loaded, "bytes": read["bytes"]}

    def _end(self) -> None:
        """Remove what is left of the way; the service is saved again, and that it was not counts as no failure."""
        restoration = self.restoration
        restoration.settle()
        forgive(restoration.service, HALF, restoration.state)
        self._note.clear()

    def _refuse_others(self, identity: str, scripts: Sequence[str]) -> None:
        """Refuse volumes that somebody else has mounted, who would go on writing to the old files.

        Raises:
            AgentError: Somebody has.

        """
        restoration = self.restoration
        entries = restoration.entries(identity, tuple(scripts)).values()
        for volume in [str(entry["volume"]) for entry in entries if entry["volume"]]:
            others = users_of(restoration.engine, volume, except_=restoration.service)
            if others:
                raise AgentError(
                    f"volume {volume} is mounted by {', '.join(others)} as well: stop that (of a service: doit scale "
                    "NAME=0), type the same again, and start it again"
                )

    def _change_files(self, identity: str, noted: dict[str, Any]) -> None:
        """Stop the service, change its files, start it; change them back if it is not healthy with the new ones."""
        restoration = self.restoration
        service, output, replicas = restoration.service, restoration.output, int(noted["replicas"])
        if noted["files"] == "new":
            self._refuse_others(identity, noted.get("scripts", ()))
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
