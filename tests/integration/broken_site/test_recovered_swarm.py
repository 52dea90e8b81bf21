"""Two of three managers are lost, and the swarm goes on with the one that is left: `doit recover_swarm`."""

import subprocess

import pytest

from tests import rig
from tests.integration.example_site.example import HIVES, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

STATE = "docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'"
RUNNING = "docker ps -q -f label=com.docker.swarm.service.id"
KEEP_OLD = "rm -rf /var/lib/docker/swarm.kept && cp -a /var/lib/docker/swarm /var/lib/docker/swarm.kept"
BRING_OLD_BACK = """
systemctl stop docker.socket docker.service
rm -rf /var/lib/docker/swarm
mv /var/lib/docker/swarm.kept /var/lib/docker/swarm
systemctl start docker.service
"""
"""Has a host be as one whose provider can't take the old swarm away from outside."""


def docker(*words: str) -> None:
    """Do something to hosts from outside."""
    subprocess.run(["docker", *words], check=True, capture_output=True)


def status_of(site: Example, host: str) -> str:
    """Return the state of a host's container."""
    words = ["docker", "inspect", "-f", "{{.State.Status}}", site.container(host)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def kill_when(site: Example, said: str, *words: str) -> None:
    """Start a command, and kill it with all its processes when it has said something."""
    with site.start(*words) as running:
        running.wait_for(lambda: said in running.text, said)
        running.kill()


def recovery(site: Example, keep: str) -> tuple[str, ...]:
    """Return the words of a confirmed recovery."""
    return ("recover_swarm", f"keep={keep}", f"confirm={site.name}")


def engine_is_up(site: Example, host: str) -> bool:
    """Return whether a host's engine answers, after the host was started."""
    try:
        return bool(site.on(host, STATE))
    except AssertionError:
        return False


def is_whole_again(site: Example) -> None:
    """Make sure that one run, or two, bring all back, and that nothing is wrong then."""
    site.run().well()
    site.settle()
    site.is_whole()
    site.answers()
    site.is_well()


def test_one_manager_is_left(site: Example) -> None:
    """Refused while a majority answers; said beforehand; killed twice; then the others join anew, with all services."""
    with_majority = site.run(*recovery(site, "hive0"))
    assert with_majority.status == 1
    assert "nothing to recover: hive0, hive1, hive2 answer each other, of 3 managers" in with_majority.text

    docker("kill", site.container("hive1"))
    rig.freeze(site.container("hive2"))
    lost = site.run("recover_swarm", "keep=hive1")
    assert (lost.status, lost.text) == (1, "hive1 does not run: name a manager that answers with keep=\n")
    planned = site.run("recover_swarm", "keep=hive0")
    assert planned.status == 2, planned.text
    assert "  hive1  does not run: provider docker switches it off\n" in planned.text
    assert "  hive2  does not run: provider docker switches it off\n" in planned.text
    assert "the containers of pdnsdb, powerdns" in planned.text
    assert " on hive0 restart\n" in planned.text
    assert f"to do it: doit recover_swarm confirm={site.name} keep=hive0\n" in planned.text
    assert status_of(site, "hive2") == "paused"

    before = set(site.on("hive0", RUNNING).split())
    kill_when(site, "hive2 is off", *recovery(site, "hive0"))
    assert status_of(site, "hive2") == "exited"
    kill_when(site, "makes a new swarm of its state", *recovery(site, "hive0"))
    assert {path.stem for path in (site.state / "fenced").iterdir()} == {"hive1", "hive2"}
    recovered = site.run(*recovery(site, "hive0"))
    assert recovered.status == 0, recovered.text
    assert site.on("hive0", "docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'").split() == [
        f"p-hive0.{site.name}",
        "Leader",
    ]
    assert not before & set(site.on("hive0", RUNNING).split()), "the containers did not restart, as was said"

    # Both at once and by hand: by themselves they would be a majority of the old swarm.
    docker("start", site.container("hive1"), site.container("hive2"))
    for host in ("hive1", "hive2"):
        rig.wait_until(lambda host=host: engine_is_up(site, host), f"{host}'s engine")  # type: ignore[misc]
        assert site.on(host, STATE) == "inactive false\n"
        assert site.on(host, RUNNING) == ""
    is_whole_again(site)
    assert not [*(site.state / "fenced").iterdir()]


@pytest.mark.full
def test_the_survivor_freezes(site: Example) -> None:
    """A frozen manager is fenced like any lost one; old managers that come back while the survivor is frozen are, too.

    They elect a leader of their own here, as hosts do from which nobody can take the old swarm away from outside. The
    next run makes them leave it before anything else, so that the database, which is pinned to one, runs once.
    """
    for host in ("hive0", "hive1"):
        site.on(host, KEEP_OLD)
    rig.freeze(site.container("hive0"))
    docker("kill", site.container("hive1"))
    recovered = site.run(*recovery(site, "hive2"))
    assert recovered.status == 0, recovered.text
    assert status_of(site, "hive0") == "exited"

    rig.freeze(site.container("hive2"))
    docker("start", site.container("hive0"), site.container("hive1"))
    for host in ("hive0", "hive1"):
        rig.wait_until(lambda host=host: engine_is_up(site, host), f"{host}'s engine")  # type: ignore[misc]
    site.everywhere(("hive0", "hive1"), BRING_OLD_BACK)
    leaders = "docker node ls --format '{{.ManagerStatus}}' 2>/dev/null || :"
    rig.wait_until(lambda: "Leader" in site.on("hive0", leaders), "the old managers to elect a leader")
    again = site.run(*recovery(site, "hive0"))
    assert again.status == 1, again.text
    assert "was fenced, and is back with a leader that its old swarm has elected" in again.text

    is_whole_again(site)
    databases = site.everywhere(HIVES, "docker ps -q -f label=com.docker.swarm.service.name=pdnsdb")
    assert [host for host, ids in databases.items() if ids.strip()] == ["hive0"]
    assert len(databases["hive0"].split()) == 1
    nodes = site.everywhere(HIVES, "docker info -f '{{.Swarm.Cluster.ID}} {{.Swarm.Nodes}}'")
    assert len(set(nodes.values())) == 1, nodes
