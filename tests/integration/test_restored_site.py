"""A whole lost site from a copy off the site and the key alone: hosts, services, data, in one command."""

import ipaddress
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import debian, processes, rig
from tests.integration.doit_run import Running
from tests.integration.site import Site
from tests.integration.typed import typed
from tests.integration.units import run_unit
from tests.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE, AWAY = "restored", "restored-from"
RUN = 900.0
"""Seconds that a run may take which makes everything."""
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
number_of_hosts = 1
separate_repository = false
[setup_hosts]
ntp_servers = []
[backup]
schedule = "Sun 04:00"
[[backup.copies]]
name = "away"
repository = "{copy}"
secrets = {{ AWS_SECRET_ACCESS_KEY = "away" }}
[secrets]
away = {{ env = "AWAY_PASSWORD" }}
word = {{ generate = 24 }}
[bases."debian:13"]
tarball = "base.tar"
[images.idle]
from = "debian:13"
roles = ["idle"]
entrypoint = ["/bin/sh", "-c", "while :; do sleep 1; done"]
[volumes.rows]
hosts = ["hive0"]
[volumes.pages]
hosts = ["hive0"]
[volumes.cache]
hosts = ["hive0"]
backup = false
"""
SERVICE = """\
[services.{name}]
image = "idle"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
secrets = ["word"]
volumes = [{{ source = "{volume}", target = "/data" }}]
initialize_roles = ["first"]
"""
SAVED = """\
[[services.db.backup_scripts]]
name = "rows"
backup_command = "cat /data/all"
restore_command = "cat >>/data/all"
verify_command = "grep -q later /data/all"
[[services.web.backup_scripts]]
name = "files"
volume = "pages"
consistency = "pause"
verify_command = "test -s /data/all"
"""


class LostSite(Site):
    """A site whose backups go to a place of this machine.

    Args:
        directory: Where it is at first.
        copy: The place, in restic's words.

    """

    def __init__(self, directory: Path, copy: str) -> None:
        super().__init__(directory, PURPOSE)
        self.copy = copy
        self.variables["AWAY_PASSWORD"] = "password of the place"
        services = {"db": "rows", "web": "pages", "other": "cache"}
        parts = [TOML.format(name=self.name, cidr=rig.free_cidr(PURPOSE), copy=copy)]
        parts += [SERVICE.format(name=name, volume=volume) for name, volume in services.items()]
        self.toml.write_text("".join([*parts, SAVED]))
        self.write_role("idle", "echo idle >/idle\n")
        # A second time it would be a second row.
        self.write_role("first", "echo first >>/data/all\n")
        programs = debian.unpacked(self.scratch / "busybox", "busybox-static")
        (self.directory / "base.tar").write_bytes(
            debian.busybox_root(programs / "bin" / "busybox", self.name)
        )

    def inside(self, service: str, script: str) -> str:
        """Run a script in a service's container."""
        label = f"com.docker.swarm.service.name={service}"
        return self.on("hive0", f"docker exec $(docker ps -q -f label={label}) /bin/sh -euc '{script}'")

    def data(self) -> dict[str, list[str]]:
        """Return the lines that each service has."""
        return {name: self.inside(name, "cat /data/all").split() for name in ("db", "web", "other")}

    def lose(self) -> None:
        """Lose the hosts with their volumes, state/ and the directory; an empty one is left."""
        ended = self.run("destroy", f"confirm={self.name}", "volumes=all", timeout=RUN)
        assert ended.status == 0, ended.text
        shutil.rmtree(self.directory)
        self.directory.mkdir()

    def restore(self, *words: str) -> tuple[str, ...]:
        """Return the command."""
        return ("restore", "site", f"from={self.copy}", *words)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory for the site and its place."""
    return tmp_path_factory.mktemp("restored")


@pytest.fixture(scope="module")
def copy(directory: Path) -> Iterator[str]:
    """Give a place for a copy: a server on an address that hosts and this machine have in common."""
    debian.install(["restic", "rclone"])
    name = rig.site_name(AWAY)
    with rig.own(name):
        # Not the engine's own network: hosts have one with the same addresses.
        network = ipaddress.ip_network(rig.free_cidr(AWAY))
        gateway = str(next(network.hosts()))
        words = ["--label", f"skep.site={name}", "--subnet", str(network), "--gateway", gateway, name]
        subprocess.run(["docker", "network", "create", *words], check=True, capture_output=True)
        yield from _served(gateway, directory / "away")


def _served(address: str, place: Path) -> Iterator[str]:
    """Serve a directory at an address of this machine, and give its place in restic's words."""
    place.mkdir()
    port = free_port(address)
    with processes.started(
        ["rclone", "serve", "restic", "--addr", f"{address}:{port}", str(place)],
        env={**os.environ, "RCLONE_CONFIG": "/dev/null"},
        stderr=subprocess.DEVNULL,
    ):

        def answers() -> bool:
            with socket.socket() as asked:
                return asked.connect_ex((address, port)) == 0

        rig.wait_until(answers, "the place to answer")
        yield f"rest:http://{address}:{port}/"


