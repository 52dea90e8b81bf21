"""The way to a host that all clouds share, in a cloud of the test's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import KeyRefusedError, ProviderError
from model.keys.digest import Inputs
from model.log import Log
from model.site import AwsStage
from model.stage import Stage
from providers.cloud import host as module
from providers.cloud.cloud_init import SshKeys, fingerprint
from providers.cloud.host import CloudHosts, HostSpec, Machine, spec_of
from providers.cloud.provider import config_of
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.doubles.aws.cloud import stage_of

MACHINE = Machine(
    "hive0", "m-1", "key", is_running=True, host_key="ssh-ed25519 H", authorized_key="", answer={}
)


class ToyHosts(CloudHosts[AwsStage]):
    """Hosts in a cloud that only notes what is asked of it.

    Args:
        stage: The stage.
        files: Its ssh files.
        machines: The machines that there are.

    """

    layout = "7"

    def __init__(self, stage: Stage, files: SshFiles, *machines: Machine) -> None:
        super().__init__(stage, config_of(stage, AwsStage), files)
        self.machines, self.public_address = list(machines), ""
        self.calls: list[str] = []

    def _own_inputs(self) -> Inputs:
        return {"colour": "red"}

    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return nothing: all sizes are one here."""
        del spec, machine
        return ""

    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return two paths."""
        return f"/dev/toy/{machine.id}", f"/dev/scsi/{machine.id}"

    def _machines(self, name: str) -> list[Machine]:
        return [machine for machine in self.machines if machine.name == name]

    def _discard(self, machine: Machine, log: Log) -> None:
        del log
        self.calls.append(f"discard {machine.id}")

    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        del log
        self.calls.append(f"create {spec.short} {key}")
        return replace(MACHINE, id="m-new", key=key, is_running=False, host_key=keys.host_key.public)

    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        del spec, log
        self.calls.append(f"change {machine.id}")
        return machine

    def _start(self, machine: Machine, log: Log) -> Machine:
        del log
        self.calls.append(f"start {machine.id}")
        return replace(machine, is_running=True)

    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        del spec, log
        self.calls.append(f"connect {machine.id}")
        return self.public_address

    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        del spec, machine
        return self.public_address

    def _console_command(self, machine: Machine) -> str:
        return f"toy console {machine.id}"

    def _removal_words(self, machine: Machine) -> str:
        return f"smash {machine.id}"

    def stop(self, name: str, log: Log) -> None:
        """Stop nothing."""

    def remove(self, name: str, log: Log) -> None:
        """Remove nothing."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshFiles:
    """Give ssh files, whose key logs in everywhere at once."""
    monkeypatch.setattr(module, "wait_for_login", lambda *_: "")
    return make.ssh_files(tmp_path)


def ensure(hosts: ToyHosts, log: Log = make.quiet) -> Any:
    """Ensure hive0 under a key."""
    return hosts.ensure(hosts._stage.host("hive0"), "key", log)


