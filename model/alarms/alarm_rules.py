"""The alarms that every site with `[monitoring]` has, as data. Pure.

Each asks series that node-exporter, the engine or skep's own agent on the hosts tell (docs/monitoring.md lists them).
A condition must hold for a time, its `wait`, before the alarm is given.
"""

from dataclasses import dataclass

DEAD = "HostSilent"
"""The alarm of a host that answers nobody: others of that host are not sent while it lasts."""
WATCHDOG = "Watchdog"
"""The alarm that is given while all is well: where it does not arrive, alarms don't."""
ABOUT = ("service", "host", "device", "volume", "certificate", "part")
"""The labels that say what an alarm of skep's is about: those with the same ones are sent as one."""
OBSERVED = 120
"""Seconds for which what a host's agent wrote holds: it writes every 15."""

_LOOKED_AGO = "(node_time_seconds - on (host) skep_observed_timestamp_seconds)"
"""Seconds since a host's agent looked, both by the host's own clock: how far off that is does not matter."""
FRESH = f"({_LOOKED_AGO} < {OBSERVED})"
"""Hosts whose agent looks: what it wrote holds."""
_REACHED = f"(skep_swarm_managers_reachable and on (host) {FRESH})"
_WANTED = "skep:service_tasks_wanted"
RECORDED = {
    _WANTED: f"max by (service) (skep_service_tasks_wanted and on (host) {FRESH})"
    f" or {_WANTED} unless on () (max{_REACHED} > 0)"
}
"""Series that Prometheus notes for itself, to their expressions: the tasks that services should have, which stay as
they were while no manager tells."""
_UNKNOWN = '(skep_observe_failed{part="engine"} == 1 and on (host) up{job="engine"} == 1)'
"""Hosts whose engine works, but was too slow for the agent: not known is not none."""
_TASKS = (
    f"(skep_service_tasks_running or last_over_time(skep_service_tasks_running[2m]) and on (host) {_UNKNOWN})"
)
_RUNNING = f"sum by (service) ({_TASKS} and on (host) {FRESH})"
_FAILURES = "skep_service_task_failures_total"
_RUNNING_OR_NONE = f"({_RUNNING} or {_WANTED} * 0)"
_HELD = f"max by (service) (skep_service_held and on (host) {FRESH}) == 1"
"""Services that a backup pauses or stops, as it is told to, or that start again after it."""
_HOUR = 3600
_NOT_AHEAD = f"time() + {_HOUR}"
"""What a time that counts is less than: one that is later was noted by a clock that was wrong."""
_SAVED = "skep_backup_last_success_timestamp_seconds"
_KEPT = "skep_backup_newest_timestamp_seconds"
"""When the newest backup of a service came to the repository host, by its clock; 0 if it has none."""
_UNTESTED = "skep_backup_untested_since_timestamp_seconds"
_VERIFY = "skep_backup_verify_since_timestamp_seconds"
"""Since when backups are tried as often as they are to be now: what was due before that does not count."""
_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|nsfs|fuse.*"'
_DAY, _MINUTE = 86_400, 60
_AS_READ = 15
"""Seconds between two readings: what looks through a day of them need not look more often."""
_TRENDS = ((120, 24), (20, 4))
"""Minutes of a third of the time that a trend is taken of, and the hours in which the disk would be full by it: of six
hours and a day, and of an hour and four hours."""
_MEASURED = 'count_over_time(up{job="node"}[2m])'
"""Hosts that were read lately, be it without an answer. On a full disk Prometheus notes nothing, and so knows nothing:
alarms end five minutes later, whatever is wrong."""
_LEAST_MANAGERS = 3
"""A swarm of fewer managers survives the loss of none."""


@dataclass(frozen=True)
class AlarmRule:
    """An alarm.

    Args:
        name: Its name.
        expr: The condition in PromQL. The series that it returns have the labels that the alarm has.
        wait: The seconds for which the condition must hold.
        summary: One sentence that says what is wrong, as a template of Prometheus' with the labels.
        look: The command to look with, as a template as well.
        value: How the value is said.
        every: The seconds between two looks for it.

    """

    name: str
    expr: str
    wait: int
    summary: str
    look: str
    value: str = "{{ $value | humanize }}"
    every: int = 5


def _grown(counter: str, minutes: int) -> str:
    """Return by how much a counter has grown in a time; where nobody read it meanwhile, since it was read last.

    `increase` alone sees nothing of what happened before the first reading after an outage. It is asked where the
    counter is new, or has begun anew.

    Args:
        counter: The counter.
        minutes: The time.

    """
    known = f"last_over_time({counter}[1d] offset {minutes}m)"
    return f"({counter} - {known} > 0 or increase({counter}[{minutes}m]))"


