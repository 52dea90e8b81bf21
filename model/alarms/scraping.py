"""What Prometheus reads, and from where. Pure."""

import json
from typing import Any

from model.hosts.possible_hives import may_run_on
from model.site.monitoring import ALERTMANAGER_PORT, ENGINE_METRICS_PORT, NODE_METRICS_PORT
from model.stage import Host, Stage

INTERVAL, TIMEOUT = 15, 5
"""Seconds between two readings of a target, and for which it may take to answer."""
MOST_SERIES = 10_000
"""Series that one task of a service may tell; of one that tells more none is kept: they would fill the disk."""
_TAKEN = "(?:node|skep)[_:].*|ALERTS|ALERTS_FOR_STATE|up|scrape_.*"
"""Names of series that alarms go by, and of Prometheus' own. What a service says by them is kept by another name: a
second series of a host makes a condition fail for all hosts, and a service would say what the swarm wants of others."""
_SET_ASIDE = {
    "source_labels": ["__name__"],
    "regex": f"({_TAKEN})",
    "target_label": "__name__",
    "replacement": "exported_$1",
}


def scrape_config(stage: Stage, rules: str) -> str:
    """Return Prometheus' configuration, as JSON, which is YAML as well.

    Args:
        stage: The stage.
        rules: The path of the rule file.

    """
    content = {
        "global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{TIMEOUT}s"},
        "rule_files": [rules],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ALERTMANAGER_PORT}"]}]}]
        },
        "scrape_configs": [
            _job("node", [_target(host, NODE_METRICS_PORT) for host in stage.hosts]),
            _job("engine", [_target(host, ENGINE_METRICS_PORT) for host in stage.hosts]),
            {
                **_job("service", list(_of_services(stage))),
                "sample_limit": MOST_SERIES,
                "metric_relabel_configs": [_SET_ASIDE],
            },
        ],
    }
    return json.dumps(content, indent=1) + "\n"


def _job(name: str, targets: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a group of targets. Their addresses are no label: a host is known by its name."""
    relabel = {"target_label": "instance", "source_labels": ["host"]}
    return {"job_name": name, "static_configs": targets, "relabel_configs": [relabel]}


def _of_services(stage: Stage) -> list[dict[str, Any]]:
    """Return the targets of services that tell metrics: each hive on which a task may run."""
    return [
        _target(
            hive,
            port.published,
            service=name,
            port=str(metrics.port),
            __metrics_path__=metrics.path,
        )
        for name, service in stage.services.items()
        for metrics in service.metrics
        for port in service.ports
        if port.target == metrics.port and port.mode == "host" and port.published
        for hive in stage.hives
        if may_run_on(hive, stage, service)
    ]


def _target(host: Host, at: int, **labels: str) -> dict[str, Any]:
    """Return a target: a port of a host."""
    address = f"[{host.address}]" if ":" in host.address else host.address
    return {"targets": [f"{address}:{at}"], "labels": {"host": host.short, **labels}}
