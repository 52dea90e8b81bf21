"""Prometheus' text format, which node-exporter's textfile collector reads.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

import os
from collections.abc import Mapping
from pathlib import Path

FAMILIES: Mapping[str, tuple[str, str]] = {
    "skep_observed_timestamp_seconds": ("gauge", "When this was written."),
    "skep_observe_failed": (
        "gauge",
        "Whether this part could not be read; its other figures are then missing.",
    ),
    "skep_service_tasks_wanted": (
        "gauge",
        "Tasks of the service that are to run in the whole site; no jobs.",
    ),
    "skep_service_tasks_running": ("gauge", "Containers of the service that run here and are not unhealthy."),
    "skep_service_task_failures_total": ("counter", "Tasks of the service here that ended by themselves."),
    "skep_service_drift": (
        "gauge",
        "Whether the service in the swarm is not as skep deployed it: changed or removed by somebody else.",
    ),
    "skep_swarm_managers": ("gauge", "Managers that the swarm has, or is to have where that is more."),
    "skep_swarm_managers_reachable": ("gauge", "Managers that answer the others; 0 without a leader."),
    "skep_node_ready": ("gauge", "Whether the swarm has the hive's node, and calls it ready."),
    "skep_volume_bytes": (
        "gauge",
        "Bytes that the volume's files take here; read rarely, and never on file servers.",
    ),
    "skep_volume_filesystem_bytes": (
        "gauge",
        "Bytes that the volume's file system has; only where one is mounted for it.",
    ),
    "skep_volume_filesystem_free_bytes": (
        "gauge",
        "Bytes that are free on the volume's file system; only where one is mounted for it.",
    ),
    "skep_log_errors_total": ("counter", "Lines of the service's logs here that monitor_error counts."),
    "skep_logs_taken_timestamp_seconds": (
        "gauge",
        "Until when all that was said here has arrived on the repository host.",
    ),
    "skep_logs_failed": ("gauge", "Whether the shipper of logs fails at this part."),
    "skep_logs_collector_full": ("gauge", "Whether the collector of logs is stopped for want of room."),
    "skep_backup_last_success_timestamp_seconds": ("gauge", "When the service was saved last."),
    "skep_backup_failed": ("gauge", "Whether the service's last backup failed, or the test of it."),
    "skep_backup_last_test_timestamp_seconds": (
        "gauge",
        "When a backup of the service was restored well last.",
    ),
    "skep_backup_newest_timestamp_seconds": (
        "gauge",
        "When the newest backup of the service came to the repository host; 0 if it has none.",
    ),
    "skep_backup_untested_since_timestamp_seconds": (
        "gauge",
        "When a backup of the service was restored well last; if none was, when there was one first.",
    ),
    "skep_backup_verify_since_timestamp_seconds": (
        "gauge",
        "Since when this hive tries backups as often as it does now.",
    ),
    "skep_service_held": (
        "gauge",
        "Whether a backup here pauses or stops the service, or it starts again after that.",
    ),
    "skep_service_half_restored": ("gauge", "Whether a restoration of the service here has not ended."),
    "skep_backup_upkeep_failed": ("gauge", "Whether a part of the upkeep of all backups failed."),
    "skep_backup_upkeep_stopped": (
        "gauge",
        "Whether the upkeep of all backups neither ended nor is at work, or is killed again and again.",
    ),
    "skep_registry_bytes": ("gauge", "Bytes that the registry's images take; read rarely."),
    "skep_registry_free_bytes": ("gauge", "Bytes that are free on the registry's file system."),
    "skep_certificate_end_timestamp_seconds": ("gauge", "When the certificate ends."),
}
"""Metric to its type and its meaning."""
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Exposition:
    """The figures of one look at a host."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}

    def add(self, metric: str, value: float, **labels: str) -> None:
        """Add a figure; a second one of the same metric and labels takes the place of the first.

        Args:
            metric: One of FAMILIES.
            value: The figure.
            labels: Label to its value.

        Raises:
            KeyError: There is no such metric.

        """
        FAMILIES[metric]
        self._samples.setdefault(metric, {})[tuple(labels.items())] = value

    def take(self, other: "Exposition") -> None:
        """Add all figures of another."""
        for metric, samples in other._samples.items():  # noqa: SLF001 - of the same class
            self._samples.setdefault(metric, {}).update(samples)

    def text(self) -> str:
        """Return the figures in Prometheus' text format, in the order of FAMILIES."""
        lines = []
        for metric, (kind, meaning) in FAMILIES.items():
            if metric in self._samples:
                lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}"]
                lines += [
                    f"{metric}{_labels(labels)} {_number(value)}"
                    for labels, value in sorted(self._samples[metric].items())
                ]
        return "".join(f"{line}\n" for line in lines)

    def write(self, path: Path) -> None:
        """Have a file with the figures, which everybody may read: a reader never sees half of it.

        Raises:
            OSError: It can't be written.

        """
        beside = path.with_name(f".{path.name}.new")
        # Whoever else may write to the directory can't have root follow a link from there.
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o644)
            file.write(self.text())
        beside.rename(path)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    """Return labels as they stand behind a metric."""
    words = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels]
    return f"{{{','.join(words)}}}" if words else ""


def _number(value: float) -> str:
    """Return a number, whole where it is one."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