def _filling(available: str, whole: str, selector: str = _DISKS, by: str = "host, device") -> str:
    """Return the condition for what fills up: less than 5 % left; or it goes on filling, and would be full soon.

    Of a file system that is mounted at several places there is one series.

    Args:
        available: The series of what is left.
        whole: That of the whole.
        selector: Which file systems are meant.
        by: The labels by which they are told from each other.

    """
    free = f"{available}{{{selector}}}"
    share = f"min by ({by}) ({free} / ({whole}{{{selector}}} > 0))"
    soon = " or ".join(_goes_on(free, by, third, ahead) for third, ahead in _TRENDS)
    return f"{share} < 0.05 or ({share} < 0.4 and ({soon}))"


def _goes_on(series: str, by: str, third: int, ahead: int) -> str:
    """Return the condition for what would be full in a time at the pace of each third of a time.

    A line through the whole of it would be steep after one image pull, and say that of a disk that stands still.

    Args:
        series: What is left.
        by: The labels of a file system.
        third: The minutes of a third.
        ahead: The hours in which it would be full.

    """
    left = f"min by ({by}) ({series})"
    before = ("", *(f" offset {number * third}m" for number in (1, 2)))
    paces = (f"deriv({series}[{third}m]{offset})" for offset in before)
    known = f"{left} and max by ({by}) ({series} offset {3 * third}m)"
    return " and ".join([known, *(f"{left} < -{ahead * 3600} * max by ({by}) ({pace})" for pace in paces)])


def _volume_filling(selector: str, by: str, disk: str) -> AlarmRule:
    """Return the alarm of volumes for which file systems are mounted; not of one that node-exporter tells of.

    Args:
        selector: Which volumes are meant.
        by: The labels by which their file systems are told from each other.
        disk: The labels by which node-exporter would know such a file system.

    """
    filling = _filling("skep_volume_filesystem_free_bytes", "skep_volume_filesystem_bytes", selector, by)
    return AlarmRule(
        "DiskFilling",
        f"({filling}) unless on ({disk}) node_filesystem_avail_bytes{{{_DISKS}}}",
        5 * _MINUTE,
        "The file system {{ $labels.device }} of volume {{ $labels.volume }} is full, or will be within a day.",
        "doit status",
        "{{ $value | humanizePercentage }} left",
        _MINUTE,
    )


