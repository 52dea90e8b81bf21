"""Hosts in a cloud: their specifications, their machines, and the way from one to the other."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from model.errors import ProviderError
from model.hosts.placement import HostLocation
from model.json_types import Json
from model.keys.authorized_key import AuthorizedKey
from model.keys.digest import Inputs
from model.keys.record import ADMIN, HostRecord
from model.log import Log
from model.site import CloudStage
from model.stage import Host, Stage
from providers.cloud.cloud_init import SshKeys, fingerprint, new_host_key
from remote.ssh.authorized_keys import let_in_script
from remote.ssh.login import run_as_root, wait_for_login
from remote.ssh.ssh_files import SshFiles, host_key_problem, is_refusal

SSH_TIMEOUT = 300.0
LET_IN_TIMEOUT = 60.0
"""Seconds for ssh once the cloud was told to let the key in."""
UNKNOWN_KEY_TIMEOUT = 20.0
"""Seconds for ssh where the host was made for another key, beside which this one may have been let in since."""

Config = TypeVar("Config", bound=CloudStage)
"""The type of a stage's table."""
_DEFAULT_DISK = 20
"""The setting of a host whose disk has no size in site.toml; it is as large as its image needs."""


@dataclass(frozen=True)
class HostSpec:
    """A host as the stage wants it, in the terms that all clouds share.

    Args:
        host: The host.
        place: Its address, subnet and zone.
        image_name: The image that it is made from.
        instance_type: Its size, by the cloud's own name.
        disk_size: GiB of its disk; the fewest, where site.toml has no size for it.
        has_own_size: Whether site.toml has a size for its disk.
        data_size: GiB of its extra disk; 0 if it has none.
        is_public: Whether it has a public address.

    """

    host: Host
    place: HostLocation
    image_name: str
    instance_type: str
    disk_size: int
    has_own_size: bool
    data_size: int
    is_public: bool

    @property
    def name(self) -> str:
        """Its full name, for messages."""
        return self.host.name

    @property
    def short(self) -> str:
        """Its short name, which is its resource's."""
        return self.host.short

    @property
    def inputs(self) -> Inputs:
        """The inputs that a host has in every cloud; a host with others is another host."""
        return {
            "name": self.name,
            "address": self.place.address,
            "subnet": self.place.subnet.cidr,
            "zone": self.place.zone,
            "image_name": self.image_name,
            "mirrored_disk": str(bool(self.data_size)),
        }

    @property
    def settings(self) -> Inputs:
        """Its settings that change in place."""
        settings = {
            "instance_type": self.instance_type,
            "disk_size": str(self.disk_size if self.has_own_size else _DEFAULT_DISK),
            "public_address": str(self.is_public),
        }
        return {**settings, "mirrored_disk_size": str(self.data_size)} if self.data_size else settings

    def new_size(self, needed: int) -> int:
        """Return the GiB that its disk is made with, of which its image needs some."""
        return self.disk_size if self.has_own_size else max(self.disk_size, needed)

    def kept_size(self, there: int) -> int:
        """Return the GiB that its disk is to have which has some: where site.toml has no size, they are enough."""
        return self.disk_size if self.has_own_size else max(_DEFAULT_DISK, there)


def spec_of(stage: Stage, config: CloudStage, host: Host) -> HostSpec:
    """Return the specification of a host. Pure."""
    own_type = config.repository_instance_type if host.is_repository else None
    own_size = (config.repository_disk_size if host.is_repository else None) or config.disk_size
    return HostSpec(
        host=host,
        place=stage.location(host),
        image_name=config.image_name,
        instance_type=own_type or config.instance_type,
        disk_size=own_size or config.default_disk_size,
        has_own_size=own_size is not None,
        data_size=(config.mirrored_disk_size or 0) if host.is_hive else 0,
        is_public=stage.has_public_address(host),
    )


@dataclass(frozen=True)
class Disk:
    """A disk of a host, as it is and as it should be.

    Args:
        name: The cloud's name or id of it.
        size: Its GiB.
        wanted: The GiB that it should have.

    """

    name: str
    size: int
    wanted: int


def too_small(spec: HostSpec, disks: Iterable[Disk]) -> list[Disk]:
    """Return the disks that are smaller than they should be. Pure.

    Raises:
        ProviderError: One is larger than it should be.

    """
    small = []
    for disk in disks:
        if disk.size > disk.wanted:
            raise ProviderError(
                f"{spec.name}: its disk {disk.name} has {disk.size} GiB, and can't be made smaller: restore its size"
            )
        if disk.size < disk.wanted:
            small.append(disk)
    return small


