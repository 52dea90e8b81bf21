"""A site to try rules on: a directory with a site.toml and roles, runs of doit in it, and its hosts in containers."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import debian, rig
from tests.integration.doit_run import RUN_TIMEOUT, Ended, Running

# What doit has imported when it ends.
_SITECUSTOMIZE = """
import atexit, os, sys
@atexit.register
def _dump():
    with open(os.environ["SKEP_TEST_MODULES"], "w") as file: file.write("\\n".join(sys.modules))
"""
IDLE_TOML = """\
[bases."debian:13"]
debootstrap = "trixie"
[images.idle]
from = "debian:13"
roles = ["idle"]
entrypoint = ["/bin/sleep", "1000000"]
stop_signal = "SIGKILL"
[services.idle]
image = "idle"
endpoint_mode = "dnsrr"
"""
"""A service that does nothing, of an image of its own: what a small site has."""


class Site:
    """The site.

    Args:
        directory: Where its site.toml, roles/ and state/ are; made here, and empty.
        purpose: What its name is made from.
        stage: The stage that its runs are of.

    """

    def __init__(self, directory: Path, purpose: str, stage: str = "private") -> None:
        self.name = rig.site_name(purpose)
        self.directory, self.scratch = directory, directory.with_name(f"{directory.name}.scratch")
        self.stage = stage
        self.state = directory / "state" / stage
        self.peaks = self.scratch / "peaks"
        self.modules = self.scratch / "modules"
        self.variables: dict[str, str] = {}  # of its runs, beside this process's own
        self._runs = 0
        (directory / "roles").mkdir(parents=True)
        self.scratch.mkdir()
        self.begins_with("")

    # -- runs ----------------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run, with the test's `variables`."""
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

    @contextmanager
    def start(self, *words: str, **env: str) -> Iterator[Running]:
        """Start doit; it is killed at the end if it still runs then."""
        self._runs += 1
        output = self.scratch / f"run-{self._runs}.txt"
        running = Running(words, self.directory, {**self.environment, **env}, output, self.peaks)
        try:
            yield running
        finally:
            running.kill()

    def run(self, *words: str, timeout: float = RUN_TIMEOUT, **env: str) -> Ended:
        """Run doit to its end."""
        with self.start(*words, **env) as running:
            return running.wait(timeout)

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
        """Remove a task's log, so that a new one is of a new run."""
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

    def write_role(self, name: str, script: str) -> None:
        """Write a role that is a script."""
        path = self.role(f"{name}/setup.sh")
        path.parent.mkdir()
        path.write_text(script)

    def write_idle(self, head: str) -> None:
        """Be a small site: a head for its site.toml, and one service that does nothing."""
        self.toml.write_text(head + IDLE_TOML)
        self.write_role("idle", "echo idle >/idle\n")

    def write_tiny(self, head: str) -> None:
        """Be a small site whose base is a busybox, so that it takes a second and not half a minute."""
        self.write_idle(head)
        self.toml.write_text(
            replaced(self.toml.read_text(), 'debootstrap = "trixie"', 'tarball = "base.tar"')
        )
        programs = debian.unpacked(self.scratch / "busybox", "busybox-static")
        (self.directory / "base.tar").write_bytes(
            debian.busybox_root(programs / "bin" / "busybox", self.name)
        )

    def copy_roles(self) -> None:
        """Have the roles of the repository's example, as they are there, and no others."""
        shutil.rmtree(self.directory / "roles")
        shutil.copytree(rig.ROOT / "roles", self.directory / "roles", symlinks=True)

    def example_toml(self) -> str:
        """Return the site.toml of the repository's example, with this site's name.

        Its backups are made at an hour that is far from now: tests say themselves when there is one.
        """
        text = replaced((rig.ROOT / "site.toml").read_text(), 'site = "example"', f'site = "{self.name}"')
        far = datetime.now(UTC) + timedelta(hours=12)
        return replaced(text, 'schedule = "01:00"', f'schedule = "{far:%H}:00"')

    @contextmanager
    def edited(self, old: str, new: str, path: Path | None = None) -> Iterator[None]:
        """Replace a text in site.toml, or in another file, and put it back at the end."""
        path = path or self.toml
        before = path.read_text()
        path.write_text(replaced(before, old, new))
        try:
            yield
        finally:
            path.write_text(before)

    # -- its hosts -----------------------------------------------------------------------------------------------------

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return f"skep.{self.name}.{self.stage}.{host}"

    def on(self, host: str, script: str) -> str:
        """Run a shell script as root on a host."""
        return rig.run_in(self.container(host), script)

    def everywhere(self, hosts: tuple[str, ...], script: str) -> dict[str, str]:
        """Run a script on several hosts at once."""
        with ThreadPoolExecutor(len(hosts)) as pool:
            return dict(zip(hosts, pool.map(lambda host: self.on(host, script), hosts), strict=True))


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with its only occurrence of another one replaced."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
