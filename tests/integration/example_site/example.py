"""A copy of the repository's example, and the checks that it is whole and that its services answer."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from tests import rig
from tests.integration import queries
from tests.integration.site import Site

HIVES = ("hive0", "hive1", "hive2")
REPOSITORY = "hive3"
HOSTS = (*HIVES, REPOSITORY)
SERVICES = {"pdnsdb": 1, "powerdns": 3, "proxy": 1}
ZONE, ZONE_ADDRESS = "example.test", "192.0.2.10"
REGISTRY = "/var/lib/docker-registry"
HEALS = 400
"""Seconds within which an overlay network is whole again: engines look for each other once a minute after an outage."""
QUICK = """
image = "proxy"
endpoint_mode = "dnsrr"
healthcheck = { test = "true", interval = "1s" }
stop_grace_period = "2s"
networks = ["dns"]
converge_timeout = "300s"
"""
"""What a service has that tests add: an image that is there already, and no long waits."""

# What a hive has, with the ids that change when a thing is replaced.
_IDENTITY = """
docker info -f 'node {{.Swarm.NodeID}}'
docker service ls --format 'service {{.Name}} {{.ID}}'
docker network ls --no-trunc -f driver=overlay --format 'network {{.Name}} {{.ID}}'
docker ps --no-trunc -f label=com.docker.swarm.service.name --format 'container {{.Image}} {{.ID}}'
docker volume ls -q -f label=skep.name | while read -r name; do
    docker volume inspect -f 'volume {{.Name}} {{.Labels}}' "$name"; done
docker secret ls --format 'secret {{.Name}} {{.ID}}'
"""
_REGISTRY_IDENTITY = f"""
cd {REGISTRY}/docker/registry/v2/repositories
find . -path '*/_manifests/tags/*/current/link' | sort | while read -r link; do
    echo "image $link $(cat "$link")"; done
