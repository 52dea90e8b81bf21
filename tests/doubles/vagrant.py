"""A stand-in for `vagrant` and `virsh`, where a virtual machine would take minutes: started under either name.

It keeps machines as directories and files, in Vagrant's own layout as far as skep looks at it, and prints what Vagrant
2.3.4 with vagrant-libvirt 0.11.2 and libvirt 9.0 were seen to print. What they refuse, it refuses: a machine that the
Vagrantfile does not have, a disk or a domain that is there already, two commands on one machine at a time, an option
that it does not know. The real thing is tried by `tox -e vm`.

LIBVIRT, in the environment, names the directory that stands for libvirt: `domains/<name>` (its id, whether it runs) and
`disks/<name>`. A file `LIBVIRT/die` has a word of a command in it, in the middle of which that command is killed.
"""

import fcntl
import json
import os
import signal
import sys
import uuid
from pathlib import Path

LIBVIRT = Path(os.environ["LIBVIRT"])
BUSY = """An action '{action}' was attempted on the machine '{name}',
but another process is already executing an action on the machine.
Vagrant locks each machine for access by only one process at a time.
Please wait until the other Vagrant process finishes modifying this
machine, then try again."""
TAKEN = """Name `{domain}` of domain about to create is already taken. Please try to run
`vagrant up` command again."""
VOLUME = """Volume for domain is already created. Please run 'vagrant destroy' first."""
UNKNOWN = """The machine with the name '{name}' was not found configured for
this Vagrant environment."""


def log(text: str) -> None:
    """Print, at once."""
    print(text, flush=True)  # noqa: T201 - that is what it is for


def fail(text: str) -> None:
    """End as Vagrant does."""
    sys.stderr.write(text + "\n")
    sys.exit(1)


def die_in(command: str) -> None:
    """Be killed here if the test wants it, with the process that started this one."""
    order = LIBVIRT / "die"
    if order.exists() and order.read_text() == command:
        order.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class Domain:
    """A machine in libvirt."""

    def __init__(self, name: str) -> None:
        self.path = LIBVIRT / "domains" / name
        self.disks = [LIBVIRT / "disks" / f"{name}.img"]

    def table(self) -> dict[str, object]:
        """Return the machine's facts."""
        found: dict[str, object] = json.loads(self.path.read_text())
        return found

    def write(self, **changed: object) -> None:
        """Change the machine's facts."""
        self.path.write_text(json.dumps({**(self.table() if self.path.exists() else {}), **changed}))


class Vagrant:
    """One command in a directory with a Vagrantfile."""

    def __init__(self, name: str) -> None:
        if not Path("Vagrantfile").exists():
            fail("A Vagrant environment or target machine is required to run this command.")
        self.stage = json.loads(Path("stage.json").read_text())
        if name not in self.stage["hosts"]:
            fail(UNKNOWN.format(name=name))
        self.name = name
        self.domain = Domain(self.stage["prefix"] + name)
        self.folder = Path(".vagrant/machines") / name / "libvirt"
        self.id = self.folder / "id"

    def up(self) -> None:
        """Create the machine, or start it, and provision it."""
        log(f"Bringing machine '{self.name}' up with 'libvirt' provider...")
        if not self._is_there():
            self._create()
        self.domain.write(running=True, memory=self.stage["hosts"][self.name]["memory"])
        self.provision()

    def _is_there(self) -> bool:
        """Return whether there is a domain of the id that was noted; a note of one that is gone is removed."""
        if not self.id.exists():
            return False
        if self.domain.path.exists() and self.domain.table()["id"] == self.id.read_text():
            return True
        self.id.unlink()
        return False

    def _create(self) -> None:
        """Make disk, domain, note, in Vagrant's order."""
        [disk] = self.domain.disks
        if self.domain.path.exists():
            fail(TAKEN.format(domain=self.domain.path.name))
        if disk.exists():
            fail(VOLUME)
        log(f"==> {self.name}: Creating image (snapshot of base box volume).")
        disk.write_text(self.stage["box"])
        die_in("disk")
        log(f"==> {self.name}: Creating domain with the following settings...")
        number = str(uuid.uuid4())
        self.domain.write(id=number, running=False, labels=self.stage["hosts"][self.name]["labels"])
        die_in("domain")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.id.write_text(number)
        die_in("note")

    def provision(self) -> None:
        """Run the provisioner: the machine lets the key in, and tells its own."""
        if not (self._is_there() and self.domain.table()["running"]):
            # As Vagrant: nothing is done to a machine that does not run, and that is no error.
            log(f"==> {self.name}: VM is not currently running. Please, first bring it up with `vagrant up`")
            return
        log(f"==> {self.name}: Running provisioner: skep (shell)...")
        if not Path("admit.sh").read_text().startswith("#!/bin/sh"):
            fail("the provisioner is no script")
        # As its script does: the new entry is added, and one of the same key becomes it.
        if "$mark:.*:.*:" not in Path("admit.sh").read_text():
            fail("the provisioner does not let the key in beside others")
        new = str(self.stage["authorized_key"])
        before = self.domain.table().get("admitted")
        others = [str(one) for one in before] if isinstance(before, list) else []
        kept = [one for one in others if one.split()[1] != new.split()[1]]
        self.domain.write(admitted=[new, *kept], proxy=self.stage["proxy"])
        die_in("provision")
        log(f"    {self.name}: skep-host-key ssh-ed25519 KEY-OF-{self.domain.table()['id']}")

    def reload(self) -> None:
        """Stop, start, provision."""
        self.halt()
        self.up()

    def halt(self) -> None:
        """Stop."""
        if self._is_there():
            log(f"==> {self.name}: Attempting graceful shutdown of VM...")
            self.domain.write(running=False)

    def destroy(self) -> None:
        """Remove domain, disk, note."""
        if not self._is_there():
            log(f"==> {self.name}: Domain is not created. Please run `vagrant up` first.")
            return
        log(f"==> {self.name}: Removing domain...")
        self.domain.path.unlink()
        for disk in self.domain.disks:
            disk.unlink(missing_ok=True)
        self.id.unlink()


