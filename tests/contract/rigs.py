"""The rigs of the contract suite: for each provider a stage, and ways to meddle with it behind the provider's back."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

from model import site as types
from model.keys.record import HostRecord
from model.secrets.secret import Secret
from model.stage import Stage
from providers.base import Provider
from providers.docker.api import engine, thing
from providers.fake.provider import FakeCloud, FakeProvider
from providers.vagrant.api import virsh
from providers.vagrant.machines import prefix_of
from remote.ssh.login import Answer, log_in
from remote.ssh.ssh_files import SshFiles
from tests import rig as make


class Rig(ABC):
    """A stage with two hosts on which the rules are tried.

    Args:
        stage: The stage.
        files: Its ssh files.

    """

    real = True
    """Whether ssh answers on its hosts."""

    def __init__(self, stage: Stage, files: SshFiles) -> None:
        self.stage = stage
        self.files = files

    @abstractmethod
    def provider(self) -> Provider:
        """Return a new provider, as another run would have."""

    def checkout(self, directory: Path) -> "Rig":
        """Return the rig of another checkout of the same stage, which has a key of its own."""
        other = copy(self)
        other.files = make.ssh_files(directory)
        return other

    def lets_in(self, record: HostRecord, checkout: "Rig") -> bool:
        """Return whether a host lets a checkout's key in."""
        return log_in(record, checkout.files.key, "sudo -n true").worked

    @abstractmethod
    def things(self) -> list[str]:
        """Return all that exists, with its identity: equal before and after means that nothing was made."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Stop a host behind the provider's back."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a host behind the provider's back."""


class FakeRig(Rig):
    """The fake, with a cloud that outlives its providers."""

    real = False

    def __init__(self, stage: Stage, files: SshFiles) -> None:
        super().__init__(stage, files)
        self.cloud = FakeCloud()

    def provider(self) -> Provider:
        """Return a provider of the same cloud."""
        return FakeProvider(self.stage, self.files, cloud=self.cloud)

    def lets_in(self, record: HostRecord, checkout: Rig) -> bool:
        """Return whether the fake has noted the checkout's key."""
        return str(checkout.files.key) in self.cloud.let_in[record.id]

    def things(self) -> list[str]:
        """Return the cloud's things."""
        return sorted(f"{found.name} {found.id}" for found in self.cloud.things.values())

    def stop(self, name: str) -> None:
        """Stop it in the cloud."""
        self.cloud.stop(self.stage, name)

    def delete(self, name: str) -> None:
        """Delete it from the cloud."""
        self.cloud.delete(self.stage, name)


