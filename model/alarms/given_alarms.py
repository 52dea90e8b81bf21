"""Alarms that are given, and silences, as Alertmanager's API has them. Pure.

https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from model.json_types import Json


@dataclass(frozen=True)
class GivenAlarm:
    """An alarm that is given.

    Args:
        name: Its name.
        service: The service that it is about; empty if it is about none.
        host: The host's short name; empty as well.
        summary: What is wrong, in a sentence.
        value: How much.
        since: When its condition began to hold, as Prometheus says it; of an alarm of others, when it was given.
        look: The command to look with.
        silenced: The ids of the silences by which nobody is told.
        is_hidden: Whether nobody is told since another alarm says it.

    """

    name: str
    service: str
    host: str
    summary: str
    value: str
    since: str
    look: str
    silenced: tuple[str, ...] = ()
    is_hidden: bool = False

    @classmethod
    def of(cls, found: Json) -> Self:
        """Return the alarm that Alertmanager describes."""
        labels, notes, status = (found.get(key) or {} for key in ("labels", "annotations", "status"))
        return cls(
            labels.get("alertname", ""),
            labels.get("service", ""),
            labels.get("host", ""),
            notes.get("summary", ""),
            notes.get("value", ""),
            _short_time(notes.get("since") or found.get("startsAt", "")),
            notes.get("look", ""),
            tuple(status.get("silencedBy") or ()),
            bool(status.get("inhibitedBy")),
        )

    @property
    def is_told(self) -> bool:
        """Whether somebody is told of it."""
        return not self.silenced and not self.is_hidden

    @property
    def place(self) -> str:
        """What it is about: service, host, or both."""
        return " on ".join(filter(None, (self.service, self.host)))

    def data(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "alarm": self.name,
            "service": self.service or None,
            "host": self.host or None,
            "summary": self.summary,
            "value": self.value,
            "since": self.since,
            "look": self.look,
            "silenced_by": list(self.silenced),
            "is_hidden": self.is_hidden,
        }


@dataclass(frozen=True)
class Silence:
    """Alarms of which nobody is told for a time.

    Args:
        id: Its id.
        matchers: Label to the value that an alarm has.
        ends: When it ends, in UTC.
        who: Who asked for it.
        reason: Why.
        kinds: Label to how its value is compared: `=` where it is that, `!=` where it is not, `=~` and `!~` with a
            regular expression.

    """

    id: str
    matchers: Mapping[str, str]
    ends: str
    who: str
    reason: str
    kinds: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Json) -> Self:
        """Return the silence that Alertmanager describes."""
        matchers = {each["name"]: each["value"] for each in found.get("matchers") or ()}
        ends = _short_time(found.get("endsAt", ""))
        kinds = {each["name"]: _kind(each) for each in found.get("matchers") or ()}
        return cls(
            found.get("id", ""), matchers, ends, found.get("createdBy", ""), found.get("comment", ""), kinds
        )

    def is_about(self, matchers: Mapping[str, str]) -> bool:
        """Return whether it is about the alarms with exactly these labels."""
        return self.matchers == matchers and {*self.kinds.values()} == {"="}

    @property
    def what(self) -> str:
        """What it is about, in words."""
        return " ".join(
            value if (kind := self.kinds.get(name, "=")) == "=" else f"{name}{kind}{value}"
            for name, value in self.matchers.items()
        )

    def data(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "id": self.id,
            "matchers": dict(self.matchers),
            "kinds": dict(self.kinds),
            "ends": self.ends,
            "who": self.who,
            "reason": self.reason,
        }


def _kind(matcher: Json) -> str:
    """Return how a matcher compares. Alertmanager takes one that does not say so for one that equals."""
    is_equal, is_regex = matcher.get("isEqual", True), matcher.get("isRegex", False)
    return ("=~" if is_equal else "!~") if is_regex else ("=" if is_equal else "!=")


def _short_time(text: str) -> str:
    """Return a time to the second, in UTC: `2026-11-30T12:33:10Z`; one that can't be read as it is."""
    begin = text.replace(" +0000 UTC", "Z").replace(" ", "T", 1)
    try:
        return datetime.fromisoformat(begin).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return text