COMMANDS = {
    "up": ["NAME", "--provision", "--provider=libvirt"],
    "provision": ["NAME"],
    "reload": ["NAME", "--provision"],
    "halt": ["NAME"],
    "destroy": ["NAME", "--force"],
}


def vagrant(words: list[str]) -> None:
    """Be vagrant."""
    if words == ["plugin", "list"]:
        log("vagrant-libvirt (0.11.2, system)")
        return
    command, name, *_ = [*words, ""]
    if command not in COMMANDS or words != [command, *(w.replace("NAME", name) for w in COMMANDS[command])]:
        fail(f"Usage: vagrant {' '.join(words)}: this stand-in knows no such command")
    machine = Vagrant(name)
    with (LIBVIRT / f".{machine.domain.path.name}").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fail(BUSY.format(action=command, name=name))
        getattr(machine, command)()


def is_it(domain: Domain, name: str) -> bool:
    """Return whether a domain has this name, or this id."""
    return name in (domain.path.name, domain.table()["id"])


def virsh(words: list[str]) -> None:
    """Be virsh."""
    if words[:2] != ["--connect", "qemu:///system"]:
        fail("error: failed to connect to the hypervisor")
    domains = {path.name: Domain(path.name) for path in sorted((LIBVIRT / "domains").iterdir())}
    match words[2:]:
        case ["version"]:
            log("Compiled against library: libvirt 9.0.0")
        case ["list", "--all", "--uuid"]:
            log("".join(f"{domain.table()['id']}\n" for domain in domains.values()))
        case ["list", "--uuid"]:
            log("".join(f"{d.table()['id']}\n" for d in domains.values() if d.table()["running"]))
        case ["list", "--all", "--name"]:
            log("".join(f"{name}\n" for name in domains))
        case ["destroy", name] if any(is_it(d, name) and d.table()["running"] for d in domains.values()):
            for domain in domains.values():
                if is_it(domain, name):
                    domain.write(running=False)
        case ["undefine", name, "--remove-all-storage", "--nvram"] if name in domains:
            domains[name].path.unlink()
            for disk in domains[name].disks:
                disk.unlink(missing_ok=True)
        case ["pool-list", "--name"]:
            log("default\n")
        case ["vol-list", "default"]:
            log(" Name   Path\n-------------")
            log("".join(f" {path.name}   {path}\n" for path in sorted((LIBVIRT / "disks").iterdir())))
        case ["vol-delete", name, "--pool", "default"] if (LIBVIRT / "disks" / name).exists():
            (LIBVIRT / "disks" / name).unlink()
        case _:
            fail(f"error: {' '.join(words[2:])}: this stand-in knows no such thing")


if __name__ == "__main__":
    {"vagrant": vagrant, "virsh": virsh}[Path(sys.argv[0]).name](sys.argv[1:])