class CloudRig(Rig):
    """A cloud without machines, behind its real SDK: nothing answers on the hosts.

    Args:
        stage: The stage.
        files: Its ssh files.
        things: Returns all that there is in the account.
        delete: Deletes a host as in the cloud's console; where it is not given, as skep does.

    """

    real = False

    def __init__(
        self,
        stage: Stage,
        files: SshFiles,
        things: Callable[[], list[str]],
        delete: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(stage, files)
        self._things, self._delete = things, delete

    def provider(self) -> Provider:
        """Return the real one, whose SDK speaks to the cloud."""
        return make.provider_of(self.stage, self.files)

    def things(self) -> list[str]:
        """Return all that there is in the account."""
        return self._things()

    def stop(self, name: str) -> None:
        """Stop the host."""
        self.provider().halt(name, make.quiet)

    def delete(self, name: str) -> None:
        """Delete the host."""
        if self._delete is not None:
            self._delete(name)
        else:
            self.provider().remove(name, make.quiet)


class VagrantRig(Rig):
    """Vagrant and libvirt, by their stand-ins: nothing answers on the machines, which only keep who is let in.

    Args:
        stage: The stage.
        files: Its ssh files.
        libvirt: The directory that stands for libvirt.

    """

    real = False

    def __init__(self, stage: Stage, files: SshFiles, libvirt: Path) -> None:
        super().__init__(stage, files)
        self.libvirt = libvirt

    def provider(self) -> Provider:
        """Return the real provider."""
        return make.provider_of(self.stage, self.files)

    def lets_in(self, record: HostRecord, checkout: Rig) -> bool:
        """Ask the stand-in."""
        return self.log_in(record, checkout.files.key, "").worked

    def domain(self, name: str) -> Path:
        """Return where a machine is kept."""
        return self.libvirt / "domains" / f"{prefix_of(self.stage)}{name}"

    def things(self) -> list[str]:
        """Return the machines with their ids, and all disks."""
        domains = sorted((self.libvirt / "domains").iterdir())
        disks = sorted((self.libvirt / "disks").iterdir())
        short = len(prefix_of(self.stage))
        return [f"{d.name[short:]} {self.table(d.name[short:])['id']}" for d in domains] + [
            f"disk {disk.name}" for disk in disks
        ]

    def table(self, name: str) -> dict[str, Any]:
        """Return what is known of a machine."""
        table: dict[str, Any] = json.loads(self.domain(name).read_text())
        return table

    def stop(self, name: str) -> None:
        """Stop it in libvirt."""
        self.domain(name).write_text(json.dumps({**self.table(name), "running": False}))

    def delete(self, name: str) -> None:
        """Remove it from libvirt with its disk, as virsh undefine does."""
        self.domain(name).unlink()
        (self.libvirt / "disks" / f"{self.domain(name).name}.img").unlink()

    def die_in(self, command: str) -> None:
        """Have the next Vagrant be killed in the middle: after `disk`, `domain`, `note` or `provision`."""
        (self.libvirt / "die").write_text(command)

    def log_in(self, record: HostRecord, key: Path, _command: str) -> Answer:
        """Answer as the machine's sshd would: to who knows its key, and has the one that it lets in."""
        table = self.table(record.name.removeprefix("p-").partition(".")[0])
        known = record.host_keys == (f"ssh-ed25519 KEY-OF-{table['id']}",)
        own = key.with_suffix(".pub").read_text().split()[1]
        let_in = any(entry.split()[1] == own for entry in table.get("admitted", []))
        worked = table["running"] and known and let_in
        return Answer(0 if worked else 255, "", "" if worked else "Permission denied (publickey).")


def vagrant_stage(**config: Any) -> Stage:
    """Return a stage of two machines."""
    table = types.VagrantStage(**{"cidr": "10.231.9.0/24", "number_of_hosts": 2, "box": "a/box", **config})
    return Stage(types.Site(site="machines.test", stages={"private": table}), "private", table)


class VmRig(Rig):
    """Vagrant and libvirt as they are, with virtual machines: minutes for each."""

    def provider(self) -> Provider:
        """Return the real one."""
        return make.provider_of(self.stage, self.files)

    def domain(self, name: str) -> str:
        """Return a machine's name in libvirt."""
        return prefix_of(self.stage) + name

    def things(self) -> list[str]:
        """Return the machines with their ids, and all disks of the stage."""
        short = len(prefix_of(self.stage))
        names = [n for n in virsh("list", "--all", "--name").split() if n.startswith(prefix_of(self.stage))]
        disks = [line.split()[0] for line in virsh("vol-list", "default").splitlines()[2:] if line.split()]
        return [f"{name[short:]} {virsh('domuuid', name).strip()}" for name in sorted(names)] + [
            f"disk {disk}" for disk in sorted(disks) if disk.startswith(prefix_of(self.stage))
        ]

    def stop(self, name: str) -> None:
        """Pull its plug."""
        virsh("destroy", self.domain(name))

    def delete(self, name: str) -> None:
        """Remove it from libvirt with its disks."""
        virsh("destroy", self.domain(name), check=False)
        virsh("undefine", self.domain(name), "--remove-all-storage")


class DockerRig(Rig):
    """Docker, on this machine's engine."""

    def provider(self) -> Provider:
        """Return the real one."""
        return make.provider_of(self.stage, self.files)

    def container(self, name: str) -> str:
        """Return the name of a host's container."""
        return thing(self.stage, name)

    def things(self) -> list[str]:
        """Return what is found, and what carries the site's label."""
        found = [f"{name} {found.id}" for name, found in self.provider().found().items()]
        return sorted([*found, *make.labelled(self.stage.site_name)])

    def stop(self, name: str) -> None:
        """Stop the container, in order."""
        with engine(timeout=240) as client:
            client.stop(self.container(name))

    def delete(self, name: str) -> None:
        """Remove the container, and not its volumes."""
        with engine(timeout=240) as client:
            client.remove_container(self.container(name), force=True)


class PreparedRig(Rig):
    """Hosts that were prepared: made by the docker provider, and then made as if skep had never been there.

    Args:
        below: The rig of the containers.
        files: The ssh files of the prepared stage.
        config: What the stage says beside the addresses.

    """

    PASSWORD = "correct horse 'battery\" $taple"
    PERSON_PASSWORD = "another one"

    def __init__(self, below: DockerRig, files: SshFiles, **config: object) -> None:
        self.below = below
        table = types.PreparedStage(
            cidr=below.stage.config.cidr,
            ip_address_list=[host.address for host in below.stage.hosts],
            **{"root_password": "root", **config},  # type: ignore[arg-type]
        )
        site = types.Site(site=below.stage.site_name, stages={"private": table})
        super().__init__(Stage(site, "private", table), files)

    def secret(self, name: str) -> Secret:
        """Return a password."""
        return Secret({"root": self.PASSWORD, "person": self.PERSON_PASSWORD, "wrong": "wrong"}[name])

    def provider(self) -> Provider:
        """Return the real one, which knows the passwords."""
        return make.provider_of(self.stage, self.files, self.secret)

    def things(self) -> list[str]:
        """Return the containers' things."""
        return self.below.things()

    def stop(self, name: str) -> None:
        """Stop the container."""
        self.below.stop(name)

    def delete(self, name: str) -> None:
        """Remove the container."""
        self.below.delete(name)

    def prepare(self, name: str) -> None:
        """Make a host one that skep has never seen: root and a person with passwords, and no admin user."""
        make.run_in(
            self.below.container(name),
            f"""
            userdel -rf skep 2>/dev/null || true
            id person >/dev/null 2>&1 || useradd -m -s /bin/sh person
            rm -rf /etc/sudoers.d/* /root/.ssh /home/person/.ssh
            chpasswd <<'END'
root:{self.PASSWORD}
person:{self.PERSON_PASSWORD}
END
            gpasswd -d person sudo >/dev/null 2>&1 || true
            if [ ! -e /etc/ssh/sshd_config.d/00-rig.conf ]; then
                printf 'PermitRootLogin yes\\nMaxStartups 100\\n' >/etc/ssh/sshd_config.d/00-rig.conf
                systemctl restart ssh  # a reload ends before sshd listens again
            fi
            """,
        )
