"""What the upkeep notes of the generations that there are, for `doit status` and the alarms. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from agent.backup.repository.generations import CLOCK_TOLERANCE, Listing, newest_of


def stock_of(found: Listing, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return what is to be noted of the generations; times are seconds since 1970, by this host's clock.

    What can't be read now counts as it was before. A time that is still to come was noted by a clock that was wrong.

    Args:
        found: All generations.
        before: What was noted before.
        now: The time.

    Returns:
        `listed`, when all of them could be read last, None if never; and, by service, `newest`, when its newest one
        came; `since`, from when on there have been some; `tested`, when the last trial that went well of any ended.

    """
    latest = (now + CLOCK_TOLERANCE).timestamp()

    def known(key: str) -> dict[str, int]:
        return {name: at for name, at in before.get(key, {}).items() if at <= latest}

    services = {each.service for each in found.generations}
    own = {name: [each for each in found.generations if each.service == name] for name in services}
    newest = {
        name: int(last.arrived.timestamp())
        for name, mine in own.items()
        if (last := newest_of(mine, now)) is not None
    }
    since, tested = known("since"), known("tested")
    for name, mine in own.items():
        first = int(min(each.arrived.timestamp() for each in mine))
        since[name] = min(first, since.get(name, first))
        tests = [int(at) for each in mine for at in _good_tests(each.tests) if at <= latest]
        if tests:
            tested[name] = max(*tests, tested.get(name, 0))
    if found.unread:
        return {
            "listed": before.get("listed"),
            "newest": known("newest") | newest,
            "since": since,
            "tested": tested,
        }
    return {
        "listed": int(now.timestamp()),
        "newest": newest,
        "since": {name: at for name, at in since.items() if name in own},
        "tested": {name: at for name, at in tested.items() if name in own},
    }


def _good_tests(tests: Any) -> Iterator[float]:
    """Yield when the trials ended that went well."""
    for each in tests:
        if each["ok"]:
            yield datetime.fromisoformat(each["at"]).timestamp()