RULES = (
    AlarmRule(
        DEAD,
        'max by (host) (up{job="node"}) == 0',
        20,
        "{{ $labels.host }} does not answer.",
        "doit status",
        "no answer",
    ),
    AlarmRule(
        "NothingMeasured",
        f"absent({_MEASURED})",
        _MINUTE,
        "Prometheus notes no metrics, as on a full disk: no other alarm can be given.",
        "doit alerts",
        "none",
    ),
    AlarmRule(
        "EngineSilent",
        'max by (host) (up{job="engine"}) == 0',
        30,
        "The Docker Engine of {{ $labels.host }} does not answer.",
        "doit ssh {{ $labels.host }} systemctl status docker",
        "no answer",
    ),
    AlarmRule(
        "ServiceDown",
        f"({_WANTED} > 0) and on (service) ({_RUNNING_OR_NONE} == 0) unless on (service) {_HELD}",
        20,
        "No task of {{ $labels.service }} runs.",
        "doit status {{ $labels.service }}",
        "0 of {{ $value }} tasks",
    ),
    AlarmRule(
        "ServiceShort",
        f"({_WANTED} - on (service) {_RUNNING_OR_NONE} > 0) and on (service) ({_RUNNING_OR_NONE} > 0)"
        f" unless on (service) {_HELD}",
        2 * _MINUTE,
        "{{ $labels.service }} has fewer tasks than it should have.",
        "doit status {{ $labels.service }}",
        "{{ $value }} short",
    ),
    AlarmRule(
        "ServiceRestarts",
        f"sum by (service) ({_grown(_FAILURES, 15)}) > 2.5 and on (service)"
        f" sum by (service) ({_grown(_FAILURES, 5)}) > 0",
        0,
        "Tasks of {{ $labels.service }} end again and again.",
        "doit logs {{ $labels.service }} since=15m",
        '{{ $value | printf "%.0f" }} times in 15 minutes, or since that was read last',
        _AS_READ,
    ),
    AlarmRule(
        "ServiceChanged",
        f"max by (service) (last_over_time(skep_service_drift[2m]) and on (host) {FRESH}) == 1"
        f" unless on (service) ({_WANTED} > 0 and on (service) ({_RUNNING_OR_NONE} == 0) unless on (service) {_HELD})",
        15 * _MINUTE,
        "{{ $labels.service }} is not as skep deployed it: somebody else changed or removed it.",
        "doit why deploy_services:{{ $labels.service }} --live",
        "by hand",
    ),
    AlarmRule(
        "MetricsMissing",
        f'max by (service) (up{{job="service"}}) == 0 unless on (service) {_WANTED} == 0'
        f" unless on (service) {_HELD}",
        2 * _MINUTE,
        "No task of {{ $labels.service }} tells its metrics.",
        "doit status {{ $labels.service }}",
        "no answer",
    ),
    AlarmRule(
        "ErrorSeen",
        f"sum by (service, host) ({_grown('skep_log_errors_total', 5)}) > 0",
        0,
        "{{ $labels.service }} wrote an error on {{ $labels.host }}.",
        "doit logs {{ $labels.service }} since=10m",
        '{{ $value | printf "%.0f" }} lines in 5 minutes, or since that was read last',
        _AS_READ,
    ),
    AlarmRule(
        "DiskFilling",
        _filling("node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
        5 * _MINUTE,
        "The disk {{ $labels.device }} of {{ $labels.host }} is full, or will be within a day.",
        "doit ssh {{ $labels.host }} df -h {{ $labels.device }}",
        "{{ $value | humanizePercentage }} left",
        _MINUTE,
    ),
    # A file server has one file system for all hosts; a disk's device is one host's.
    _volume_filling('kind="server"', "volume, device", "device"),
    _volume_filling('kind="disk"', "host, volume, device", "host, device"),
    AlarmRule(
        "InodesFilling",
        _filling("node_filesystem_files_free", "node_filesystem_files"),
        5 * _MINUTE,
        "The disk {{ $labels.device }} of {{ $labels.host }} has no room for more files, or won't have within a day.",
        "doit ssh {{ $labels.host }} df -i {{ $labels.device }}",
        "{{ $value | humanizePercentage }} of its inodes left",
        _MINUTE,
    ),
    AlarmRule(
        "MemoryShort",
        "min by (host) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) < 0.05",
        5 * _MINUTE,
        "{{ $labels.host }} has hardly any memory left.",
        "doit ssh {{ $labels.host }} top -b -n 1 -o %MEM",
        "{{ $value | humanizePercentage }} left",
    ),
    AlarmRule(
        "LoadHigh",
        'max by (host) (node_load15) / count by (host) (node_cpu_seconds_total{mode="idle"}) > 4',
        10 * _MINUTE,
        "{{ $labels.host }} has much more to do than it can.",
        "doit ssh {{ $labels.host }} top -b -n 1",
        '{{ $value | printf "%.1f" }} processes for each processor',
    ),
    AlarmRule(
        "ClockOff",
        "max by (host) (abs(node_time_seconds - timestamp(node_time_seconds))) > 1",
        5 * _MINUTE,
        "The clock of {{ $labels.host }} is not that of the repository host.",
        "doit ssh {{ $labels.host }} timedatectl",
        "{{ $value | humanizeDuration }} apart",
    ),
    AlarmRule(
        "CertificateEnds",
        f"min by (host, certificate) (skep_certificate_end_timestamp_seconds) - time() < {14 * _DAY}",
        0,
        "The certificate {{ $labels.certificate }} on {{ $labels.host }} ends soon.",
        "doit status",
        "{{ $value | humanizeDuration }} left",
    ),
    AlarmRule(
        "ManagersFew",
        f"min{_REACHED} < floor(max(skep_swarm_managers >= {_LEAST_MANAGERS}) / 2) + 2",
        _MINUTE,
        "The swarm stops working if it loses one more manager.",
        "doit status",
        "{{ $value }} managers reachable",
    ),
    AlarmRule(
        "SwarmLost",
        f"max{_REACHED} == 0",
        _MINUTE,
        "The swarm has no leader, so that nothing is started anew.",
        "doit status",
        "no answer",
    ),
    AlarmRule(
        "SwarmLost",
        f"absent({_REACHED})",
        5 * _MINUTE,
        "No manager of the swarm answers.",
        "doit status",
        "none",
    ),
    AlarmRule(
        "NodeDown",
        f'max by (host) (label_replace(skep_node_ready and on (host) {FRESH}, "host", "$1", "exported_host", "(.+)"))'
        " == 0",
        _MINUTE,
        "The swarm does not reach {{ $labels.host }}.",
        "doit status",
        "not ready",
    ),
    AlarmRule(
        "RegistryFull",
        f"min by (host) (skep_registry_free_bytes) < {2**30}",
        5 * _MINUTE,
        "The image registry on {{ $labels.host }} has hardly any room left.",
        "doit ssh {{ $labels.host }} df -h /var/lib/docker-registry",
        "{{ $value | humanize1024 }}B left",
    ),
    AlarmRule(
        "ObserverStale",
        f"max by (host) ({_LOOKED_AGO}) > {OBSERVED}"
        ' or max by (host) (up{job="node"} == 1 unless on (host) skep_observed_timestamp_seconds)',
        _MINUTE,
        "skep's agent on {{ $labels.host }} does not look any more.",
        "doit ssh {{ $labels.host }} systemctl status skep-observe",
        "stale",
    ),
    AlarmRule(
        "ObserverFails",
        "max by (host, part) (skep_observe_failed) == 1",
        5 * _MINUTE,
        "skep's agent on {{ $labels.host }} can't see {{ $labels.part }}.",
        "doit ssh {{ $labels.host }} journalctl -u skep-observe -n 20",
        "unknown",
    ),
)


def backup_rules(*, longest: float, untried: float | None, saved: tuple[str, ...]) -> list[AlarmRule]:
    """Return the alarms of a site with backups.

    Args:
        longest: The seconds after which a backup is old.
        untried: The seconds after which a backup should have been restored for a trial; None if none is tried.
        saved: The services that have backups.

    """
    look = "doit backups {{ $labels.service }}"
    found = [
        AlarmRule(
            "BackupFailed",
            "max by (service) (skep_backup_failed) == 1",
            0,
            "The backup of {{ $labels.service }} failed.",
            "doit status",
            "failed",
        ),
        AlarmRule(
            "BackupHolds",
            _HELD,
            _HOUR,
            "A backup of {{ $labels.service }} keeps it from running.",
            look,
            "for an hour",
        ),
        AlarmRule(
            "HalfRestored",
            f"max by (service) (skep_service_half_restored and on (host) {FRESH}) == 1",
            _MINUTE,
            "A restoration of {{ $labels.service }} has not ended, so that it may stand still.",
            "doit status",
            "half restored",
        ),
        AlarmRule(
            "BackupOld",
            f"time() - max by (service) ({_KEPT} > 0 < {_NOT_AHEAD} or {_SAVED} < {_NOT_AHEAD}"
            f" unless on (service) {_KEPT} < {_NOT_AHEAD}) > {longest:.0f}",
            0,
            "The last backup of {{ $labels.service }} is old.",
            look,
            "{{ $value | humanizeDuration }} old",
        ),
        AlarmRule(
            "BackupUpkeepFailed",
            "max by (host) (skep_backup_upkeep_failed) == 1"
            " or max by (host) (skep_backup_upkeep_stopped) == 1",
            30 * _MINUTE,
            "What {{ $labels.host }} does for the backups fails, or is not done: keeping, checking or copying them.",
            "doit status",
            "failed",
        ),
        AlarmRule(
            "BackupMissing",
            f"time() - max by (service) ({_SAVED} < {_NOT_AHEAD}) > {2 * _HOUR} and on (service) {_KEPT} == 0",
            15 * _MINUTE,
            "The repository host has no backup of {{ $labels.service }}, though a hive made one.",
            look,
            "made {{ $value | humanizeDuration }} ago",
        ),
        *_never("BackupMissing", _SAVED, longest, saved, look),
    ]
    if untried is not None:
        found += [
            AlarmRule(
                "BackupUntested",
                f"time() - max by (service) ({_UNTESTED} < {_NOT_AHEAD}) > {untried:.0f}"
                f" unless on () time() - min({_VERIFY} < {_NOT_AHEAD}) <= {untried:.0f}",
                15 * _MINUTE,
                "No backup of {{ $labels.service }} was restored for a trial for a long time.",
                look,
                "{{ $value | humanizeDuration }} ago",
            ),
            *_never("BackupUntested", _UNTESTED, untried, saved, look),
        ]
    return found


def _never(name: str, series: str, wait: float, saved: tuple[str, ...], look: str) -> list[AlarmRule]:
    """Return an alarm for each service of which a series never told a time."""
    said = "backup" if name == "BackupMissing" else "backup that was restored for a trial"
    return [
        AlarmRule(
            name,
            f'absent({series}{{service="{service}"}})',
            int(wait),
            f"No host knows of a {said} of {{{{ $labels.service }}}}.",
            look,
            "never",
        )
        for service in saved
    ]


WATCHDOG_RULE = AlarmRule(
    WATCHDOG,
    f"count({_MEASURED}) > 0",
    0,
    "Alarms arrive. This one is given as long as hosts are read.",
    "doit alerts",
    "alive",
)
