"""The services' newest backups, and how their last restore tests ended. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.backup.newest_generation import newest_of
from tasks.page.page_data import PageBackup


def page_backups(services: Sequence[str], generations: Sequence[Mapping[str, Any]]) -> tuple[PageBackup, ...]:
    """Return the newest backup of each service, with the newest test of any of its backups.

    Args:
        services: The services that have backups.
        generations: The backups, the oldest first, as the repository host's agent tells them.

    """
    return tuple(
        _backup(service, [each for each in generations if each["service"] == service]) for service in services
    )


def _backup(service: str, own: Sequence[Mapping[str, Any]]) -> PageBackup:
    """Return a service's newest backup."""
    newest = newest_of(own)
    if newest is None:
        return PageBackup(service)
    tests = [each["test"] for each in own if each.get("test")]
    last = max(tests, key=lambda test: str(test["at"]), default=None)
    return PageBackup(
        service=service,
        at=str(newest["time"]),
        id=str(newest["id"]),
        host=str(newest["host"]),
        size=int(newest["bytes"]) if newest.get("bytes") else None,
        count=len(own),
        tested=str(last["at"]) if last else "",
        is_good=bool(last["ok"]) if last else None,
        why="" if last is None or last["ok"] else str(last.get("why") or ""),
    )