def test_a_plan_changes_nothing(files: SshFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads back a machine that runs as wanted. Others of the host stay; one that is not as wanted is no host."""
    others = replace(MACHINE, id="m-0", key="")
    hosts = ToyHosts(stage_of(), files, others, MACHINE)
    host = hosts._stage.host("hive0")
    hosts.public_address = "203.0.113.9" if hosts.spec(host).is_public else ""

    found = hosts.recall(host, "key")

    assert found is not None
    assert found.id == "m-1"
    assert hosts.recall(host, "another") is None
    hosts.machines = [others, replace(MACHINE, is_running=False)]
    assert hosts.recall(host, "key") is None
    hosts.machines = [MACHINE]
    monkeypatch.setattr(module, "wait_for_login", lambda *_: "Permission denied (publickey).")
    assert hosts.recall(host, "key") is None
    hosts.public_address = "" if hosts.public_address else "203.0.113.9"
    monkeypatch.setattr(module, "wait_for_login", lambda *_: "")
    assert hosts.recall(host, "key") is None
    assert hosts.calls == []


def test_a_machine_with_the_key_is_adopted_and_the_others_go(files: SshFiles) -> None:
    """Of several with the key the first is the host; one of another host is left alone."""
    other, second = replace(MACHINE, id="m-0", key="old"), replace(MACHINE, id="m-2")
    hosts = ToyHosts(stage_of(), files, other, MACHINE, second, replace(MACHINE, name="hive1", id="m-3"))
    record = ensure(hosts)

    assert hosts.calls == ["discard m-0", "discard m-2", "change m-1", "start m-1", "connect m-1"]
    assert (record.id, record.host_keys) == ("m-1", ("ssh-ed25519 H",))


def test_a_broken_machine_is_no_host(files: SshFiles) -> None:
    """One without a key is removed, and another made, which gets a host key of its own."""
    hosts = ToyHosts(stage_of(), files, replace(MACHINE, key=""))
    log: list[str] = []
    record = ensure(hosts, log.append)

    assert hosts.calls == ["discard m-1", "create hive0 key", "change m-new", "start m-new", "connect m-new"]
    assert log[0] == "hive0.aws.test: is replaced; m-1 and its disks are removed"
    assert record.host_keys[0].startswith("ssh-ed25519 ")


def test_ssh_is_by_the_public_address_where_there_is_one(files: SshFiles) -> None:
    """Else by the address in the stage's own network."""
    hosts = ToyHosts(stage_of(), files, MACHINE)
    assert ensure(hosts).ssh_host == "10.1.0.10"
    hosts.public_address = "192.0.2.1"
    assert (ensure(hosts).ssh_host, ensure(hosts).address) == ("192.0.2.1", "10.1.0.10")


def test_no_login(files: SshFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message tells the console's command; where the key is refused, which one, and the ways back in."""
    waits: list[float] = []

    def refused(_record: object, _key: Path, timeout: float, _is_there: object) -> str:
        waits.append(timeout)
        return "skep@h: Permission denied (publickey)." if "refuses" in hosts_are else "no route"

    monkeypatch.setattr(module, "wait_for_login", refused)
    hosts_are = "silent"
    own = replace(MACHINE, authorized_key=fingerprint(files.public_key))
    with pytest.raises(
        ProviderError, match=r"no ssh log-in on 10\.1\.0\.10 within 300 s: no route\n.*toy console m-1"
    ):
        ensure(ToyHosts(stage_of(), files, own))
    hosts_are = "refuses"
    key = files.own_key
    assert key is not None
    with pytest.raises(KeyRefusedError) as caught:
        ensure(ToyHosts(stage_of(), files, replace(MACHINE, authorized_key="of another")))

    message = str(caught.value)
    assert message.startswith(f"hive0 refuses this checkout's key ({key.fingerprint}, ")
    assert f"run: doit authorize '{key.public} skep:{key.name}'; or append that key" in message
    assert "or smash m-1, which removes its disks" in message
    assert waits == [300.0, 20.0]


def test_a_host_key_that_somebody_made_anew(files: SshFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is the same and has other host keys is said as that: no firewall is in the way."""
    said = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed."
    monkeypatch.setattr(module, "wait_for_login", lambda *_: said)

    with pytest.raises(ProviderError) as caught:
        ensure(ToyHosts(stage_of(), files, MACHINE))

    message = str(caught.value)
    assert message.startswith("hive0.aws.test: 10.1.0.10 has another host key than before: ")
    assert "or smash m-1, which removes its disks" in message
    assert "ssh_source_ips" not in message


def test_a_cloud_that_can_lets_the_key_in(files: SshFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the host refuses is let in by the cloud's own means, if it has any, and then logs in."""
    hosts = ToyHosts(stage_of(), files, replace(MACHINE, authorized_key="of another"))

    def let_in(_record: object, machine: Machine, _log: object) -> bool:
        hosts.calls.append(f"let in {machine.id}")
        return True

    def wait_for_login(*_: object) -> str:
        return "" if "let in m-1" in hosts.calls else "skep@h: Permission denied (publickey)."

    monkeypatch.setattr(module, "wait_for_login", wait_for_login)
    monkeypatch.setattr(hosts, "_let_in", let_in)

    assert ensure(hosts).id == "m-1"
    assert hosts.calls[-1] == "let in m-1"


def test_sizes_of_the_repository_are_its_own() -> None:
    """Only hives have the extra disk."""
    stage = stage_of(
        number_of_hosts=2,
        repository_instance_type="t3.large",
        repository_disk_size=100,
        mirrored_disk_size=5,
        public_addresses=["hive0"],
    )
    config = config_of(stage, AwsStage)
    hive, repository = (spec_of(stage, config, host) for host in stage.hosts)

    assert (hive.instance_type, hive.disk_size, hive.data_size, hive.is_public) == ("t3.medium", 20, 5, True)
    assert (repository.instance_type, repository.disk_size, repository.data_size, repository.is_public) == (
        "t3.large",
        100,
        0,
        False,
    )


def test_a_disk_without_a_size_has_what_its_image_needs() -> None:
    """A size in site.toml holds; without one a new disk has what the image needs, and one that is there is enough."""
    stage = stage_of(number_of_hosts=2, repository_disk_size=100)
    config = config_of(stage, AwsStage)
    hive, repository = (spec_of(stage, config, host) for host in stage.hosts)

    assert (hive.new_size(10), hive.new_size(30)) == (20, 30)
    assert (hive.kept_size(10), hive.kept_size(30)) == (20, 30)
    assert (repository.new_size(120), repository.kept_size(120)) == (100, 100)
    assert hive.settings["disk_size"] == "20"


def test_the_extra_disk_is_named(files: SshFiles) -> None:
    """A run says where a hive finds it; a host without one has no line about it."""
    lines: list[str] = []
    for size in (5, None):
        hosts = ToyHosts(stage_of(number_of_hosts=2, mirrored_disk_size=size), files, MACHINE)
        ensure(hosts, lines.append)

    assert [line for line in lines if "extra disk" in line] == [
        "hive0.aws.test: its extra disk of 5 GiB is /dev/toy/m-1, or, if that is not there, /dev/scsi/m-1"
    ]


def test_a_size_changes_in_place_and_an_address_does_not(files: SshFiles) -> None:
    """Inputs make a host another host; settings don't."""
    stage = stage_of(number_of_hosts=1, separate_repository=False)
    hosts = ToyHosts(stage, files)
    spec = hosts.spec(stage.hosts[0])

    assert hosts.inputs(spec) == {
        "layout": "7",
        "name": "hive0.aws.test",
        "address": "10.1.0.10",
        "subnet": "10.1.0.0/26",
        "zone": "eu-central-1a",
        "image_name": "debian-12",
        "mirrored_disk": "False",
        "colour": "red",
    }
    assert spec.settings == {"instance_type": "t3.medium", "disk_size": "20", "public_address": "True"}
    assert replace(spec, data_size=5).settings["mirrored_disk_size"] == "5"
