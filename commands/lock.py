"""`doit lock`: write the digests of what is pulled to site.lock, from which they change only when asked for."""

import shlex
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.current_run import site_run
from model.errors import SkepError
from model.images import bases, lockfile
from model.images.reference import Reference
from remote.mother.files import write_whole
from tasks.run.context import Run

ALL = "all"
_SHORT = len("sha256:") + 12


class Lock(DoitCmdBase):
    """Pin what is pulled."""

    doc_purpose = "pin what is pulled to digests, in site.lock; upgrade=REF moves one"
    doc_usage = "[upgrade=REF,REF|upgrade=all]"
    doc_description = """\
Writes a digest for each image of elsewhere that any stage begins its images with, or runs as it is. What is in \
site.lock already stays; what is not gets the digest that the last run of this stage found, else the one that its tag \
has upstream now. What nothing uses any more is left out.

From then on `doit` pulls by these digests and asks no upstream. upgrade=debian:12 asks for that one's digest anew, \
upgrade=all for all of them. Keep site.lock in git, beside site.toml."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Write site.lock. Whole or not at all: if one reference can't be resolved, none is changed."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if args:
            raise InvalidCommand(
                f"lock takes no {shlex.quote(args[0])}; type: {self.bin_name} lock upgrade=REF"
            )
        names = [name for name in (get_var("upgrade") or "").split(",") if name]
        try:
            self._lock(run, names)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        finally:
            run.connections.close()
        return 0

    def _lock(self, run: Run, upgraded: Sequence[str]) -> None:
        """Find a digest for each reference, write them, and say what changed."""
        used = references(run)
        _refuse_unknown(upgraded, used)
        old, new = run.upstream.lockfile, {}
        for text, (names, reference) in used.items():
            asked = ALL in upgraded or text in upgraded or not names.isdisjoint(upgraded)
            known = None if asked else old.get(text) or run.upstream.last_resolved(names, reference)
            new[text] = known or run.upstream.digest_now(reference)
        write_whole(run.directory / lockfile.FILE, lockfile.lockfile_text(new).encode())
        lines = list(changes(old, new))
        if not new:
            lines.append("nothing is pulled, so nothing is pinned")
        elif not lines:
            lines.append(f"nothing changed: {len(new)} pinned in {lockfile.FILE}")
        self.outstream.write("".join(f"{line}\n" for line in lines))


def references(run: Run) -> dict[str, tuple[set[str], Reference]]:
    """Return what any stage pulls and site.toml does not pin itself: as it is pulled, to its names and itself."""
    found: dict[str, tuple[set[str], Reference]] = {}
    for name in bases.all_names(run.stage.site):
        reference = bases.pulled(run.stage.site, name)
        if reference is not None and not reference.digest:
            found.setdefault(str(reference), (set(), reference))[0].add(name)
    return found


def changes(old: lockfile.Lockfile, new: lockfile.Lockfile) -> list[str]:
    """Return a line for each reference that is pinned otherwise than before."""
    lines = []
    for text in sorted(old.keys() | new.keys()):
        before, after = old.get(text, ""), new.get(text, "")
        if before == after:
            continue
        if not before:
            lines.append(f"{text}: {after[:_SHORT]} (new)")
        elif not after:
            lines.append(f"{text}: left out, nothing uses it")
        else:
            lines.append(f"{text}: {before[:_SHORT]} → {after[:_SHORT]}")
    return lines


def _refuse_unknown(names: Sequence[str], used: dict[str, tuple[set[str], Reference]]) -> None:
    """Raise for names that mean nothing that could be pinned."""
    known = {ALL, *used, *(name for names, _ in used.values() for name in names)}
    unknown = [name for name in names if name not in known]
    if unknown:
        listed = ", ".join(sorted(known - {ALL})) or "nothing"
        raise InvalidCommand(f"upgrade={','.join(unknown)}: is not pulled here; what is: {listed}")
