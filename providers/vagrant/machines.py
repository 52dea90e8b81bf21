"""Vagrant's machines of one stage: its directory, its commands, what they answer.

Vagrant knows its machines by a directory. The stage's is not in `state/`, which may be deleted at any time, but where a
person's programs keep their data; so two checkouts of one site see the same machines, as with provider docker.
"""

import contextlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from model.errors import ProviderError
from model.log import Log
from model.stage import Stage
from remote.mother import process
from remote.mother.lock import lock

RUNNING, STOPPED, GONE = "running", "stopped", "gone"
LOCK_TIMEOUT = 3600
LIST_TIMEOUT = 60
_URI = "qemu:///system"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PROGRESS = re.compile(r"Progress: \d+%")
_HOST_KEY = "skep-host-key "
_ERROR_LINES = 15

_ADVICE: tuple[tuple[str, str], ...] = (
    ("failed to connect socket", "libvirt is not running: start it (`systemctl start libvirtd`)"),
    (
        "authentication unavailable",
        "you may not use libvirt: join its group (`sudo usermod -aG libvirt $USER`), then log in again",
    ),
    ("could not be accessed in the remote", "the box can't be had: look at `box` and `box_url`"),
    ("couldn't open file", "the box can't be had: look at `box` and `box_url`"),
    ("hypervisor", 'this machine may lack KVM: set driver = "qemu" (software emulation, slow)'),
    ("kvm", 'this machine may lack KVM: set driver = "qemu" (software emulation, slow)'),
    (
        "timed out while waiting for the machine to boot",
        "give it longer with boot_timeout, or look at its console",
    ),
    ("could not detect virtualbox", "install VirtualBox, or vagrant-libvirt and libvirt"),
)
"""A part of Vagrant's message, in lower case, and what to do."""


class Machine(NamedTuple):
    """What is kept of a machine, beside what Vagrant itself keeps.

    Args:
        key: The key that it was made with.
        settings: The digest of the settings that it has; empty until it has been up with them.
        host_keys: Its public host keys; none until it has told them.

    """

    key: str
    settings: str = ""
    host_keys: tuple[str, ...] = ()


def directory_of(stage: Stage) -> Path:
    """Return where Vagrant keeps a stage's machines."""
    data = os.environ.get("XDG_DATA_HOME") or ""
    base = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "skep" / "vagrant" / f"{stage.site_name}.{stage.name}"


def prefix_of(stage: Stage) -> str:
    """Return what the names of a stage's machines begin with, in libvirt and VirtualBox."""
    return f"skep.{stage.site_name}.{stage.name}."


