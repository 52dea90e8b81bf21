"""The agent on a hive, with real containers of this machine's engine and real repositories of restic.

The engine here is in no swarm: what a swarm tells of a service's tasks is made up from the container's label.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import processes, rig
from tests.debian import busybox_root, install, unpacked

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PRELUDE = """
import sys
from pathlib import Path
from agent.host.engine_socket import EngineSocket
from agent.backup.hive import journal

root = Path(sys.argv.pop(1))
label = sys.argv.pop(1)
journal.STATE, journal.RUNTIME = root / "state", root / "run"
journal.LOCK, journal.STAGING = root / "run/lock", root / "run/staging"
from agent.backup import config
from agent.backup.hive import held, release, restored, run, verify
import agent.backup.restic as restic

restic._CACHE = str(root / "cache")
config.hive_config.__defaults__ = (root / "backup.json",)
asked = EngineSocket.ask

def ask(self, method, path, **options):
    if path == "/info":
        return {"Swarm": {"NodeID": "here"}}
    if path == "/tasks":
        [service] = options["filters"]["service"]
        listed = asked(self, "GET", "/containers/json", filters={"label": [f"{label}={service}"]})
        return [
            {
                "Slot": 1,
                "NodeID": "here",
                "Status": {"State": "running", "ContainerStatus": {"ContainerID": each["Id"]}},
            }
            for each in listed
        ]
    if path == "/configs":
        assert "skep.generation" in options["filters"]["label"]
        config = {"Labels": {"skep.name": "web", "skep.generation": "2"}, "Data": "eyJOYW1lIjogIndlYiJ9"}
        return [{"CreatedAt": "2026-11-30T01:00:00Z", "Spec": config}]
    if path.startswith("/services/"):
        return {"Spec": {"Labels": {"skep.generation": "2", "skep.pinned": "2"}}}
    return asked(self, method, path, **options)

EngineSocket.ask = ask
from dataclasses import fields
for kind, names in ((run.HiveBackup, {"staging": journal.STAGING, "state": journal.STATE}),
                    (restored.Restoration, {"state": journal.STATE}),
                    (verify.Verification, {"scratch": root / "scratch"})):
    given = kind.__init__.__defaults__
    optional = [each.name for each in fields(kind)][-len(given):]
    kind.__init__.__defaults__ = tuple(names.get(name, value) for name, value in zip(optional, given, strict=True))
for function in (journal.paused, journal.swapped, journal.status):
    function.__defaults__ = (journal.STATE,)
