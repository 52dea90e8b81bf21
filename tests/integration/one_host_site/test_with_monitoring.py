"""A real host that tells of itself: tasks, errors in logs, the way from there into node-exporter."""

import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests import rig
from tests.integration.one_host_site.one_host import OPEN, OneHost

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"
_TOML = """
[monitoring]
[volumes.told]
hosts = ["hive0"]
[services.told]
image = "{image}"
replicas = {tasks}
command = ["/bin/sh", "-c", "echo ERROR; echo ERROR: ignore me; echo fine; sleep 8; exit 3"]
volumes = [{{ source = "told", target = "/data" }}]
endpoint_mode = "dnsrr"
monitor_error = [{errors}]
ignore_error = ["ignore me"]
restart_config = {{ delay = "1s" }}
update_config = {{ failure_action = "continue" }}
[services.quiet]
image = "{image}"
command = ["/bin/sleep", "1000000"]
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""
ERRORS = 'skep_log_errors_total{service="told"}'
FAILURES = 'skep_service_task_failures_total{service="told"}'
UNIT = "skep-observe.service"


@pytest.fixture(scope="module")
def watched(site: OneHost) -> Iterator[OneHost]:
    """Give the site with monitoring, a service that fails again and again, and one that does not.

    The host knows of the first one before it begins: lines count from then on, and a task that had said its line before
    would be a failure without an error.
    """
    site.push(TINY, "1")
    site.write(_TOML.format(image=TINY, errors='"ERROR"', tasks=0))
    site.ran()
    rig.wait_until(lambda: figures(site).get(ERRORS) == 0, "a look")
    site.write(_TOML.format(image=TINY, errors='"ERROR"', tasks=1))
    site.run(timeout=900)  # the first service may be found wanting, which is what it is for
    yield site
    site.write()
    site.run("prune", f"confirm={site.name}", "volumes=told").well()
    left = site.on_host(f"systemctl is-active {UNIT} || true; ls /etc/skep /var/lib/skep /usr/local/lib/skep")
    assert "observe" not in left
    assert "agent" not in left
    assert left.startswith("inactive\n")


def figures(site: OneHost) -> dict[str, float]:
    """Return what node-exporter tells of skep's figures."""
    text = site.on_host("curl -s http://127.0.0.1:9100/metrics || true")
    return {name: float(value) for name, value in re.findall(r"^(skep_\S+) (\S+)$", text, re.MULTILINE)}


def test_failures_and_errors_in_logs(watched: OneHost) -> None:
    """They are counted, once each, also over a kill; what runs well has none; nothing of the look failed."""
    rig.wait_until(lambda: figures(watched).get(FAILURES, 0) >= 1, "a failure")
    rig.wait_until(lambda: figures(watched).get(ERRORS, 0) >= 1, "an error")
    before = figures(watched)
    watched.on_host(f"systemctl kill --signal={signal.SIGKILL.value} {UNIT}")
    rig.wait_until(lambda: figures(watched).get(ERRORS, 0) >= before[ERRORS] + 2, "two errors more")
    watched.run("scale", "told=0", "until=1h").well()
    label = "com.docker.swarm.service.name=told"
    running = f"docker ps -q -f label={label}"
    rig.wait_until(lambda: not watched.on_host(running).strip(), "no task to run")
    stopped = time.time()

    def is_seen() -> bool:
        return figures(watched).get("skep_observed_timestamp_seconds", 0) > stopped + 1

    rig.wait_until(is_seen, "a look")
    found = figures(watched)
    # Each task says it once, those that are gone by now as well.
    assert 0 <= found[ERRORS] - found[FAILURES] <= 1
    assert found['skep_service_task_failures_total{service="quiet"}'] == 0
    assert found['skep_service_tasks_wanted{service="told"}'] == 0
    assert found['skep_service_tasks_running{service="quiet"}'] == 1
    assert found['skep_node_ready{host="hive0"}'] == 1
    assert found['skep_certificate_end_timestamp_seconds{certificate="registry/tls"}'] > stopped
    rig.wait_until(lambda: 'skep_volume_bytes{volume="told"}' in figures(watched), "the volume's bytes")
    assert not [name for name, value in figures(watched).items() if "observe_failed" in name and value]


def test_a_service_that_somebody_else_changed(watched: OneHost) -> None:
    """It is told of, shown by `doit why`, and over when a run has put it back; what `doit scale` does is none."""
    drift = 'skep_service_drift{{service="{}"}}'.format
    before = figures(watched)
    assert (before[drift("quiet")], before[drift("told")]) == (0, 0)
    watched.on_host("docker service update --detach --update-delay 3s quiet >/dev/null")
    rig.wait_until(lambda: figures(watched)[drift("quiet")] == 1, "the change to be told", 60)
    why = watched.run("why", "deploy_services:quiet", "--live").well().text
    assert "changed by somebody else" in why
    assert "somebody else changed it (doit why deploy_services:quiet --live)" in watched.run("status").text
    assert {*watched.ran("deploy_services:quiet")} == {"deploy_services:quiet"}
    rig.wait_until(lambda: figures(watched)[drift("quiet")] == 0, "the change to be put back", 60)
    assert figures(watched)[drift("told")] == 0


def test_a_restart_is_silenced(watched: OneHost) -> None:
    """Alertmanager has a silence of the service's alarms, which says why, and ends soon after the restart.

    That of what happened while it was restarted holds for longer.
    """
    assert "silence" not in watched.run("restart", "quiet").well().text
    held = watched.run("silence").well().text
    assert re.search(r"quiet.*service quiet is restarted", held), held

    def silences() -> list[str]:
        return [line for line in watched.run("silence").text.splitlines() if "quiet" in line]

    rig.wait_until(lambda: all("ErrorSeen|ServiceRestarts" in line for line in silences()), "its end")
    assert silences() != []


def test_other_expressions(watched: OneHost) -> None:
    """They reach the host by its step alone; no task is started anew, and the count goes on."""
    before = figures(watched)[ERRORS]
    watched.write(_TOML.format(image=TINY, errors='"ERROR", "Traceback"', tasks=1))
    assert {*watched.ran("setup_hosts")} == {"setup_hosts:hive0.observe"}
    rig.wait_until(lambda: figures(watched).get(ERRORS) == before, "the count")
    assert watched.run(timeout=900).did_nothing


def test_memory_and_processor(watched: OneHost) -> None:
    """It takes less than 24 MB, and is limited to 64 MB, whatever it reads."""
    told = watched.on_host(
        f"systemctl show -p MemoryMax -p MainPID {UNIT}; cat /proc/$(systemctl show -p MainPID \
--value {UNIT})/status"
    )
    assert "MemoryMax=67108864\n" in told
    resident = re.search(r"VmRSS:\s+(\d+) kB", told)
    assert resident is not None
    assert int(resident[1]) * 1024 < 24 * 2**20, told
