"""A real site to try the rules on: a copy of the example in a directory of its own, and what can be done with it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from tests import rig
from tests.integration import ask

HIVES = ("hive0", "hive1", "hive2")
REPOSITORY = "hive3"
HOSTS = (*HIVES, REPOSITORY)
SERVICES = {"pdnsdb": 1, "powerdns": 3, "proxy": 1}
ZONE, ZONE_ADDRESS = "example.test", "192.0.2.10"
REGISTRY = "/var/lib/docker-registry"
RUN_TIMEOUT = 240.0

_FINISHED = re.compile(r"^([a-z_]+:\S+) +(?:\S+ +)?[\d.]+ s(?:  (.*))?$", re.MULTILINE)
_NOTHING = re.compile(r"^all \d+ resources are up to date \([\d.]+ s\)$", re.MULTILINE)
_COUNT = re.compile(r"^\d+ resources?: \d+ up to date, (\d+) done\b", re.MULTILINE)

# Starts doit and writes down how much memory it took. A process's peak counts from before its exec on, so that what
# pytest itself uses would be in it: hence this small one in between.
_MEASURE = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "a") as file: file.write(f"{used.ru_maxrss}\\n")
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""
# What doit has imported when it ends.
_SITECUSTOMIZE = """
import atexit, os, sys
@atexit.register
def _dump():
    with open(os.environ["SKEP_TEST_MODULES"], "w") as file: file.write("\\n".join(sys.modules))
"""
# What a hive has, with the ids that change when a thing is made anew.
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

IDLE_TOML = """\
[bases."debian:12"]
debootstrap = "bookworm"
[images.idle]
from = "debian:12"
roles = ["idle"]
entrypoint = ["/bin/sleep", "1000000"]
stop_signal = "SIGKILL"
[services.idle]
image = "idle"
endpoint_mode = "dnsrr"
"""
"""A service that does nothing, of an image of its own: what a small site has."""


@dataclass(frozen=True)
class Ended:
    """A doit run that has ended.

    Args:
        status: Its exit status.
        text: What it printed.

    """

    status: int
    text: str

    @property
    def ran(self) -> list[str]:
        """The tasks that were done, sorted."""
        return sorted(name for name, _ in _FINISHED.findall(self.text))

    @property
    def did_nothing(self) -> bool:
        """Whether all was up to date."""
        return self.status == 0 and not self.ran and bool(_NOTHING.search(self.text))

    def well(self) -> "Ended":
        """Return it, having made sure that it ended well and that its last line counts what was done."""
        assert self.status == 0, self.text
        counted = _COUNT.search(self.text)
        assert len(self.ran) == (int(counted[1]) if counted else 0), self.text
        return self

    def failed(self) -> str:
        """Return what it printed, having made sure that it failed and shows no traceback."""
        assert self.status not in {0, None}, self.text
        assert "Traceback" not in self.text, self.text
        return self.text


class Running:
    """A doit run at work, in a process group of its own.

    Args:
        words: doit's arguments.
        site: The site.
        env: Variables beside the site's own.

    """

    def __init__(self, words: tuple[str, ...], site: "Site", env: dict[str, str]) -> None:
        self._output = site.scratch / f"run-{site.count()}.txt"
        command = [sys.executable, "-S", "-c", _MEASURE, str(site.peaks), str(site.doit), *words]
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=site.directory,
                env={**site.environment, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def wait(self, timeout: float = RUN_TIMEOUT) -> Ended:
        """Wait for its end; AssertionError, with what it printed, if that does not come."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            msg = f"no end after {timeout:.0f} s:\n{self.text}"
            raise AssertionError(msg) from None
        return Ended(status, self.text)

    def kill(self) -> bool:
        """Kill it with all that it started, as a power cut would; return whether it was still at work."""
        alive = self.process.poll() is None
        if alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return alive

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = 90) -> None:
        """Wait until a condition holds while it runs; AssertionError if it ends before."""

        def holds() -> bool:
            if condition():
                return True
            assert self.process.poll() is None, f"ended before {what}:\n{self.text}"
            return False

        rig.wait_until(holds, what, timeout)


