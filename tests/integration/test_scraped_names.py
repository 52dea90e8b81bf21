"""What a service tells by the names of others: a real Prometheus, of Debian's package, reads it."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from model.alarms.rule_file import rule_file
from model.alarms.scraping import scrape_config
from model.site_file.load import parse_site
from model.stage import Stage
from tests import debian
from tests.ports import free_port
from tests.processes import started
from tests.rig import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

HOST = """\
node_time_seconds {now}
node_load15 0.5
skep_observed_timestamp_seconds {now}
skep_swarm_managers_reachable 1
skep_service_tasks_wanted{{service="web"}} 1
skep_service_tasks_running{{service="web"}} 1
"""
SERVICE = """\
node_time_seconds 1
node_load15 900
skep_observed_timestamp_seconds 1
skep_service_tasks_wanted{service="other"} 7
skep:service_tasks_wanted{service="other"} 7
ALERTS{alertname="HostSilent",alertstate="firing"} 1
up{task="1"} 0
requests_total 3
"""


class Told(BaseHTTPRequestHandler):
    """Tells what a host's exporter tells, or what a service does."""

    def do_GET(self) -> None:
        """Answer by the path."""
        text = SERVICE if self.path == "/service" else HOST.format(now=time.time())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def told() -> Iterator[str]:
    """Give the address of whoever tells metrics."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def prometheus(told: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a Prometheus that reads a host and a service there, each second."""
    directory = tmp_path_factory.mktemp("prometheus")
    program = debian.unpacked(directory / "debian", "prometheus") / "usr/bin/prometheus"
    configure(directory, told)
    address = f"127.0.0.1:{free_port()}"
    words = [
        str(program),
        f"--config.file={directory}/prometheus.json",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    with (directory / "log").open("w") as log, started(words, stderr=log):
        yield address


def configure(directory: Path, told: str) -> None:
    """Write the configuration of a site of one host: all is read there, and judged, once a second."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24"}},
            "monitoring": {},
            "logs": {},
            "services": {
                "web": {
                    "image": "web",
                    "ports": [{"target_port": 80, "published_port": 9180, "mode": "host"}],
                    "metrics": [{"port": 80, "path": "/service"}],
                }
            },
        }
    )
    stage = Stage(site, "private", site.stages["private"])
    rules = json.loads(rule_file(stage))
    for group in rules["groups"]:
        group["interval"] = "1s"
    (directory / "rules.json").write_text(json.dumps(rules))
    config = json.loads(scrape_config(stage, str(directory / "rules.json")))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] != "engine"]
    for job in config["scrape_configs"]:
        job["static_configs"] = [
            {**each, "targets": [told]} for each in job["static_configs"] if each["labels"]["host"] == "hive0"
        ]
    (directory / "prometheus.json").write_text(json.dumps(config))


def asked(address: str, path: str, **words: str) -> Any:
    """Return what Prometheus answers."""
    with urlopen(f"http://{address}/api/v1/{path}?{urlencode(words)}", timeout=10) as answer:
        return json.load(answer)["data"]


def rules_after(address: str, moment: float) -> list[dict[str, Any]]:
    """Return all rules once each was evaluated after a moment; none before."""
    groups = asked(address, "rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    oldest = min(each["lastEvaluation"] for each in found)
    return found if datetime.fromisoformat(f"{oldest[:19]}+00:00").timestamp() > moment else []


def test_what_a_service_tells_by_others_names_is_set_aside(prometheus: str) -> None:
    """A second clock of a host, or forged figures, make no alarm fail; what was told is kept by names of its own."""

    def is_read() -> bool:
        try:
            return len(asked(prometheus, "query", query="up == 1")["result"]) == 2
        except OSError:
            return False

    wait_until(is_read, "Prometheus has read all", 60)
    read = time.time() + 1
    wait_until(lambda: bool(rules_after(prometheus, read)), "each rule was evaluated since", 60)
    found = rules_after(prometheus, read)

    assert {rule["name"]: rule["lastError"] for rule in found if rule.get("lastError")} == {}
    names = {
        each["metric"]["__name__"]
        for each in asked(prometheus, "query", query='{job="service"}')["result"]
        if not each["metric"]["__name__"].startswith("scrape_")
    }
    assert names == {
        "requests_total",
        "up",
        "exported_node_time_seconds",
        "exported_node_load15",
        "exported_skep_observed_timestamp_seconds",
        "exported_skep_service_tasks_wanted",
        "exported_skep:service_tasks_wanted",
        "exported_ALERTS",
        "exported_up",
    }
    wanted = asked(prometheus, "query", query="skep:service_tasks_wanted")["result"]
    assert [each["metric"]["service"] for each in wanted] == ["web"]
