"""Two checkouts of one site, each with an ssh key of its own, as on two machines.

Letting one in never takes the other one out, and no two runs of theirs overlap.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from remote.ssh.lock_session import HOST_PATIENCE, LOCKS
from remote.ssh.ssh_files import socket_directory, this_user
from tests import rig
from tests.integration.doit_run import Running
from tests.integration.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PURPOSE = "checkouts"
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
separate_repository = false
number_of_hosts = 2
"""
HOSTS = ("hive0", "hive1")
STEP = ("build_infra", "setup_hosts:hive1.hostname")
"""All hosts, and a step of a later phase, which needs a log-in on hive1 and little else."""

_NEW_HOST_KEY = """
rm /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl restart ssh
"""


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """Give two checkouts of a site, of which the first has made the hosts; leave nothing of it."""
    text = ""
    sites = []
    directory = tmp_path_factory.mktemp("checkouts")
    for name in ("one", "two"):
        site = Site(directory / name, PURPOSE)
        text = text or TOML.format(name=site.name, cidr=rig.free_cidr(PURPOSE))
        site.toml.write_text(text)
        sites.append(site)
    first, second = sites
    with rig.own(first.name):
        try:
            first.run(*STEP).well()
            yield first, second
        finally:
            first.run("destroy", f"confirm={first.name}")


def logs_in(site: Site, host: str) -> bool:
    """Return whether a checkout's key logs in, over a connection of its own."""
    words = ["ssh", "-F", str(site.state / "ssh_config"), "-o", "ControlPath=none", host, "true"]
    return subprocess.run(words, capture_output=True, timeout=240, check=False).returncode == 0


def hang_up(site: Site) -> None:
    """End a checkout's shared connections, which outlive their last use by a minute."""
    for control in socket_directory(site.state).glob("*.ssh"):
        words = ["ssh", "-F", str(site.state / "ssh_config"), "-o", f"ControlPath={control}"]
        subprocess.run([*words, "-O", "exit", control.stem], capture_output=True, timeout=240, check=False)


def key_of(site: Site) -> str:
    """Return the name of a checkout's key, by what it lists."""
    keys = json.loads(site.run("list", "--json").well().text)["ssh_keys"]
    [own] = [key["name"] for key in keys if key["own"]]
    return str(own)


def test_both_are_let_in(checkouts: tuple[Site, Site]) -> None:
    """A second checkout, killed on its way in, takes nobody out; each is shown, and goes by its name alone.

    A key that was taken out is let in by the next run, which says why; a host that one of them made
    anew, or that has another host key, lets both in, and the other one knows it again.
    """
    first, second = checkouts
    with second.start("build_infra") as running:
        running.wait_for(lambda: "waiting for ssh" in second.log("build_infra:hive0"), "a key let in")
        running.kill()
    second.run(*STEP).well()

    assert [logs_in(site, host) for site in checkouts for host in HOSTS] == [True] * 4
    assert first.run("build_infra").did_nothing

    own, other = key_of(first), key_of(second)
    listed = first.run("list").well().text
    assert own in listed
    assert other in listed
    assert other in first.run("prune").text
    assert "this checkout's own" in first.run("prune", f"confirm={first.name}", f"key={own}").failed()
    first.run("prune", f"confirm={first.name}").well()
    assert logs_in(second, "hive1")

    first.run("prune", f"confirm={first.name}", f"key={other}").well()

    assert [logs_in(site, host) for site in checkouts for host in HOSTS] == [True, True, False, False]
    hang_up(second)
    ended = second.run(*STEP).well()
    assert "hive1 refuses this checkout's key (SHA256:" in ended.reasons["build_infra:hive1"]
    assert [logs_in(site, host) for site in checkouts for host in HOSTS] == [True] * 4

    subprocess.run(["docker", "rm", "-f", first.container("hive1")], check=True, capture_output=True)
    first.run("build_infra").well()

    [shown] = [
        key for key in json.loads(first.run("list", "--json").text)["ssh_keys"] if key["name"] == other
    ]
    assert shown["hosts"] == list(HOSTS)
    ended = second.run(*STEP).well()
    assert ended.reasons["build_infra:hive1"] == "hive1 was made anew: it is another one than state/ knows"
    assert logs_in(second, "hive1")
    assert second.run("build_infra").did_nothing

    first.on("hive0", _NEW_HOST_KEY)
    hang_up(second)
    ended = second.run("build_infra").well()
    assert ended.reasons == {"build_infra:hive0": "hive0 has another host key than before"}
    assert logs_in(second, "hive0")