class Machines:
    """The machines of one stage. Thread-safe.

    Args:
        stage: The stage.

    """

    def __init__(self, stage: Stage) -> None:
        self.directory = directory_of(stage)
        self._prefix = prefix_of(stage)
        self._held = threading.local()

    # -- what is there -------------------------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """Return for each machine that Vagrant has made whether it is `RUNNING`, `STOPPED` or `GONE`.

        By the backend's own listing, and not by `vagrant status`: that takes a second, and many on a busy machine.

        Raises:
            ProviderError: The backend can't tell.

        """
        found = {}
        ids = {short: (backend, self.id_of(short)) for short, backend in self.known().items()}
        lists = {backend: _LISTS[backend]() for backend in {backend for backend, _ in ids.values()}}
        for short, (backend, number) in ids.items():
            every, running = lists[backend]
            found[short] = GONE if number not in every else RUNNING if number in running else STOPPED
        return found

    def id_of(self, short: str) -> str:
        """Return the id of a machine in libvirt or VirtualBox; empty if Vagrant has made none."""
        for path in (self.directory / ".vagrant" / "machines" / short).glob("*/id"):
            return path.read_text().strip()
        return ""

    def known(self) -> dict[str, str]:
        """Return the machines that Vagrant has made, wanted or not, each with its backend."""
        paths = sorted(self.directory.glob(".vagrant/machines/*/*/id"))
        return {path.parent.parent.name: path.parent.name for path in paths}

    def kept(self, short: str) -> Machine | None:
        """Return what is kept of a machine."""
        try:
            table = json.loads(self._kept_path(short).read_text())
            return Machine(table["key"], table["settings"], tuple(table["host_keys"]))
        except (OSError, ValueError, KeyError):
            return None

    def keep(self, short: str, machine: Machine) -> None:
        """Keep something of a machine."""
        self.write(self._kept_path(short), json.dumps(machine._asdict()))

    def forget(self, short: str) -> None:
        """Keep nothing of a machine; with the last one the directory goes."""
        self._kept_path(short).unlink(missing_ok=True)
        if not self.known() and not list(self.directory.glob("*.machine.json")):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _kept_path(self, short: str) -> Path:
        return self.directory / f"{short}.machine.json"

    def write(self, path: Path, text: str) -> None:
        """Write a file as a whole, for its owner only, unless it is so already."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and path.read_text() == text:
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    @contextlib.contextmanager
    def lock(self, name: str, log: Log) -> Iterator[None]:
        """Hold a lock that other runs on this machine heed as well.

        Raises:
            ProviderError: Somebody else holds it for too long.

        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Beside the directory, which goes with its last machine.
        path = self.directory.with_name(f".{self.directory.name}.{name}.lock")
        busy = f"{name}: another run is at work on it"
        with lock(path, busy, LOCK_TIMEOUT, kind=ProviderError, log=log) as file:
            # What is started meanwhile holds it, too: a vagrant that outlives a killed run is waited for.
            before = getattr(self._held, "files", ())
            self._held.files = (*before, file.fileno())
            try:
                yield
            finally:
                self._held.files = before

    # -- commands ------------------------------------------------------------------------------------------------------

    def up(self, short: str, backend: str, timeout: float, log: Log) -> list[str]:
        """Create, start and provision a machine, and return the host keys that it told."""
        with self._client(timeout, log) as client:
            client.up(vm_name=short, provision=True, provider=backend)
            return self._told(client)

    def provision(self, short: str, timeout: float, log: Log) -> list[str]:
        """Provision a machine that runs, and return the host keys that it told."""
        with self._client(timeout, log) as client:
            client.provision(vm_name=short)
            return self._told(client)

    def reload(self, short: str, timeout: float, log: Log) -> list[str]:
        """Stop a machine, start it with its settings of today, provision it, and return the host keys that it told."""
        with self._client(timeout, log) as client:
            client.reload(vm_name=short, provision=True)
            return self._told(client)

    def halt(self, short: str, timeout: float, log: Log) -> None:
        """Stop a machine in order."""
        with self._client(timeout, log) as client:
            client.halt(vm_name=short)

    def destroy(self, short: str, timeout: float, log: Log) -> None:
        """Remove a machine with its disks."""
        with self._client(timeout, log) as client:
            client.destroy(vm_name=short)

    @staticmethod
    def _told(client: Any) -> list[str]:
        """Return the host keys that a machine told when it was provisioned."""
        marked = [line.partition(_HOST_KEY)[2] for line in client.lines if _HOST_KEY in line]
        return [" ".join(line.split()[:2]) for line in marked]

    @contextlib.contextmanager
    def _client(self, timeout: float, log: Log) -> Iterator[Any]:
        """Give a client of Vagrant's; what it said is in the message when it fails."""
        client = client_of(self.directory, timeout, log, getattr(self._held, "files", ()))
        yield client

    # -- what a killed run left in libvirt -----------------------------------------------------------------------------

    def sweep(self, short: str, log: Log) -> None:
        """Remove a domain and disks that Vagrant began to make for a machine and does not know of.

        Killed between making a disk or a domain and noting its id, Vagrant refuses both the next time.
        """
        name = f"{self._prefix}{short}"
        domains = virsh("list", "--all", "--name").split()
        if name in domains:
            log(f"removing {name}, which a killed run left behind")
            virsh("destroy", name, check=False)
            virsh("undefine", name, "--remove-all-storage", "--nvram", check=False)
        for pool in virsh("pool-list", "--name").split():
            for line in virsh("vol-list", pool).splitlines()[2:]:
                volume = line.split()[0] if line.split() else ""
                if volume == f"{name}.img" or volume.startswith(f"{name}-vd"):
                    log(f"removing disk {volume}, which a killed run left behind")
                    virsh("vol-delete", volume, "--pool", pool)


def executable() -> str:
    """Return the vagrant program.

    Raises:
        ProviderError: There is none.

    """
    found = shutil.which("vagrant")
    if found is None:
        raise ProviderError("vagrant: not found: install Vagrant (`apt-get install vagrant vagrant-libvirt`)")
    return found


