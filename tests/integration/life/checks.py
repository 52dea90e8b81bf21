"""What must be true of the site after each change, whatever it was."""

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass

from remote.images.registry_storage import REPOSITORIES
from tests import rig
from tests.integration.life.changes import Change
from tests.integration.life.lived_site import LivedSite
from tests.integration.life.witnesses import Writer

TASKS = {"page": 2, "db": 1}
_SERVICES = "docker service ls -q | sort | xargs docker service inspect --format '{{.ID}} {{json .Spec}}'"
_NODES = "docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}'"
_RUNNING = (
    "docker ps --no-trunc -f label=com.docker.swarm.service.name -f status=running --format "
    """'{{.Label "com.docker.swarm.service.name"}} {{.ID}}'"""
)
_IMAGES = f"""
cd {REPOSITORIES}
find . -path '*/_manifests/tags/*/current/link' | sort | while read -r link; do echo "$link $(cat "$link")"; done
"""


@dataclass(frozen=True)
class Snapshot:
    """What there is.

    Args:
        hosts: Host to its container's id and start.
        tasks: Host to the containers of services that run there, as `service id`.
        services: The services' ids and specifications, without those labels that count revisions.
        images: The registry's tags with their digests.

    """

    hosts: dict[str, str]
    tasks: dict[str, frozenset[str]]
    services: frozenset[str]
    images: frozenset[str]


def snapshot(site: LivedSite) -> Snapshot:
    """Look at the site."""
    names = [site.container(hive) for hive in site.shape.hives]
    inspected = subprocess.run(["docker", "inspect", *names], capture_output=True, check=True).stdout
    hosts = {
        hive: f"{each['Id'][:12]} {each['State']['StartedAt']}"
        for hive, each in zip(site.shape.hives, json.loads(inspected), strict=True)
    }
    running = site.everywhere(site.shape.hives, _RUNNING)
    return Snapshot(
        hosts,
        {hive: frozenset(text.splitlines()) for hive, text in running.items()},
        frozenset(_service(line) for line in site.on("hive0", _SERVICES).splitlines()),
        frozenset(site.on(site.shape.home, _IMAGES).splitlines()),
    )


def hold(site: LivedSite, change: Change, before: Snapshot, writer: Writer) -> None:
    """Make sure that the site is as site.toml says, and lost and changed nothing that it need not.

    Args:
        site: The site.
        change: The change that was made.
        before: The site as it was before.
        writer: The one who writes rows.

    """
    planned = site.run("plan")
    assert planned.status == 0, planned.text
    # On a machine with much other work managers may miss their leader's heartbeats, and elect another.
    members: list[str] = []

    def are_listed() -> bool:
        members[:] = _nodes(site)
        return bool(members)

    rig.wait_until(are_listed, "a leader of the swarm")
    hives = {f"p-{hive}.{site.name}" for hive in site.shape.hives}
    assert {line.split()[0] for line in members} == hives, members
    assert len(members) == len(hives), members
    # After an election the leader learns by the next heartbeat that the former one follows it.
    rig.wait_until(lambda: _are_managers(site), f"managers that are ready and reached, of {members}")
    rig.wait_until(lambda: _tasks(site) == TASKS, "the services' tasks to run, and no others")
    rig.wait_until(lambda: _lost(writer) is not None, "the database to answer")
    assert _lost(writer) == set(), "rows that were acknowledged are gone"

    after = snapshot(site)
    containers = [f"container /{site.container(hive)}" for hive in site.machines]
    # Beside them there may be a killed run's probe of the engine, which has no name of skep's.
    there = [thing for thing in rig.labelled(site.name) if thing.startswith("container /skep.")]
    assert there == containers, there
    changed = set(before.services - after.services)
    if any(site.registry(host) in line for line in changed for host in change.stops):
        # Its image came from the registry of a former repository, which is not set up again with its host.
        home = site.registry(site.shape.home)
        changed = {re.sub(rf"p-hive\d\.{re.escape(site.name)}:5000", home, line) for line in changed}
        changed -= after.services
    assert not changed, f"{changed}\n=== is now {after.services - before.services}"
    assert before.images <= after.images, before.images - after.images
    for hive in set(before.hosts) & set(after.hosts) - set(change.stops):
        assert after.hosts[hive] == before.hosts[hive], f"{hive} was made anew or stopped"
        assert before.tasks[hive] <= after.tasks[hive], f"what ran on {hive} was stopped"


def _are_managers(site: LivedSite) -> bool:
    """Return whether all members of the swarm are ready managers that the leader reaches."""
    good = (["Ready", "Active", "Leader"], ["Ready", "Active", "Reachable"])
    nodes = _nodes(site)
    return bool(nodes) and all(line.split()[1:] in good for line in nodes)


def _nodes(site: LivedSite) -> list[str]:
    """Return the members of the swarm; none while it has no leader."""
    return sorted(site.on("hive0", f"{_NODES} 2>/dev/null || :").splitlines())


def _service(line: str) -> str:
    """Return a service's id and specification from a line with both."""
    identifier, _, text = line.partition(" ")
    spec = json.loads(text)
    for name in ("skep.generation", "skep.spec"):
        spec["Labels"].pop(name, None)
    # An empty table and none are the same; which of them it is depends on who has updated it last.
    for table in (spec["TaskTemplate"], spec["TaskTemplate"]["ContainerSpec"]):
        for name in [name for name, value in table.items() if value == {}]:
            del table[name]
    return f"{identifier} {json.dumps(spec, sort_keys=True)}"


def _tasks(site: LivedSite) -> Counter[str]:
    """Return how many tasks of each service run."""
    running = site.everywhere(site.shape.hives, _RUNNING)
    return Counter(line.split()[0] for text in running.values() for line in text.splitlines())


def _lost(writer: Writer) -> set[int] | None:
    """Return the acknowledged rows that are not there; None if the database does not answer."""
    try:
        return writer.lost()
    except OSError:
        return None
