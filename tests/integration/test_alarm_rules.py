"""Each alarm is given when it should be, and not otherwise: Debian's promtool plays series into the rules."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model.alarms.alertmanager_config import alertmanager_config
from model.alarms.rule_file import NAMES, rule_file
from model.alarms.scraping import scrape_config
from model.site_file.load import parse_site
from model.stage import Stage
from tests import debian

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24"}},
    "monitoring": {},
    "logs": {},
    "backup": {"schedule": "01:00", "verify": "daily"},
    "volumes": {"data": {"hosts": ["hive0"]}},
    "services": {
        "web": {
            "image": "web",
            "volumes": [{"source": "data", "target": "/data"}],
            "backup_scripts": [{"volume": "data"}],
            "ports": [{"target_port": 80, "published_port": 9180, "mode": "host"}],
            "metrics": [{"port": 80}],
            "alerts": [{"name": "Slow", "expr": "latency > 1", "for": "1m"}],
        }
    },
}


def looks(host: str, observed: str = "0+15x200", clock: str = "0+15x200") -> dict[str, str]:
    """Return the series of a host whose agent looks: when it did, and the host's clock."""
    return {
        f'skep_observed_timestamp_seconds{{host="{host}"}}': observed,
        f'node_time_seconds{{host="{host}"}}': clock,
    }


LIVE = looks("hive0")
"""A host whose agent looks every 15 seconds."""
MANAGER = LIVE | {'skep_swarm_managers_reachable{host="hive0"}': "1x200"}
DISK = '{host="hive0", device="/dev/vda1", fstype="ext4", mountpoint="/"}'
FULL = {f"node_filesystem_size_bytes{DISK}": "100x1000", f"node_filesystem_files{DISK}": "100x1000"}
POOL = {
    f'skep_volume_filesystem_{name}{{host="hive0", volume="data", device="tank/data", kind="disk"}}': values
    for name, values in (("bytes", "100x100"), ("free_bytes", "4x100"))
}
DAY = 86_400


@dataclass(frozen=True)
class Case:
    """What is played, and what comes of it.

    Args:
        alarm: The alarm's name.
        title: What happens.
        series: Series to its values, in promtool's words.
        at: When the alarm is looked for.
        labels: The labels that it has then; None if it must not be given.
        value: How its value is said.
        since: When its condition began to hold, in seconds.
        step: The time between two values.
        beside: Another alarm of that name which is given then, with what is played for it.

    """

    alarm: str
    title: str
    series: Mapping[str, str]
    at: str
    labels: Mapping[str, str] | None = None
    value: str = ""
    since: int = 0
    step: str = "15s"
    beside: "Case | None" = None


