"""The steps of monitoring: which host has which, what makes them stale, and that no secret leaks."""

import json
from typing import Any

import pytest

from model.alarms.receivers import secret_names
from model.secrets.secret import Secret, UnknownSecret
from model.secrets.stage_secrets import StageSecrets, generate
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.apply import step_key
from remote.hostsetup.backup import BackupSources
from remote.hostsetup.firewall import firewall_script
from remote.hostsetup.host_step import HostStep
from remote.hostsetup.steps import steps

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24", "separate_repository": True}},
    "secrets": {"hook": {"generate": 32}, "ping": {"generate": 32}, "other": {"generate": 32}},
    "services": {"web": {"image": "web"}},
}
MONITORING: dict[str, Any] = {
    "watchdog": "ping",
    "receivers": [
        {
            "webhook_configs": [{"url": "https://h.example/{{ secrets.hook }}"}],
            "slack_configs": [{"title": "{{ .Status }}"}],
        }
    ],
}
OWN = {"node_metrics", "alertmanager", "prometheus"}


@pytest.fixture(scope="module")
def secrets() -> StageSecrets:
    """Give the secrets of a stage."""
    return generate("example", "private")


def stage_of(monitoring: dict[str, Any] | None = MONITORING, **service: Any) -> Stage:
    """Return the stage with a `[monitoring]`, and more keys of its service."""
    raw = {**SITE, "services": {"web": {**SITE["services"]["web"], **service}}}
    site = parse_site(raw if monitoring is None else {**raw, "monitoring": monitoring})
    return Stage(site, "private", site.stages["private"])


def steps_of(
    stage: Stage, short: str, secrets: StageSecrets, hook: Secret | None = None
) -> dict[str, HostStep]:
    """Return a host's steps by name, with a value of the secrets."""
    sources = BackupSources(lambda name: hook or Secret(f"s3cret-{name}"), bytes, str)
    return {step.name: step for step in steps(stage, stage.host(short), secrets, sources)}


def stale(before: dict[str, HostStep], after: dict[str, HostStep]) -> set[str]:
    """Return the steps whose key is another."""
    return {name for name in before if step_key(before[name])[1] != step_key(after[name])[1]}


def test_each_host_tells_metrics_and_the_repository_host_reads_them(secrets: StageSecrets) -> None:
    """Without `[monitoring]` there is none of it, and no engine is started anew."""
    stage = stage_of()
    assert OWN & {*steps_of(stage, "hive0", secrets)} == {"node_metrics"}
    assert OWN & {*steps_of(stage, stage.repository_short, secrets)} == OWN
    without = stage_of(None)
    assert not OWN & {*steps_of(without, without.repository_short, secrets)}
    daemon = next(file.content for file in steps_of(without, "hive0", secrets)["docker"].files())
    assert "metrics-addr" not in str(daemon)
    daemon = next(file.content for file in steps_of(stage, "hive0", secrets)["docker"].files())
    assert json.loads(str(daemon))["metrics-addr"] == "0.0.0.0:9323"


def test_engines_of_hosts_with_ipv6(secrets: StageSecrets) -> None:
    """Prometheus asks a host at its address, so the engine listens at those of that kind."""
    addresses = ["2001:db8::11", "192.0.2.12"]
    raw = {
        **SITE,
        "monitoring": {},
        "stages": {"p": {"provider": "prepared", "separate_repository": False, "ip_address_list": addresses}},
    }
    site = parse_site(raw)
    stage = Stage(site, "p", site.stages["p"])
    found = []
    for host in stage.hosts:
        [step] = [step for step in steps(stage, host, secrets) if step.name == "docker"]
        [config] = [file.content for file in step.files() if file.path.endswith(".json")]
        found.append(json.loads(str(config))["metrics-addr"])
    assert found == ["[::]:9323", "0.0.0.0:9323"]


def test_a_change_makes_its_own_step_stale(secrets: StageSecrets) -> None:
    """A secret's value as well; no change starts an engine anew."""
    stage = stage_of()
    before = steps_of(stage, stage.repository_short, secrets)

    def changed(other: Stage, hook: Secret | None = None) -> set[str]:
        return stale(before, steps_of(other, other.repository_short, secrets, hook))

    assert changed(stage_of()) == set()
    assert changed(stage, Secret("another one")) == {"alertmanager"}
    assert changed(stage_of({**MONITORING, "retention": "7d"})) == {"prometheus"}
    assert changed(stage_of({"watchdog": "ping"})) == {"alertmanager"}
    assert changed(stage_of({**MONITORING, "watchdog": "other"})) == {"alertmanager"}
    assert changed(stage_of(alerts=[{"name": "Slow", "expr": "x > 1"}])) == {"prometheus"}
    unread = steps_of(stage, stage.repository_short, secrets, UnknownSecret())["alertmanager"]
    assert step_key(unread)[0]["monitoring.watchdog"] == "hmac:unasked"


