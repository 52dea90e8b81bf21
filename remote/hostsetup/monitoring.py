"""The steps of monitoring: metrics of each host; Prometheus and Alertmanager on the repository host's loopback."""

from collections.abc import Callable, Iterator, Sequence

from model.alarms.alertmanager_config import alertmanager_config
from model.alarms.receivers import rendered, with_texts
from model.alarms.rule_file import rule_file
from model.alarms.scraping import scrape_config
from model.keys.definition import definition
from model.keys.digest import flatten, sha256
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets
from model.site.monitoring import ALERTMANAGER_PORT, NODE_METRICS_PORT, PROMETHEUS_PORT, Monitoring
from model.stage import Host, Stage
from model.units import age
from remote.hostsetup.file_step import file_digests, file_step
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script

_HERE = "/etc/skep/monitoring"
"""Where steps put what they then check, and copy to where Debian's units read it."""
RULES = "/etc/prometheus/skep/rules.json"
TEXTFILES = "/var/lib/prometheus/node-exporter"
"""Where node-exporter finds what skep's agent wrote: the directory of Debian's package."""

_COLLECTORS = "cpu diskstats filesystem loadavg meminfo netdev stat textfile time timex uname vmstat"
_NODE_UNIT = f"""\
# Made by skep: few metrics, at the port that the host's firewall opens to the repository host alone.
[Service]
ExecStart=
ExecStart=/usr/bin/prometheus-node-exporter --web.listen-address=:{NODE_METRICS_PORT} --collector.disable-defaults \
{" ".join(f"--collector.{name}" for name in _COLLECTORS.split())} \
--collector.textfile.directory={TEXTFILES} \
--collector.netdev.device-exclude=^(lo|veth.*|docker.*|br-.*)$$ \
--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run|etc/(hosts|hostname|resolv.conf)|var/lib/docker/.+)($$|/)
Restart=always
RestartSec=5
"""
_ALERTMANAGER_UNIT = f"""\
# Made by skep: on the loopback alone, and without others of its kind.
[Service]
ExecStart=
ExecStart=/usr/bin/prometheus-alertmanager --config.file=/etc/prometheus/skep/alertmanager.json \
--storage.path=/var/lib/prometheus/alertmanager/ --web.listen-address=127.0.0.1:{ALERTMANAGER_PORT} \
--cluster.listen-address=
Restart=always
RestartSec=5
"""
_MOST_KEPT = "5GB"
"""The disk's room that metrics may take: the oldest go first, also before their time."""
_PROMETHEUS_UNIT = """\
# Made by skep: on the loopback alone.
[Service]
ExecStart=
ExecStart=/usr/bin/prometheus --config.file=/etc/prometheus/skep/prometheus.json \
--storage.tsdb.path=/var/lib/prometheus/metrics2/ --storage.tsdb.retention.time={retention} \
--storage.tsdb.retention.size={most} --web.listen-address=127.0.0.1:{port}
Restart=always
RestartSec=5
"""


def monitoring_steps(
    stage: Stage, host: Host, secrets: StageSecrets, secret: Callable[[str], Secret]
) -> Iterator[HostStep]:
    """Yield a host's steps of monitoring; none if site.toml has no `[monitoring]`.

    Args:
        stage: The stage.
        host: One of its hosts.
        secrets: The stage's own secrets.
        secret: Returns a secret of `[secrets]`.

    """
    monitoring = stage.site.monitoring
    if monitoring is None:
        return
    yield file_step(
        "node_metrics",
        {},
        [HostFile(f"{_HERE}/node.conf", _NODE_UNIT)],
        units=("node_metrics",),
    )
    if host.is_repository:
        yield _alertmanager_step(stage, monitoring, secrets, secret)
        yield _prometheus_step(stage, monitoring)


def _alertmanager_step(
    stage: Stage, monitoring: Monitoring, secrets: StageSecrets, secret: Callable[[str], Secret]
) -> HostStep:
    """Return the step that sends alarms to those who are to be told."""
    public = [HostFile(f"{_HERE}/alertmanager.conf", _ALERTMANAGER_UNIT)]
    # What is written there may be an address that lets in whoever knows it.
    shape = sha256(alertmanager_config(monitoring.receivers, "watchdog" if monitoring.watchdog else ""))

    def files() -> Sequence[HostFile]:
        watchdog = secret(monitoring.watchdog).reveal().strip() if monitoring.watchdog is not None else ""
        receivers = with_texts(monitoring.receivers, rendered(stage, secret))
        content = Secret(alertmanager_config(receivers, watchdog))
        return [*public, HostFile(f"{_HERE}/alertmanager.json", content, 0o600)]

    def late_inputs() -> dict[str, str]:
        found = {
            path: secrets.fingerprint(text) if isinstance(text, Secret) else f"sha256:{sha256(text)}"
            for path, text in rendered(stage, secret).items()
        }
        if monitoring.watchdog is not None:
            found["monitoring.watchdog"] = secrets.fingerprint(secret(monitoring.watchdog))
        return found

    return HostStep(
        name="alertmanager",
        inputs={"receivers": f"sha256:{shape}", **file_digests(public)},
        script=script("alertmanager"),
        files=files,
        late_inputs=late_inputs,
        units=("alertmanager",),
        needs=("trust",),
    )


def _prometheus_step(stage: Stage, monitoring: Monitoring) -> HostStep:
    """Return the step that collects metrics, and looks for what is wrong."""
    unit = _PROMETHEUS_UNIT.format(retention=age(monitoring.retention), most=_MOST_KEPT, port=PROMETHEUS_PORT)
    files = [
        HostFile(f"{_HERE}/prometheus.conf", unit),
        HostFile(f"{_HERE}/prometheus.json", scrape_config(stage, RULES)),
        HostFile(f"{_HERE}/rules.json", rule_file(stage)),
    ]
    inputs = {"retention": age(monitoring.retention)}
    for name, service in stage.services.items():
        for key in ("metrics", "alerts"):
            if own := getattr(service, key):
                inputs |= flatten(f"services.{name}.{key}", definition(own))
    return file_step("prometheus", inputs, files, units=("prometheus",), needs=("alertmanager",))