# -- two runs at once --------------------------------------------------------------------------------------------------

SLOW = "setup_hosts:hive1.hostname"
_HOLD = """
flock /run/skep.lock rm -f /var/lib/skep/steps/hostname
systemctl reset-failed busy 2>/dev/null || true
systemd-run --quiet --unit=busy flock /run/skep.lock sleep 1000
"""
"""Has the step run again, and wait for a lock on its host; what a killed run left at work there ends first."""


@pytest.fixture
def both(checkouts: tuple[Site, Site]) -> tuple[Site, Site]:
    """Give both checkouts, up to date with a step."""
    for site in checkouts:
        site.run(*STEP).well()
    return checkouts


@contextmanager
def at_work(site: Site) -> Iterator[Running]:
    """Have a run of a checkout be at work on a step until it is released, or the block ends."""
    site.forget_log(SLOW)
    site.on("hive1", _HOLD)
    try:
        with site.start(*STEP) as running:
            running.wait_for(lambda: "because" in site.log(SLOW), "its step")
            yield running
    finally:
        release(site)


def release(site: Site) -> None:
    """Let the step go on."""
    site.on("hive1", "systemctl stop busy || true")


def is_free(site: Site) -> bool:
    """Return whether no host holds the stage's lock for a run."""
    looks = site.everywhere(
        HOSTS, f"for lock in {LOCKS}/*.lock; do flock -n -s $lock true || echo held; done"
    )
    return not "".join(looks.values())


def masters(site: Site) -> dict[str, int]:
    """Return the local ports of a checkout's shared connections, by host."""
    ports = {}
    for control in socket_directory(site.state).glob("*.ssh"):
        words = ["ssh", "-F", str(site.state / "ssh_config"), "-o", f"ControlPath={control}", "-O", "check"]
        said = subprocess.run([*words, control.stem], capture_output=True, text=True, timeout=240, check=True)
        pid = re.search(r"pid=(\d+)", said.stdout + said.stderr)
        assert pid is not None
        ports[control.stem] = _port(int(pid[1]))
    return ports


def _port(process: int) -> int:
    """Return the local port of a process's only TCP connection."""
    found = subprocess.run(["ss", "-Htnp"], capture_output=True, text=True, timeout=240, check=True).stdout
    [line] = [line for line in found.splitlines() if f"pid={process}," in line]
    return int(line.split()[3].rpartition(":")[2])


def runs_of(site: Site) -> list[dict[str, Any]]:
    """Return the runs of the history that changed something."""
    runs = json.loads(site.run("history", "--json").well().text)["runs"]
    return [line for line in runs if not line.get("idle")]


def fresh_clone(site: Site, directory: Path) -> Site:
    """Return a checkout of a site that knows nothing of it."""
    clone = Site(directory / "clone", PURPOSE)
    clone.toml.write_text(site.toml.read_text())
    return clone


def running_as(site: Site) -> str:
    """Return who runs doit in a checkout, as others see it."""
    return f"{this_user()} in {site.directory} on "


