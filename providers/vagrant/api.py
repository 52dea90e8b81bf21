"""The programs that make virtual machines: vagrant, virsh, VBoxManage; their commands, answers and errors."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.errors import ProviderError
from model.log import Log
from remote.mother import process

LIST_TIMEOUT = 60
_URI = "qemu:///system"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PROGRESS = re.compile(r"Progress: \d+%")
_ERROR_LINES = 15

_ADVICE: tuple[tuple[str, str], ...] = (
    ("failed to connect socket", "libvirt is not running: start it (`systemctl start libvirtd`)"),
    (
        "authentication unavailable",
        "you may not use libvirt: join its group (`sudo usermod -aG libvirt $USER`), then log in again",
    ),
    ("could not be accessed in the remote", "the box can't be downloaded: check `box` and `box_url`"),
    ("couldn't open file", "the box can't be downloaded: check `box` and `box_url`"),
    ("hypervisor", 'this machine may lack KVM: set driver = "qemu" (software emulation, slow)'),
    ("kvm", 'this machine may lack KVM: set driver = "qemu" (software emulation, slow)'),
    (
        "timed out while waiting for the machine to boot",
        "give it longer with boot_timeout, or look at its console",
    ),
    ("could not detect virtualbox", "install VirtualBox, or vagrant-libvirt and libvirt"),
)
"""A part of Vagrant's message, in lower case, and what to do."""


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
    """Return vagrant's environment: the person's own, without the variables that would lead it to other machines."""
    own = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {**own, "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


_ELSEWHERE = {"VAGRANT_CWD", "VAGRANT_DOTFILE_PATH", "VAGRANT_VAGRANTFILE", "VAGRANT_DEFAULT_PROVIDER"}


def translate_errors(command: str, lines: list[str]) -> str:
    """Return a failed command with its last lines, and the way out where that is known. Pure."""
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
        """A client that keeps its commands' lines."""

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


BACKENDS = ("libvirt", "virtualbox")
"""In the order in which they are tried, as hive-builder has it."""


def why_not(backend: str) -> str:
    """Return why a backend can't be used here; empty if it can."""
    return _WHY_NOT[backend]()


def virsh(*words: str, check: bool = True) -> str:
    """Run virsh and return its output.

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
    every, running = (output(["VBoxManage", "list", what]) for what in ("vms", "runningvms"))
    return set(_BRACED.findall(every)), set(_BRACED.findall(running))


_BRACED = re.compile(r"\{([0-9a-f-]+)\}\s*$", re.MULTILINE)
_LISTS: Mapping[str, Callable[[], tuple[set[str], set[str]]]] = {
    "libvirt": _list_libvirt,
    "virtualbox": _list_virtualbox,
}


def list_machines(backend: str) -> tuple[set[str], set[str]]:
    """Return the ids of all machines of a backend, and of those that run."""
    return _LISTS[backend]()


def power_off_machine(backend: str, number: str) -> None:
    """Switch a machine off, as by its mains switch. Whether it is off then its backend's list says.

    Args:
        backend: Its backend.
        number: Its id there.

    """
    if backend == "libvirt":
        virsh("destroy", number, check=False)
    else:
        output(["VBoxManage", "controlvm", number, "poweroff"])


def _why_not_libvirt() -> str:
    """Return why libvirt can't be used."""
    if "vagrant-libvirt" not in output([executable(), "plugin", "list"]):
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
    version = output(["VBoxManage", "--version"])
    return "" if re.match(r"\d", version) else f"VBoxManage --version: {version.strip()}"


_WHY_NOT: Mapping[str, Callable[[], str]] = {"libvirt": _why_not_libvirt, "virtualbox": _why_not_virtualbox}


def output(words: list[str]) -> str:
    """Run a command and return both its outputs as one text."""
    done = process.run(words, timeout=LIST_TIMEOUT, stderr="merged", env=_environment())
    return f"no answer within {LIST_TIMEOUT} s" if done.status is None else done.output