from agent.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""Has the agent work below a directory, on an engine that is in no swarm."""


class Hive:
    """A hive: containers of one label, a repository, and the agent.

    Args:
        root: A directory of its own.
        image: The containers' image.

    """

    def __init__(self, root: Path, image: str) -> None:
        self.root, self.image = root, image
        self.label = f"skep.agent.{uuid4().hex[:8]}"
        self.volume = f"agent-{uuid4().hex[:8]}"
        self.prelude = root / "prelude.py"
        self.prelude.write_text(PRELUDE)
        (root / "password").write_text("secret\n")
        (root / "repository").write_text(f"{root}/restic\n")
        self.spool = root / "spool"
        self.configure()
        subprocess.run(
            ["restic", "init", "--repository-version", "2"], env=self.env, check=True, capture_output=True
        )
        docker("volume", "create", "--label", self.label, self.volume)

    @property
    def env(self) -> dict[str, str]:
        """The variables by which restic finds the repository."""
        return {
            **os.environ,
            "RESTIC_REPOSITORY_FILE": str(self.root / "repository"),
            "RESTIC_PASSWORD_FILE": str(self.root / "password"),
        }

    def configure(self, **services: list[dict[str, Any]]) -> None:
        """Say which scripts services have."""
        content = {
            "host": "hive0",
            "stage": "private",
            "repository_file": str(self.root / "repository"),
            "password_file": str(self.root / "password"),
            "ca": "",
            "spool": str(self.spool),
            "verify": "never",
            "services": services,
        }
        (self.root / "backup.json").write_text(json.dumps(content))

    def start(self, service: str, *command: str) -> str:
        """Start a service's container, and return its id."""
        words = (
            "run",
            "-d",
            "--init",
            "--label",
            f"{self.label}={service}",
            "-v",
            f"{self.volume}:/data",
            self.image,
        )
        return docker(*words, *(command or ("sleep", "100000"))).strip()

    @property
    def data(self) -> Path:
        """The volume's files."""
        return Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", self.volume).strip())

    def words(self, *verb: str) -> list[str]:
        """Return the agent's command line."""
        return [sys.executable, str(self.prelude), str(self.root), self.label, "backup", *verb]

    def agent(self, *verb: str) -> tuple[int, Any]:
        """Run the agent; return its exit status, and its result or the reason why there is none."""
        done = subprocess.run(
            self.words(*verb),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert not done.stderr, done.stderr
        last = json.loads(done.stdout.splitlines()[-1])
        return done.returncode, last.get("result", last.get("error"))

    def well(self, *verb: str) -> Any:
        """Run the agent, which must end well; return its result."""
        status, result = self.agent(*verb)
        assert status == 0, result
        return result

    def generation(self) -> str:
        """Make a generation of service `web`, and return its id."""
        [made] = self.well("run")["generations"]
        return str(made["id"])

    def sealed(self) -> int:
        """Return how many generations there are."""
        done = subprocess.run(
            ["restic", "snapshots", "--json"], env=self.env, check=True, capture_output=True
        )
        tags = [each.get("tags") or [] for each in json.loads(done.stdout)]
        return sum("note=seal" in each for each in tags)

    def killed(self, condition: Callable[[], bool], *verb: str) -> bool:
        """Run the agent, and kill it with what it started when a condition holds; return whether it was killed."""
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with processes.started(
            self.words(*verb), env=env, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            while process.poll() is None:
                if condition():
                    os.killpg(process.pid, signal.SIGKILL)
                    return True
                time.sleep(0.005)
        return False

    def end(self) -> None:
        """Remove all that is its own."""
        found = docker("ps", "-aq", "--filter", f"label={self.label}").split()
        if found:
            docker("rm", "-f", "-v", *found)
        for entry in (self.root / "run/staging").glob("*/*"):
            subprocess.run(["umount", str(entry)], check=False, capture_output=True)
        docker("volume", "rm", "-f", self.volume)


def docker(*words: str) -> str:
    """Ask this machine's engine."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give an image with a busybox."""
    directory = tmp_path_factory.mktemp("busybox")
    root = unpacked(directory / "debs", "busybox-static")
    archive = directory / "root.tar"
    archive.write_bytes(busybox_root(root / "bin/busybox", "agent"))
    name = f"skep-agent-test:{uuid4().hex[:8]}"
    docker("import", str(archive), name)
    yield name
    docker("rmi", "-f", name)


@pytest.fixture
def hive(tmp_path: Path, image: str) -> Iterator[Hive]:
    """Give a hive without services."""
    if os.geteuid() != 0:
        pytest.skip("the agent runs as root")
    install(["restic"])
    made = Hive(tmp_path, image)
    yield made
    made.end()


FILES = {"name": "files", "volume": "", "consistency": "pause", "verify_command": "test -s /data/one"}
DUMP = {
    "name": "db",
    "backup_command": "cat /tmp/db",
    "restore_command": "cat > /tmp/db",
    "verify_command": "grep -q row /tmp/db",
}


def digest_of(directory: Path) -> str:
    """Return a digest of all that a directory has: names, kinds, owners, modes, times, links, attributes, content."""
    lines = []
    inodes: dict[int, str] = {}
    for path in sorted(directory.rglob("*")):
        found = path.lstat()
        name = path.relative_to(directory).as_posix()
        same = inodes.setdefault(found.st_ino, name)
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        link = path.readlink() if path.is_symlink() else ""
        attributes = (
            [] if path.is_symlink() else [(each, os.getxattr(path, each)) for each in os.listxattr(path)]
        )
        lines.append(
            f"{name} {found.st_mode} {found.st_uid} {found.st_gid} {found.st_mtime_ns} {same} {link} {attributes} "
            f"{hashlib.sha256(content).hexdigest()}"
        )
    return "\n".join(lines)


def odd_files(data: Path) -> None:
    """Make files of all kinds."""
    (data / "one").write_text("first\n")
    (data / "two").hardlink_to(data / "one")
    (data / "link").symlink_to("one")
    os.mkfifo(data / "fifo", 0o640)
    (data / "below").mkdir(0o711)
    (data / "below" / "owned").write_bytes(os.urandom(5000))
    os.chown(data / "below" / "owned", 1234, 4321)
    os.setxattr(data / "below" / "owned", "user.colour", b"green")
    with (data / "sparse").open("wb") as file:
        file.truncate(50 << 20)
        file.write(b"begin")


def test_files_come_back_as_they_were(hive: Hive) -> None:
    """Owners, links, attributes, fifos and times; what came since is gone; `unswap` brings that back."""
    container = hive.start("web")
    hive.configure(web=[FILES | {"volume": hive.volume}])
    odd_files(hive.data)
    before = digest_of(hive.data)
    generation = hive.generation()
    assert docker("inspect", "-f", "{{.State.Paused}}", container).strip() == "false"

    (hive.data / "one").unlink()
    (hive.data / "later").write_text("later\n")
    after = digest_of(hive.data)
    read = hive.well("read", generation, "--service", "web")
    assert read["volumes"] == [hive.volume]
    assert digest_of(hive.data) == after, "it was read into the volume itself"
    docker("rm", "-f", container)
    hive.well("swap", generation, "--service", "web")
    assert digest_of(hive.data) == before
    hive.well("unswap", "--service", "web")
    assert digest_of(hive.data) == after
    hive.well("swap", generation, "--service", "web")
    hive.well("settle", "--service", "web")
    assert digest_of(hive.data) == before
    assert sorted(path.name for path in hive.data.parent.iterdir()) == ["_data"]


def test_the_services_revisions_are_in_it(hive: Hive) -> None:
    """The one that runs, the pin, and each specification, in the generation itself; the numbers in its seal."""
    hive.start("web")
    (hive.data / "one").write_text("first\n")
    hive.configure(web=[FILES | {"volume": hive.volume}])
    [made] = hive.well("run")["generations"]
    assert made["revision"] == {"number": 2, "pinned": 2}
    found = {}
    for name in ("generation", "services"):
        words = ["restic", "dump", made["id"], f"/{name}.json"]
        done = subprocess.run(words, env=hive.env, check=True, capture_output=True, text=True)
        found[name] = json.loads(done.stdout)
    [kept] = found["generation"]["revision"]["kept"]
    assert (kept["number"], kept["spec"]) == (2, {"Name": "web"})
    assert found["services"] == {"web": [kept]}


def test_a_dump_goes_there_and_back(hive: Hive) -> None:
    """Through its commands; batch_scripts run before; a file in the container instead of standard output and input."""
    container = hive.start(
        "web",
        "sh",
        "-c",
        "mkdir /tmp/dir; echo agent > /tmp/dir/base; echo row one > /tmp/db; exec sleep 100000",
    )
    by_file = DUMP | {
        "name": "file",
        "backup_command": "cp /tmp/db /tmp/out",
        "backup_file": "/tmp/out",
        "restore_command": "cp /tmp/in /tmp/db2",
        "restore_file": "/tmp/in",
        "batch_scripts": ["echo row two >> /tmp/db"],
    }
    directory = {"name": "dir", "directory": "/tmp/dir"}
    hive.configure(web=[by_file, DUMP, directory])
    generation = hive.generation()
    docker("exec", container, "sh", "-c", "echo other > /tmp/db; rm /tmp/dir/base")
    hive.well("read", generation, "--service", "web")
    assert hive.well("load", generation, "--service", "web")["loaded"] == ["file", "db", "dir"]
    assert docker("exec", container, "cat", "/tmp/db", "/tmp/db2") == "row one\nrow two\n" * 2
    assert docker("exec", container, "cat", "/tmp/dir/base") == "agent\n"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("echo row; echo no such table >&2; exit 1", "script db: backup_command ended with 1: no such table"),
        ("echo row; kill -9 $$", "script db: backup_command ended with 137, without a word"),
        ("true", "script db: backup_command ended well, but wrote nothing"),
        ("yes", "No space left on device"),
    ],
)
def test_a_dump_that_fails_is_no_generation(hive: Hive, command: str, why: str) -> None:
    """It exits with 1, dies half-way, writes nothing, fills the disk: it is said, and noted until one goes well."""
    hive.start("web", "sh", "-c", "echo row > /tmp/db; exec sleep 100000")
    hive.configure(web=[DUMP | {"backup_command": command}])
    hive.spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(hive.spool)], check=True)
    try:
        status, result = hive.agent("run")
        assert status == 1
        assert why in result["failed"]["web"]
        assert (result["generations"], hive.sealed()) == ([], 0)
        [noted] = hive.well("status")["services"]
        assert why in noted["error"]
        assert not any(path.is_file() for path in hive.spool.rglob("*"))

        hive.configure(web=[DUMP])
        hive.generation()
        [noted] = hive.well("status")["services"]
        assert noted["error"] == ""
    finally:
        subprocess.run(["umount", str(hive.spool)], check=True)