def small_disks(disks: Iterable[Disk]) -> str:
    """Return the disks that are smaller than they should be, as "disk vol-1 has 20 GiB, not 30"; or nothing. Pure."""
    return ", ".join(
        f"disk {disk.name} has {disk.size} GiB, not {disk.wanted}"
        for disk in disks
        if disk.size < disk.wanted
    )


def _data_line(spec: HostSpec, paths: Sequence[str]) -> str:
    """Return where the extra disk is in the host. Pure."""
    if not paths:
        return f"{spec.name}: its extra disk of {spec.data_size} GiB is not attached"
    others = ", or, if that is not there, ".join(paths)
    return f"{spec.name}: its extra disk of {spec.data_size} GiB is {others}"


@dataclass(frozen=True)
class Machine:
    """A machine that a cloud has for a host.

    Args:
        name: The host's short name.
        id: The cloud's id.
        key: The key that it was made with; empty if it is broken or being removed, and so can't become the host.
        is_running: Whether it runs.
        host_key: Its public ssh host key; empty if that is unknown.
        authorized_key: The fingerprint of the ssh key that it was made for; empty if that is unknown.
        answer: All that the cloud says of it, in the API's words.

    """

    name: str
    id: str
    key: str
    is_running: bool
    host_key: str
    authorized_key: str
    answer: Any


def _record(host: Host, machine: Machine, public_address: str) -> HostRecord:
    """Return a host's record. Pure."""
    return HostRecord(
        name=host.name,
        id=machine.id,
        address=host.address,
        ssh_host=public_address or host.address,
        user=ADMIN,
        host_keys=(machine.host_key,) if machine.host_key else (),
    )


