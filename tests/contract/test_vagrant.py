"""Promises of the vagrant provider beyond the contract: killed anywhere it goes on, Vagrant takes its Vagrantfile."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import ProviderError
from model.keys.record import HostRecord
from providers.vagrant import api as vagrant_api
from providers.vagrant import machines
from providers.vagrant.host import VagrantHosts
from providers.vagrant.provider import VagrantProvider
from providers.vagrant.vagrantfile import stage_table
from tests import rig as make
from tests.contract.rigs import VagrantRig, vagrant_stage

INTERFACE = next(
    name
    for name in sorted(path.name for path in Path("/sys/class/net").iterdir())
    # Vagrant looks for it, and takes none of these.
    if name != "lo" and not name.startswith(("docker", "veth", "virbr", "br-"))
)


def ensured(rig: VagrantRig, **settings: str) -> tuple[HostRecord, list[str]]:
    """Ensure hive0 with these settings, and return its record and the log."""
    provider = rig.provider()
    said: list[str] = []
    wanted = make.resource(provider, "hive0")
    changed = replace(wanted, settings={**wanted.settings, **settings})
    record = provider.ensure(changed, said.append)
    assert isinstance(record, HostRecord)
    return record, said


def table_of(provider: VagrantProvider, directory: Path) -> dict[str, Any]:
    """Return the inputs of a provider's Vagrantfile."""
    return stage_table(provider._stage, provider._config, "libvirt", "ssh-ed25519 A", directory)


def sites_provider(directory: Path, **config: Any) -> VagrantProvider:
    """Return the provider of a stage that says these things."""
    stage = vagrant_stage(**config)
    state = directory / "site" / "state" / "private"
    return VagrantProvider(stage, make.ssh_files(state), state)


def validated(provider: VagrantProvider, backend: str) -> str:
    """Have Vagrant validate a provider's Vagrantfile; return its complaints.

    Of VirtualBox only its configuration is there to be validated.
    """
    provider._machines.__dict__["backend"] = backend
    provider._hosts.write_files()
    words = ["vagrant", "validate", *(["--ignore-provider"] if backend == "virtualbox" else [])]
    done = subprocess.run(
        words, cwd=provider._machines.directory, capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode == 0) == ("validated successfully" in done.stdout)
    return done.stderr


class TestKilled:
    """Vagrant is killed in the middle of its work."""

    @pytest.mark.parametrize("moment", ["disk", "domain", "note", "provision"])
    def test_goes_on(self, vagrant_rig: VagrantRig, moment: str) -> None:
        """Whatever Vagrant had made when it was killed is adopted or removed: the next run ends with one machine."""
        vagrant_rig.die_in(moment)
        with pytest.raises(ProviderError, match="vagrant up hive0"):
            ensured(vagrant_rig)

        record, _ = ensured(vagrant_rig)

        assert vagrant_rig.things() == [f"hive0 {record.id}", "disk skep.machines.test.private.hive0.img"]

    @pytest.mark.parametrize("moment", ["disk", "domain", "note"])
    def test_what_is_left_can_be_removed(self, vagrant_rig: VagrantRig, moment: str) -> None:
        """A machine that was never finished is removed like any other, and leaves nothing."""
        vagrant_rig.die_in(moment)
        with pytest.raises(ProviderError):
            ensured(vagrant_rig)

        vagrant_rig.provider().remove("hive0", make.quiet)

        assert vagrant_rig.things() == []

    def test_one_that_was_not_provisioned_is_not_made_anew(self, vagrant_rig: VagrantRig) -> None:
        """A machine that had everything but its provisioning keeps its disk."""
        vagrant_rig.die_in("provision")
        with pytest.raises(ProviderError):
            ensured(vagrant_rig)
        before = vagrant_rig.things()

        ensured(vagrant_rig)

        assert vagrant_rig.things() == before


class TestInPlace:
    """Settings that a restart changes."""

    def test_settings_restart_a_machine(self, vagrant_rig: VagrantRig) -> None:
        """Other settings restart the machine, once, and it stays the one that it is."""
        before, _ = ensured(vagrant_rig)
        after, said = ensured(vagrant_rig, memory_size="4096")

        assert after == before
        assert any("graceful shutdown" in line for line in said)
        assert ensured(vagrant_rig, memory_size="4096") == (before, [])

    def test_what_runs_as_wanted_is_left_alone(self, vagrant_rig: VagrantRig) -> None:
        """A machine that runs and lets the stage's key in is not even provisioned again."""
        ensured(vagrant_rig)

        assert ensured(vagrant_rig)[1] == []


