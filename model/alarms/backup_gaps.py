"""How far apart the times of a backup's schedule, and the trials of backups, may be. Pure."""

import re

_HOUR, _DAY = 3600.0, 86_400.0
_WEEK, _MONTH, _YEAR = 7 * _DAY, 31 * _DAY, 366 * _DAY
_WORDS = {
    "minutely": _HOUR,
    "hourly": _HOUR,
    "daily": _DAY,
    "weekly": _WEEK,
    "monthly": _MONTH,
    "quarterly": 92 * _DAY,
    "semiannually": 184 * _DAY,
    "yearly": _YEAR,
    "annually": _YEAR,
}
_WEEKDAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)", re.IGNORECASE)
_DATE = re.compile(r"(?:([^ -]+)-)?([^ -]+)[-~]([^ ]+)(?= |$)")
_TRIALS = {"daily": _DAY, "weekly": _WEEK, "monthly": _MONTH}
_EACH_HOUR = re.compile(r"(?:^| )\*(?:/1)?:")


def longest_gap(schedule: str) -> float:
    """Return the seconds that lie between two times of an `OnCalendar` at most.

    Rather too many than too few: `Mon..Fri 01:00` counts as once a week. Hives reckon it exactly, with systemd.

    Args:
        schedule: systemd's `OnCalendar`, of the form that is checked when site.toml is read.

    """
    if (known := _WORDS.get(schedule.lower())) is not None:
        return known
    date = _DATE.search(_WEEKDAY.sub("", schedule)) if re.search(r"[\d*][-~][\d*]", schedule) else None
    if date is not None and {*date.groups("*")} != {"*"}:
        return _MONTH if date[1] in (None, "*") and date[2] == "*" else _YEAR
    if _WEEKDAY.search(schedule):
        return _WEEK
    return _HOUR if _EACH_HOUR.search(schedule) else _DAY


def longest_untried(verify: str, schedule: str) -> float | None:
    """Return the seconds after which a backup of a service should have been restored for a trial; None if none is.

    Trials are made behind scheduled backups alone.

    Args:
        verify: How often one is to be, as `backup.verify` has it.
        schedule: As of `longest_gap`.

    """
    period = _TRIALS.get(verify)
    return None if period is None else 2 * max(period, longest_gap(schedule)) + _DAY