class CloudHosts(ABC, Generic[Config]):
    """The hosts of a stage: one way to make them, of which each cloud supplies the calls.

    Args:
        stage: The stage.
        config: The stage's table.
        files: Its ssh files; the key pair is there before `ensure` is called.

    """

    layout: ClassVar[str]
    """Raised when hosts must be replaced for a new version of a cloud's file."""

    def __init__(self, stage: Stage, config: Config, files: SshFiles) -> None:
        self._stage, self._config, self._files = stage, config, files

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def spec(self, host: Host) -> HostSpec:
        """Return the specification of a host. Pure."""
        return spec_of(self._stage, self._config, host)

    def inputs(self, spec: HostSpec) -> Inputs:
        """Return a host's inputs. Pure."""
        return {"layout": self.layout, **spec.inputs, **self._own_inputs()}

    @abstractmethod
    def _own_inputs(self) -> Inputs:
        """Return the inputs that hosts have in this cloud only. Pure."""

    @abstractmethod
    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return a difference that changes only while the machine is stopped, as "is a t3.small"; empty for none."""

    def disks(self, spec: HostSpec, machine: Machine, listed: Iterable[Json]) -> Iterable[Disk]:
        """Return the disks of a machine that grow while it runs. Pure.

        Args:
            spec: The host.
            machine: Its machine.
            listed: The stage's disks, in the API's words, where those of a machine are listed by themselves.

        """
        del spec, machine, listed
        return ()

    @abstractmethod
    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return the paths of the extra disk in the host, which hold in whatever order disks are found there.

        Which of them exists depends on the size's kind of disks and on the image.
        """

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make a host exist as specified, running, reachable, and open for the stage's ssh key."""
        spec = self.spec(host)
        machine = self._adopt(spec, key, log) or self._create(spec, key, self._new_keys(), log)
        machine = self._change(spec, machine, log)
        machine = self._start(machine, log)
        if spec.data_size:
            log(_data_line(spec, self.data_paths(machine)))
        record = _record(host, machine, self._connect(spec, machine, log))
        self._log_in(record, machine, log)
        return record

    def recall(self, host: Host, key: str) -> HostRecord | None:
        """Return the record of a host that runs as specified and lets the stage's key in; nothing is changed."""
        spec = self.spec(host)
        machine = next((machine for machine in self._machines(host.short) if machine.key == key), None)
        if machine is None or not machine.is_running:
            return None
        public_address = self._public_address(spec, machine)
        if bool(public_address) != spec.is_public:
            return None
        record = _record(host, machine, public_address)
        return None if wait_for_login(record, self._files.key, SSH_TIMEOUT, lambda: False) else record

    def _adopt(self, spec: HostSpec, key: str, log: Log) -> Machine | None:
        """Return the machine that was made with the key, if there is one; remove all others of the host."""
        machines = self._machines(spec.short)
        adopted = next((machine for machine in machines if machine.key == key), None)
        for machine in machines:
            if machine is not adopted:
                log(f"{spec.name}: is replaced; {machine.id} and its disks are removed")
                self._discard(machine, log)
        return adopted

    def _new_keys(self) -> SshKeys:
        """Return the ssh keys for a new machine."""
        return SshKeys(new_host_key(), self._files.entry.line)

    @abstractmethod
    def _machines(self, name: str) -> list[Machine]:
        """Return the machines of a host that nothing is being done to, the one to use first."""

    @abstractmethod
    def _discard(self, machine: Machine, log: Log) -> None:
        """Remove a machine that is not as wanted, with its disks."""

    @abstractmethod
    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        """Make the host's machine; of two runs that do so at once, both return the same one."""

    @abstractmethod
    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Give a machine the size and disks of the specification, stopping it if need be, and return it.

        Raises:
            ProviderError: A disk would become smaller.

        """

    @abstractmethod
    def _start(self, machine: Machine, log: Log) -> Machine:
        """Start a machine that does not run, and return it as it runs."""

    @abstractmethod
    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        """Give a machine its public address, or take it off, and return the address; empty for none."""

    @abstractmethod
    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        """Return the public address that a machine has; empty for none. Changes nothing."""

    # -- the first login -----------------------------------------------------------------------------------------------

    @abstractmethod
    def _console_command(self, machine: Machine) -> str:
        """Return the command that prints a machine's console. Pure."""

    @abstractmethod
    def _removal_words(self, machine: Machine) -> str:
        """Return how to remove a machine by hand, as "terminate i-12". Pure."""

    def _let_in(self, record: HostRecord, machine: Machine, log: Log) -> bool:
        """Let this checkout's key in by the cloud's own means, and return whether it has any."""
        del record, machine, log
        return False

    def _keep(self, record: HostRecord, key: AuthorizedKey, timeout: float) -> None:
        """Make a key, which the cloud lets in for a while, an entry as all others, if it logs in by now.

        Raises:
            ProviderError: It can't be written there.

        """
        if wait_for_login(record, self._files.key, timeout, lambda: True):
            return
        answer = run_as_root(record, self._files.key, let_in_script([key]))
        if not answer.worked:
            raise ProviderError(
                f"{record.name}: {answer.errors or f'exit status {answer.status}'}: run doit again"
            )

    def _log_in(self, record: HostRecord, machine: Machine, log: Log) -> None:
        """Wait until the stage's key logs in; where the host refuses it, have the cloud let it in.

        Raises:
            KeyRefusedError: It is refused, and the cloud can't let it in.
            ProviderError: The host does not answer.

        """
        is_for_other_key = machine.authorized_key not in {"", fingerprint(self._files.public_key)}
        timeout = UNKNOWN_KEY_TIMEOUT if is_for_other_key else SSH_TIMEOUT
        log(f"{record.name}: waiting for ssh on {record.ssh_host}")
        reason = wait_for_login(record, self._files.key, timeout, lambda: True)
        if is_refusal(reason) and self._let_in(record, machine, log):
            reason = wait_for_login(record, self._files.key, LET_IN_TIMEOUT, lambda: True)
        if is_refusal(reason):
            raise self._files.refusal(
                record.name.partition(".")[0],
                last=f"append that key to ~{ADMIN}/.ssh/authorized_keys by its console; or "
                f"{self._removal_words(machine)}, which removes its disks, and run doit again",
            )
        if problem := host_key_problem(reason):
            raise ProviderError(
                f"{record.name}: {record.ssh_host} {problem}: if somebody made its host keys anew, put the former ones "
                f"back by its console, or {self._removal_words(machine)}, which removes its disks, and run doit again; "
                "if not, another machine answers at this address"
            )
        if reason:
            raise ProviderError(
                f"{record.name}: no ssh log-in on {record.ssh_host} within {timeout:.0f} s: {reason}\n"
                f"    is this machine in ssh_source_ips? What the host says: {self._console_command(machine)}"
            )

    # -- stopping and removing -----------------------------------------------------------------------------------------

    @abstractmethod
    def stop(self, name: str, log: Log) -> None:
        """Stop a host in order, and come back when it has stopped."""

    @abstractmethod
    def remove(self, name: str, log: Log) -> None:
        """Remove a host with all that is its own, and come back when it is gone."""
