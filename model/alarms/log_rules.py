"""The alarms of a site with `[logs]`, as data. Pure."""

from model.alarms.alarm_rules import FRESH, AlarmRule
from model.site.logs import LATE

_MINUTE = 60
_TAKEN = "skep_logs_taken_timestamp_seconds"
_FULL = f"max by (host) (skep_logs_collector_full and on (host) {FRESH}) == 1"


def log_rules(repository: str) -> list[AlarmRule]:
    """Return the alarms of logs that are kept.

    Where the repository host takes not even its own, that of all other hosts is the same, and is not sent. While it has
    no room, only that is said.

    Args:
        repository: The short name of the host that keeps them.

    """
    own, others = (_late(f'host{sign}"{repository}"') for sign in ("=", "!="))
    look = "doit logs {{ $labels.host }}:skep-logs-shipper"
    return [
        AlarmRule(
            "LogsNotTaken",
            f"({own} or ({others} unless on () {own})) unless on () {_FULL}",
            10 * _MINUTE,
            "What {{ $labels.host }} says does not arrive in the logs that are kept.",
            look,
            "{{ $value | humanizeDuration }} behind",
        ),
        AlarmRule(
            "LogsNotTaken",
            f"max by (host, part) (skep_logs_failed and on (host) {FRESH}) == 1",
            10 * _MINUTE,
            "The shipper of logs on {{ $labels.host }} fails at {{ $labels.part }}.",
            look,
            "fails",
        ),
        AlarmRule(
            "LogsFull",
            _FULL,
            5 * _MINUTE,
            "{{ $labels.host }} has no room for logs, and takes none: they wait on their hosts.",
            "doit ssh {{ $labels.host }} df -h /var/log/services",
            "stopped",
        ),
    ]


def _late(selector: str) -> str:
    """Return the condition that what hosts say has not arrived for long, by each host's own clock."""
    ago = f"(node_time_seconds - on (host) {_TAKEN}{{{selector}}})"
    return f"(max by (host) ({ago} and on (host) {FRESH}) > {LATE:.0f})"