def test_a_generation_is_tried(hive: Hive) -> None:
    """In a container without a network and with restored data; one that is of no use is noted; nothing is left."""
    container = hive.start(
        "web", "sh", "-c", "echo row > /tmp/db; test -e /data/one || touch /data/one; exec sleep 100000"
    )
    (hive.data / "one").write_text("first\n")
    verify = DUMP | {"verify_command": "grep -q row /tmp/db && ! ip link | grep -q eth0"}
    hive.configure(web=[FILES | {"volume": hive.volume}, verify])
    generation = hive.generation()
    found = hive.well("verify", generation, "--service", "web")["verified"]
    assert found == {"files": "verify_command ended well", "db": "4 bytes loaded; verify_command ended well"}
    assert docker("ps", "-aq", "--filter", "label=skep.verify=web") == ""

    hive.configure(web=[FILES | {"volume": hive.volume}, DUMP | {"verify_command": "grep missing /tmp/db"}])
    status, why = hive.agent("verify", generation, "--service", "web")
    assert status == 1
    assert "script db: verify_command ended with 1" in why
    assert docker("ps", "-q", "--filter", f"label={hive.label}").split() == [container[:12]]
    assert not (hive.root / "scratch").exists()


def test_killed_while_a_service_is_held(hive: Hive) -> None:
    """It is let go at once, though the whole group is killed; the next job makes its generation."""
    container = hive.start("web")
    (hive.data / "big").write_bytes(os.urandom(200 << 20))
    hive.configure(web=[FILES | {"volume": hive.volume, "verify_command": ""}])
    paused = ["inspect", "-f", "{{.State.Paused}}", container]
    assert hive.killed(lambda: docker(*paused).strip() == "true", "run")
    rig.wait_until(lambda: docker(*paused).strip() == "false", "the container to run on")
    assert hive.sealed() == 0
    hive.generation()
    assert hive.sealed() == 1


