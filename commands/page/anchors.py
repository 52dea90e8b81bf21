"""Where on the page something is, so that what names it leads there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from commands.page.markup import Markup, el, joined
from tasks.page.page_data import PageAlarm, PageData


@dataclass(frozen=True)
class Anchors:
    """The places of hosts, services and log lines; each is the `id` of an element.

    Args:
        rows: Host or service to its row.
        logs: Service, host and time of log lines to these.

    """

    rows: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[tuple[str, str, str], str] = field(default_factory=dict)

    def link(self, name: str) -> str:
        """Return a name as a link to its row, if it has one."""
        place = self.rows.get(name)
        return el("a", name, href=f"#{place}") if place else name

    def linked(self, finding: str) -> str:
        """Return a finding, which begins with the name of what it is about, with that as a link."""
        name, colon, rest = finding.partition(":")
        return joined(self.link(name), colon, rest) if name in self.rows else finding

    def link_to_logs(self, alarm: PageAlarm) -> Markup | None:
        """Return a link to the log lines around an alarm; None if there are none."""
        place = self.logs.get(alarm.about)
        return el("a", "log lines", href=f"#{place}") if place else None


def anchors(page: PageData) -> Anchors:
    """Return the places on a page."""
    hosts = {host.name: f"host-{n}" for n, host in enumerate(page.hosts)}
    services = {service.name: f"service-{n}" for n, service in enumerate(page.services)}
    logs = {log.about: f"log-{n}" for n, log in enumerate(page.logs or ())}
    return Anchors({**hosts, **services}, logs)
