"""amtool on a repository host, without a host: alarms that are given, and silences that are added and ended.

Compared with amtool and Alertmanager 0.25 of Debian 12: words, JSON, and that an unknown silence can't be ended.
"""

import json
import re
import shlex
import threading
from typing import Any

from model.alarms.alarm_rules import WATCHDOG
from model.errors import CommandError, HostError
from tasks.run.context import Run
from tasks.run.silences import AFTERWARDS, RunSilences


def alarm(name: str, since: str = "2026-11-30 12:00:00 +0000 UTC", **labels: str) -> dict[str, Any]:
    """Return an alarm as Alertmanager's API has it."""
    return {
        "annotations": {"look": f"look at {name}", "since": since, "summary": f"{name} it is.", "value": "7"},
        "labels": {"alertname": name, **labels},
        "startsAt": "2026-11-30T12:01:00.504Z",
        "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
    }


def watch(run: Run) -> "AlertmanagerHost":
    """Have a run silence alarms, and return the host that it asks for that."""
    host = AlertmanagerHost()

    def connect() -> Any:
        return host

    run.silences = RunSilences(lambda: True, connect, "somebody")
    return host


class AlertmanagerHost:
    """A host's connection, of which only amtool is asked.

    Args:
        name: The host's name.

    """

    def __init__(self, name: str = "hive2") -> None:
        self.name = name
        self.alarms = [alarm(WATCHDOG)]
        self.silences: dict[str, dict[str, Any]] = {}
        self.lapsed: dict[str, dict[str, Any]] = {}
        """Silences that have ended by themselves."""
        self.added: list[dict[str, str]] = []
        """The matchers of all silences that ever were."""
        self.ended: list[str] = []
        self.updated = threading.Event()
        """Set as silences are given another end."""
        self.is_away, self.is_stopped = False, False
        self.interrupts = False
        """Whether a person types Ctrl-C when the first of the next silences is there, before its id is read."""
        self.stops_after: int | None = None
        """How many silences it takes before it is stopped."""

    @property
    def held(self) -> list[dict[str, str]]:
        """The matchers of the silences whose work goes on."""
        silences = zip(self.added, self.silences.values(), strict=True)
        return [matchers for matchers, silence in silences if silence["seconds"] > AFTERWARDS]

    def lapse(self) -> None:
        """Have all silences end by themselves."""
        self.lapsed |= self.silences
        self.silences.clear()

    def run(self, command: str, *, timeout: float, label: str) -> str:
        """Answer as amtool does."""
        assert timeout > 0
        if self.interrupts and "silence add" in label:
            self.interrupts = False
            self._amtool(shlex.split(command.split(" && ", maxsplit=1)[0]), label, [])
            raise KeyboardInterrupt
        if self.is_away:
            raise HostError(f"{self.name}: does not answer")
        # The host's shell reckons a time: here it says how far away that is.
        parts = re.sub(r'"\$\(date -u -d "\+(\d+) seconds" \+%FT%TZ\)"', r'"in \1"', command).split(" && ")
        printed: list[str] = []
        for part in parts:
            printed.append(self._amtool(shlex.split(part), label, printed))
        return "".join(printed)

    def _amtool(self, words: list[str], label: str, printed: list[str]) -> str:
        """Answer one command."""
        assert words[:2] == ["amtool", "--alertmanager.url=http://127.0.0.1:9093"]
        if self.is_stopped or (len(self.added) == self.stops_after and words[3:5] == ["silence", "add"]):
            said = "amtool: error: connect: connection refused"
            raise CommandError(self.name, label, 1, "".join([*printed, said]))
        match words[3:]:
            case ["alert", "query", "--active", "--silenced", "--inhibited", "-o", "json"]:
                return json.dumps(self.alarms)
            case ["silence", "query", "-o", "json"]:
                return json.dumps([*self.silences.values()])
            case ["silence", "add", *rest]:
                return f"{self._add(rest)}\n"
            case ["silence", "update", "--quiet", end, *ids]:
                for each in ids:
                    # It prints pointers, and nobody learns the id of the new one.
                    if each in self.lapsed:
                        self.silences[f"new-{each}"] = {**self.lapsed[each], "id": f"new-{each}"}
                        continue
                    self.silences[each]["seconds"] = int(end.removeprefix("--end=in "))
                self.updated.set()
                return ""
            case ["silence", "expire", *ids]:
                for each in ids:
                    del self.silences[each]
                    self.ended.append(each)
                return ""
        raise AssertionError(words)

    def _add(self, words: list[str]) -> str:
        """Add a silence, and return its id."""
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        # `alertname!~A` is the label `alertname!` with the value `~A` here, as `service=~a` is `service` with `~a`.
        matchers = dict(
            re.split("=|(?<=!)(?=~)", word, maxsplit=1) for word in words if not word.startswith("--")
        )
        assert matchers, "amtool wants one at least"
        assert re.fullmatch(r"\d+s", options["duration"])
        identity = f"0000000{len(self.added)}-aaaa-bbbb-cccc-000000000000"
        self.added.append(matchers)
        self.silences[identity] = {
            "id": identity,
            "comment": options["comment"],
            "createdBy": options["author"],
            "endsAt": "2026-11-30T14:00:00.059Z",
            "seconds": int(options["duration"][:-1]),
            "matchers": [
                {
                    "isEqual": not name.endswith("!"),
                    "isRegex": value.startswith("~"),
                    "name": name.removesuffix("!"),
                    "value": value.removeprefix("~"),
                }
                for name, value in matchers.items()
            ],
        }
        return identity