def test_killed_at_each_step_of_a_backup_and_a_test(hive: Hive) -> None:
    """While it dumps, when the data is there without its seal, while a server of the test's own runs: the next goes on.

    No half one counts as a generation, and nothing stays of a test.
    """
    hive.start("web", "sh", "-c", "echo row > /tmp/db; exec sleep 100000")
    slow = DUMP | {"backup_command": "cat /tmp/db; sleep 2"}
    hive.configure(web=[slow])
    dump, snapshots = hive.spool / "web" / "db.dump", hive.root / "restic/snapshots"
    assert hive.killed(lambda: dump.exists() and dump.stat().st_size > 0, "run")
    assert (hive.sealed(), list(snapshots.iterdir())) == (0, [])
    hive.configure(web=[DUMP])
    assert hive.killed(lambda: any(len(path.name) == 64 for path in snapshots.iterdir()), "run")
    assert hive.sealed() == 0
    generation = hive.generation()
    assert hive.sealed() == 1
    hive.configure(web=[DUMP | {"verify_command": "sleep 60"}])
    scratch = ("ps", "-q", "--filter", "label=skep.verify=web")
    assert hive.killed(lambda: docker(*scratch) != "", "verify", generation, "--service", "web")
    assert docker(*scratch) != ""
    hive.configure(web=[DUMP])
    assert "db" in hive.well("verify", generation, "--service", "web")["verified"]
    assert docker("ps", "-aq", "--filter", "label=skep.verify=web") == ""
    assert not (hive.root / "scratch").exists()


