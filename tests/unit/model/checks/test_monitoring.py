"""Monitoring as site.toml has it: what fits together."""

from pathlib import Path

import pytest

from model.checks.warnings import warnings
from model.site_file.load import load, select
from tests.unit.model.good_site import GOOD, problems

HOOK = 'webhook_configs = [{ url = "{{ secrets.hook }}" }]'
SECRET = "[secrets.hook]\ngenerate = 32\n"
METRICS = (
    'ports = [{ target_port = 9102, published_port = 9102, mode = "host", open_to = "stage" }]\n'
    "metrics = [{ port = 9102 }]\n"
)


def with_monitoring(monitoring: str, service: str = "", after: str = "") -> str:
    """Return the good site with `[monitoring]`, keys of a service more, and tables at its end."""
    more = f'[services.more]\nimage = "web"\n{service}' if service else ""
    return f"{GOOD}{monitoring}\n{more}{after}"


def test_all_that_monitoring_has_is_taken(site_dir: Path) -> None:
    """Durations become seconds; Alertmanager's own templates are left alone."""
    receiver = f'[[monitoring.receivers]]\n{HOOK}\nslack_configs = [{{ title = "{{{{ .Status }}}}" }}]\n'
    table = f'[monitoring]\nretention = "12h"\nwatchdog = "hook"\n{receiver}'
    alerts = 'alerts = [{ name = "Slow", expr = "latency > 1", for = "5m" }]\n'
    (site_dir / "site.toml").write_text(with_monitoring(table, METRICS + alerts, SECRET))
    site = load(site_dir / "site.toml")
    assert site.monitoring is not None
    assert (site.monitoring.retention, site.monitoring.watchdog) == (43_200, "hook")
    [alert] = site.services["more"].alerts
    assert (alert.name, alert.for_) == ("Slow", 300.0)
    assert [each.path for each in site.services["more"].metrics] == ["/metrics"]


def test_metrics_that_no_firewall_guards_are_said(site_dir: Path) -> None:
    """Only where both are so."""

    def said(more: str) -> list[str]:
        (site_dir / "site.toml").write_text(with_monitoring(more))
        found = warnings(select(load(site_dir / "site.toml"), "private"), site_dir)
        return [line for line in found if line.startswith("setup_hosts.firewall")]

    [line] = said("[monitoring]\n[setup_hosts]\nfirewall = false")
    assert "ports 9100 and 9323 of all hosts are open to whoever reaches them" in line
    assert said("[setup_hosts]\nfirewall = false") == said("[monitoring]") == []


@pytest.mark.parametrize(
    ("monitoring", "service", "problem"),
    [
        (
            '[monitoring]\nwatchdog = "hook"',
            "",
            "monitoring.watchdog: takes the name of a secret in [secrets], not a password",
        ),
        (
            f"[monitoring]\n[[monitoring.receivers]]\n{HOOK}",
            "",
            "monitoring.receivers[0].webhook_configs[0].url: there is no secret 'hook'",
        ),
        (
            "[monitoring]\n[[monitoring.receivers]]\nname = 'me'",
            "",
            "monitoring.receivers[0]: says nobody: write as Alertmanager has it",
        ),
        (
            "[monitoring]\n[[monitoring.receivers]]\nwebhooks = [{ url = 'x' }]",
            "",
            "monitoring.receivers[0].webhooks: Alertmanager has no such receiver (it has: discord_configs",
        ),
        (
            "[monitoring]\n[[monitoring.receivers]]\nwebhook_configs = { url = 'x' }",
            "",
            "monitoring.receivers[0].webhook_configs: is a list of tables: write [{ … }]",
        ),
        (
            "[monitoring]\n[[monitoring.receivers]]\nwebhook_configs = [{ send_resolved = true }]",
            "",
            "monitoring.receivers[0].webhook_configs[0]: the key 'url' is missing",
        ),
        (
            "[monitoring]\n[[monitoring.receivers]]\nwebhook_configs = [{ url = '{{ services.web.ports }}' }]",
            "",
            "monitoring.receivers[0].webhook_configs[0].url: services is not known yet when hosts are set up",
        ),
        ("", METRICS, "services.more.metrics: there is no [monitoring], without which nothing reads them"),
        (
            "",
            'alerts = [{ name = "Slow", expr = "x" }]\n',
            "services.more.alerts: there is no [monitoring], without which nothing reads them",
        ),
        (
            "[monitoring]",
            "metrics = [{ port = 9102 }]\n",
            "services.more.metrics[0].port: Prometheus reads each task at its hive's own port: write ports = ",
        ),
        (
            "[monitoring]",
            METRICS.replace("[{ port = 9102 }]", "[{ port = 9102 }, { port = 9102 }]"),
            "services.more.metrics[1].port: 9102/metrics occurs twice",
        ),
        (
            "[monitoring]",
            f'{METRICS}mode = "replicated-job"\n',
            "services.more.metrics: a job ends before it is read",
        ),
        (
            "[monitoring]",
            'alerts = [{ name = "Slow", expr = "x" }, { name = "Slow", expr = "y" }]\n',
            "services.more.alerts[1].name: 'Slow' occurs twice",
        ),
        (
            "[monitoring]",
            'alerts = [{ name = "HostSilent", expr = "x" }]\n',
            "services.more.alerts[0].name: 'HostSilent' is an alarm of skep's own",
        ),
        ("[monitoring]", 'ports = ["9100:80"]\n', "services.more.ports: 9100/tcp is monitoring's already"),
        ("[monitoring]", 'ports = ["9093:80"]\n', "services.more.ports: 9093/tcp is monitoring's already"),
        (
            '[monitoring]\n[setup_hosts.daemon]\nmetrics-addr = "127.0.0.1:1"',
            "",
            "setup_hosts.daemon.metrics-addr: with [monitoring] skep says it: take it out",
        ),
    ],
)
def test_a_mistake_has_a_line_of_its_own(monitoring: str, service: str, problem: str, site_dir: Path) -> None:
    """With its path, and the way out."""
    found = problems(site_dir, with_monitoring(monitoring, service))
    assert [line for line in found if line.startswith(problem)], found
