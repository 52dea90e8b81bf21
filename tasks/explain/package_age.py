"""How old the hosts' packages are, as the live state has it: lines for people, and the same for programs."""

from collections.abc import Mapping
from typing import Any

from remote.hostsetup.updates import PackageAge
from tasks.run.context import Run


def package_ages(run: Run) -> dict[str, PackageAge]:
    """Return the age of the packages of each host that tells it."""
    live = run.live_state
    found = {host.short: live.host(host).packages for host in run.stage.hosts if not live.host(host).error}
    return {short: age for short, age in found.items() if age is not None}


def package_data(ages: Mapping[str, PackageAge]) -> dict[str, Any]:
    """Return the ages for programs."""
    return {
        short: {
            "days": age.days,
            "waiting": age.waiting,
            "looked_days_ago": None if age.waiting is None else age.looked,
            "restart": age.restart,
        }
        for short, age in ages.items()
    }


def package_lines(ages: Mapping[str, PackageAge]) -> list[str]:
    """Return a line for each group of hosts whose packages are alike: their age, and what was found last."""
    groups: dict[PackageAge, list[str]] = {}
    for short, age in ages.items():
        groups.setdefault(age, []).append(short)
    return [f"packages of {', '.join(shorts)}: {_words(age)}" for age, shorts in groups.items()]


def _words(age: PackageAge) -> str:
    """Return one age, in words."""
    done = "upgraded" if age.is_upgraded else "as they were installed"
    parts = [f"{done} {_days(age.days)}"]
    if age.waiting is None:
        parts.append("newer ones were never looked for (doit upgrade_hosts)")
    elif age.waiting:
        ones = "one" if age.waiting == 1 else "ones"
        found = f"{age.waiting} newer {ones} when last looked for, {_days(age.looked)}"
        parts.append(f"{found} (doit upgrade_hosts)")
    else:
        parts.append(f"no newer ones when last looked for, {_days(age.looked)}")
    if age.restart:
        parts.append("a restart is asked for (doit upgrade_hosts)")
    return "; ".join(parts)


def _days(days: int) -> str:
    """Return how long ago that is."""
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