def test_the_second_is_turned_away_and_a_killed_one_is_free_at_once(
    both: tuple[Site, Site], tmp_path: Path
) -> None:
    """Who, where, since when and with which command; after kill -9 the other one begins at once.

    A plan says the same. A fresh clone is turned away before it changes anything. The history has a line of the killed
    run, which says that it never ended.
    """
    first, second = both
    with at_work(first) as running:
        refused = second.run(*STEP)
        assert (refused.status, "another run holds this stage" in refused.failed()) == (3, True)
        assert f"in {first.directory} on " in refused.text
        assert f"(doit {' '.join(STEP)}); wait for it, or see doit unlock" in refused.text
        asked = second.run("unlock")
        assert (asked.status, str(first.directory) in asked.text) == (2, True), asked.text
        assert second.run("list").status == 0
        planned = second.run("plan")
        assert planned.status in {0, 2}
        assert re.search(
            rf"at work, and may change this: \S+ in {first.directory} on .*UTC \(doit ", planned.text
        )
        clone = fresh_clone(first, tmp_path)
        turned_away = clone.run("build_infra:network").failed()
        assert f"another run holds this stage, as hive1 says: {running_as(first)}" in turned_away
        assert not (clone.state / "build_infra" / "network.json").exists()
        assert running.kill()
        began = time.monotonic()
        rig.wait_until(lambda: is_free(first), "the lock to be free")
        assert time.monotonic() - began < HOST_PATIENCE / 2, "at once, and not for its silence"
        release(first)
        second.run(*STEP).well()

    assert second.run("unlock").well().text.startswith("nobody holds stage private")
    ended, killed = [run for run in runs_of(second) if run["directory"] == str(first.directory)][-2:]
    assert (ended["outcome"], killed["outcome"], killed["ended"]) == ("done", "never ended", "")
    assert killed["command"] == f"doit {' '.join(STEP)}"
    assert first.run(*STEP).did_nothing


def test_unlock_ends_the_other_run(both: tuple[Site, Site]) -> None:
    """With the site's name it takes the lock away: the other run says by whom, and ends at once."""
    first, second = both
    with at_work(first) as running:
        second.run("unlock", f"confirm={first.name}").well()
        ended = running.wait(rig.PATIENCE)

        assert ended.status == 1
        assert (
            "stopped: private: the stage's lock was taken away from this run by doit unlock: "
            in ended.failed()
        )
        assert f"in {second.directory} on " in ended.text
        release(first)
        second.run(*STEP).well()


@pytest.mark.full
def test_a_lost_network_frees_the_stage_within_a_minute(both: tuple[Site, Site]) -> None:
    """A run whose packets no longer arrive ends itself before the hosts give the lock to another one."""
    first, second = both
    with at_work(first) as running:
        drops = [
            f"iptables -{{0}} {chain} -p tcp --{end} {port} -j DROP"
            for port in masters(first).values()
            for chain, end in (("INPUT", "sport"), ("OUTPUT", "dport"))
        ]
        lost = time.monotonic()
        try:
            first.everywhere(HOSTS, "\n".join(drop.format("I") for drop in drops))
            # ssh notices first, and fails the step; where none is at work there, the lock's own time ends the run.
            running.wait_for(lambda: "hive1: the ssh connection broke" in running.text, "its end")
            own = time.monotonic() - lost
            rig.wait_until(lambda: is_free(first), "the lock to be free")
            freed = time.monotonic() - lost
            assert "doit history will say that it never did" in running.wait().failed()
        finally:
            first.everywhere(HOSTS, "\n".join(drop.format("D") for drop in drops))
            release(first)
        assert own < freed < 60
        second.run(*STEP).well()


def test_halt_and_destroy_are_in_the_history_as_they_ended(both: tuple[Site, Site]) -> None:
    """The repository host writes what is being done to it, and what was done to others; a refused destroy has failed.

    The other one is turned away until the last host has stopped, and the next run takes the lock when they are back.
    """
    first, second = both
    first.run("halt", "hive0").well()
    first.run("halt").well()
    second.run(*STEP).well()
    first.run("destroy", f"confirm={first.name}", "volumes=nothing").failed()

    ends = [(run["command"], run["outcome"]) for run in runs_of(second)]
    assert ("doit halt hive0", "halted") in ends
    assert ends[-3:] == [
        ("doit halt", "halting"),
        (f"doit {' '.join(STEP)}", "done"),  # it has started the hosts
        (f"doit destroy confirm={first.name} volumes=nothing", "failed"),
    ]