"""


class Example(Site):
    """The site.

    Args:
        directory: Where its site.toml, roles/ and state/ are; made here.
        purpose: What its name is made from.

    """

    def __init__(self, directory: Path, purpose: str) -> None:
        super().__init__(directory, purpose)
        text, found = re.subn(
            r'^cidr = ".*"$', f'cidr = "{rig.free_cidr(purpose)}"', self.example_toml(), flags=re.MULTILINE
        )
        assert found == 1
        self._toml = text
        self.restore()

    # -- what it is made from ------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Put site.toml and the roles back as they were at the beginning."""
        self.toml.write_text(self._toml)
        self.copy_roles()

    @contextmanager
    def role_edited(self, extra: str = "") -> Iterator[None]:
        """Add lines to the proxy's own role, the like of which the registry has never had."""
        line = "add-packages nginx-light\n"
        with self.edited(line, f"# {uuid4().hex}\n{extra}{line}", self.role("nginx/setup.sh")):
            yield

    @contextmanager
    def added(self, text: str) -> Iterator[None]:
        """Have further services within, written before the networks; they are removed at the end."""
        names = re.findall(r"^\[services\.(\w+)\]", text, re.MULTILINE)
        try:
            with self.edited("[networks.dns]\n", text):
                yield
        finally:
            self.run("prune", f"confirm={self.name}").well()
            assert not [name for name in names if self.on("hive0", f"docker service ls -qf name={name}")]

    # -- runs ----------------------------------------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """Run doit until nothing is left to do, which must be after one run; return the tasks of that run.

        A further run may only wait for services that the swarm itself is just moving, as from a lost host.
        """
        first = self.run().well()
        sys.stdout.write(first.text)  # pytest shows it where a test fails that expects other tasks
        again = self.run().well()
        if again.ran:
            moved = [task for task in again.ran if task in {f"deploy_services:{name}" for name in SERVICES}]
            assert again.ran == moved, again.text
            assert "tasks run" in again.text
            again = self.run()
        assert again.did_nothing, again.text
        return first.ran

    # -- its hosts and services ----------------------------------------------------------------------------------------

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Each host's address."""
        records = {host: self.state / "build_infra" / f"{host}.json" for host in HOSTS}
        return {host: str(json.loads(path.read_text())["address"]) for host, path in records.items()}

    def restart(self, host: str) -> None:
        """Restart a host, and wait until its sshd listens."""
        subprocess.run(
            ["docker", "restart", self.container(host)], check=True, capture_output=True, timeout=90
        )
        self.wait_for_sshd(host)

    def wait_for_sshd(self, host: str) -> None:
        """Wait until a host's sshd listens."""

        def listens() -> bool:
            try:
                socket.create_connection((self.addresses[host], 22), timeout=5).close()
            except OSError:
                return False
            return True

        rig.wait_until(listens, f"{host} to listen")

    def hive_with(self, service: str) -> str:
        """Return the first hive with a running container of a service; StopIteration if there is none."""
        return next(iter(self._hives_with(service)))

    def runs(self, service: str) -> bool:
        """Return whether a hive has a running container of a service."""
        return bool(self._hives_with(service))

    def _hives_with(self, service: str) -> list[str]:
        here = self.everywhere(HIVES, f"docker ps -q -f label=com.docker.swarm.service.name={service}")
        return [host for host, ids in here.items() if ids.strip()]

    def leader(self, asked: str) -> str:
        """Wait until a manager knows a leader of the swarm, and return that hive: busy hosts may just elect one."""
        found: list[str] = []
        listing = "docker node ls --format '{{.ManagerStatus}} {{.Hostname}}' 2>/dev/null || :"

        def is_known() -> bool:
            lines = self.on(asked, listing).splitlines()
            found[:] = [hive for hive in HIVES if f"Leader p-{hive}.{self.name}" in lines]
            return len(found) == 1

        rig.wait_until(is_known, f"a leader of the swarm, as {asked} knows it")
        return found[0]

    def proxy(self) -> str:
        """Return the address of the hive where the proxy runs."""
        return self.addresses[self.hive_with("proxy")]

    def inside(self, host: str, service: str, script: str) -> str:
        """Run a script in a service's container on a host."""
        container = f"$(docker ps -qf label=com.docker.swarm.service.name={service} | head -n 1)"
        return self.on(host, f"docker exec -i {container} sh -eu <<'END'\n{script}\nEND")

    # -- what must be true of it ---------------------------------------------------------------------------------------

    def identity(self) -> list[str]:
        """Return all that exists, in this machine's engine and in the hosts', with its ids."""
        mother = ["docker", "ps", "-a", "--no-trunc", "-f", f"label=skep.site={self.name}"]
        hosts = subprocess.run(
            [*mother, "--format", "host {{.Names}} {{.ID}}"], capture_output=True, text=True, check=True
        )
        inside = self.everywhere(HIVES, _IDENTITY)
        found = [f"{host} {line}" for host, text in inside.items() for line in text.splitlines()]
        return sorted(
            [*hosts.stdout.splitlines(), *found, *self.on(REPOSITORY, _REGISTRY_IDENTITY).splitlines()]
        )

    def is_whole(self) -> None:
        """Make sure that everything is there, once, and that nothing else is."""
        expected = [f"container /{self.container(host)}" for host in HOSTS]
        expected += [
            f"volume {self.container(host)}.{word}" for host in HOSTS for word in ("containerd", "docker")
        ]
        expected += [f"network skep.{self.name}.private"]
        assert sorted(expected) == rig.labelled(self.name)
        # A hive that comes back may have the managers elect a leader, for which no list is there.
        nodes = "docker node ls --format '{{.Hostname}} {{.Status}}' || :"
        ready = [f"p-{host}.{self.name} Ready" for host in HIVES]
        # The swarm takes some seconds to hear from a host that has just come back, and so do the tasks there.
        rig.wait_until(lambda: self._sorted(nodes) == ready, "all hives to be ready")
        replicas = [f"{name} {n}/{n}" for name, n in SERVICES.items()]
        listing = "docker service ls --format '{{.Name}} {{.Replicas}}' || :"
        rig.wait_until(lambda: self._sorted(listing) == replicas, "all tasks to run")
        mine = f"-f label=skep.site={self.name}"
        assert self._sorted(f"docker network ls {mine} --format '{{{{.Name}}}}'") == ["dns"]
        names = self._sorted(f"docker secret ls {mine} --format '{{{{.Name}}}}'")
        assert [name.rpartition("-")[0] for name in names] == ["pdns_api", "pdns_db"]
        assert self.on(REPOSITORY, "docker ps -aq") == "", "build containers are left"

    def answers(self, zone_address: str = ZONE_ADDRESS) -> None:
        """Make sure that the name servers on all hives and the proxy answer, soon after a change."""
        silent: list[str] = []

        def all_answer() -> bool:
            silent[:] = [host for host in HIVES if not self._resolves(host, zone_address)]
            try:
                is_there = queries.powerdns_api(self.proxy())["type"] == "Server"
            except (OSError, StopIteration):
                is_there = False
            silent.extend([] if is_there else ["the proxy"])
            return not silent

        try:
            rig.wait_until(all_answer, "the services to answer", HEALS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {', '.join(silent)}") from None

    def is_well(self) -> None:
        """Make sure that `doit status` soon names nothing that is wrong.

        A task that ended twice while its database was away is said for ten minutes, and is none of that.
        """
        said: list[str] = []

        def is_so() -> bool:
            ended = self.run("status")
            said[:] = [ended.text]
            problems = [line for line in ended.text.splitlines() if line.startswith("! ")]
            others = [line for line in problems if "ends again and again" not in line]
            return not others and ended.status == (2 if problems else 0)

        try:
            rig.wait_until(is_so, "the status to be well")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{said[0]}") from None

    def _resolves(self, host: str, address: str) -> bool:
        """Return whether the name server on a hive has the database's address for the zone."""
        try:
            return queries.dns(self.addresses[host], f"www.{ZONE}") == [address]
        except OSError:
            return False

    def _sorted(self, command: str) -> list[str]:
        """Return the lines that a command prints on a manager."""
        return sorted(self.on(HIVES[0], command).splitlines())
