"""`doit replace_host` and `doit rebalance`: hosts are made anew whatever became of them; nothing is lost unasked."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import rig
from tests.integration.example_site.example import HIVES, QUICK, REGISTRY, REPOSITORY, Example
from tests.integration.example_site.zone_rows import add_row, made, remove_rows, resolves, rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

SPARE = f'[services.spare]\nreplicas = 3\nentrypoint = ["sleep", "1000000"]{QUICK}[networks.dns]\n'


def node(site: Example, host: str) -> str:
    """Return a host's node in the swarm, as its engine has it."""
    return site.on(host, "docker info -f '{{.Swarm.NodeID}}'").strip()


def test_what_is_refused_and_a_frozen_host(site: Example) -> None:
    """Data that nobody named, and the majority, keep a host; the frozen one is replaced, and its services come back."""
    before, old = site.identity(), node(site, "hive2")
    refused = site.run("replace_host", "hive0")
    assert refused.status == 2, refused.text
    # As other tests have made a backup, or not.
    saved = r"(last backup: none that is of use|its backup of 2.* of pdnsdb\) comes back: what came since 2.* is lost)"
    assert re.search(f"volume pdnsdb_data: its data is there alone, and goes with it; {saved}", refused.text)
    assert "hive0: nothing was changed: save the data that you need" in refused.text
    assert site.identity() == before
    rig.freeze(site.container("hive2"))
    refused = site.run("replace_host", "hive1")
    assert refused.status == 2, refused.text
    assert "the swarm would be left without a majority" in refused.text
    assert "of its 2 other managers 1 are ready" in refused.text
    ended = site.run("replace_host", "hive2")
    assert ended.status == 0, ended.text
    assert ended.text.startswith("hive2 does not answer; asking the swarm\n")
    assert "hive2 is made anew, and all services run\n" in ended.text
    assert node(site, "hive2") != old
    site.settle()
    site.is_whole()
    site.answers()


@pytest.mark.full
def test_the_dead_leader_killed_at_each_step(site: Example) -> None:
    """The leader is killed, and the command with it at each step: typed again it goes on; in the middle all is told."""
    lead = site.leader("hive1")
    old = node(site, lead)
    others = tuple(host for host in HIVES if host != lead)
    subprocess.run(["docker", "kill", site.container(lead)], check=True, capture_output=True)
    words = ("replace_host", lead, "volumes=all")
    for moment in ("asking the swarm", "removing its node", "removed container", "removed volume"):
        with site.start(*words) as running:
            # The one that was killed before may have gone further than its last word.
            pattern = re.compile(f"{moment}|build_infra:{lead}")
            running.wait_for(lambda pattern=pattern: bool(pattern.search(running.text)), moment)  # type: ignore[misc]
            assert running.kill(), running.text
        if moment == "removing its node":
            status = site.run("status")
            assert status.status == 2
            assert f"! {lead}: is being taken down: doit replace_host {lead} goes on with that" in status.text
    for task in (f"setup_hosts:{lead}.docker", f"setup_hosts:{lead}.swarm"):
        site.forget_log(task)
        with site.start(*words) as running:
            running.wait_for(lambda task=task: site.log(task).count("\n") > 1, task)  # type: ignore[misc]
            assert running.kill()
        status = site.run("status")
        assert f"! {lead}: is removed, and not made again yet" in status.text, status.text
    made = site.container(lead)
    born = ["docker", "inspect", "-f", "{{.Created}}", made]
    before = subprocess.run(born, check=True, capture_output=True, text=True).stdout
    ended = site.run(*words)
    assert ended.status == 0, ended.text
    assert f"{lead} was taken down already, by a run that did not end: going on\n" in ended.text
    assert subprocess.run(born, check=True, capture_output=True, text=True).stdout == before
    assert old not in site.on(others[0], "docker node ls -q")
    site.settle()
    site.is_whole()
    site.answers()