@pytest.fixture(scope="module")
def site(directory: Path, copy: str) -> Iterator[LostSite]:
    """Give a site that is made; leave nothing of it."""
    made = LostSite(directory / "site", copy)
    with rig.own(made.name):
        try:
            made.run(timeout=RUN).well()
            yield made
        finally:
            made.run("destroy", f"confirm={made.name}", "volumes=all", timeout=RUN)


def says(running: Running, text: str) -> bool:
    """Return whether a command has said something."""
    return text in running.text


def refuses(site: LostSite, why: str, *words: str) -> None:
    """Have the command refuse, with nothing changed in the directory."""
    before = sorted(site.directory.iterdir())
    refused = typed(site, *site.restore(*words))
    assert refused.returncode == 1
    assert why in refused.stderr.decode()
    assert sorted(site.directory.iterdir()) == before


def is_saved(site: LostSite) -> str:
    """Have the site saved, with rows that people made; return the key of the backups."""
    for service in ("db", "web", "other"):
        site.inside(service, "echo later >>/data/all")
    done = typed(site, "backup", timeout=RUN)
    assert done.returncode == 0, done.stderr.decode()
    run_unit(site, "hive0", "skep-backup-keep.service")
    return typed(site, "backups", "key").stdout.decode().strip()


def refuses_what_must_not_be(site: LostSite) -> None:
    """Refuse a directory that has a site, and a site that lives."""
    refuses(site, "is a site already: type this in an empty directory")
    aside = site.directory.with_name("aside")
    site.directory.rename(aside)
    site.directory.mkdir()
    why = "stage private has hive0: a site that lives is not made again"
    refuses(site, why, f"confirm={site.name}")
    site.directory.rmdir()
    aside.rename(site.directory)


def is_planned(site: LostSite) -> None:
    """Have it said what would be done, and what is lacking, and nothing be done."""
    planned = typed(site, *site.restore())
    assert planned.returncode == 2, planned.stderr
    text = planned.stdout.decode()
    assert f"{site.name}, stage private: its directory and secrets of " in text
    assert "  rows: loaded into the running service by: cat >>/data/all" in text
    assert "  files: the files of volume pages, on hive0" in text
    assert "! it will stop for this, once the site's files are here: secrets.away: " in text
    assert f"to do it: doit restore site from={site.copy} confirm={site.name}" in text
    assert list(site.directory.iterdir()) == []


@pytest.mark.disaster("all of it")
@pytest.mark.disaster("a hive that is the repository host as well (`separate_repository = false`)")
def test_a_whole_site_comes_back_from_its_copy(site: LostSite) -> None:
    """Its rows and files as they were saved, once; first data only where nothing was saved; kills are gone on from."""
    key = is_saved(site)
    word = site.inside("db", "cat /run/secrets/word")
    site.variables["SKEP_BACKUP_PASSWORD"] = key
    refuses_what_must_not_be(site)

    site.lose()
    site.variables["SKEP_BACKUP_PASSWORD"] = "0" * 64
    refuses(site, "the key does not open it")
    site.variables["SKEP_BACKUP_PASSWORD"] = key
    site.variables.pop("AWAY_PASSWORD")
    is_planned(site)

    words = site.restore(f"confirm={site.name}")
    ended = site.run(*words, timeout=RUN)
    assert ended.status == 1, ended.text
    assert "put that right, then type the same again" in ended.text
    site.variables["AWAY_PASSWORD"] = "password of the place"
    site.variables.pop("SKEP_BACKUP_PASSWORD")
    for said in ("bringing ", "the files of ", "deploy_services:db", "is not loaded again"):
        with site.start(*words) as running:
            running.wait_for(partial(says, running, said), said, RUN)
            running.kill()
        other = site.run(timeout=RUN)
        assert other.status == 3, other.text
        assert "is being made again from" in other.text
    ended = site.run(*words, timeout=RUN)
    assert ended.status == 0, ended.text
    assert f"{site.name} is made again, with the data of its backups" in ended.text

    assert site.data() == {"db": ["first", "later"], "web": ["first", "later"], "other": ["first"]}
    assert site.inside("db", "cat /run/secrets/word") == word
    assert site.run(timeout=RUN).did_nothing
    status = typed(site, "status")
    assert status.returncode == 0, status.stdout.decode()
    assert typed(site, "backups", "--json").stdout.decode().count('"kind": "asked"') == 2
    done = typed(site, "backup", timeout=RUN)
    assert done.returncode == 0, done.stderr.decode()
