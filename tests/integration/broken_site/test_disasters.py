"""The table of disasters in docs/backup.md, row by row: what is lost, and what the command of the row brings back."""

import ipaddress
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import processes, rig
from tests.debian import install
from tests.integration.broken_site.test_losses import delete
from tests.integration.example_site import zone_rows
from tests.integration.example_site.example import REPOSITORY, Example
from tests.integration.example_site.zone_rows import add_row, generations, made, resolves, restored, rows
from tests.integration.typed import typed
from tests.integration.units import run_unit
from tests.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

COPY = """\
[[backup.copies]]
name = "away"
repository = "rest:http://{address}:{port}/"

"""


@pytest.fixture
def zone(site: Example) -> Iterator[Example]:
    """Give the site with a row of its own, which has a generation; rows that tests added are removed at the end."""
    # Those of a test before may have come back with the data of a host that was lost.
    zone_rows.remove_rows(site)
    add_row(site, "saved", "192.0.2.41")
    made(site)
    yield site
    zone_rows.remove_rows(site)


@pytest.mark.disaster("a service's container")
def test_a_container(zone: Example) -> None:
    """Nothing is lost: the swarm makes another one, with the volume that is there."""
    add_row(zone, "unsaved", "192.0.2.42")
    before = rows(zone)
    container = "docker ps -q -f label=com.docker.swarm.service.name=pdnsdb"
    old = zone.on("hive0", container)
    zone.on("hive0", f"docker rm -f $({container})")
    rig.wait_until(lambda: zone.on("hive0", container) not in {old, ""}, "another container")
    zone.settle()
    assert rows(zone) == before
    resolves(zone, {"saved": ["192.0.2.41"], "unsaved": ["192.0.2.42"]})


@pytest.mark.full
@pytest.mark.disaster("the machine with `doit`")
def test_the_mother(zone: Example, tmp_path: Path) -> None:
    """Nothing is lost: a clone elsewhere, without state/, knows all generations, makes more, and goes back to one."""
    add_row(zone, "unsaved", "192.0.2.42")
    known, key, identity = generations(zone), typed(zone, "backups", "key").stdout, zone.identity()
    clone = Example(tmp_path / "clone", "broken")
    clone.toml.write_text(zone.toml.read_text())
    assert not clone.state.exists()
    clone.run().well()
    assert zone.identity() == identity
    found = [each["id"] for each in generations(clone)]
    # The repository host may have let old ones go meanwhile, as `keep` says.
    assert found == [each["id"] for each in known if each["id"] in found]
    assert found[-1] == known[-1]["id"]
    assert typed(clone, "backups", "key").stdout == key
    unsaved = made(clone)
    restored(clone, f"at={known[-1]['id']}")
    resolves(zone, {"saved": ["192.0.2.41"], "unsaved": []})
    restored(clone, f"at={unsaved}")
    resolves(zone, {"saved": ["192.0.2.41"], "unsaved": ["192.0.2.42"]})
    [own] = [each["name"] for each in json.loads(clone.run("list", "--json").text)["ssh_keys"] if each["own"]]
    zone.run("prune", f"confirm={zone.name}", f"key={own}").well()
    zone.settle()


@pytest.mark.full
@pytest.mark.disaster("the repository host")
def test_the_repository_host(zone: Example, tmp_path: Path) -> None:
    """No data of services is lost, but all generations; those in a place off the site come back from there."""
    with (
        place_off_the_site(zone, tmp_path) as copy,
        zone.edited("[networks.dns]\n", f"{copy}[networks.dns]\n"),
    ):
        assert zone.run().well().ran == [f"setup_hosts:{REPOSITORY}.backup_keep"]
        run_unit(zone, REPOSITORY, "skep-backup-keep.service")
        old, saved = generations(zone), rows(zone)
        add_row(zone, "unsaved", "192.0.2.42")
        unsaved = rows(zone)
        delete(zone, REPOSITORY)
        replaced = zone.run("replace_host", REPOSITORY)
        assert replaced.status == 0, replaced.text
        assert rows(zone) == unsaved
        assert generations(zone) == []
        new = made(zone)
        assert [each["id"] for each in generations(zone)] == [new]
        text = restored(zone, "from=away", f"at={old[-1]['id']}")
        assert " snapshots came from away to " in text, text
        assert rows(zone) == saved
        # The place may have some that the repository host had forgotten.
        assert {each["id"] for each in old} < {each["id"] for each in generations(zone)}
        restored(zone, f"at={new}")
        resolves(zone, {"saved": ["192.0.2.41"], "unsaved": ["192.0.2.42"]})
    zone.settle()
    zone.is_whole()
    zone.answers()


@contextmanager
def place_off_the_site(site: Example, directory: Path) -> Iterator[str]:
    """Have a server of a restic repository beside the site's hosts; give the lines of site.toml that name it."""
    install(["rclone"])
    address = str(ipaddress.ip_network(f"{site.addresses['hive0']}/24", strict=False)[1])
    port = free_port(address)
    place = directory / "away"
    place.mkdir()
    words = [shutil.which("rclone") or "rclone", "serve", "restic", "--addr", f"{address}:{port}", str(place)]
    with processes.started(
        words, env={"RCLONE_CONFIG": "/dev/null"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        rig.wait_until(lambda: listens(address, port), "the place off the site")
        yield COPY.format(address=address, port=port)


def listens(address: str, port: int) -> bool:
    """Return whether something listens."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True
