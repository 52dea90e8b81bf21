"""How far the restoration of a lost site has come. It is in state/ before a host is made, and goes when all is there.

Which generation each service gets is chosen once, from the copy, and written here: a hive's own timer can't change it.
"""

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from model.errors import StateError
from model.stage import Stage
from remote.backup.copied_generations import CopiedGeneration
from remote.mother.files import file_errors, write_whole
from tasks.run.context import Run
from tasks.run.state import State

NOTE = "restore_site.json"


class ChosenGeneration(msgspec.Struct, frozen=True):
    """The generation that a service gets.

    Args:
        id: Its id.
        host: The hive that made it.
        time: When it was made.
        size: Its bytes.
        parts: The names of its parts.
        is_good: Whether no test found fault with it.
        pinned: The revision that `doit rollback` had the service stay at; None if it did not.

    """

    id: str
    host: str
    time: datetime
    size: int
    parts: tuple[str, ...]
    is_good: bool
    pinned: int | None = None

    @classmethod
    def of(cls, generation: CopiedGeneration) -> "ChosenGeneration":
        """Return what is to be kept of a generation."""
        return cls(
            generation.id,
            generation.host,
            generation.time,
            generation.size,
            generation.parts,
            generation.is_good,
            generation.pinned,
        )


class SiteRestoration(msgspec.Struct, frozen=True):
    """What is made again, and what of it is done.

    Args:
        copy: The copy off the site, in restic's words.
        services: The generation of each service that has one.
        done: The parts that are done.

    """

    copy: str
    services: dict[str, ChosenGeneration]
    done: tuple[str, ...] = ()

    def command(self, stage: Stage) -> str:
        """Return the command that goes on with it."""
        return restore_command(self.copy, stage)


def restore_command(copy: str, stage: Stage) -> str:
    """Return the command that makes a stage again from a copy."""
    words = ["doit", "restore", "site", f"from={copy}", f"confirm={stage.site_name}"]
    if len(stage.site.stages) > 1:
        words.append(f"stage={stage.name}")
    return shlex.join(words)


@dataclass(frozen=True)
class SiteRestoreJournal:
    """The journal, a file.

    Args:
        path: Its file.

    """

    path: Path

    @classmethod
    def of(cls, state: State) -> "SiteRestoreJournal":
        """Return the journal of a stage."""
        return cls(state.root / NOTE)

    def read(self) -> SiteRestoration | None:
        """Return what is written; None where no restoration is under way.

        Raises:
            StateError: It can't be read.

        """
        try:
            with file_errors(self.path, except_=(FileNotFoundError, NotADirectoryError)):
                return msgspec.json.decode(self.path.read_bytes(), type=SiteRestoration)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError as error:
            raise StateError(
                f"{self.path}: can't be read, so that nobody knows how far the restoration of the site is: doit "
                "destroy, then doit restore site in an empty directory"
            ) from error

    def write(self, content: SiteRestoration) -> None:
        """Write it, for good."""
        write_whole(self.path, msgspec.json.format(msgspec.json.encode(content)) + b"\n", mode=0o600)

    def note(self, part: str) -> None:
        """Note that a part is done."""
        content = self.read()
        if content is not None and part not in content.done:
            self.write(msgspec.structs.replace(content, done=(*content.done, part)))

    def is_done(self, part: str) -> bool:
        """Return whether a part is done."""
        content = self.read()
        return content is not None and part in content.done

    def end(self) -> None:
        """All is there again."""
        with file_errors(self.path):
            self.path.unlink(missing_ok=True)


def restoration_words(run: Run) -> list[str]:
    """Return a line for a stage that is being made again from a copy; none for others.

    Raises:
        StateError: The journal can't be read.

    """
    found = SiteRestoreJournal.of(run.state).read()
    if found is None:
        return []
    return [f"the site is being made again from {found.copy}: {found.command(run.stage)} goes on with that"]
