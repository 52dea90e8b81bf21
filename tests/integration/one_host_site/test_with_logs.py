"""Logs of a real site that outlive their tasks, and their service: kept, read, and taken off again."""

from collections.abc import Iterator

import pytest

from tests import rig
from tests.integration.one_host_site.one_host import OPEN, OneHost
from tests.integration.typed import typed

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
TALKER = f"{OPEN}/talker:1"
LINES = 5000
_TOML = """
[logs]
keep = "2d"
max_size = "16M"
[services.talker]
image = "{image}"
command = ["/bin/sh", "-c", "{script}"]
stop_grace_period = "1s"
endpoint_mode = "dnsrr"
"""
_SCRIPT = f"i=0; while [ $i -lt {LINES} ]; do echo number $i; i=$((i+1)); done; while :; do sleep 1; done"


@pytest.fixture(scope="module")
def talker(site: OneHost) -> Iterator[OneHost]:
    """Give the site with a service that has said all that it says."""
    site.push(TALKER, "1")
    site.write(_TOML.format(image=TALKER, script=_SCRIPT))
    site.ran()
    yield site
    site.write()
    site.run("prune", f"confirm={site.name}").well()
    assert "skep-logs" not in site.on_host("systemctl list-units --no-legend")
    assert "talker.log" in site.on_host("ls /var/lib/docker/skep-logs/services")


def kept(site: OneHost, *words: str) -> list[str]:
    """Return what is kept of the service, as a person reads it."""
    done = typed(site, "logs", "talker", "central=yes", *words)
    assert done.returncode == 0, done.stderr.decode()
    return [line.partition(" | ")[2] for line in done.stdout.decode().splitlines()]


def test_what_a_service_said_is_kept(talker: OneHost) -> None:
    """Each line once and in order, also those of a task that is gone; the repository host looks for a pattern."""
    everything = [f"number {number}" for number in range(LINES)]
    rig.wait_until(lambda: kept(talker, "since=1h") == everything, "all lines to be kept")

    assert kept(talker, "since=1h", "grep=^number 49..$", "lines=2") == ["number 4998", "number 4999"]
    both = typed(talker, "logs", "talker", "since=1h").stdout.decode().splitlines()
    assert [line.partition(" | ")[2] for line in both] == everything
    talker.on_host("docker service rm talker")
    rig.wait_until(
        lambda: not talker.on_host("docker ps -aq -f label=com.docker.swarm.service.name=talker").strip(),
        "the containers to be removed",
        60,
    )
    assert kept(talker, "lines=1") == ["number 4999"]
    left = typed(talker, "logs", "talker")
    assert (left.returncode, len(left.stdout.splitlines())) == (0, 100)


def test_logs_that_do_not_arrive(talker: OneHost) -> None:
    """`doit status` says it of a shipper that has not run for long, and no more when it does again."""
    notes, said = "/var/lib/skep/logs/shipping.json", "has not arrived in the logs that are kept for"
    assert said not in talker.run("status").text
    talker.on_host(
        f"systemctl stop skep-logs-shipper\n"
        f"touch -d '-1 hour' /tmp/then; sed -i \"s/\\(taken\\W*\\)[0-9.]*/\\1$(date -r /tmp/then +%s)/\" {notes}"
    )
    status = talker.run("status")
    assert (status.status, f"hive0: what it says {said} 60 min" in status.text) == (2, True), status.text
    talker.on_host("systemctl start skep-logs-shipper")
    rig.wait_until(lambda: said not in talker.run("status").text, "the shipper to be in time again", 60)


def test_a_hosts_journal_is_kept(talker: OneHost) -> None:
    """On the repository host, in a file for each host."""
    talker.on_host("logger kept for later")

    def said() -> bool:
        done = typed(talker, "logs", "hive0", "central=yes", "since=1h", "grep=for later$")
        return "kept for later" in done.stdout.decode()

    rig.wait_until(said, "the line to be kept")


_TOO_MUCH = """
cd /var/log/services
head -c 20000000 /dev/zero >old.log-20260101-1
touch -d '1 day ago' old.log-20260101-1
head -c 10000000 /dev/zero >big.log
chown skep-logs:adm old.log-20260101-1 big.log
systemctl restart skep-logs-shipper
"""


def test_the_oldest_files_go_where_there_is_too_much(talker: OneHost) -> None:
    """What is written to is rotated first, as it is large; what may stay is read on, and new lines come."""
    talker.on_host(_TOO_MUCH)

    def files() -> str:
        return talker.on_host("ls /var/log/services")

    rig.wait_until(lambda: "old.log-" not in files(), "the oldest file to go", 60)
    assert "big.log-" in files()
    said = talker.on_host("journalctl --unit skep-logs-trim --output cat")
    assert (
        "/var/log/services/old.log-20260101-1: removed before its time, as logs took more than 16 MB" in said
    )
    assert kept(talker, "lines=1") == [f"number {LINES - 1}"]
    talker.on_host("logger after the rotation")

    def is_kept() -> bool:
        return (
            "after the rotation" in typed(talker, "logs", "hive0", "central=yes", "lines=50").stdout.decode()
        )

    rig.wait_until(is_kept, "a line to be kept after the rotation", 30)
