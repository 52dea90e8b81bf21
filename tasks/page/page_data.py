"""The data of a site's page, as `page.json` has them. Times are seconds since 1970, sizes bytes. Pure."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from tasks.page.site_parts import PageHost, PageNetwork, PageService, PageVolume

VERSION = 1
"""Of this form. Who reads `page.json` finds it first; it grows when a field goes or means something else."""


@dataclass(frozen=True)
class PageResource:
    """A resource of a phase, or the steps of a host's set-up as one.

    Args:
        name: Its name in its phase.
        task: The task by which it is asked for.
        status: Its status, as `doit list` has it.
        count: How many resources it stands for.
        reasons: Why it is not up to date.

    """

    name: str
    task: str
    status: str
    count: int = 1
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PagePhase:
    """One of the seven phases.

    Args:
        name: Its name.
        purpose: What it makes, in a few words.
        after: The phases that something of it is made from or waits for.
        counts: Status to the number of resources that have it, the worst first.
        resources: Its resources.

    """

    name: str
    purpose: str
    after: tuple[str, ...] = ()
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    resources: tuple[PageResource, ...] = ()


@dataclass(frozen=True)
class PageBackup:
    """The newest backup of a service.

    Args:
        service: The service.
        at: When it was made, as `2026-11-29T01:00:00+00:00`; empty if there is none.
        id: Its id.
        host: The host that made it.
        size: The bytes in it.
        count: How many backups of the service there are.
        tested: When one of them was last restored aside and tried; empty if none ever was.
        is_good: Whether that went well; None if none was tried.
        why: What was wrong with it.

    """

    service: str
    at: str = ""
    id: str = ""
    host: str = ""
    size: int | None = None
    count: int = 0
    tested: str = ""
    is_good: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class PageAlarm:
    """An alarm that is given.

    Args:
        name: Its name.
        since: Since when it is so, as `2026-11-30T11:40:00Z`.
        summary: What it says.
        host: The host that it is about; empty if it is about none.
        service: The service that it is about; empty if it is about none.
        command: The command to look with; empty if its rule names none.
        is_silenced: Whether nobody is told of it: somebody or a run silenced it, or another alarm says it.
        quiet: Why, in words; empty if somebody is told of it.

    """

    name: str
    since: str
    summary: str = ""
    host: str = ""
    service: str = ""
    command: str = ""
    is_silenced: bool = False
    quiet: str = ""

    @property
    def about(self) -> tuple[str, str, str]:
        """Which log has its lines: service, host if it is about no service, and since when."""
        return self.service, "" if self.service else self.host, self.since


@dataclass(frozen=True)
class PageSeries:
    """One line of a chart.

    Args:
        label: What it is of, mostly a host.
        values: A value for each of the chart's times; None where there is none.

    """

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class PageChart:
    """Metrics over time.

    Args:
        name: An identifier: letters and `-`.
        title: What it shows.
        unit: `percent` (of 0 to 1), `bytes` or empty for plain numbers.
        times: When the values were taken, ascending.
        series: The lines.

    """

    name: str
    title: str
    unit: str
    times: tuple[float, ...]
    series: tuple[PageSeries, ...]


@dataclass(frozen=True)
class PageLogLine:
    """A line of a log.

    Args:
        time: As the engine writes it, in UTC.
        task: The task that wrote it.
        text: The line.

    """

    time: str
    task: str
    text: str


@dataclass(frozen=True)
class PageLog:
    """The lines of a log around something that is wrong with a service or a host.

    Args:
        service: The service; empty if it is a host's journal.
        why: What is wrong with it.
        lines: The lines, the oldest first.
        host: The host; empty if it is a service's log.
        since: As the alarms have it that these are the lines of; empty if they are the last ones.
        unread: What of it could not be read, and why.

    """

    service: str
    why: str
    lines: tuple[PageLogLine, ...]
    host: str = ""
    since: str = ""
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The service's or host's name."""
        return self.service or self.host

    @property
    def about(self) -> tuple[str, str, str]:
        """What it is the log of: service, host, and since when."""
        return self.service, self.host, self.since


@dataclass(frozen=True)
class PageRun:
    """A run that is at work on the site.

    Args:
        who: Who runs it.
        command: What was typed.
        began: When, as `2026-11-29T17:00:00Z`.

    """

    who: str
    command: str
    began: str


@dataclass(frozen=True)
class Unread:
    """A part of the page that could not be read.

    Args:
        part: The part, as its heading says it.
        why: The reason.

    """

    part: str
    why: str


@dataclass(frozen=True)
class PageSource:
    """How far a part that the repository host is asked for can be believed.

    Args:
        at: When what is shown was read; None if it never was.
        why: Why there is no newer answer; empty if there is one.
        doubt: Why an answer that came may not say all; empty if it does.

    """

    at: float | None = None
    why: str = ""
    doubt: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether what is not in the answer is not there."""
        return not self.why and not self.doubt


@dataclass(frozen=True)
class PageData:
    """All that a site's page shows.

    Args:
        site: The site's name.
        stage: The stage's.
        read_at: When the site was read.
        can_tell: Whether at least one host answered.
        is_made: Whether this checkout knows of any host.
        problems: What is wrong, as `doit status` says it.
        hosts: The hosts.
        services: The services.
        volumes: The volumes.
        networks: The networks.
        phases: The phases.
        backups: The services' newest backups; None where the site has no backups, or they never could be read.
        alarms: The alarms that are given; None where the site has no `[monitoring]`, or they never could be read.
        charts: Metrics over time; None as the alarms.
        logs: Log lines around what is wrong; None where there may be some that could not be read.
        sources: How `history`, `backups`, `alarms` and `charts` were read: those that the site has. The history says
            who deployed what, and who is at work. Also why there are no `logs`, where they could not be read.
        run: The run that is at work.
        unread: The parts that could not be read.
        version: Of this form.

    """

    site: str
    stage: str
    read_at: float
    can_tell: bool = True
    is_made: bool = True
    problems: tuple[str, ...] = ()
    hosts: tuple[PageHost, ...] = ()
    services: tuple[PageService, ...] = ()
    volumes: tuple[PageVolume, ...] = ()
    networks: tuple[PageNetwork, ...] = ()
    phases: tuple[PagePhase, ...] = ()
    backups: tuple[PageBackup, ...] | None = None
    alarms: tuple[PageAlarm, ...] | None = None
    charts: tuple[PageChart, ...] | None = None
    logs: tuple[PageLog, ...] | None = ()
    sources: dict[str, PageSource] = dataclasses.field(default_factory=dict)
    run: PageRun | None = None
    unread: tuple[Unread, ...] = ()
    version: int = VERSION

    def data(self) -> dict[str, Any]:
        """Return it for JSON, the version first."""
        whole = dataclasses.asdict(self)
        return {"version": whole.pop("version"), **whole}