WANTED = 'skep_service_tasks_wanted{host="hive0", service="web"}'
RUNNING = 'skep_service_tasks_running{host="hive0", service="web"}'
HALF = 'skep_service_half_restored{host="hive0",service="web"}'
HELD = 'skep_service_held{host="hive0",service="web"}'
MISSED = 'skep_observe_failed{host="hive0", part="engine"}'
FAILED = 'skep_service_task_failures_total{host="hive0", service="web"}'
ERRORS = 'skep_log_errors_total{host="hive0",service="web"}'
TOLD = 'up{job="service",host="hive0",service="web"}'
DRIFT = 'skep_service_drift{host="hive0", service="web"}'
FREE = 'skep_registry_free_bytes{host="hive0"}'
STOPPED = 'skep_backup_upkeep_stopped{host="hive0"}'
UPKEEP = 'skep_backup_upkeep_failed{host="hive0"}'
HOST, WEB = {"host": "hive0"}, {"service": "web"}
DEVICE = {"host": "hive0", "device": "/dev/vda1"}
UP = '{job="node", host="hive0"}'
ENGINE = 'up{job="engine", host="hive0"}'
SHIPPED = 'skep_logs_taken_timestamp_seconds{host="hive0"}'
SHIPPED_THERE = SHIPPED.replace("hive0", "hive3")
HOSTS = LIVE | looks("hive3")
COLLECTOR_FULL = 'skep_logs_collector_full{host="hive3"}'
GOOD, KEPT, TESTED = (
    'skep_backup_last_success_timestamp_seconds{host="hive0", service="web"}',
    'skep_backup_newest_timestamp_seconds{host="hive3", service="web"}',
    'skep_backup_untested_since_timestamp_seconds{host="hive3", service="web"}',
)
VERIFY, VERIFY_LATER = (
    f'skep_backup_verify_since_timestamp_seconds{{host="{hive}"}}' for hive in ("hive0", "hive1")
)
REACHED, MANAGERS = 'skep_swarm_managers_reachable{host="hive0"}', 'skep_swarm_managers{host="hive0"}'
READY = 'skep_node_ready{host="hive0", exported_host="hive1"}'
END = 'skep_certificate_end_timestamp_seconds{host="hive0", certificate="registry"}'
CASES = [
    Case("HostSilent", "killed", {f"up{UP}": "1 1 0x10"}, "55s", HOST, "no answer", 30),
    Case("HostSilent", "one reading failed", {f"up{UP}": "1 1 0 1x10"}, "55s"),
    Case("HostSilent", "20 s are not over", {f"up{UP}": "1 1 0x10"}, "45s"),
    Case("EngineSilent", "stopped", {ENGINE: "1 0x10"}, "45s", HOST, "no answer", 15),
    Case("EngineSilent", "started anew", {ENGINE: "1 0 0 1x10"}, "80s"),
    Case(
        "ServiceDown", "killed", MANAGER | {WANTED: "2x20", RUNNING: "2 0x20"}, "40s", WEB, "0 of 2 tasks", 15
    ),
    Case("ServiceDown", "never started", MANAGER | {WANTED: "1x20"}, "30s", WEB, "0 of 1 tasks"),
    Case(
        "ServiceDown",
        "nothing runs, and no manager tells what should",
        LIVE | {REACHED: "1 1 0x60", WANTED: "1 1 stale", RUNNING: "1 1 0x60"},
        "10m",
        WEB,
        "0 of 1 tasks",
        30,
    ),
    Case(
        "ServiceDown",
        "it is no longer of the site",
        MANAGER | {WANTED: "1 1 stale", RUNNING: "1 1 stale"},
        "2m",
    ),
    Case("ServiceDown", "another task took over", MANAGER | {WANTED: "1x20", RUNNING: "1 0 1x20"}, "45s"),
    Case(
        "ServiceDown",
        "a backup has stopped it, and it starts again",
        MANAGER | {WANTED: "1 0x4 1x20", RUNNING: "1 0x10 1x20", HELD: "_ 1x20"},
        "2m",
    ),
    Case(
        "ServiceDown",
        "it does not start again after a backup",
        MANAGER | {WANTED: "1x20", RUNNING: "0x20", HELD: "1x5 stale"},
        "115s",
        WEB,
        "0 of 1 tasks",
        90,
    ),
    Case("ServiceDown", "scaled to none", MANAGER | {WANTED: "0x20", RUNNING: "0x20"}, "2m"),
    Case(
        "ServiceDown",
        "its host is gone, and so is what it told",
        MANAGER
        | {
            WANTED: "1x20",
            RUNNING.replace("hive0", "hive1"): "1 1 stale",
        }
        | looks("hive1", "0 15 stale", "0 15 stale"),
        "55s",
        WEB,
        "0 of 1 tasks",
        30,
    ),
    Case(
        "ServiceDown",
        "what an agent wrote that looks no more does not count",
        MANAGER
        | {
            WANTED: "1x20",
            RUNNING.replace("hive0", "hive1"): "1x20",
        }
        | looks("hive1", "0x20"),
        "145s",
        WEB,
        "0 of 1 tasks",
        120,
    ),
    Case(
        "ServiceDown",
        "it runs on a hive whose clock is five minutes behind",
        MANAGER
        | {WANTED: "1x40", RUNNING.replace("hive0", "hive1"): "1x40"}
        | looks("hive1", "-300+15x40", "-300+15x40"),
        "8m",
    ),
    Case(
        "ServiceDown",
        "an agent looks no more on a hive whose clock is an hour ahead",
        MANAGER
        | {WANTED: "1x40", RUNNING.replace("hive0", "hive1"): "1x40"}
        | looks("hive1", "3600x40", "3600+15x40"),
        "145s",
        WEB,
        "0 of 1 tasks",
        120,
    ),
    Case(
        "ServiceDown",
        "the engine is too slow for a minute of looks",
        MANAGER | {WANTED: "1x40", RUNNING: "1x10 stale _x3 1x20", MISSED: "0x10 1x4 0x20", ENGINE: "1x40"},
        "220s",
    ),
    Case(
        "ServiceDown",
        "looks failed for so long that nothing is known any more",
        MANAGER | {WANTED: "1x40", RUNNING: "1x10 stale", MISSED: "0x10 1x20", ENGINE: "1x40"},
        "300s",
        WEB,
        "0 of 1 tasks",
        275,
    ),
    Case(
        "ServiceDown",
        "looks fail as the engine is stopped",
        MANAGER | {WANTED: "1x40", RUNNING: "1x10 stale", MISSED: "0x10 1x20", ENGINE: "1x10 0x30"},
        "190s",
        WEB,
        "0 of 1 tasks",
        165,
    ),
    Case(
        "ServiceShort",
        "one of two",
        MANAGER | {WANTED: "2x20", RUNNING: "2 1x20"},
        "140s",
        WEB,
        "1 short",
        15,
    ),
    Case(
        "ServiceShort", "a rollout of a minute", MANAGER | {WANTED: "2x20", RUNNING: "2 1 1 1 1 2x20"}, "140s"
    ),
    Case("ServiceShort", "none at all is another alarm", MANAGER | {WANTED: "2x20", RUNNING: "0x20"}, "140s"),
    Case(
        "ServiceShort",
        "a backup has paused one of two",
        MANAGER | {WANTED: "2x20", RUNNING: "2 1x20", HELD: "_ 1x20"},
        "200s",
    ),
    Case("ServiceShort", "more than it should", MANAGER | {WANTED: "2x20", RUNNING: "3x20"}, "140s"),
    Case(
        "ServiceRestarts",
        "four times",
        {FAILED: "0 0 1 2 3 4x56"},
        "5m",
        WEB,
        "4 times in 15 minutes, or since that was read last",
        60,
    ),
    Case(
        "ServiceRestarts",
        "while nobody read it for twenty minutes",
        {FAILED: "1x10 _x80 5x60"},
        "1400s",
        WEB,
        "4 times in 15 minutes, or since that was read last",
        1365,
    ),
    Case("ServiceRestarts", "a quarter of an hour after an outage", {FAILED: "1x10 _x80 5x100"}, "2300s"),
    Case("ServiceRestarts", "begun anew after an outage", {FAILED: "9x10 _x80 0x60"}, "1400s"),
    Case("ServiceRestarts", "read for the first time", {FAILED: "_x80 5x60"}, "1400s"),
    Case("ServiceRestarts", "four times, the last six minutes ago", {FAILED: "0x10 1 2 3 4x56"}, "9m"),
    Case("ServiceRestarts", "twice", {FAILED: "0 0 1 2x56"}, "15m"),
    Case(
        "ServiceChanged",
        "by hand",
        MANAGER | {WANTED: "1x80", RUNNING: "1x80", DRIFT: "0 1x80"},
        "16m",
        WEB,
        "by hand",
        15,
    ),
    Case(
        "ServiceChanged",
        "scaled to none by hand, and one look of the managers fails",
        MANAGER | {WANTED: "0x80", RUNNING: "0x80", DRIFT: "1x30 stale 1x50"},
        "16m",
        WEB,
        "by hand",
    ),
    Case(
        "ServiceChanged",
        "a rollout of ten minutes",
        MANAGER | {WANTED: "1x80", RUNNING: "1x80", DRIFT: "0 1x40 0x40"},
        "16m",
    ),
    Case(
        "ServiceChanged",
        "by hand, before a backup stopped it: it is told all the while",
        MANAGER | {WANTED: "1x80", RUNNING: "1x40 0x40", DRIFT: "1x80", HELD: "_x40 1x40"},
        "16m",
        WEB,
        "by hand",
    ),
    Case(
        "ServiceChanged",
        "a backup stops it",
        MANAGER | {WANTED: "1x80", RUNNING: "0x80", DRIFT: "0x80", HELD: "1x80"},
        "18m",
    ),
    Case(
        "ServiceChanged",
        "removed: another alarm says it",
        MANAGER | {WANTED: "1x80", RUNNING: "0x80", DRIFT: "1x80"},
        "16m",
    ),
    Case(
        "MetricsMissing",
        "no task answers",
        {'up{job="service",host="hive0",service="web"}': "0x20"},
        "2m",
        WEB,
        "no answer",
    ),
    Case(
        "MetricsMissing",
        "a hive without a task of it",
        {
            TOLD: "0x20",
            'up{job="service",host="hive1",service="web"}': "1x20",
        },
        "2m",
    ),
    Case(
        "MetricsMissing",
        "a backup has paused it",
        MANAGER | {WANTED: "1x20", TOLD: "0x20", HELD: "1x20"},
        "3m",
    ),
    Case("MetricsMissing", "scaled to none", MANAGER | {WANTED: "0x20", TOLD: "0x20"}, "3m"),
    Case(
        "MetricsMissing",
        "no task answers of those that it should have",
        MANAGER | {WANTED: "2x20", TOLD: "0x20"},
        "2m",
        WEB,
        "no answer",
    ),
    Case(
        "ErrorSeen",
        "a line",
        {ERRORS: "0x10 1x10"},
        "5m",
        HOST | WEB,
        "1 lines in 5 minutes, or since that was read last",
        165,
    ),
    Case(
        "ErrorSeen",
        "two lines while nobody read it for ten minutes",
        {ERRORS: "0x10 _x40 2x20"},
        "800s",
        HOST | WEB,
        "2 lines in 5 minutes, or since that was read last",
        765,
    ),
    Case(
        "ErrorSeen",
        "counted anew, and one line since",
        {ERRORS: "7x40 0x10 1x40"},
        "800s",
        HOST | WEB,
        "1 lines in 5 minutes, or since that was read last",
        780,
    ),
    Case("ErrorSeen", "five minutes after an outage", {ERRORS: "0x10 _x40 2x60"}, "1085s"),
    Case(
        "ErrorSeen", "the host is back after an hour, without new lines", {ERRORS: "7x10 _x240 7x20"}, "3800s"
    ),
    Case("ErrorSeen", "counted anew after an outage", {ERRORS: "7x10 _x40 0x20"}, "800s"),
    Case("ErrorSeen", "read for the first time", {ERRORS: "_x40 7x20"}, "800s"),
    Case("ErrorSeen", "none for long", {ERRORS: "1x40"}, "9m"),
    Case(
        "DiskFilling",
        "full",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "4x1000"},
        "5m",
        DEVICE,
        "4% left",
    ),
    Case(
        "DiskFilling",
        "full within a day",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "39-0.04x400"},
        "366m",
        DEVICE,
        "24.36% left",
        21_600,
        "1m",
    ),
    Case(
        "DiskFilling",
        "full within four hours",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "39-0.04x1000"},
        "66m",
        DEVICE,
        "28.44% left",
        3600,
    ),
    *(
        Case(
            "DiskFilling",
            f"images were pulled {minutes} minutes ago on a site that is an hour old",
            FULL | {f"node_filesystem_avail_bytes{DISK}": f"35x{4 * (61 - minutes)} 30x{4 * minutes + 40}"},
            "67m",
        )
        for minutes in (10, 30, 50)
    ),
    Case(
        "DiskFilling",
        "images were pulled three hours ago",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "35x180 30x300"},
        "370m",
        step="1m",
    ),
    Case(
        "DiskFilling",
        "images are pulled for half an hour, and again three hours later",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "35x150 35-0.15x30 30x150 30-0.15x30 25x300"},
        "370m",
        step="1m",
    ),
    Case(
        "DiskFilling",
        "slowly",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "39-0.001x400"},
        "370m",
        step="1m",
    ),
    Case(
        "DiskFilling",
        "quickly, of much",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "90-0.08x400"},
        "370m",
        step="1m",
    ),
    Case(
        "DiskFilling",
        "quickly, for some minutes",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "39-0.1x60"},
        "15m",
    ),
    Case(
        "DiskFilling",
        "the file server of a volume that two hives have mounted: once",
        {
            f'skep_volume_filesystem_{name}{{host="{host}", volume="data", device=":/data", kind="server"}}': values
            for host in ("hive0", "hive1")
            for name, values in (("bytes", "100x100"), ("free_bytes", "4x100"))
        },
        "5m",
        {"volume": "data", "device": ":/data"},
        "4% left",
    ),
    Case(
        "DiskFilling",
        "a directory of a disk that is told of already, and has room",
        FULL
        | {
            f"node_filesystem_avail_bytes{DISK}": "50x1000",
            'skep_volume_filesystem_bytes{host="hive0", volume="data", device="/dev/vda1", kind="disk"}': "100x100",
            'skep_volume_filesystem_free_bytes{host="hive0", volume="data", device="/dev/vda1", kind="disk"}': "4x100",
        },
        "6m",
    ),
    Case(
        "DiskFilling",
        "a volume on ZFS, whose data set has the name of one that has room on another hive",
        POOL
        | {
            'node_filesystem_avail_bytes{host="hive1", device="tank/data", fstype="zfs"}': "50x100",
            'node_filesystem_size_bytes{host="hive1", device="tank/data", fstype="zfs"}': "100x100",
        },
        "5m",
        {"host": "hive0", "volume": "data", "device": "tank/data"},
        "4% left",
    ),
    Case(
        "DiskFilling",
        "two disks of a host, one after the other",
        FULL | {f"node_filesystem_avail_bytes{DISK}": "50 50 4x100"},
        "6m",
        DEVICE,
        "4% left",
        30,
        beside=Case(
            "DiskFilling", "", POOL, "", {"host": "hive0", "volume": "data", "device": "tank/data"}, "4% left"
        ),
    ),
    Case(
        "DiskFilling",
        "a volume's own disk",
        {
            'skep_volume_filesystem_bytes{host="hive0", volume="data", device="/dev/vdb", kind="disk"}': "100x100",
            'skep_volume_filesystem_free_bytes{host="hive0", volume="data", device="/dev/vdb", kind="disk"}': "4x100",
        },
        "5m",
        {"host": "hive0", "volume": "data", "device": "/dev/vdb"},
        "4% left",
    ),
    Case(
        "InodesFilling",
        "none left",
        FULL | {f"node_filesystem_files_free{DISK}": "1x1000"},
        "5m",
        DEVICE,
        "1% of its inodes left",
    ),
    Case(
        "InodesFilling",
        "a file system that makes them as it goes",
        {f"node_filesystem_files{DISK}": "0x100", f"node_filesystem_files_free{DISK}": "0x100"},
        "4m",
    ),
    Case(
        "MemoryShort",
        "hardly any",
        {
            'node_memory_MemAvailable_bytes{host="hive0"}': "4x40",
            'node_memory_MemTotal_bytes{host="hive0"}': "100x40",
        },
        "5m",
        HOST,
        "4% left",
    ),
    Case(
        "MemoryShort",
        "for a minute",
        {
            'node_memory_MemAvailable_bytes{host="hive0"}': "4x4 20x40",
            'node_memory_MemTotal_bytes{host="hive0"}': "100x40",
        },
        "6m",
    ),
    Case(
        "LoadHigh",
        "five for each processor",
        {
            'node_load15{host="hive0"}': "10x60",
            'node_cpu_seconds_total{host="hive0", mode="idle", cpu="0"}': "1x60",
            'node_cpu_seconds_total{host="hive0", mode="idle", cpu="1"}': "1x60",
        },
        "10m",
        HOST,
        "5.0 processes for each processor",
    ),
    Case(
        "LoadHigh",
        "one for each",
        {
            'node_load15{host="hive0"}': "2x60",
            'node_cpu_seconds_total{host="hive0", mode="idle", cpu="0"}': "1x60",
            'node_cpu_seconds_total{host="hive0", mode="idle", cpu="1"}': "1x60",
        },
        "10m",
    ),
    Case(
        "ClockOff",
        "five seconds late",
        {'node_time_seconds{host="hive0"}': "-5+15x60"},
        "5m",
        HOST,
        "5s apart",
    ),
    Case("ClockOff", "a tenth", {'node_time_seconds{host="hive0"}': "0.1+15x60"}, "6m"),
    Case(
        "CertificateEnds",
        "in ten days",
        {END: f"{10 * DAY}x20"},
        "0s",
        {"host": "hive0", "certificate": "registry"},
        "10d 0h 0m 0s left",
    ),
    Case("CertificateEnds", "in a year", {END: f"{365 * DAY}x20"}, "1m"),
    Case(
        "ManagersFew",
        "one of three is gone",
        LIVE | {REACHED: "3 2x20", MANAGERS: "3x20"},
        "80s",
        {},
        "2 managers reachable",
        15,
    ),
    Case("ManagersFew", "all are there", LIVE | {REACHED: "3x20", MANAGERS: "3x20"}, "2m"),
    Case("ManagersFew", "a swarm of one", LIVE | {REACHED: "1x20", MANAGERS: "1x20"}, "2m"),
    Case("ManagersFew", "one of five is gone", LIVE | {REACHED: "4x20", MANAGERS: "5x20"}, "2m"),
    Case("SwarmLost", "nobody tells", LIVE, "5m", {}, "none"),
    Case("SwarmLost", "no leader", LIVE | {REACHED: "2 0x20"}, "75s", {}, "no answer", 15),
    Case("SwarmLost", "one tells", MANAGER, "5m"),
    Case("NodeDown", "not ready", LIVE | {READY: "1 0x20"}, "80s", {"host": "hive1"}, "not ready", 15),
    Case("NodeDown", "ready", LIVE | {READY: "1x20"}, "80s"),
    Case(
        "RegistryFull",
        "500 MB",
        {FREE: "524288000x40"},
        "5m",
        HOST,
        "500MiB left",
    ),
    Case("RegistryFull", "20 GB", {FREE: "20000000000x40"}, "5m"),
    Case(
        "LogsNotTaken",
        "one host's shipper is stopped",
        HOSTS | {SHIPPED: "0+15x4 60x120", SHIPPED_THERE: "0+15x200", COLLECTOR_FULL: "0x200"},
        "22m",
        HOST,
        "21m 0s behind",
        675,
    ),
    Case(
        "LogsNotTaken",
        "the collector takes none: of the repository host's own alone",
        HOSTS | {SHIPPED: "0x120", SHIPPED_THERE: "0x200"},
        "21m",
        {"host": "hive3"},
        "21m 0s behind",
        615,
    ),
    Case(
        "LogsNotTaken",
        "its disk is full, which is another alarm",
        HOSTS | {SHIPPED: "0x120", SHIPPED_THERE: "0x200", COLLECTOR_FULL: "1x200"},
        "25m",
    ),
    Case(
        "LogsNotTaken",
        "the repository host is back after an hour, and takes them in five minutes",
        HOSTS | {SHIPPED: "-3600x20 300+15x100", SHIPPED_THERE: "0+15x200"},
        "15m",
    ),
    Case(
        "LogsNotTaken",
        "a hive was down for half an hour",
        looks("hive0", "0 15 _x120 1800+15x100", "0 15 _x120 1800+15x100")
        | looks("hive3")
        | {SHIPPED: "0 15 _x120 30 1800+15x100", SHIPPED_THERE: "0+15x300"},
        "45m",
    ),
    Case(
        "LogsNotTaken",
        "lines of a busy hive are half a minute behind",
        HOSTS | {SHIPPED: "-30+15x200", SHIPPED_THERE: "0+15x200"},
        "30m",
    ),
    Case(
        "LogsNotTaken",
        "a service's log can't be read",
        LIVE | {'skep_logs_failed{host="hive0", part="services"}': "1x80"},
        "10m",
        {"host": "hive0", "part": "services"},
        "fails",
    ),
    Case(
        "LogsNotTaken",
        "its shipper is stopped, and could not read the journal before",
        HOSTS | {SHIPPED: "0+15x4 60x120", SHIPPED_THERE: "0+15x200"},
        "22m",
        HOST,
        "21m 0s behind",
        675,
        beside=Case(
            "LogsNotTaken",
            "",
            {'skep_logs_failed{host="hive0", part="journal"}': "0 0 1x100"},
            "",
            {"host": "hive0", "part": "journal"},
            "fails",
            30,
        ),
    ),
    Case(
        "LogsNotTaken",
        "journalctl is started again",
        LIVE | {'skep_logs_failed{host="hive0", part="journal"}': "1x4 0x80"},
        "12m",
    ),
    Case(
        "LogsFull",
        "stopped",
        HOSTS | {COLLECTOR_FULL: "1x40"},
        "5m",
        {"host": "hive3"},
        "stopped",
    ),
    Case("LogsFull", "for a minute", HOSTS | {COLLECTOR_FULL: "1x4 0x40"}, "6m"),
    Case(
        "ObserverStale",
        "stopped",
        looks("hive0", "0 15 15x20") | {f"up{UP}": "1x20"},
        "215s",
        HOST,
        "stale",
        150,
    ),
    Case(
        "ObserverStale",
        "stopped, and the host's clock is an hour ahead",
        looks("hive0", "3600 3615 3615x20", "3600+15x200") | {f"up{UP}": "1x20"},
        "215s",
        HOST,
        "stale",
        150,
    ),
    Case(
        "ObserverStale",
        "it looks, and the host's clock is five minutes behind",
        looks("hive0", "-300+15x20", "-300+15x20") | {f"up{UP}": "1x20"},
        "4m",
    ),
    Case("ObserverStale", "never there", {f"up{UP}": "1x20"}, "1m", HOST, "stale"),
    Case("ObserverStale", "the host is silent", {f"up{UP}": "0x20"}, "2m"),
    Case("ObserverStale", "it looks", LIVE | {f"up{UP}": "1x20"}, "4m"),
    Case(
        "ObserverFails",
        "a part",
        {'skep_observe_failed{host="hive0", part="disks"}': "1x30"},
        "5m",
        {"host": "hive0", "part": "disks"},
        "unknown",
    ),
    Case("ObserverFails", "none", {'skep_observe_failed{host="hive0", part="disks"}': "0x30"}, "6m"),
    Case(
        "BackupFailed",
        "failed",
        {'skep_backup_failed{host="hive0", service="web"}': "1x3"},
        "5s",
        WEB,
        "failed",
    ),
    Case("BackupFailed", "well", {'skep_backup_failed{host="hive0", service="web"}': "0x3"}, "5s"),
    Case("BackupUpkeepFailed", "for half an hour", {UPKEEP: "1x130"}, "30m", HOST, "failed"),
    Case("BackupUpkeepFailed", "not done", {STOPPED: "1x130", UPKEEP: "0x130"}, "30m", HOST, "failed"),
    Case("BackupUpkeepFailed", "once", {UPKEEP: "1x20 0x130"}, "31m"),
    Case(
        "BackupHolds",
        "longer than an hour",
        looks("hive0", "0+15x300", "0+15x300") | {HELD: "1x250"},
        "61m",
        WEB,
        "for an hour",
    ),
    Case(
        "BackupHolds",
        "three quarters of an hour",
        looks("hive0", "0+15x300", "0+15x300") | {HELD: "1x180 stale"},
        "61m",
    ),
    Case("HalfRestored", "a restoration was killed", MANAGER | {HALF: "1x20"}, "1m", WEB, "half restored"),
    Case("HalfRestored", "gone on with", MANAGER | {HALF: "1 1 stale"}, "2m"),
    Case("BackupOld", "50 hours old", {GOOD: "3600x1300"}, "51h", WEB, "2d 2h 0m 0s old", 180_240, "4m"),
    Case("BackupOld", "a day old", {GOOD: "3600x1300"}, "25h", step="4m"),
    Case(
        "BackupOld",
        "another hive has a newer one",
        {GOOD: "3600x1300", GOOD.replace("hive0", "hive1"): "172800x1300"},
        "51h",
        step="4m",
    ),
    Case(
        "BackupOld",
        "the clock of the hive that made it was ahead",
        {GOOD: "172800x1300", KEPT: "3600x1300"},
        "51h",
        WEB,
        "2d 2h 0m 0s old",
        180_240,
        "4m",
    ),
    Case(
        "BackupOld",
        "the repository host does not tell, and a hive's clock was ahead",
        {GOOD: "3600x1300", GOOD.replace("hive0", "hive1"): "9999999x1300"},
        "51h",
        WEB,
        "2d 2h 0m 0s old",
        180_240,
        "4m",
    ),
    Case(
        "BackupOld",
        "the repository host has a newer one than the hives know of",
        {GOOD: "3600x1300", KEPT: "172800x1300"},
        "51h",
        step="4m",
    ),
    Case(
        "BackupOld",
        "the clock of the repository host was ahead",
        {GOOD: "172800x1300", KEPT: "9999999x1300"},
        "51h",
        step="4m",
    ),
    Case(
        "BackupMissing",
        "the repository host has lost it",
        {GOOD: "3600x1300", KEPT: "3600x80 0x1300"},
        "6h",
        WEB,
        "made 5h 0m 0s ago",
        19_440,
        "4m",
    ),
    Case("BackupMissing", "it is on its way", {GOOD: "3600x1300", KEPT: "0x30 3600x1300"}, "4h", step="4m"),
    Case("BackupMissing", "never", {}, "49h", WEB, "never", step="4m"),
    Case("BackupMissing", "made", {GOOD: "3600x1300"}, "50h", step="4m"),
    Case(
        "BackupUntested",
        "not for four days",
        {TESTED: "1x1300"},
        "80h",
        WEB,
        "3d 7h 59m 59s ago",
        259_440,
        "4m",
    ),
    Case(
        "BackupUntested",
        "one hive makes trials so for three days",
        {TESTED: "1x1300", VERIFY: "7201x1300", VERIFY_LATER: "250000x1300"},
        "80h",
        WEB,
        "3d 7h 59m 59s ago",
        266_640,
        "4m",
    ),
    Case(
        "BackupUntested",
        "trials are made so since yesterday",
        {TESTED: "1x1300", VERIFY: "200000x1300"},
        "80h",
        step="4m",
    ),
    Case("BackupUntested", "never", {}, "73h", WEB, "never", step="4m"),
    Case("BackupUntested", "yesterday", {TESTED: "1x1300"}, "30h", step="4m"),
    Case("Watchdog", "hosts are read", {f"up{UP}": "1x20"}, "0s", {}, "alive"),
    Case("Watchdog", "all hosts are silent", {f"up{UP}": "0x20"}, "4m", {}, "alive"),
    Case("Watchdog", "nothing is noted any more", {f"up{UP}": "1x4 _x40"}, "190s"),
    Case("NothingMeasured", "for three minutes", {f"up{UP}": "1x4 _x40"}, "250s", {}, "none", 185),
    Case("NothingMeasured", "all hosts are silent", {f"up{UP}": "0x20"}, "4m"),
    Case("NothingMeasured", "Prometheus has just begun", {f"up{UP}": "_x2 1x20"}, "4m"),
    Case("Slow", "a service's own", {'latency{host="hive0"}': "2x20"}, "1m", HOST | WEB, "2"),
    Case("Slow", "quick", {'latency{host="hive0"}': "0.5x20"}, "2m"),
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory with promtool and amtool, of Debian's packages."""
    made = tmp_path_factory.mktemp("monitoring") / "debian"
    return debian.unpacked(made, "prometheus", "prometheus-alertmanager") / "usr/bin"


