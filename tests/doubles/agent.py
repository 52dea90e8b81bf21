"""The agents on a site's hosts, without hosts: they answer with JSON lines, and read what they are asked strictly.

Held against `agent/`: words go through the agent's own parser, so that what the agent refuses is refused here.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from agent.backup.verbs import _parser
from model.errors import CommandError
from model.stage import Host
from remote.hostsetup.host_agent import AGENT
from tasks.run.context import Run

Answer = Callable[[Any], Any]
"""Gives a verb's result for its words; a string is the sentence why there is none."""


class AgentHost:
    """A host's connection, of which only the agent is asked.

    Args:
        name: The host's short name.
        answers: Verb to its answer.

    """

    def __init__(self, name: str, answers: Mapping[str, Answer]) -> None:
        self.name, self.answers = name, answers
        self.asked: list[str] = []
        self.says: list[Mapping[str, Any]] = []
        """What is told before each result."""
        self.is_cut = False
        """Whether the connection ends before the result."""

    def run(
        self,
        command: str,
        *,
        timeout: float,
        log: Callable[[str], None],
        check: bool,
        label: str,
    ) -> str:
        """Answer as the agent does, a line at a time."""
        assert not check, "the agent's own words say more than its exit status"
        prefix = shlex.split(f"sudo -n python3 -I {AGENT}")
        words = shlex.split(command)
        assert words[: len(prefix)] == prefix
        parsed = _parser().parse_args(words[len(prefix) + 1 :])
        self.asked.append(" ".join(words[len(prefix) + 1 :]))
        lines = [json.dumps(each) for each in self.says]
        if self.is_cut:
            for line in lines:
                log(line)
            raise CommandError(self.name, label, None, "", f"no end after {timeout:.0f} s")
        answer = self.answers[parsed.name](parsed)
        lines.append(
            json.dumps({"error": answer, "kind": "host"} if isinstance(answer, str) else {"result": answer})
        )
        for line in lines:
            log(line)
        return "\n".join(lines)


class BareHost(AgentHost):
    """A host that has no agent yet."""

    def run(self, command: str, **words: Any) -> str:
        """Say what Python says of a file that is not there."""
        del command
        line = f"/usr/bin/python3: can't open file '{AGENT}': [Errno 2] No such file or directory"
        words["log"](line)
        return ""


def agents(run: Run, hosts: Mapping[str, AgentHost]) -> None:
    """Have a run reach these hosts' agents."""

    def to(host: Host) -> AgentHost:
        return hosts[host.short]

    run.connections.to = to  # type: ignore[method-assign,assignment]
