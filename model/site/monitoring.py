"""Monitoring: how long metrics are kept, who is told of alarms, and what services add to both."""

from typing import Annotated, Any

from msgspec import Meta, field

from model.site.base import Frozen, Name, Port
from model.units import Age, Seconds

NODE_METRICS_PORT, ENGINE_METRICS_PORT = 9100, 9323
"""The ports of a host's own metrics (node-exporter) and of its engine's."""
PROMETHEUS_PORT, ALERTMANAGER_PORT = 9090, 9093
"""The ports of both on the repository host's loopback."""


class MonitoringBase(Frozen, frozen=True):
    """The keys of `[monitoring]` that have one form only."""

    watchdog: (
        Annotated[
            Name,
            Meta(
                description="The secret of `[secrets]` with the address of a dead man's switch outside of the site, "
                "which gets a POST every minute, and gives the alarm when it gets none."
            ),
        ]
        | None
    ) = None
    receivers: Annotated[
        list[dict[str, Any]],
        Meta(
            description="Those who are told of alarms, in Alertmanager's own words, as in `webhook_configs = [{ url = "
            '"{{ secrets.hook }}" }]`. Each gets every alarm. Alertmanager\'s own templates (`{{ .Status }}`) stay '
            "as they are."
        ),
    ] = []


class Monitoring(MonitoringBase, frozen=True):
    """The site watches itself: Prometheus and Alertmanager on the repository host, metrics on all hosts."""

    retention: Age = 30 * 86_400.0


class Metrics(Frozen, frozen=True):
    """A port where a service's containers tell their metrics, in Prometheus' text format."""

    port: Annotated[
        Port,
        Meta(
            description='The container\'s port. It must be one of `ports`, with `published_port` and `mode = "host"`.'
        ),
    ]
    path: Annotated[
        str, Meta(pattern="^/", description="The path of the metrics, beginning with a slash.")
    ] = "/metrics"


class AlertBase(Frozen, frozen=True):
    """The keys of an alarm of a service's that have one form only."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z_][A-Za-z0-9_]*$",
            description="The alarm's name, as in `Slow`: letters, digits and `_`.",
        ),
    ]
    expr: Annotated[
        str,
        Meta(
            min_length=1,
            description="The condition in PromQL: the alarm is given for each series that it returns.",
        ),
    ]


class Alert(AlertBase, frozen=True):
    """An alarm of a service's own."""

    for_: Seconds = field(name="for", default=0.0)