def test_killed_at_each_step_of_a_restoration(hive: Hive) -> None:
    """read, swap and settle are killed early, late and in between; typed again they end as the first would have."""
    container = hive.start("web")
    hive.configure(web=[FILES | {"volume": hive.volume}])
    odd_files(hive.data)
    for number in range(200):
        (hive.data / f"file{number}").write_bytes(os.urandom(20_000))
    before = digest_of(hive.data)
    generation = hive.generation()
    docker("rm", "-f", container)
    (hive.data / "later").write_text("later\n")
    after = digest_of(hive.data)
    for verb in (("read", generation), ("swap", generation), ("unswap",), ("swap", generation), ("settle",)):
        for moment in (0.15, 0.25, 0.4, 0.6):
            ends = time.monotonic() + moment
            hive.killed(lambda ends=ends: time.monotonic() > ends, *verb, "--service", "web")  # type: ignore[misc]
        hive.well(*verb, "--service", "web")
        expected = after if verb[0] in {"read", "unswap"} else before
        assert digest_of(hive.data) == expected, verb


def test_who_has_no_running_task(hive: Hive) -> None:
    """Files at rest are saved without it, a command can't be run; an unknown service is said."""
    (hive.data / "one").write_text("first\n")
    hive.configure(web=[FILES | {"volume": hive.volume}])
    generation = hive.generation()
    hive.well("read", generation, "--service", "web")
    hive.configure(web=[FILES | {"volume": hive.volume}, DUMP])
    status, result = hive.agent("run")
    assert (status, result["failed"]["web"]) == (
        1,
        "service web has no running task, which its backup_scripts need",
    )
    status, why = hive.agent("run", "--service", "wbe")
    assert (status, why) == (1, "wbe: site.toml has no backup_scripts for it (it has for: web)")


def test_two_jobs_at_once(hive: Hive) -> None:
    """The second is turned away, with the word of who is at work."""
    hive.start("web")
    hive.configure(web=[DUMP | {"backup_command": "sleep 60"}])
    with processes.started(
        hive.words("run"),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    ):
        lock = hive.root / "run/lock"
        rig.wait_until(lambda: lock.exists() and "run" in lock.read_text(), "the first to be at work")
        status, why = hive.agent("release")
    assert status == 1
    assert why.startswith("backup run (process ")
    assert "is at work on this host" in why


def test_its_words_are_those_of_the_archive(tmp_path: Path) -> None:
    """What hosts get runs by itself, and is the same for the same sources."""
    from agent.pack import packed

    archive = tmp_path / "agent.pyz"
    archive.write_bytes(packed())
    done = subprocess.run(
        [sys.executable, "-I", str(archive), "backup", "run"], capture_output=True, text=True, check=False
    )
    why = "/etc/skep/backup.json is not there: this host was not set up for backups (doit setup_hosts)"
    assert json.loads(done.stdout) == {"error": why, "kind": "host"}
    assert (done.returncode, done.stderr) == (1, "")