def stage() -> Stage:
    """Return a stage that watches itself."""
    site = parse_site(SITE)
    return Stage(site, "private", site.stages["private"])


def expected(of: Sequence[Mapping[str, Any]], case: Case, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what promtool is to find of an alarm that has these rules."""
    is_second = case.value in ("never", "none", "fails") or "volume" in labels
    texts = of[-1 if is_second else 0]["annotations"]
    said = {key: texts[key] for key in ("summary", "look")}
    for name, value in labels.items():
        said = {key: text.replace(f"{{{{ $labels.{name} }}}}", value) for key, text in said.items()}
    days, rest = divmod(case.since, DAY)
    since = f"1970-01-{days + 1:02} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} +0000 UTC"
    return {"exp_labels": {**labels}, "exp_annotations": {**said, "since": since, "value": case.value}}


def found_of(programs: Path, directory: Path, case: Case) -> subprocess.CompletedProcess[str]:
    """Play a case; promtool says what differs."""
    groups = json.loads(rule_file(stage()))["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    of = [rule for rule in every if rule.get("alert") == case.alarm]
    recorded = [rule for rule in every if "record" in rule]
    # Alone, and for what takes days seldom: Prometheus would be at it for minutes.
    group = {
        "name": "one",
        "rules": [*recorded, *of],
        **({"interval": case.step} if case.step != "15s" else {}),
    }
    (directory / "rules.json").write_text(json.dumps({"groups": [group]}))
    together = [case, *([case.beside] if case.beside else [])]
    series = {name: values for each in together for name, values in each.series.items()}
    alerts = [expected(of, each, each.labels) for each in together if each.labels is not None]
    content = {
        "rule_files": ["rules.json"],
        "evaluation_interval": "5s" if case.step == "15s" else case.step,
        "tests": [
            {
                "name": case.title,
                "interval": case.step,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": case.at, "alertname": case.alarm, "exp_alerts": alerts}],
            }
        ],
    }
    (directory / "test.json").write_text(json.dumps(content))
    return subprocess.run(
        [programs / "promtool", "test", "rules", "test.json"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alarm}: {case.title}")
def test_an_alarm_is_given_when_it_should_be(case: Case, programs: Path, tmp_path: Path) -> None:
    """With the labels, value and time that it has, and the command to look with."""
    done = found_of(programs, tmp_path, case)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alarm_has_a_case_with_it_and_one_without() -> None:
    """So each is known to be given, and known to be quiet."""
    given = {case.alarm for case in CASES if case.labels is not None}
    not_given = {case.alarm for case in CASES if case.labels is None}

    assert given >= NAMES
    assert not_given >= NAMES


def test_alarms_are_sent_one_by_one() -> None:
    """Each label that the cases have says what an alarm is about: another one is sent at once, not a minute later."""
    grouped = json.loads(alertmanager_config([], ""))["route"]["group_by"]
    assert {label for case in CASES for label in case.labels or ()} | {"alertname"} == {*grouped}


def test_debians_programs_take_the_configurations(programs: Path, tmp_path: Path) -> None:
    """Those of Prometheus and of Alertmanager; of a site without receivers, and of one with all that skep adds."""
    rules = tmp_path / "rules.json"
    rules.write_text(rule_file(stage()))
    (tmp_path / "prometheus.json").write_text(scrape_config(stage(), str(rules)))
    subprocess.run([programs / "promtool", "check", "config", tmp_path / "prometheus.json"], check=True)
    hook = {"webhook_configs": [{"url": "http://192.0.2.9/"}]}
    mail = {"email_configs": [{"to": "a@example", "from": "b@example", "smarthost": "mail.example:25"}]}
    for number, (receivers, watchdog) in enumerate([([], ""), ([hook, mail], "http://192.0.2.9/ping")]):
        path = tmp_path / f"alertmanager{number}.json"
        path.write_text(alertmanager_config(receivers, watchdog))
        subprocess.run([programs / "amtool", "check-config", path], check=True)