class Site:
    """The site.

    Args:
        directory: Where its site.toml, roles/ and state/ are; made here.
        scratch: For files of the tests' own.

    """

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.name = rig.site_name("example")
        self.directory, self.scratch = directory, scratch
        self.peaks = scratch / "peaks"
        self.modules = scratch / "modules"
        self.state = directory / "state" / "private"
        self.variables: dict[str, str] = {}  # of its runs, beside this process's own
        self._count = 0
        directory.mkdir()
        scratch.mkdir()
        shutil.copytree(rig.ROOT / "roles", directory / "roles", symlinks=True)
        text = (rig.ROOT / "site.toml").read_text()
        text = _replaced(text, 'site = "example"', f'site = "{self.name}"')
        text, found = re.subn(
            r'^cidr = ".*"$', f'cidr = "{rig.free_cidr("example")}"', text, flags=re.MULTILINE
        )
        assert found == 1
        self._toml = text
        self.toml.write_text(text)
        self.begins_with("")

    # -- runs ----------------------------------------------------------------------------------------------------------

    @property
    def doit(self) -> Path:
        """The doit of this checkout."""
        return Path(os.environ.get("SKEP_DOIT") or Path(sys.executable).with_name("doit"))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run, with what a test adds as `variables`."""
        kept = {name: value for name, value in os.environ.items() if name != "SKEP_STAGE"}
        paths = [str(self.scratch), *filter(None, [kept.get("PYTHONPATH")])]
        return {
            **kept,
            **self.variables,
            "DOIT_FILE": str(rig.ROOT / "dodo.py"),
            "PYTHONPATH": os.pathsep.join(paths),
            "SKEP_TEST_MODULES": str(self.modules),
        }

    def begins_with(self, code: str) -> None:
        """Have each run begin with Python of the tests'."""
        (self.scratch / "sitecustomize.py").write_text(_SITECUSTOMIZE + code)

    def count(self) -> int:
        """Return a new number."""
        self._count += 1
        return self._count

    @contextmanager
    def start(self, *words: str, **env: str) -> Iterator[Running]:
        """Start doit; it is killed at the end if it still runs then."""
        running = Running(words, self, env)
        try:
            yield running
        finally:
            running.kill()

    def run(self, *words: str, timeout: float = RUN_TIMEOUT, **env: str) -> Ended:
        """Run doit to its end."""
        with self.start(*words, **env) as running:
            return running.wait(timeout)

    def settle(self) -> list[str]:
        """Run doit until nothing is left to do, which must be after one run; return what that did.

        A further run may only wait for services that the swarm itself is just moving, as from a lost host.
        """
        ran = self.run().well().ran
        again = self.run().well()
        if again.ran:
            moved = [task for task in again.ran if task in {f"deploy_services:{name}" for name in SERVICES}]
            assert again.ran == moved, again.text
            assert "tasks run" in again.text
            again = self.run()
        assert again.did_nothing, again.text
        return ran

    def log(self, task: str) -> str:
        """Return the log of a task's last run; empty if there is none."""
        phase, _, name = task.partition(":")
        try:
            return (self.state / "logs" / phase / f"{name}.log").read_text()
        except FileNotFoundError:
            return ""

    def redone(self, ended: Ended) -> set[str]:
        """Return the tasks of a run that made something, without those that only found it."""
        return {task for task in ended.ran if " found " not in self.log(task)}

    def forget_log(self, task: str) -> None:
        """Remove a task's log, so that what appears there is of a new run."""
        phase, _, name = task.partition(":")
        (self.state / "logs" / phase / f"{name}.log").unlink(missing_ok=True)

    # -- what it is made from ------------------------------------------------------------------------------------------

    @property
    def toml(self) -> Path:
        """Its site.toml."""
        return self.directory / "site.toml"

    def role(self, name: str) -> Path:
        """Return a file of a role, named from `roles/` on."""
        return self.directory / "roles" / name

    def restore(self) -> None:
        """Put site.toml and the roles back as they were at the beginning."""
        self.toml.write_text(self._toml)
        shutil.rmtree(self.directory / "roles")
        shutil.copytree(rig.ROOT / "roles", self.directory / "roles", symlinks=True)

    @contextmanager
    def edited(self, old: str, new: str, path: Path | None = None) -> Iterator[None]:
        """Replace a text in site.toml, or in another file, and put it back at the end."""
        path = path or self.toml
        before = path.read_text()
        path.write_text(_replaced(before, old, new))
        try:
            yield
        finally:
            path.write_text(before)

    @contextmanager
    def role_edited(self, extra: str = "") -> Iterator[None]:
        """Add lines to the proxy's own role, the like of which the registry has never had."""
        line = "add-packages nginx-light\n"
        with self.edited(line, f"# {uuid4().hex}\n{extra}{line}", self.role("nginx/setup.sh")):
            yield

    def write_idle(self, head: str) -> None:
        """Be a small site instead: what its site.toml begins with, and one service that does nothing."""
        self.toml.write_text(head + IDLE_TOML)
        (self.directory / "roles" / "idle").mkdir()
        self.role("idle/setup.sh").write_text("echo idle >/idle\n")

    # -- its hosts -----------------------------------------------------------------------------------------------------

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return f"skep.{self.name}.private.{host}"

    def on(self, host: str, script: str) -> str:
        """Run a shell script as root on a host."""
        return rig.run_in(self.container(host), script)

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Each host's address."""
        return {host: str(self._record("build_infra", host)["address"]) for host in HOSTS}

    def _record(self, phase: str, name: str) -> dict[str, object]:
        """Return a record."""
        found: dict[str, object] = json.loads((self.state / phase / f"{name}.json").read_text())
        return found

    def proxy(self) -> str:
        """Return the address of the hive where the proxy runs."""
        here = self.everywhere(HIVES, "docker ps -q -f label=com.docker.swarm.service.name=proxy")
        return next(self.addresses[host] for host, found in here.items() if found.strip())

    def everywhere(self, hosts: tuple[str, ...], script: str) -> dict[str, str]:
        """Run a script on several hosts at once."""
        with ThreadPoolExecutor(len(hosts)) as pool:
            return dict(zip(hosts, pool.map(lambda host: self.on(host, script), hosts), strict=True))

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
        assert [f"p-{host}.{self.name} Ready" for host in HIVES] == self._sorted(
            "docker node ls --format '{{.Hostname}} {{.Status}}'"
        )
        replicas = [f"{name} {n}/{n}" for name, n in SERVICES.items()]
        listing = "docker service ls --format '{{.Name}} {{.Replicas}}'"
        # A task on a host that has just come back takes a moment.
        rig.wait_until(lambda: self._sorted(listing) == replicas, "all tasks to run")
        mine = f"-f label=skep.site={self.name}"
        assert self._sorted(f"docker network ls {mine} --format '{{{{.Name}}}}'") == ["dns"]
        names = self._sorted(f"docker secret ls {mine} --format '{{{{.Name}}}}'")
        assert [name.rpartition("-")[0] for name in names] == ["pdns_api", "pdns_db"]
        assert self.on(REPOSITORY, "docker ps -aq") == "", "build containers are left"

    def restart(self, host: str) -> None:
        """Restart a host, and wait until its sshd listens."""
        subprocess.run(
            ["docker", "restart", self.container(host)], check=True, capture_output=True, timeout=90
        )

        def listens() -> bool:
            try:
                socket.create_connection((self.addresses[host], 22), timeout=5).close()
            except OSError:
                return False
            return True

        rig.wait_until(listens, f"{host} to listen")

    def _sorted(self, command: str) -> list[str]:
        """Return the lines that a command prints on a manager."""
        return sorted(self.on(HIVES[0], command).splitlines())

    def answers(self, zone_address: str = ZONE_ADDRESS) -> None:
        """Make sure that the name servers on all hives and the proxy answer, soon after a change."""

        def all_answer() -> bool:
            try:
                for host in HIVES:
                    if ask.dns(self.addresses[host], f"www.{ZONE}") != [zone_address]:
                        return False
                return ask.api(self.proxy())["type"] == "Server"  # type: ignore[no-any-return]
            except (OSError, StopIteration):
                return False

        rig.wait_until(all_answer, "the services to answer", 30)


class Processes:
    """Watches what all processes of this machine were started with, those inside the hosts among them.

    Kept are command lines, and pairs of those with environments.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.given: set[tuple[bytes, bytes]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        """Look again and again."""
        while not self._end.wait(0.1):
            for process in rig.process_directories():
                try:
                    line = (process / "cmdline").read_bytes()
                    self.seen.add(line)
                    self.given.add((line, (process / "environ").read_bytes()))
                except OSError:
                    continue


def _replaced(text: str, old: str, new: str) -> str:
    """Return a text with its only occurrence of another one replaced."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
