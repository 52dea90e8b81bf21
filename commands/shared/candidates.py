"""The words that may stand next on a command line, for the completion of shells: `skep --complete WORD ...`.

Each is a line `word<TAB>what it is`. Nothing is connected, and a mistake is no word: whoever types sees no error.
"""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import tomli
from doit.cmd_base import Command
from doit.doit_cmd import DoitMain

from model.new_site.words import INIT_WORDS
from tasks.phases import PHASES
from tasks.run.open import WORDS

_OF_TASKS = ("run", "list", "plan", "why", "info", "clean", "forget", "ignore")
"""Commands that take tasks."""
_OF_COMMAND: Mapping[str, tuple[str, ...]] = {
    "run": ("stage", "leave", "replace"),
    "destroy": ("stage", "confirm", "volumes"),
    "prune": ("stage", "confirm", "volumes", "key"),
    "lock": ("stage", "upgrade"),
    "rollback": ("stage", "to"),
    "replace_host": ("stage", "volumes", "replace"),
    "rebalance": ("stage", "confirm"),
    "unlock": ("stage", "confirm"),
    "init": tuple(INIT_WORDS),
    "exec": ("stage", "task", "user", "dir"),
    "shell": ("stage", "task", "user", "dir"),
    "cp": ("stage", "task"),
    "forward": ("stage", "task"),
    "logs": ("stage", "task", "since", "lines", "grep", "central"),
    "scale": ("stage", "until"),
    "silence": ("stage", "reason"),
    "move_volume": ("stage", "to", "from"),
    "upgrade_hosts": ("stage", "confirm"),
    "recover_swarm": ("stage", "keep", "off", "confirm"),
    "verify_backups": ("stage", "at"),
    "restore": ("stage", "at", "from", "script", "into", "unsaved", "confirm"),
    "help": (),
    "tabcompletion": (),
}
"""Command to the words `name=value` that it takes; `stage` alone where it is not listed."""

_OF_SERVICES = (
    "rollback",
    "history",
    "status",
    "exec",
    "shell",
    "restart",
    "silence",
    "rebalance",
    "logs",
    "forward",
    "run",
)
"""Commands that take services."""
_OF_SAVED_SERVICES = ("backup", "backups", "verify_backups", "restore")
"""Commands that take services with backups."""
_OF_HOSTS = ("ssh", "silence", "logs", "forward", "replace_host", "upgrade_hosts")
"""Commands that take hosts."""
_OF_ALL_TASKS = ("exec", "cp")
"""Commands that take `task=all`."""

Word = tuple[str, str]
"""A word, and what it is."""


