"""Check what is said of monitoring: secrets and receivers that exist, ports that can be read, alarms' names.

And the regular expressions that say which lines of a service's logs are errors, and the room of logs that are kept.
"""

import re
import warnings
from collections.abc import Iterator, Mapping

from model import site as types
from model import templates
from model.alarms.rule_file import NAMES
from model.checks.shared import no_secret
from model.site.logs import SMALLEST
from model.toml_text import key_text, toml_text
from model.units import size

_KINDS = frozenset(
    f"{kind}_configs"
    for kind in (
        "discord",
        "email",
        "opsgenie",
        "pagerduty",
        "pushover",
        "slack",
        "sns",
        "telegram",
        "victorops",
        "webex",
        "webhook",
        "wechat",
        # Since Alertmanager 0.26 to 0.28, which Debian 13 has.
        "msteams",
        "msteamsv2",
        "jira",
        "rocketchat",
    )
)
"""https://prometheus.io/docs/alerting/latest/configuration/#receiver-integration-settings"""
_NEEDED = {"webhook_configs": ("url", "url_file"), "email_configs": ("to",)}
"""Integration to the keys of which it needs one."""
_NOT_MADE = ("services", "nfs")
"""Names of templates that are not known yet when hosts are set up."""

_ENGINES_OWN = "local"
"""The driver that skep gives engines, where site.toml names none."""
_KEEP_NOTHING = {
    "none": "keeps no logs",
    "journald": "leaves logs to the hosts' journals, which are not read for this",
}
"""Logging drivers of whose logs the engine has no file. It keeps one for all that can't be read otherwise:
https://docs.docker.com/engine/logging/dual-logging/
"""


def check_logs(site: types.Site) -> Iterator[str]:
    """Yield the mistakes in `[logs]`."""
    if site.logs is not None and site.logs.max_size < SMALLEST:
        yield f"logs.max_size: {size(site.logs.max_size)} is too little to keep a day: write {size(SMALLEST)} or more"


def check_monitoring(site: types.Site) -> Iterator[str]:
    """Yield the mistakes in `[monitoring]`, and in what services add to it."""
    monitoring = site.monitoring
    if monitoring is not None:
        if monitoring.watchdog is not None and monitoring.watchdog not in site.secrets:
            yield f"monitoring.watchdog: {no_secret(site.secrets)}"
        for i, receiver in enumerate(monitoring.receivers):
            yield from _check_receiver(f"monitoring.receivers[{i}]", receiver)
        if "metrics-addr" in site.setup_hosts.daemon:
            yield "setup_hosts.daemon.metrics-addr: with [monitoring] skep says it: take it out"
    for name, service in site.services.items():
        path = f"services.{name}"
        for key in ("metrics", "alerts", "monitor_error"):
            if getattr(service, key) and monitoring is None:
                yield f"{path}.{key}: there is no [monitoring], without which nothing reads them: write [monitoring]"
        yield from _check_metrics(f"{path}.metrics", service)
        yield from _check_alerts(f"{path}.alerts", service)
        yield from _check_patterns(path, service, site)


def _check_receiver(path: str, receiver: dict[str, object]) -> Iterator[str]:
    """Yield the mistakes of a receiver, as far as they are known without Alertmanager, which is asked on the host."""
    integrations = {key: value for key, value in receiver.items() if key != "name"}
    if not integrations:
        yield f"{path}: says nobody: write as Alertmanager has it (example: webhook_configs = [{{ url = '…' }}])"
    for key, value in integrations.items():
        where = f"{path}.{key_text(key)}"
        if key not in _KINDS:
            yield f"{where}: Alertmanager has no such receiver (it has: {', '.join(sorted(_KINDS))})"
        elif not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            yield f"{where}: is a list of tables: write [{{ … }}]"
        else:
            for i, each in enumerate(value):
                needed = _NEEDED.get(key, ())
                if needed and not any(name in each for name in needed):
                    yield f"{where}[{i}]: the key {needed[0]!r} is missing"
    for where, text in templates.templates_in(path, receiver):
        for name in _NOT_MADE:
            if templates.is_jinja(text) and templates.refers_to(text, name):
                yield f"{where}: {name} is not known yet when hosts are set up: write the value itself"


def _check_metrics(path: str, service: types.Service) -> Iterator[str]:
    """Yield the mistakes in the ports where a service tells metrics."""
    for i, metrics in enumerate(service.metrics):
        where = f"{path}[{i}].port"
        published = [port for port in service.ports if port.target == metrics.port and port.protocol == "tcp"]
        if not any(port.mode == "host" and port.published for port in published):
            port = f"target_port = {metrics.port}, published_port = {metrics.port}"
            yield (
                f"{where}: Prometheus reads each task at its hive's own port: write ports = [{{ {port}, mode = "
                "'host', open_to = 'stage' }]"
            )
        if metrics in service.metrics[:i]:
            yield f"{where}: {metrics.port}{metrics.path} occurs twice"
    if service.metrics and service.is_job:
        yield f"{path}: a job ends before it is read"


def _check_alerts(path: str, service: types.Service) -> Iterator[str]:
    """Yield the mistakes in the names of a service's own alarms."""
    names = [alert.name for alert in service.alerts]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield f"{path}[{i}].name: {toml_text(name)} occurs twice"
        if name in NAMES:
            yield f"{path}[{i}].name: {toml_text(name)} is an alarm of skep's own: take another name"


def _check_patterns(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in a service's `monitor_error` and `ignore_error`."""
    for key, patterns in (("monitor_error", service.monitor_error), ("ignore_error", service.ignore_error)):
        for i, pattern in enumerate(patterns):
            yield from _check_pattern(f"{path}.{key}[{i}]", pattern)
    if service.ignore_error and not service.monitor_error:
        yield f"{path}.ignore_error: without monitor_error no line counts: write monitor_error, or take it out"
    if service.monitor_error:
        yield from _check_driver(path, service, site)


def _check_pattern(path: str, pattern: str) -> Iterator[str]:
    """Yield the mistakes in a regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what another version of Python might read otherwise
            compiled = re.compile(pattern)
    except re.error as error:
        yield f"{path}: {toml_text(pattern)} is no regular expression of Python's: {error}"
        return
    except (OverflowError, RecursionError):
        yield f"{path}: {toml_text(pattern)} repeats too much, or has too many levels, for Python"
        return
    if pattern and compiled.search(""):
        yield f"{path}: {toml_text(pattern)} matches every line, even an empty one: write what errors have in them"


def _check_driver(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield that there would be nothing to read."""
    daemon, own = site.setup_hosts.daemon, service.logging
    driver = own.driver if own is not None else str(daemon.get("log-driver", _ENGINES_OWN))
    options: object = own.options if own is not None else daemon.get("log-opts")
    keeps = _KEEP_NOTHING.get(driver)
    if (
        keeps is None
        and isinstance(options, Mapping)
        and str(options.get("cache-disabled", "")).lower() == "true"
    ):
        keeps = "keeps no logs with cache-disabled"
    if keeps is not None:
        yield f"{path}.monitor_error: its logging driver, {driver}, {keeps}: use local or json-file"