def _environment() -> dict[str, str]:
    """Return what vagrant runs with: the person's own, without what would lead it elsewhere."""
    own = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {**own, "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


_ELSEWHERE = {"VAGRANT_CWD", "VAGRANT_DOTFILE_PATH", "VAGRANT_VAGRANTFILE", "VAGRANT_DEFAULT_PROVIDER"}


def translate_errors(command: str, lines: list[str]) -> str:
    """Return a failed command with the end of what it said, and what to do where that is known. Pure."""
    text = "\n".join(lines)
    low = text.lower()
    advice = next((advice for mark, advice in _ADVICE if mark in low), "")
    tail = "".join(f"\n    {line}" for line in lines[-_ERROR_LINES:])
    return f"{command} failed{': ' + advice if advice else ''}{tail}"


def client_of(directory: Path, timeout: float, log: Log, held: Sequence[int] = ()) -> Any:
    """Return python-vagrant's client, whose commands are heard while they run, and end.

    Args:
        directory: Where the Vagrantfile is.
        timeout: Seconds after which a command is ended, with all that it started.
        log: Takes each line that it prints.
        held: Open files that what is started holds, too.

    """
    import vagrant

    class Client(vagrant.Vagrant):
        """A client that keeps what its commands print."""

        def __init__(self) -> None:
            super().__init__(  # type: ignore[no-untyped-call]
                root=str(directory), env=_environment()
            )
            self.lines: list[str] = []

        def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
            words = self._make_vagrant_command(args)  # type: ignore[no-untyped-call]
            done = process.run(
                words,
                timeout=timeout,
                env=self.env,
                cwd=directory,
                stderr="merged",
                log=self._hear,
                new_session=True,
                pass_fds=held,
            )
            if not done.ok:
                late = f": {done.ending}" if done.status is None else ""
                raise ProviderError(translate_errors(f"vagrant {' '.join(words[1:])}{late}", self.lines))

        def _hear(self, text: str) -> None:
            for line in _COLOUR.sub("\n", text).splitlines():
                if line.strip() and not _PROGRESS.search(line):
                    self.lines.append(line.rstrip())
                    log(line.rstrip())

    executable()
    return Client()


# -- backends ----------------------------------------------------------------------------------------------------------

BACKENDS = ("libvirt", "virtualbox")
"""In the order in which they are tried, as hive-builder has it."""


def why_not(backend: str) -> str:
    """Return why a backend can't be used here; empty if it can."""
    return _WHY_NOT[backend]()


def virsh(*words: str, check: bool = True) -> str:
    """Run virsh and return what it printed.

    Raises:
        ProviderError: It failed (with `check`).

    """
    command = ["virsh", "--connect", _URI, *words]
    done = process.run(command, timeout=LIST_TIMEOUT, env={**os.environ, "LC_ALL": "C"})
    if check and not done.ok:
        late = f": {done.ending}" if done.status is None else ""
        raise ProviderError(translate_errors(f"virsh {' '.join(words)}{late}", done.errors.splitlines()))
    return done.output


def _list_libvirt() -> tuple[set[str], set[str]]:
    """Return the ids of all of libvirt's machines, and of those that run."""
    return set(virsh("list", "--all", "--uuid").split()), set(virsh("list", "--uuid").split())


def _list_virtualbox() -> tuple[set[str], set[str]]:
    """Return the ids of all of VirtualBox's machines, and of those that run: `"name" {id}` in each line."""
    every, running = (_output(["VBoxManage", "list", what]) for what in ("vms", "runningvms"))
    return set(_BRACED.findall(every)), set(_BRACED.findall(running))


_BRACED = re.compile(r"\{([0-9a-f-]+)\}\s*$", re.MULTILINE)
_LISTS: Mapping[str, Callable[[], tuple[set[str], set[str]]]] = {
    "libvirt": _list_libvirt,
    "virtualbox": _list_virtualbox,
}


def _why_not_libvirt() -> str:
    """Return why libvirt can't be used."""
    if "vagrant-libvirt" not in _output([executable(), "plugin", "list"]):
        return "vagrant-libvirt is not installed (`apt-get install vagrant-libvirt`, or `vagrant plugin install`)"
    if shutil.which("virsh") is None:
        return "virsh: not found (`apt-get install libvirt-clients`)"
    try:
        virsh("version")
    except ProviderError as error:
        return str(error).partition("\n")[0]
    return ""


def _why_not_virtualbox() -> str:
    """Return why VirtualBox can't be used."""
    if shutil.which("VBoxManage") is None:
        return "VBoxManage: not found: install VirtualBox"
    said = _output(["VBoxManage", "--version"])
    return "" if re.match(r"\d", said) else f"VBoxManage --version: {said.strip()}"


_WHY_NOT: Mapping[str, Callable[[], str]] = {"libvirt": _why_not_libvirt, "virtualbox": _why_not_virtualbox}


def _output(words: list[str]) -> str:
    """Return what a command prints, on both its outputs."""
    done = process.run(words, timeout=LIST_TIMEOUT, stderr="merged", env=_environment())
    return f"no answer within {LIST_TIMEOUT} s" if done.status is None else done.output
