"""`doit backups`: the generations that there are; `doit backups key`: what belongs into a safe."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from doit.cmd_base import DoitCmdBase

from commands.operate.status_lines import size_words, table
from commands.shared.console import is_coloured, width_of
from commands.shared.current_run import site_run
from commands.shared.task_selection import with_flags
from model.errors import SkepError, StateError
from model.secrets.backup_passwords import backup_password
from tasks.backup.shown_key import note_key_shown
from tasks.backup.site_backups import SiteBackups, local_time
from tasks.run.context import Run

KEY = "key"
_HEAD = ("SERVICE", "ID", "TIME", "SIZE", "ADDED", "HIVE", "KIND", "TESTED")


class BackupsCommand(DoitCmdBase):
    """List the backups."""

    name = "backups"
    doc_purpose = "list the backups of services' data, each with its last restore test"
    doc_usage = "[SERVICE ...] [--json] | key"
    doc_description = """\
TESTED is when a generation was restored aside and tried, by itself (backup.verify) or by doit verify_backups; \
OFF SITE since when places off the site (backup.copies) have it, whole.

doit backups key prints the key of all backups: put it into a safe. Without it, and without state/ and the repository \
host, they can't be read."""

    cmd_options = (
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print all that is known of them as JSON",
        },
    )

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """List them. Loads no tasks, and takes no lock."""
        self.loader.setup(params)
        names, flags = with_flags(args, "--json")
        run = site_run(self.loader)
        unread: list[str] = []

        def hear(host: str, line: Mapping[str, Any]) -> None:
            if "say" in line:
                unread.append(f"{host}: {line['say']}")

        try:
            if names == [KEY]:
                return self._key(run)
            backups = SiteBackups(run)
            services = backups.services(names)
            found = backups.generations(services, hear)
            standbys = list(backups.standbys(services))
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        finally:
            run.connections.close()
        if params["as_json"] or "--json" in flags:
            self.outstream.write(json.dumps(found, indent=2) + "\n")
            sys.stderr.write("".join(f"! {line}\n" for line in unread))
            return 1 if unread else 0
        copies = tuple(run.stage.site.backup.named_copies) if run.stage.site.backup is not None else ()
        head = (*_HEAD[:-1], *(["OFF SITE"] if copies else []), _HEAD[-1])
        lines = table(
            head,
            [[(text, "") for text in _row(each, backups.zone, copies)] for each in found],
            coloured=is_coloured(self.outstream),
            width=width_of(self.outstream),
            yields="TESTED",
        )
        self.outstream.write("".join(f"{line}\n" for line in lines))
        for line in standbys:
            self.outstream.write(f"{line}\n")
        for line in unread:
            self.outstream.write(f"! {line}\n")
        for service in services:
            if not unread and not any(each["service"] == service for each in found):
                self.outstream.write(f"! {service}: there is no backup yet (doit backup {service})\n")
        return 1 if unread else 0

    def _key(self, run: Run) -> int:
        """Print the key."""
        try:
            password = backup_password(run.secrets.vault.stage)
        except KeyError:
            sys.stderr.write(
                f"stage {run.stage.name}: this checkout has no secrets of the stage yet: type doit first\n"
            )
            return 1
        self.outstream.write(f"{password.reveal()}\n")
        self.outstream.flush()
        if run.stage.site.backup is None:
            return 0
        # A run that is at work here keeps the vault itself, and takes the note from the repository host.
        with contextlib.suppress(StateError):
            run.state.lock(f"{self.bin_name} {self.name} {KEY}")
        try:
            note_key_shown(run)
        except SkepError as error:
            why = run.secrets.redact(str(error))
            sys.stderr.write(f"not noted for other checkouts, which go on to ask for it: {why}\n")
        finally:
            run.state.unlock()
        return 0


def _row(generation: Mapping[str, Any], zone: tzinfo, copies: Sequence[str]) -> tuple[str, ...]:
    """Return a generation's line, with times of a time zone, and with the places off the site if there are some."""
    test = generation["test"]
    tested = "-" if test is None else local_time(test["at"], zone) if test["ok"] else f"failed: {test['why']}"
    wrong = " (its clock was wrong)" if generation["clock_is_wrong"] else ""
    ahead = " (to come: a wrong clock)" if generation.get("is_ahead") else ""
    return (
        generation["service"],
        generation["id"],
        f"{local_time(generation['time'], zone)}{ahead}",
        size_words(int(generation["bytes"] or 0)),
        size_words(int(generation["added"] or 0)),
        f"{generation['host']}{wrong}",
        generation["kind"],
        *([_off_site(generation, zone, copies)] if copies else []),
        tested,
    )


def _off_site(generation: Mapping[str, Any], zone: tzinfo, copies: Sequence[str]) -> str:
    """Return since when each place off the site has a generation; `no` for one that has it not yet."""
    since = generation.get("copies") or {}
    words = {name: local_time(since[name], zone) if since.get(name) else "no" for name in copies}
    if len(copies) == 1 or not any(since.get(name) for name in copies):
        return next(iter(words.values()))
    return ", ".join(f"{name} {text}" for name, text in words.items())
