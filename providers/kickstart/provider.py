"""Provider `kickstart`: hosts with no operating system. skep makes what installs them, and waits for them.

From then on they are borrowed, as those of provider `prepared`: skep can't start them again, and erases none.
"""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from model import install
from model.errors import ProviderError
from model.install import Answers, InstallPlan
from model.install.plan import family_of
from model.keys.digest import Inputs
from model.keys.record import ADMIN, FactRecord, HostRecord, Record
from model.log import Log
from model.secrets.secret import Secret
from model.site import KickstartStage
from model.stage import Host, Stage
from model.units import duration
from providers.base import Found, Provider, Resource
from providers.kickstart import block_device
from providers.kickstart import iso as kickstart_iso
from providers.kickstart.host_keys import WWW, HostKeyStore, Kept
from providers.kickstart.netboot import make_directory
from remote.mother.wait import Pace, attempts
from remote.ssh.commands import ssh_login, with_key
from remote.ssh.files import SshFiles
from remote.ssh.login import LOGIN_TIMEOUT, log_in, pinned, run_ssh

MEDIUM = "medium"
LAYOUT = "1"
"""Raised when media must be made anew for a new version of this provider."""
_IDENTIFY = "sudo -n cat /etc/machine-id"
_ASK_AGAIN = 5.0
"""Seconds between attempts to log in to a host that is being installed."""
_SAY_AGAIN = 300.0

# The host key came on a medium that many can read: the host makes another, which has never left it. In two steps, so
# that a run that is killed between them knows both.
_NEW_KEY = """\
set -eu
umask 077
new=/etc/ssh/skep_next_ed25519_key
[ -s "$new.pub" ] || { rm -f "$new"; ssh-keygen -q -t ed25519 -N '' -C '' -f "$new"; }
cat "$new.pub"
"""
_USE_KEY = """\
set -eu
new=/etc/ssh/skep_next_ed25519_key key=/etc/ssh/ssh_host_ed25519_key
if [ -s "$new.pub" ]; then
    mv "$new" "$key"
    mv "$new.pub" "$key.pub"
    chmod 0644 "$key.pub"
    if command -v restorecon >/dev/null 2>&1; then restorecon /etc/ssh/* || true; fi
fi
rm -f /etc/cloud/cloud.cfg.d/99-installer.cfg
systemctl reload ssh 2>/dev/null || systemctl reload sshd
"""


