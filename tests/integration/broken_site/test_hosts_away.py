"""Hosts that are frozen, killed or without a network, seen and reached around by those who live in the site."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import rig
from tests.integration.example_site.example import Example
from tests.integration.typed import held, typed, words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
PATIENT = 60.0
"""Seconds within which each command has said which host does not answer."""


@contextmanager
def away(site: Example, host: str, how: str) -> Iterator[None]:
    """Have a host frozen, killed or without a network for a while."""
    container, network = site.container(host), f"skep.{site.name}.private"
    begin, end = {
        "frozen": ([], ["unpause", container]),
        "killed": (["kill", container], ["start", container]),
        "without a network": (
            ["network", "disconnect", network, container],
            ["network", "connect", "--ip", site.addresses[host], network, container],
        ),
    }[how]
    if not begin:
        rig.freeze(container)
    else:
        subprocess.run(["docker", *begin], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", *end], check=True, capture_output=True)
        site.wait_for_sshd(host)


def timely(site: Example, *command: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command, which has to end within bounded time."""
    began = time.monotonic()
    done = typed(site, *command, timeout=2 * PATIENT)
    assert time.monotonic() - began < PATIENT, command
    return done


@pytest.mark.parametrize("how", ["without a network", "frozen"])
def test_one_host_is_away(site: Example, how: str) -> None:
    """Its tasks don't count as running, whatever the swarm says; it is named, with what it is missed for.

    Logs and commands go on with the others at once, and what is asked of that host alone ends in bounded time. One that
    is killed: below, and in `test_replaced_hosts.py`.
    """
    site.is_well()
    with away(site, "hive2", how):
        found = timely(site, "status", "--json")
        seen = json.loads(found.stdout)
        assert (found.returncode, seen["exit_status"]) == (2, 2)
        [host] = [each for each in seen["hosts"] if not each["up"]]
        assert host["name"] == "hive2"
        [powerdns] = [each for each in seen["services"] if each["name"] == "powerdns"]
        assert (powerdns["wanted"], powerdns["running"], sorted(powerdns["hosts"])) == (
            3,
            2,
            ["hive0", "hive1"],
        )
        assert re.match(r"2 of 3 tasks run", powerdns["problems"][0])
        assert any(line.startswith("hive2: ") for line in seen["problems"])

        logs = timely(site, "logs", "powerdns")
        assert logs.returncode == 1
        assert re.search(r"^hive2: ", logs.stderr.decode(), re.MULTILINE)
        assert {line.split()[1] for line in logs.stdout.decode().splitlines()} >= {
            "powerdns.hive0",
            "powerdns.hive1",
        }
        assert words(timely(site, "exec", "pdnsdb", "--", "echo", "here")) == (0, "here\n")
        done = timely(site, "exec", "powerdns", "task=hive2", "--", "true")
        assert done.returncode == 255
        assert (
            b"no task hive2 runs; there are powerdns.hive0 on hive0, powerdns.hive1 on hive1" in done.stderr
        )
        if how == "frozen":
            assert timely(site, "ssh", "hive2", "--", "true").returncode == 255
    site.settle()
    site.is_whole()
    site.is_well()


@pytest.mark.full
def test_most_managers_are_away(site: Example) -> None:
    """The swarm can't be asked then: the hosts that answer are, and commands in their containers go on."""
    with away(site, "hive1", "frozen"), away(site, "hive2", "killed"):
        found = timely(site, "status", "--json")
        seen = json.loads(found.stdout)
        assert found.returncode == 2
        assert {each["name"] for each in seen["hosts"] if not each["up"]} == {"hive1", "hive2"}
        # In its first seconds the leader that is left does not know yet that it is none any more.
        said = ("no manager of the swarm answers", "1 of 3 managers answer, which is no majority")
        assert any(words in line for words in said for line in seen["problems"]), seen["problems"]
        services = {each["name"]: (each["running"], each["hosts"]) for each in seen["services"]}
        assert (services["pdnsdb"], services["powerdns"]) == ((1, {"hive0": 1}), (1, {"hive0": 1}))
        assert words(timely(site, "exec", "powerdns", "--", "echo", "here")) == (0, "here\n")
        with held(site, "logs", "-f", "pdnsdb", "lines=1") as follow:
            assert follow.stdout is not None
            assert follow.stdout.readline()
    site.settle()
    site.is_whole()