def test_metrics_that_grow_without_end_are_kept_from_filling_the_disk(secrets: StageSecrets) -> None:
    """All that is kept has a limit beside its time, and so has what one task of a service tells."""
    stage = stage_of(
        metrics=[{"port": 80}], ports=[{"target_port": 80, "published_port": 9180, "mode": "host"}]
    )
    step = steps_of(stage, stage.repository_short, secrets)["prometheus"]
    files = {file.path.rpartition("/")[2]: str(file.content) for file in step.files()}
    assert "--storage.tsdb.retention.size=5GB " in files["prometheus.conf"]
    jobs = {job["job_name"]: job for job in json.loads(files["prometheus.json"])["scrape_configs"]}
    assert {name: job.get("sample_limit") for name, job in jobs.items()} == {
        "node": None,
        "engine": None,
        "service": 10_000,
    }


def test_secrets_are_in_one_file_that_root_alone_may_read(secrets: StageSecrets) -> None:
    """And in no input; Alertmanager's own templates are as they were."""
    stage = stage_of()
    step = steps_of(stage, stage.repository_short, secrets)["alertmanager"]
    assert "s3cret" not in json.dumps(step_key(step)[0])
    secret = [file for file in step.files() if isinstance(file.content, Secret)]
    assert [(file.path, file.mode) for file in secret] == [("/etc/skep/monitoring/alertmanager.json", 0o600)]
    assert isinstance(secret[0].content, Secret)
    config = json.loads(secret[0].content.reveal())
    receivers = {each["name"]: each for each in config["receivers"]}
    assert receivers["receiver0"]["webhook_configs"] == [{"url": "https://h.example/s3cret-hook"}]
    assert receivers["receiver0"]["slack_configs"] == [{"title": "{{ .Status }}"}]
    assert receivers["watchdog"]["webhook_configs"][0]["url"] == "s3cret-ping"
    assert secret_names(stage) == {"hook", "ping"}
    public = [file.content for file in step.files() if not isinstance(file.content, Secret)]
    assert "s3cret" not in "".join(map(str, public))


def test_metrics_are_open_to_the_repository_host_alone(secrets: StageSecrets) -> None:
    """Prometheus and Alertmanager listen on the loopback, where no rule is needed."""
    stage = stage_of()
    for host in stage.hosts:
        rules = [
            line
            for line in firewall_script(stage, host).splitlines()
            if any(f"--dport {port} " in line for port in (9100, 9323, 9090, 9093))
        ]
        assert rules == [
            f"-A SKEP-INPUT -s {stage.repository.address} -p tcp --dport {port} -j ACCEPT"
            for port in (9100, 9323)
        ]
    assert "9100" not in firewall_script(stage_of(None), stage.repository)
    texts = "".join(
        str(file.content)
        for name in ("prometheus", "alertmanager")
        for file in steps_of(stage, stage.repository_short, secrets)[name].files()
    )
    assert "--web.listen-address=127.0.0.1:9090" in texts
    assert "--web.listen-address=127.0.0.1:9093" in texts


def test_prometheus_reads_hosts_engines_and_services(secrets: StageSecrets) -> None:
    """Each by its host's short name; a service's tasks on the hives where they may run."""
    stage = stage_of(
        ports=[{"target_port": 80, "published_port": 9180, "mode": "host"}],
        metrics=[{"port": 80, "path": "/m"}],
        placement={"constraints": ["node.hostname == hive1"]},
    )
    step = steps_of(stage, stage.repository_short, secrets)["prometheus"]
    config = json.loads(
        next(str(file.content) for file in step.files() if file.path.endswith("prometheus.json"))
    )
    jobs = {job["job_name"]: job["static_configs"] for job in config["scrape_configs"]}
    address = stage.host("hive1").address
    assert {"targets": [f"{address}:9100"], "labels": {"host": "hive1"}} in jobs["node"]
    assert {"targets": [f"{address}:9323"], "labels": {"host": "hive1"}} in jobs["engine"]
    assert len(jobs["node"]) == len(jobs["engine"]) == len(stage.hosts)
    assert jobs["service"] == [
        {
            "targets": [f"{address}:9180"],
            "labels": {"host": "hive1", "service": "web", "port": "80", "__metrics_path__": "/m"},
        }
    ]