class KickstartProvider(Provider):
    """Hosts that are installed by what skep made.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; keys of hosts and what is served to them are in its `secrets`.
        secret: Gives root's password, where there is one.

    """

    name: ClassVar[str] = "kickstart"
    owns: ClassVar[bool] = False
    halts: ClassVar[bool] = False
    keeps_volumes = True

    def __init__(self, stage: Stage, files: SshFiles, state: Path, secret: Callable[[str], Secret]) -> None:
        if not isinstance(stage.config, KickstartStage):
            raise TypeError(f"stage {stage.name} is not one of the kickstart provider")
        self._stage = stage
        self._config = stage.config
        self._files = files
        self._directory = state.parent.parent
        self._keeper = HostKeyStore(state / "secrets" / "install")
        self._secret = secret

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return what the hosts are installed from, and the hosts."""
        hosts = tuple(
            Resource(
                host.short,
                {"name": host.name, "address": host.address},
                needs=(MEDIUM,),
                is_host=True,
                doc=f"{host.name}, installed at {host.address}",
            )
            for host in self._stage.hosts
        )
        medium = Resource(
            MEDIUM, self._medium_inputs(), embeds_ssh_key=True, doc="what the hosts are installed from"
        )
        return (medium, *hosts)

    def _medium_inputs(self) -> Inputs:
        """Return what the medium is made from."""
        from msgspec import to_builtins

        own = {"install_timeout", "root_password", "provider"}
        said = {key: value for key, value in to_builtins(self._config).items() if key not in own}
        hosts = [f"{host.name} {host.address}" for host in self._stage.hosts]
        return {"layout": LAYOUT, "hosts of the stage": hosts, **said}

    # -- what is there -------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[str]:
        """Return what stands in the way: missing programs and files, a device that is in use."""
        config, path = self._config, f"stages.{self._stage.name}"
        programs = ["ssh", *(["xorriso"] if config.iso_src else [])]
        programs += ["mcopy"] if config.iso_dest and family_of(config.release) == "rhel" else []
        said = [f"{program}: not found: install it" for program in programs if shutil.which(program) is None]
        source, target, netboot = (
            self._path(config.iso_src),
            self._path(config.iso_dest),
            self._path(config.netboot_src),
        )
        if source is not None and not source.exists():
            said.append(f"{path}.iso_src: there is no file {source}: download it from the distribution")
        if netboot is not None and not netboot.is_dir():
            said.append(f"{path}.netboot_src: there is no directory {netboot}")
        if target is not None:
            if block_device.is_device(target):
                if problem := block_device.why_not(target):
                    said.append(f"{path}.iso_dest: {problem}")
            elif not target.parent.is_dir():
                said.append(f"{path}.iso_dest: there is no directory {target.parent}: make it")
        return said

    def found(self) -> Mapping[str, Found]:
        """Return nothing: to look would be to log in to each host."""
        return {}

    # -- making it so --------------------------------------------------------------------------------------------------

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make the medium; or wait for a host that is installed from it, and take it over."""
        if resource.name == MEDIUM:
            return self._make_medium(resource.key, log)
        return self._await(self._stage.host(resource.name), log)

    def _make_medium(self, key: str, log: Log) -> FactRecord:
        """Make image and directory with the answers of all hosts."""
        public = self._files.public_key
        # What is on the medium names a key, so that one whose making was killed goes with the next.
        hosts: list[tuple[InstallPlan, Answers]] = []
        with self._keeper.lock():
            for host in self._stage.hosts:
                kept = self._keeper.renewed(host.short)
                plan = install.plan(self._stage, host, public, kept.private, kept.pending)
                hosts.append((plan, install.answers(plan)))
            source, target = self._path(self._config.iso_src), self._path(self._config.iso_dest)
            if target is not None and source is not None:
                self._write_image(source, target, hosts, log)
            if self._config.netboot_url is not None:
                directory = self.served
                make_directory(self._config, directory, source, self._path(self._config.netboot_src), hosts)
                log(f"made {directory}: `doit serve_install` serves it at {self._config.netboot_url}")
        return FactRecord(id=key)

    def _write_image(
        self, source: Path, target: Path, hosts: Sequence[tuple[InstallPlan, Answers]], log: Log
    ) -> None:
        """Make the image, at once as a file, or beside the state and then on to the device."""
        if not block_device.is_device(target):
            kickstart_iso.remaster(source, target, hosts)
            log(f"made {target}: start each host from it, and choose the host in its menu")
            return
        if problem := block_device.why_not(target):
            raise ProviderError(f"stages.{self._stage.name}.iso_dest: {problem}")
        image = self._keeper.directory / "image.iso"
        try:
            kickstart_iso.remaster(source, image, hosts)
            block_device.write(image, target)
        finally:
            image.unlink(missing_ok=True)
        log(f"wrote {target}: start each host from it, and choose the host in its menu")

    def _await(self, host: Host, log: Log) -> HostRecord:
        """Wait until a host answers as the one that was installed, and take it over."""
        problem, told = "", float("-inf")
        for _ in attempts(self._config.install_timeout, Pace(first=_ASK_AGAIN, longest=_ASK_AGAIN)):
            answer = self._take_over(host, self._keeper.read(host.short), log)
            if isinstance(answer, HostRecord):
                return answer
            problem = answer
            if time.monotonic() - told > _SAY_AGAIN:
                log(
                    f"{host.name}: waiting for it at {host.address}; install it from {self._medium()} ({problem})"
                )
                told = time.monotonic()
        raise ProviderError(
            f"{host.name}: does not answer as installed within {duration(self._config.install_timeout)}: {problem}: "
            f"look at its screen; install it from {self._medium()}, then run doit again"
        )

    def _medium(self) -> str:
        """Return what a person starts hosts from."""
        ways = [str(self._config.iso_dest)] if self._config.iso_dest else []
        ways += ["the network (doit serve_install)"] if self._config.netboot_url else []
        return " or ".join(ways)

    def _take_over(self, host: Host, kept: Kept, log: Log) -> HostRecord | str:
        """Return the host's record if it answers, with a host key of its own; else why it does not."""
        problem = self._answers(host)
        if problem:
            return problem
        if kept.current:
            answer = log_in(self._record(host, kept.current), self._files.key, _IDENTIFY)
            if answer.worked:
                self._keeper.write(host.short, kept.settled())
                return self._finished(host, kept.current, answer.output, log)
            problem = answer.errors
        if not kept.pending:
            return problem or "nothing was made to install it from: doit build_infra:medium"
        first = self._record(host, kept.pending)
        answer = log_in(first, self._files.key, _IDENTIFY)
        if not answer.worked:
            return answer.errors or problem or f"exit status {answer.status}"
        log(f"{host.name}: was installed; it gets a host key that was on no medium")
        told = self._run_as_root(first, _NEW_KEY)
        words = told.split()
        if len(words) < 2 or words[0] != "ssh-ed25519":  # noqa: PLR2004 - type and key
            raise ProviderError(
                f"{host.name}: ssh-keygen made no key there: {told.strip() or 'it said nothing'}"
            )
        kept = kept.exchanged(" ".join(words[:2]))
        self._keeper.write(host.short, kept)
        self._run_as_root(first, _USE_KEY)
        answer = log_in(self._record(host, kept.current), self._files.key, _IDENTIFY)
        if not answer.worked:
            return f"its new host key is not in use yet: {answer.errors}"
        self._keeper.write(host.short, kept.settled())
        return self._finished(host, kept.current, answer.output, log)

    def is_installed(self, host: Host) -> bool:
        """Return whether a host answers ssh with a key by which it is known, and lets the stage's in."""
        if self._answers(host):
            return False
        kept = self._keeper.read(host.short)
        records = [self._record(host, key) for key in (kept.current, kept.pending) if key]
        return any(log_in(record, self._files.key, "sudo -n true").worked for record in records)

    @property
    def served(self) -> Path:
        """The directory that hosts are booted from over the network."""
        return self._keeper.directory / WWW

    def _answers(self, host: Host) -> str:
        """Return why a host's ssh port does not answer, if it does not."""
        try:
            socket.create_connection((host.address, 22), timeout=_ASK_AGAIN).close()
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _finished(self, host: Host, host_key: str, identity: str, log: Log) -> HostRecord:
        """Give root its password, where there is one, and return the record."""
        record = self._record(host, host_key, identity.strip())
        if not record.id:
            raise ProviderError(
                f"{host.name}: /etc/machine-id is empty: run `systemd-machine-id-setup` there"
            )
        if self._config.root_password is not None:
            password = self._secret(self._config.root_password).reveal()
            self._run_as_root(record, "chpasswd <<'SKEP-END'\nroot:" + password + "\nSKEP-END\n")
        log(f"{host.name}: answers as {ADMIN}@{record.ssh_host}")
        return record

    def _run_as_root(self, record: HostRecord, script: str) -> str:
        """Run a script on a host, and return what it printed; what is in it goes on no command line."""
        with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
            words = ssh_login(
                record, pinned(record, Path(directory)), with_key(self._files.key), "sudo -n sh -s"
            )
            answer = run_ssh(words, timeout=LOGIN_TIMEOUT, stdin=script.encode())
        if not answer.worked:
            raise ProviderError(
                f"{record.name}: {answer.errors or f'exit status {answer.status}'}: run doit again"
            )
        return answer.output

    def _record(self, host: Host, host_key: str, identity: str = "") -> HostRecord:
        """Return a host's record."""
        return HostRecord(
            name=host.name,
            id=identity,
            address=host.address,
            ssh_host=host.address,
            user=ADMIN,
            host_keys=(host_key,),
        )

    def halt(self, name: str, log: Log) -> None:
        """Refuse: a host that is off could not be started again.

        Raises:
            ProviderError: Always; `halts` says so beforehand.

        """
        del log
        raise ProviderError(f"{name}: is a machine that skep can't start again: stop it yourself")

    def remove(self, name: str, log: Log) -> None:
        """Remove the medium, if it is a file; leave a host as it is, and say so."""
        if name != MEDIUM:
            log(f"{name}: was installed and is left as it is")
            return
        target = self._path(self._config.iso_dest)
        if target is not None and block_device.is_device(target):
            log(f"{target}: is left as it is; it holds keys of the installation")
        elif target is not None and target.exists():
            target.unlink()
            log(f"removed {target}")
        self._keeper.remove_files()

    def _path(self, text: str | None) -> Path | None:
        """Return a path of site.toml, seen from the site's directory."""
        return None if text is None else self._directory / Path(text).expanduser()
