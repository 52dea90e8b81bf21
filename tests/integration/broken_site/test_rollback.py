"""A service's life: it waits for another, is initialized, updated, undone when that fails, and taken back."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import rig
from tests.integration.doit_run import Running
from tests.integration.example_site.example import HIVES, QUICK, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

UPDATES = f"""
[services.first]
{QUICK.replace('test = "true"', 'test = "test -e /tmp/well"')}
entrypoint = ["/bin/sh", "-c", "sleep 2; touch /tmp/well; exec sleep infinity"]
environment = {{ VERSION = "one" }}
init = true
restart_config = {{ delay = "1s" }}
initialize_roles = ["patient"]
[services.second]
{QUICK}
depends_on = ["first"]
entrypoint = ["sleep", "infinity"]
init = true
[networks.dns]
"""
PATIENT = """\
touch /tmp/began
while [ ! -e /tmp/go ]; do sleep 0.1; done
touch /tmp/loaded
"""


@pytest.mark.full
def test_order_rollback_and_pins(site: Example) -> None:
    """A service waits for the one that it depends on to be healthy, and is left alone when that changes.

    Its container is killed while it is initialized, which begins anew then, and is not done again by what follows. A
    failed update is undone by itself; one that went well can be taken back, stays so until its definition changes,
    and every command says so.
    """
    with site.added(UPDATES), role(site, "patient", PATIENT):
        made = _killed_while_it_is_initialized(site)
        assert made.index("deploy_services:first") < made.index("deploy_services:second")
        mark = initialized(site)
        with site.edited('VERSION = "one"', 'VERSION = "two"'):
            # Nothing is initialized again by an update, one that is undone, or a way back.
            assert site.settle() == ["deploy_services:first"]
            assert version(site) == "two"
            _fails_and_is_undone(site)
            _back_and_forth(site)
            assert initialized(site) == mark
        # Its definition changed: the pin is over.
        assert site.settle() == ["deploy_services:first"]
        assert version(site) == "one"
        assert "pinned" not in site.run("list").text


@contextmanager
def role(site: Example, name: str, script: str) -> Iterator[None]:
    """Have a role within."""
    path = site.role(f"{name}/setup.sh")
    path.parent.mkdir()
    try:
        path.write_text(f"#!/bin/sh\nset -eu\n{script}")
        path.chmod(0o755)
        yield
    finally:
        shutil.rmtree(path.parent)


def _killed_while_it_is_initialized(site: Example) -> list[str]:
    """Kill the container in the middle: the role runs again in the next one, from its beginning."""
    task = "initialize_services:first.patient"
    with site.start() as running:
        killed = _beginning(site, running, "")
        where, container = killed
        site.on(where, f"docker kill {container}")
        where, container = _beginning(site, running, container)
        site.on(where, f"docker exec {container} touch /tmp/go")
        made = running.wait().well().ran
    assert "the container went away meanwhile" in site.log(task)
    site.on(where, f"docker exec {container} test -e /tmp/loaded")
    assert task in made
    assert initialized(site)
    return made


def _beginning(site: Example, running: Running, except_: str) -> tuple[str, str]:
    """Return host and container in which the role has begun, as soon as there is another than this."""
    found: list[tuple[str, str]] = []
    script = (
        "for id in $(docker ps -qf label=com.docker.swarm.service.name=first); do "
        "docker exec $id test -e /tmp/began 2>/dev/null && echo $id; done; true"
    )

    def begun() -> bool:
        here = site.everywhere(HIVES, script)
        found[:] = [(host, ids.strip()) for host, ids in here.items() if ids.strip() not in {"", except_}]
        return bool(found)

    running.wait_for(begun, "the role to begin")
    return found[0]


def initialized(site: Example) -> str:
    """Return the mark of the service's initialization."""
    label = '{{index .Spec.Labels "skep.initialized.patient"}}'
    return site.on("hive0", f"docker service inspect first --format '{label}'").strip()


def version(site: Example) -> str:
    """Return the VERSION in the environment of the service's running container."""
    where = site.hive_with("first")
    return site.inside(where, "first", 'echo "$VERSION"').strip()


def _fails_and_is_undone(site: Example) -> None:
    """Deploy a version that never becomes healthy: the old task comes back, and the next run tries again."""
    with site.edited("sleep 2; touch /tmp/well", "echo no use; exit 7"):
        failed = site.run()
        assert failed.status == 1
        assert "service first: the update failed and was undone" in failed.text
        assert "| no use" in failed.text
        # The message comes when Swarm has the old specification again; its task may take a moment longer.
        rig.wait_until(lambda: site.runs("first"), "service first to run again")
        assert version(site) == "two"
        # It is tried again by the next run.
        assert site.run("plan").status == 2
    assert site.settle() == ["deploy_services:first"]


def _back_and_forth(site: Example) -> None:
    """Roll the service back, read the commands' messages about it, and end that."""
    unknown = site.run("rollback", "first", "to=77")
    assert unknown.status == 1
    assert re.search(
        r"has no revision 77; its revisions are:\n +to=2 .*current\n +to=1 .*VERSION", unknown.text
    )
    assert site.run("rollback", "nobody").status == 3
    back = site.run("rollback", "first")
    assert back.status == 0, back.text
    assert version(site) == "one"
    pinned = "first is pinned to revision 1, behind site.toml"
    assert pinned in back.text
    assert pinned in site.run("list").text
    again = site.run().well()
    assert again.ran == []
    assert pinned in again.text
    assert site.run("plan").status == 0
    # What is known of it here is a cache.
    (site.state / "pinned.json").unlink()
    (site.state / "traces" / "deploy_services" / "first.json").unlink()
    assert site.run().well().ran == ["deploy_services:first"]
    assert version(site) == "one"
    assert pinned in site.run("list").text
    ended = site.run("rollback", "first", "to=latest")
    assert ended.status == 0, ended.text
    assert site.settle() == ["deploy_services:first"]
    assert version(site) == "two"
    assert site.run("rollback", "first", "to=1").status == 0
    told = json.loads(site.run("history", "first", "--json").well().text)["runs"]
    rolled = [line for line in told if line["command"].startswith("doit rollback")]
    assert [(line["command"], line["outcome"], line["revisions"]) for line in rolled[-3:]] == [
        ("doit rollback first", "done", {"first": 1}),
        ("doit rollback first to=latest", "done", {}),
        ("doit rollback first to=1", "done", {"first": 1}),
    ]
