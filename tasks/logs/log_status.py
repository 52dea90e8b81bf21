"""What is wrong with the logs that are kept, as the shippers on hosts noted it: by the rules of the alarms. Pure."""

from collections.abc import Iterator, Mapping

from model.json_types import Json
from model.site.logs import LATE
from model.stage import Stage
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import SiteReading


def log_problems(stage: Stage, reading: SiteReading) -> dict[str, list[str]]:
    """Return what is wrong with the logs of a stage, by hosts (`model/alarms/log_rules.py` has the same rules).

    Args:
        stage: The stage.
        reading: The hosts' readings.

    """
    if stage.site.logs is None:
        return {}
    shipping = {
        short: each
        for short, each in reading.hosts.items()
        if isinstance(each, HostReading) and each.shipping is not None
    }
    notes = {short: each.shipping or {} for short, each in shipping.items()}
    ago = {short: each.clock - _number(notes[short], "taken") for short, each in shipping.items()}
    late = _said_late(
        stage.repository_short, {short: each for short, each in ago.items() if each > LATE}, notes
    )
    return {short: list(_lines(short, notes[short], late.get(short))) for short in shipping}


def _said_late(repository: str, late: Mapping[str, float], notes: Mapping[str, Json]) -> Mapping[str, float]:
    """Return of which hosts it is said that what they say does not arrive: of one where all have the same reason."""
    if notes.get(repository, {}).get("is_full"):
        return {}
    return {repository: late[repository]} if repository in late else late


def _lines(short: str, notes: Json, late: float | None) -> Iterator[str]:
    """Yield what is wrong with the logs of a host."""
    log = f"doit logs {short}:skep-logs-shipper"
    if notes.get("is_full"):
        look = f"doit ssh {short} df -h /var/log/services"
        yield f"has no room for logs, and takes none: they wait on their hosts ({look})"
    if late is not None:
        yield f"what it says has not arrived in the logs that are kept for {late / 60:.0f} min ({log})"
    for part in notes.get("failing") or ():
        yield f"its shipper of logs fails at {part} ({log})"


def _number(notes: Json, key: str) -> float:
    """Return a number of the notes."""
    value = notes.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