def test_found_asks_nothing_where_nothing_is(
    vagrant_rig: VagrantRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage of which nothing is made needs neither Vagrant nor libvirt to be looked at."""
    monkeypatch.setenv("PATH", "/nowhere")

    assert vagrant_rig.provider().found() == {}


def test_another_checkout_finds_the_machines(vagrant_rig: VagrantRig, tmp_path: Path) -> None:
    """Without state/ the machines are found with their keys, and let a new ssh key in."""
    before, _ = ensured(vagrant_rig)
    shutil.rmtree(tmp_path / "site")
    vagrant_rig.files = make.ssh_files(tmp_path / "other" / "state" / "private")

    assert vagrant_rig.provider().found()["hive0"].id == before.id
    assert ensured(vagrant_rig)[0] == before


def test_a_host_is_fenced_at_once(vagrant_rig: VagrantRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off by its backend: Vagrant would have a paused machine go on, to stop it in order. Then it starts."""
    make.ensure_host(vagrant_rig.provider(), "hive0")
    provider = vagrant_rig.provider()

    def refuse(*_: object) -> None:
        raise AssertionError("Vagrant was asked")

    monkeypatch.setattr(machines.Machines, "halt", refuse)
    said: list[str] = []
    for name in ("hive0", "hive0", "never"):
        provider.fence(name, said.append)
    assert said == ["switched hive0 off"]
    assert not vagrant_rig.provider().found()["hive0"].running
    make.ensure_host(vagrant_rig.provider(), "hive0")
    assert vagrant_rig.provider().found()["hive0"].running


def test_a_host_that_stays_on_is_not_fenced(vagrant_rig: VagrantRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its backend says counts, and not that it was told to."""
    make.ensure_host(vagrant_rig.provider(), "hive0")
    monkeypatch.setattr(machines, "power_off_machine", lambda *_: None)
    with pytest.raises(ProviderError, match="hive0: runs on, though it was switched off"):
        vagrant_rig.provider().fence("hive0", make.quiet)


def test_a_host_that_is_not_wanted_any_more_can_be_removed(vagrant_rig: VagrantRig) -> None:
    """A machine beyond number_of_hosts stays known to Vagrant until it is removed."""
    make.ensure_all(vagrant_rig.provider())
    vagrant_rig.stage = vagrant_stage(number_of_hosts=1, separate_repository=False)
    ensured(vagrant_rig)

    assert set(vagrant_rig.provider().found()) == {"hive0", "hive1"}
    vagrant_rig.provider().remove("hive1", make.quiet)
    assert set(vagrant_rig.provider().found()) == {"hive0"}


class TestMessages:
    """Messages of failures."""

    def test_no_vagrant(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without Vagrant one line has the packages to install."""
        provider = sites_provider(tmp_path)
        monkeypatch.setenv("PATH", "/nowhere")

        assert provider.check() == [
            "vagrant: not found: install it",
            "ssh: not found: install it",
        ]

    def test_no_backend(self, vagrant_rig: VagrantRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where neither libvirt nor VirtualBox works, each says why."""
        monkeypatch.setattr(
            vagrant_api, "_WHY_NOT", {"libvirt": lambda: "is off", "virtualbox": lambda: "is not there"}
        )

        assert vagrant_rig.provider().check() == [
            "Vagrant can make no machine here: libvirt: is off; virtualbox: is not there"
        ]

    def test_a_box_that_is_not_there(self, vagrant_rig: VagrantRig, tmp_path: Path) -> None:
        """A box's file is looked for before anything is made."""
        del vagrant_rig
        [said] = sites_provider(tmp_path, box_url="my.box").check()

        assert said == f"stages.private.box_url: there is no file {tmp_path / 'site' / 'my.box'}"

    def test_an_interface_that_is_not_there(self, vagrant_rig: VagrantRig, tmp_path: Path) -> None:
        """An interface to bridge to is looked for before anything is made; the message names those that are there."""
        del vagrant_rig
        [said] = sites_provider(tmp_path, bridge="br-none").check()

        assert said.startswith("stages.private.bridge: this machine has no interface 'br-none'; it has ")
        assert INTERFACE in said

    @pytest.mark.parametrize(
        ("line", "advice"),
        [
            ("error: failed to connect socket to '/var/run/libvirt/libvirt-sock'", "start it"),
            ("Timed out while waiting for the machine to boot.", "boot_timeout"),
            ("The box 'x/y' could not be found or\ncould not be accessed in the remote catalog.", "box_url"),
        ],
    )
    def test_advice(self, line: str, advice: str) -> None:
        """Vagrant's own error is shown, with the way out."""
        said = vagrant_api.translate_errors("vagrant up hive0", line.splitlines())

        assert advice in said.splitlines()[0]
        assert line.splitlines()[-1] in said

    def test_the_limit_of_time(self, vagrant_rig: VagrantRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """A command that does not end is ended with all that it started, and said to be."""
        slow = next(Path(part) for part in [shutil.which("vagrant") or ""])
        slow.write_text("#!/bin/sh\ncase $1 in up) echo begun; sleep 600;; *) echo vagrant-libvirt;; esac\n")
        monkeypatch.setattr(VagrantHosts, "_timeout", 5.0)

        with pytest.raises(ProviderError, match=r"vagrant up hive0 .*: no end after 5 s failed\n    begun"):
            ensured(vagrant_rig)


class TestBackend:
    """The backend that makes the machines."""

    @pytest.mark.parametrize(
        ("forced", "working", "taken"),
        [
            (None, ["libvirt", "virtualbox"], "libvirt"),
            (None, ["virtualbox"], "virtualbox"),
            ("virtualbox", ["libvirt", "virtualbox"], "virtualbox"),
        ],
    )
    def test_the_first_that_works(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        forced: str | None,
        working: list[str],
        taken: str,
    ) -> None:
        """Libvirt is tried before VirtualBox, unless one of them is asked for."""
        why_not = {
            name: (lambda name=name: "" if name in working else "is off")
            for name in ("libvirt", "virtualbox")
        }
        monkeypatch.setattr(vagrant_api, "_WHY_NOT", why_not)

        assert sites_provider(tmp_path, provider_backend=forced)._machines.backend == taken

    def test_the_one_that_is_asked_for_does_not_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then no other is taken in its place."""
        monkeypatch.setattr(vagrant_api, "_WHY_NOT", {"libvirt": str, "virtualbox": lambda: "is off"})

        with pytest.raises(ProviderError, match=r"no machine here: virtualbox: is off$"):
            _ = sites_provider(tmp_path, provider_backend="virtualbox")._machines.backend

    def test_that_of_the_machines_that_are_there(
        self, vagrant_rig: VagrantRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stage whose machines one of them has made stays with it, whatever else works by now."""
        del vagrant_rig
        provider = sites_provider(tmp_path)
        monkeypatch.setattr(provider._machines, "known", lambda: {"hive0": "virtualbox"})

        assert provider._machines.backend == "virtualbox"


class TestRealVagrant:
    """Vagrant itself, as far as no machine is needed."""

    @pytest.fixture
    def directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Give the directory that the provider writes for Vagrant."""
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
        return tmp_path

    @pytest.mark.parametrize(
        "config",
        [
            {"memory_size": 1024, "cpus": 2, "mirrored_disk_size": 4, "disk_size": 20},
            {"driver": "qemu", "vagrant_proxy": "http://192.0.2.1:3128"},
            {"box_url": "https://boxes.example/a.box", "box": 'a/"quoted" box'},
        ],
    )
    @pytest.mark.parametrize("backend", ["libvirt", "virtualbox"])
    def test_takes_the_vagrantfile(self, directory: Path, config: dict[str, Any], backend: str) -> None:
        """Whatever a stage says, `vagrant validate` has no complaint about its Vagrantfile."""
        assert validated(sites_provider(directory, **config), backend) == ""

    @pytest.mark.parametrize("config", [{"bridge": INTERFACE}, {"dev": INTERFACE}])
    def test_takes_an_interface(self, directory: Path, config: dict[str, Any]) -> None:
        """So it is with an interface to bridge to; libvirt's half asks libvirt, and is tried by `tox -e vm`."""
        assert validated(sites_provider(directory, **config), "virtualbox") == ""

    def test_has_libvirt(self, directory: Path) -> None:
        """Vagrant lists its plug-in for libvirt, as `why_not` looks for it."""
        del directory

        assert "vagrant-libvirt" in vagrant_api.output([vagrant_api.executable(), "plugin", "list"])

    def test_refuses_a_machine_that_it_does_not_have(self, directory: Path) -> None:
        """A failure of Vagrant's own is one of the provider's, with Vagrant's words."""
        provider = sites_provider(directory)
        provider._machines.__dict__["backend"] = "libvirt"
        provider._hosts.write_files()

        with pytest.raises(ProviderError, match=r"vagrant halt hive9 failed\n.*hive9"):
            provider._machines.halt("hive9", 60, make.quiet)


def test_the_vagrantfile_reads_all_that_is_written(tmp_path: Path, vagrant_rig: VagrantRig) -> None:
    """Each key of stage.json is one that the Vagrantfile reads, so that none is written in vain."""
    del vagrant_rig
    provider = sites_provider(tmp_path)
    text = (make.ROOT / "providers" / "vagrant" / "Vagrantfile.rb").read_text()
    table = table_of(provider, tmp_path)

    unread = [key for key in [*table, *table["hosts"]["hive0"]] if f'["{key}"]' not in text]
    assert unread == []
    assert json.loads(table["hosts"]["hive0"]["labels"])["skep.site"] == "machines.test"


def test_sizes_of_the_repository(tmp_path: Path, vagrant_rig: VagrantRig) -> None:
    """The repository may be larger; only hives get the further disk."""
    del vagrant_rig
    provider = sites_provider(tmp_path, repository_memory_size=4096, mirrored_disk_size=4)
    hosts = table_of(provider, tmp_path)["hosts"]

    assert [host["memory"] for host in hosts.values()] == [2048, 4096]
    assert [host["mirrored_disk"] for host in hosts.values()] == [4, None]


def test_resources_say_what_they_take(tmp_path: Path, vagrant_rig: VagrantRig) -> None:
    """The plan can add up hosts, memory and disks."""
    del vagrant_rig
    hive, *_ = sites_provider(tmp_path, mirrored_disk_size=4).resources()

    assert hive.quota_usage == {"hosts": 1, "MiB of memory": 2048, "GiB of further disks": 4}