@pytest.mark.full
@pytest.mark.disaster("a hive with a volume")
def test_the_first_hive_with_the_data(site: Example) -> None:
    """A healthy first hive goes with its named volume: drained first, and the rows of its newest backup come back."""
    # A test before lost the leader: if that was the first hive, a backup with rows came back.
    remove_rows(site)
    add_row(site, "saved", "192.0.2.51")
    generation, before = made(site), rows(site)
    add_row(site, "unsaved", "192.0.2.52")
    ended = site.run("replace_host", "hive0", "volumes=pdnsdb_data")
    assert ended.status == 0, ended.text
    assert generation in ended.text
    assert ended.text.index("hive0 is drained") < ended.text.index("removing its node")
    assert ended.text.index("removing its node") < ended.text.index("removed container")
    assert rows(site) == before  # its first data, which has none of them, was not loaded again
    resolves(site, {"saved": ["192.0.2.51"], "unsaved": []})
    remove_rows(site)
    site.settle()
    site.is_whole()
    site.answers()


@pytest.mark.full
def test_the_repository(site: Example) -> None:
    """Services go on while it is away; its registry has every image of theirs again, and history begins anew."""
    running = "docker ps -q --no-trunc --filter label=com.docker.swarm.service.name | sort"
    before = site.everywhere(HIVES, running)
    with site.start("replace_host", REPOSITORY) as replacing:
        replacing.wait_for(lambda: "removed container" in replacing.text, "the host to go")
        assert site.everywhere(HIVES, running) == before
        ended = replacing.wait()
    assert ended.status == 0, ended.text
    assert f"{REPOSITORY} has the registry: images are built again" in ended.text
    site.settle()
    images = site.on(
        "hive0",
        "docker service ls -q | xargs docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}'",
    )
    for image in images.split():
        name, _, digest = image.partition("/")[2].partition("@sha256:")
        name = name.partition(":")[0]
        site.on(
            REPOSITORY,
            f"test -e {REGISTRY}/docker/registry/v2/repositories/{name}/_manifests/revisions/sha256/{digest}/link",
        )
    assert len(json.loads(site.run("history", "--json").text)["runs"]) < 5
    site.is_whole()
    site.answers()


@contextmanager
def spare_service(site: Example) -> Iterator[None]:
    """Have a service that is free to move."""
    try:
        with site.edited("[networks.dns]\n", SPARE):
            site.run().well()
            yield
    finally:
        site.run("prune", f"confirm={site.name}").well()


def test_rebalance(site: Example) -> None:
    """After a hive was away: a plan first; then the free service is spread again, and what is bound does not move."""
    places = "docker ps -q --no-trunc --filter label=com.docker.swarm.service.name={} | sort"

    def spread() -> list[int]:
        return [len(ids.split()) for ids in site.everywhere(HIVES, places.format("spare")).values()]

    with spare_service(site):
        site.on("hive0", f"docker node update --availability drain p-hive2.{site.name}")
        # All three, before hive2 takes tasks again: one that has no place yet would get it there.
        rig.wait_until(lambda: spread() in ([2, 1, 0], [1, 2, 0]), "hive2 to be without tasks of it")
        site.on("hive0", f"docker node update --availability active p-hive2.{site.name}")
        site.settle()
        bound = {name: site.everywhere(HIVES, places.format(name)) for name in ("pdnsdb", "proxy")}
        planned = site.run("rebalance")
        assert planned.status == 2, planned.text
        assert "~ spare  2 of its tasks on " in planned.text
        assert "0 on hive2; 1 task anew, start-first\n" in planned.text
        moved = site.run("rebalance", f"confirm={site.name}")
        assert moved.status == 0, moved.text
        # The one too many has its grace period.
        rig.wait_until(lambda: spread() == [1, 1, 1], f"one on each after: {moved.text}")
        assert {name: site.everywhere(HIVES, places.format(name)) for name in bound} == bound
        assert site.run("rebalance").status == 0
        assert site.run().did_nothing
