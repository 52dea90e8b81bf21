"""The life of the control plane: what is installed once, what is made once for a directory, and each start."""

import fcntl
import getpass
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.openstack.plane import settings
from tests.openstack.plane.programs import PlaneError, install_database, install_services, say
from tests.openstack.plane.settings import Settings

HERE = Path(__file__).resolve().parent
INSIDE = HERE / "inside"
START_SECONDS, STOP_SECONDS = 300.0, 10.0


def began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks, which tells it from a later one of that number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


class Plane:
    """A control plane, started on entry and ended on exit.

    Args:
        directory: Its own; what is made once is kept there. A second one there waits for the first to end.
        environment: The Python environment of the services, made if need be; may be shared.
        port: The first of its ports.

    """

    def __init__(self, directory: Path, environment: Path, port: int) -> None:
        self.directory, self.environment = directory, environment
        self.run, self.log = directory / "run", directory / "log"
        self.clouds = directory / "clouds.yaml"
        self._kept = directory / "kept"
        self._port = port
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._lock: IO[str] | None = None
        self._settings: Settings

    def __enter__(self) -> Self:
        """Start all."""
        try:
            self._begin()
            self._take_copy()
            self._start_all()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def prepare(self) -> None:
        """Make what is made once, and start nothing: a start is quick afterwards."""
        try:
            self._begin()
        finally:
            self.__exit__(None, None, None)

    def _begin(self) -> None:
        """Be alone in the directory, and have what is made once."""
        if " " in str(self.directory):
            raise PlaneError(f"{self.directory}: MariaDB takes no path with a space")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = (self.directory / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._end_old()
        self._install()
        self._make_once()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """End all: the services, and then their database."""
        del kind, error, where
        self.clouds.unlink(missing_ok=True)
        self._end([name for name in self._own if name != settings.DATABASE])
        self._end([*self._own])
        shutil.rmtree(self.run, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    # -- processes -----------------------------------------------------------------------------------------------------

    def _start(self, name: str, *command: str | Path) -> None:
        """Start a process; its output goes into a file of its name."""
        with (self.log / f"{name}.out").open("wb") as output:
            self._own[name] = subprocess.Popen(
                [str(word) for word in command],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pid = self._own[name].pid
        (self.directory / f"{name}.pid").write_text(f"{pid} {began(pid)}")

    def _end(self, names: list[str]) -> None:
        """End processes of this plane's; those that don't heed are killed."""
        for name in names:
            self._own[name].terminate()
        for name in names:
            process = self._own.pop(name)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            (self.directory / f"{name}.pid").unlink(missing_ok=True)

    def _end_old(self) -> None:
        """End what one before this has left here that was killed: by its number, if it is still that process."""
        for file in self.directory.glob("*.pid"):
            words = file.read_text().split()
            if len(words) == 2 and began(int(words[0])) == words[1]:
                os.kill(int(words[0]), signal.SIGKILL)
                self._wait(lambda pid=int(words[0]): not began(pid), f"{file.stem} to end", STOP_SECONDS)  # type: ignore[misc]
            file.unlink()

    def _wait(self, holds: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Wait for something, as long as all processes live."""
        deadline = time.monotonic() + seconds
        while not holds():
            for name, process in self._own.items():
                if process.poll() is not None:
                    raise PlaneError(f"{name} has ended: see {self.log}/{name}.out and {name}.log")
            if time.monotonic() > deadline:
                raise PlaneError(f"waited {seconds:.0f} s for {what}: see {self.log}")
            time.sleep(0.1)

    def _do(self, name: str, *command: str | Path, **env: str) -> None:
        """Run a program to its end."""
        with (self.log / f"{name}.out").open("wb") as output:
            done = subprocess.run(
                [str(word) for word in command],
                check=False,
                env={**self._env(), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise PlaneError(f"{Path(command[0]).name} has failed: see {output.name}")

    def _env(self) -> dict[str, str]:
        """Return the environment of all that is started: nothing of the caller's credentials and proxies."""
        own = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        return {
            **own,
            "PATH": f"{self.environment}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": str(self.run / "inside"),
            "PYTHONUNBUFFERED": "1",
            "XDG_CACHE_HOME": str(self.directory / "stevedore"),
            "no_proxy": "127.0.0.1",
            **self._settings.environment(),
        }

    # -- what is made once ---------------------------------------------------------------------------------------------

    def _install(self) -> None:
        """Install what is missing, and write the configuration."""
        for fresh in (self.run, self.log):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
        shutil.copytree(INSIDE, self.run / "inside")
        secret = self.directory / "secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_hex(12))
        self._settings = Settings(self.run, self.log, self._port, secret.read_text())
        install_database(self.log)
        install_services(self.environment, self.log)
        self._settings.write(self.environment)

    def _make_once(self) -> None:
        """Make databases with schemas and users, once for a configuration.

        Each start takes a copy. A database that was used is of no use: nova's hosts that run nothing don't know
        themselves again, and are refused.
        """
        stamp = self._kept / "complete"
        wanted = hashlib.sha256((HERE / "requirements.txt").read_bytes())
        for file in (*sorted(INSIDE.rglob("*.py")), HERE / "settings.py"):
            wanted.update(file.read_bytes())
        wanted.update(f"{self.directory} {self._settings.secret} {self._port}".encode())
        if not stamp.exists() or stamp.read_text() != wanted.hexdigest():
            say("making the schemas of its databases, which takes a minute or two")
            shutil.rmtree(self._kept, ignore_errors=True)
            self._do(
                "mariadb-install",
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.run}/db",
                "--skip-test-db",
                f"--auth-root-socket-user={getpass.getuser()}",
                *_as_root(),
            )
            self._start_database()
            self._make_schemas()
            self._end([name for name in self._own if name != settings.DATABASE])
            self._end([*self._own])  # only of a database that has ended can a copy be taken
            self._kept.mkdir()
            for part in ("db", "keys"):
                shutil.move(self.run / part, self._kept / part)
            stamp.write_text(wanted.hexdigest())

    def _take_copy(self) -> None:
        """Take a copy of what was made once."""
        for part in ("db", "keys"):
            shutil.copytree(self._kept / part, self.run / part, dirs_exist_ok=True)

    def _make_schemas(self) -> None:
        """Make the schemas, five services at a time."""
        etc, user = self.run / "etc", getpass.getuser()

        def keystone() -> None:
            manage = ("keystone-manage", "--config-file", etc / "keystone.conf")
            self._do("keystone-schema", *manage, "db_sync")
            for keys in ("fernet_setup", "credential_setup"):
                self._do(f"keystone-{keys}", *manage, keys, "--keystone-user", user, "--keystone-group", user)
            url = f"http://127.0.0.1:{self._port}/v3"
            urls = [f"--bootstrap-{kind}-url={url}" for kind in ("public", "internal", "admin")]
            region = f"--bootstrap-region-id={settings.REGION}"
            password = {"OS_BOOTSTRAP_PASSWORD": self._settings.secret}
            self._do("keystone-bootstrap", *manage, "bootstrap", region, *urls, **password)
            self._start_service("keystone")
            self._wait_for_services("keystone")
            self._fill("identity")

        def nova() -> None:
            manage = ("nova-manage", "--config-file", etc / "nova.conf")
            for name, words in (
                ("api", ("api_db", "sync")),
                ("cell0", ("cell_v2", "map_cell0")),
                ("schema", ("db", "sync")),
                ("cell1", ("cell_v2", "create_cell", "--name", "cell1")),
            ):
                self._do(f"nova-{name}", *manage, *words)

        def neutron() -> None:
            files = ("--config-file", etc / "neutron.conf", "--config-file", etc / "ml2.ini")
            self._do("neutron-schema", "neutron-db-manage", *files, "upgrade", "heads")
            file = etc / "placement.conf"
            self._do("placement-schema", "placement-manage", "--config-file", file, "db", "sync")

        def glance() -> None:
            self._do("glance-schema", "glance-manage", "--config-file", etc / "glance-api.conf", "db_sync")
            self._do("cinder-schema", "cinder-manage", "--config-file", etc / "cinder.conf", "db", "sync")

        def manila() -> None:
            self._do("manila-schema", "manila-manage", "--config-file", etc / "manila.conf", "db", "sync")

        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(make) for make in (keystone, nova, neutron, glance, manila)]:
                job.result()

    # -- each start ----------------------------------------------------------------------------------------------------

    def _start_database(self) -> None:
        """Start MariaDB. That nothing is written through to the disk is no loss: the data ends with the run."""
        self._start(
            settings.DATABASE,
            "mariadbd",
            "--no-defaults",
            f"--datadir={self.run}/db",
            "--socket=mysqld.sock",
            f"--pid-file={self.run}/mariadb.pid",
            "--bind-address=127.0.0.1",
            f"--port={self._settings.ports[settings.DATABASE]}",
            f"--init-file={self.run}/etc/init.sql",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--max-connections=600",
            "--performance-schema=0",
            "--innodb-buffer-pool-size=256M",
            "--innodb-log-file-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--loose-innodb-flush-method=nosync",
            *_as_root(),
        )
        self._wait_for_ports(settings.DATABASE)

    def _start_all(self) -> None:
        """Start the services, which wait for one another, and fill the cloud."""
        self._start_database()
        for name in settings.SERVICES:
            self._start_service(name)
        self._wait_for_services(*settings.SERVICES)
        self._fill("resources")
        self.clouds.touch(mode=0o600)
        self.clouds.write_text(self._settings.clouds())

    def _start_service(self, name: str) -> None:
        """Start a service."""
        python = self.environment / "bin" / "python"
        self._start(name, python, self.run / "inside" / "serve.py", name, str(self._port))

    def _wait_for_ports(self, *names: str) -> None:
        """Wait until something listens."""
        for name in names:
            self._wait(lambda name=name: _listens(self._settings.ports[name]), f"{name} to listen")  # type: ignore[misc]

    def _wait_for_services(self, *names: str) -> None:
        """Wait until services answer: each listens when all of it is loaded."""
        self._wait_for_ports(*names)

    def _fill(self, what: str) -> None:
        """Put users, or what there is to use, into the cloud."""
        python = self.environment / "bin" / "python"
        fill = (python, self.run / "inside" / "fill.py", what, str(self._port))
        self._do(f"fill-{what}", *fill, SECRET=self._settings.secret)


def _listens(port: int) -> bool:
    """Return whether something on this machine listens at a port."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _as_root() -> tuple[str, ...]:
    """Return what MariaDB wants to be told by root."""
    return ("--user=root",) if os.geteuid() == 0 else ()
