"""What `doit status` says of logs that are kept: by the same rules as the alarms."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from tasks.logs.log_status import log_problems
from tasks.operate import host_reading
from tasks.operate.host_reading import HostReading, parse_reading, reading_script
from tasks.operate.site_reading import SiteReading

NOW = 100_000.0
REPOSITORY = "hive2"


def stage(**tables: Any) -> Stage:
    """Return a stage of two hives and a repository host."""
    stages = {"private": {"provider": "docker", "cidr": "192.0.2.0/24", "number_of_hosts": 3}}
    site = parse_site({"site": "example", "stages": stages, "logs": {}, **tables})
    return Stage(site, "private", site.stages["private"])


def host(ago: float = 3.0, *failing: str, **more: Any) -> HostReading:
    """Return the reading of a host of which everything has arrived until some time ago."""
    return HostReading(clock=NOW, shipping={"taken": NOW - ago, "failing": [*failing], **more})


def said(**hosts: HostReading | str) -> list[str]:
    """Return what is said of hosts."""
    found = log_problems(stage(), SiteReading(hosts, {}, ""))
    return [f"{short}: {line}" for short, lines in found.items() for line in lines]


LATE = "hive0: what it says has not arrived in the logs that are kept for 30 min (doit logs hive0:skep-logs-shipper)"
COLLECTOR = LATE.replace("hive0", REPOSITORY)
FULL = "hive2: has no room for logs, and takes none: they wait on their hosts (doit ssh hive2 df -h /var/log/services)"


def test_well() -> None:
    """Nothing is said while lines wait for less than ten minutes; a host without a shipper has nothing to say."""
    assert said(hive0=host(599.0), hive1=HostReading(clock=NOW), hive2=host(is_full=False)) == []


def test_a_shipper_that_does_not_run() -> None:
    """Its notes grow old."""
    assert said(hive0=host(1800.0), hive1="hive1 does not answer", hive2=host()) == [LATE]


def test_a_collector_that_takes_none() -> None:
    """It is said of the repository host alone, and only the reason where that has no room."""
    assert said(hive0=host(1800.0), hive1=host(1800.0), hive2=host(1800.0)) == [COLLECTOR]
    assert said(hive0=host(1800.0), hive1=host(1800.0), hive2=host(1800.0, is_full=True)) == [FULL]


def test_what_can_not_be_read() -> None:
    """The part is named."""
    assert said(hive0=host(3.0, "services")) == [
        "hive0: its shipper of logs fails at services (doit logs hive0:skep-logs-shipper)"
    ]


def test_without_logs() -> None:
    """What shippers noted before `doit prune` takes them off counts no more."""
    assert log_problems(stage(logs=None), SiteReading({"hive0": host(1800.0)}, {}, "")) == {}


@pytest.mark.parametrize(
    ("text", "notes"),
    [('{\n "taken": 1.5\n}\n', {"taken": 1.5}), ("", None), ("half {", None)],
)
def test_the_notes_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, notes: dict[str, Any] | None
) -> None:
    """By the script that reads a host; those that are not whole are none."""
    path = tmp_path / "shipping.json"
    path.write_text(text)
    monkeypatch.setattr(host_reading, "SHIPPING", str(path))
    done = subprocess.run(
        ["sh", "-eu", "-s"], input=reading_script([]), capture_output=True, text=True, check=True
    )
    assert parse_reading(done.stdout).shipping == notes
