"""A site with backups that is made, whose hosts' agents answer; and commands typed there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase

from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.agent import AgentHost, Answer, agents
from tests.unit.commands.operate.test_replace_host import Loader

BACKUP = """\
[setup_hosts]
timezone = "Asia/Tokyo"

[backup]

[networks.back]
"""
SCRIPTS = """\
initialize_roles = ["first"]

[[services.web.backup_scripts]]
name = "files"
volume = "data"
"""
FACTS = {"host": "hive0", "bytes": 10, "added": 5, "clock_is_wrong": False, "test": None, "copies": {}}


def generation(
    identity: str, time: str, kind: str = "scheduled", service: str = "web", **facts: Any
) -> dict[str, Any]:
    """Return a generation as the agent tells it."""
    named = {"id": identity, "time": f"{time}+00:00", "kind": kind, "service": service}
    return {**named, **FACTS, "scripts": {"files": "files"}, **facts}


# 01:00 in Tokyo is 16:00 of the day before.
FIRST = generation("aa000001", "2026-11-25T16:00:10")
SECOND = generation("aa000002", "2026-11-26T16:00:40")
BEFORE = generation("bb000003", "2026-11-27T09:00:00", "before-restore")
OTHER = generation("cc000004", "2026-11-28T00:00:00", service="db")


def always(answer: Any) -> Answer:
    """Return what gives this answer whatever it is asked."""
    return lambda _: answer


class BackupSite:
    """The site: service `web` has a part `files`; there are generations of it, and one of a service that is gone.

    Args:
        directory: Where site.toml is.
        backup: The `[backup]` of it, with what stands around it.

    """

    def __init__(self, directory: Path, backup: str = BACKUP) -> None:
        made = rig.new(directory)
        made.edit("[networks.back]\n", backup)
        made.edit('initialize_roles = ["first"]\n', SCRIPTS)
        self.generations = [FIRST, SECOND, BEFORE, OTHER]
        self.run = made.run()
        self.order: list[str] = []
        """Verbs in the order in which hosts were asked."""
        self.hosts = {host.short: AgentHost(host.short, {}) for host in self.run.stage.hosts}
        agents(self.run, self.hosts)
        self.answer(generations=lambda _: self.generations)

    def answer(self, *hosts: str, **answers: Answer) -> None:
        """Have hosts, or all of them, answer verbs."""
        for name in hosts or self.hosts:
            known = {verb: self._noted(verb, answer) for verb, answer in answers.items()}
            self.hosts[name].answers = {**self.hosts[name].answers, **known}

    def tell(self, *said: Mapping[str, Any]) -> None:
        """Have all hosts tell something before each result."""
        for host in self.hosts.values():
            host.says = list(said)

    def typed(self, command: type[DoitCmdBase], *words: str, **values: str) -> tuple[int, str]:
        """Type a command; return its exit status and its output."""
        return typed_command.typed(command, Loader(self.run), words, values)

    def asked(self, verbs: Sequence[str]) -> list[str]:
        """Return which of these verbs were asked, in their order."""
        return [verb for verb in self.order if verb in verbs]

    def _noted(self, verb: str, answer: Answer) -> Answer:
        """Return an answer that notes that it was asked for."""

        def noted(words: Any) -> Any:
            self.order.append(verb)
            return answer(words)

        return noted