class SiteNames:
    """What site.toml of a directory has, however wrong it is otherwise.

    Args:
        directory: The directory.

    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            self._data: Mapping[str, Any] = tomli.loads((directory / "site.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            self._data = {}

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        return str(self._data.get("site", ""))

    def names(self, table: str) -> list[str]:
        """Return the names in one of its tables."""
        found = self._data.get(table)
        return list(found) if isinstance(found, dict) else []

    def saved_services(self) -> list[str]:
        """Return the names of the services that have backup_scripts."""
        services = self._data.get("services")
        tables = services.items() if isinstance(services, dict) else ()
        return [name for name, table in tables if isinstance(table, dict) and table.get("backup_scripts")]

    def copies(self) -> list[str]:
        """Return the names of the places off the site."""
        backup = self._data.get("backup")
        copies = backup.get("copies") if isinstance(backup, dict) else None
        named = [
            each.get("name", f"copy{i}") for i, each in enumerate(copies or ()) if isinstance(each, dict)
        ]
        return [name for name in named if isinstance(name, str)]

    def hosts(self) -> list[str]:
        """Return the names of the hosts that are made, of all stages, as their ssh_config has them."""
        found: dict[str, None] = {}
        for path in sorted(self._directory.glob("state/*/ssh_config")):
            with contextlib.suppress(OSError, ValueError):
                lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
                found |= dict.fromkeys(
                    words[1] for words in lines if words[:1] == ["Host"] and words[1:] != ["*"]
                )
        return list(found)


def candidates(typed: Sequence[str], site: SiteNames, task_words: Callable[[], Iterable[str]]) -> list[Word]:
    """Return the words that may stand in the place of the last one.

    Args:
        typed: The words behind `skep`, of which the last one, which may be empty, is being typed.
        site: The site in the working directory.
        task_words: Gives the names of all tasks.

    """
    last = typed[-1] if typed else ""
    commands = known_commands()
    before = [word for word in typed[:-1] if not word.startswith("-") and "=" not in word]
    command = before[0] if before and before[0] in commands else ""
    found = list(_words(command, bool(before), last, site, commands, task_words))
    return [word for word in dict.fromkeys(found) if word[0].startswith(last) and word[0] not in typed[:-1]]


def known_commands() -> dict[str, Callable[[], type[Command]]]:
    """Return how doit's commands and skep's are had, by name: to import one takes a while."""
    found: dict[str, Callable[[], type[Command]]] = {
        command.get_name(): partial(_itself, command) for command in DoitMain.DOIT_CMDS
    }
    return found | {each.name: each.load for each in entry_points(group="doit.COMMAND")}


def _itself(command: type[Command]) -> type[Command]:
    """Return a command that is imported already."""
    return command


def _words(
    command: str,
    is_begun: bool,  # noqa: FBT001 - whether a word that is none of doit's options stands before
    last: str,
    site: SiteNames,
    commands: Mapping[str, Callable[[], type[Command]]],
    task_words: Callable[[], Iterable[str]],
) -> Iterator[Word]:
    """Yield the words of a command, or the commands."""
    if last.startswith("-"):
        for option in commands[command or "run"]().cmd_options if (command or not is_begun) else ():
            yield f"--{option['long']}", str(option["help"])
        return
    name, sign, value = last.partition("=")
    if sign:
        yield from ((f"{name}={word}", "") for word in _values(name, value, command, site))
        return
    if not is_begun:
        yield from _purposes(last, commands)
        yield from (
            ("shell_image:" + image, "") for image in site.names("images") if last.startswith("shell_image")
        )
    if not is_begun or command in _OF_TASKS or not command:
        yield from _tasks(last, task_words)
    yield from _purposes(last, commands) if command == "help" else _arguments(command, site)
    for word in _OF_COMMAND.get(command or "run", ("stage",)):
        yield f"{word}=", WORDS.get(word, "")


def _tasks(last: str, task_words: Callable[[], Iterable[str]]) -> Iterator[Word]:
    """Yield the phases; and the resources of one, as soon as its name is there."""
    phase = last.partition(":")[0]
    yield from ((name, each.doc) for name, each in PHASES.items())
    if phase in PHASES:
        yield from ((name, "") for name in task_words() if name.startswith(f"{phase}:"))


def _purposes(last: str, commands: Mapping[str, Callable[[], type[Command]]]) -> Iterator[Word]:
    """Yield the commands that begin as the last word does."""
    for name, load in sorted(commands.items()):
        if name.startswith(last):
            yield name, str(load().doc_purpose)


def _arguments(command: str, site: SiteNames) -> Iterator[Word]:
    """Yield what a command takes beside tasks."""
    if command == "keys":
        yield from (("export", "print what CI needs to log in"), ("import", "read that from standard input"))
    if command in _OF_SERVICES:
        yield from ((name, "service") for name in site.names("services"))
    if command in _OF_SAVED_SERVICES:
        yield from ((name, "service") for name in site.saved_services())
    if command == "backups":
        yield ("key", "print what belongs into a safe")
    if command == "restore" and not site.name:
        yield ("site", "a whole lost site, here")
    if command in _OF_HOSTS:
        yield from ((name, "host") for name in site.hosts())
    if command == "move_volume":
        yield from ((name, "volume") for name in site.names("volumes"))
    elif command == "scale":
        yield from ((f"{name}=", "service") for name in site.names("services"))
        yield ("keep", "until its definition changes")
    elif command == "cp":
        yield from ((f"{name}:", "service") for name in site.names("services"))
    elif command == "why":
        yield from ((name, table[:-1]) for table in ("services", "images") for name in site.names(table))
    elif command == "shell_image":
        yield from ((name, "image") for name in site.names("images"))


def _values(name: str, value: str, command: str, site: SiteNames) -> Iterator[str]:
    """Yield the values of a word `name=value`. Of a list the last one is being typed."""
    if command == "init":
        yield from INIT_WORDS.get(name, ())
        return
    single = {
        "stage": site.names("stages"),
        "confirm": [site.name] if site.name else [],
        "to": site.hosts() if command == "move_volume" else ["latest"],
        "from": site.copies() if command == "restore" else site.hosts(),
        "task": [*(["all"] if command in _OF_ALL_TASKS else []), *site.hosts()],
        "keep": site.hosts(),
        "at": ["latest"],
        "unsaved": ["yes"],
    }
    several = {
        "volumes": [*site.names("volumes"), "all"],
        "upgrade": [*site.names("bases"), "all"],
        "replace": [*site.names("networks"), *site.names("volumes"), "swarm"],
        "off": site.hosts(),
    }
    yield from single.get(name, ())
    chosen, comma, _ = value.rpartition(",")
    for each in several.get(name, ()):
        if each not in chosen.split(","):
            yield f"{chosen}{comma}{each}"


def all_tasks() -> list[str]:
    """Return the names of all tasks, as `doit list` has them; none where there is no site, or a wrong one."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            DoitMain().run(["list", "--all", "--quiet"])
        except (Exception, SystemExit):  # noqa: BLE001 - somebody types: there is nobody to tell
            return []
    return out.getvalue().split()


def main() -> None:
    """Print the words."""
    here = Path.cwd()
    lines = [
        f"{word}\t{' '.join(text.split())}".rstrip("\t")
        for word, text in candidates(sys.argv[1:], SiteNames(here), all_tasks)
    ]
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    os._exit(0)  # nothing is to be tidied up, and the shell waits


if __name__ == "__main__":
    main()
