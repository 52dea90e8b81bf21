"""Promises of the prepared provider beyond the contract: every way in, and a clear word where there is none."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model import site as types
from model.errors import KeyRefusedError, ProviderError
from model.site import PreparedHost
from model.stage import Stage
from providers.base import Provider
from remote.ssh.login import log_in
from tests import rig as make
from tests.contract.rigs import PreparedRig

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


@pytest.fixture
def fresh(prepared_rig: PreparedRig, tmp_path: Path) -> Iterator[PreparedRig]:
    """Give hosts of which hive0 has never seen skep, and a stage that has seen no host."""
    prepared_rig.prepare("hive0")
    files = prepared_rig.files
    prepared_rig.files = make.ssh_files(tmp_path / "ssh")
    yield prepared_rig
    prepared_rig.files = files


def provider(rig: PreparedRig, **config: object) -> Provider:
    """Return the provider of a stage that says other things of how to log in."""
    table = rig.stage.config
    assert isinstance(table, types.PreparedStage)
    changed = types.PreparedStage(
        **{
            "cidr": table.cidr,
            "ip_address_list": table.ip_address_list,
            "root_password": "root",
            **config,
        }  # type: ignore[arg-type]
    )
    return make.provider_of(replace(rig.stage, config=changed), rig.files, rig.secret)


def admitted(rig: PreparedRig, of: Provider) -> bool:
    """Return whether the provider lets the stage's key in as the admin user, with sudo."""
    record = make.ensure_host(of, "hive0")
    known = rig.files.known_hosts.read_text().splitlines() if rig.files.known_hosts.exists() else []
    keys = record.host_keys or tuple(
        line.split(" ", 1)[1] for line in known if line.startswith(f"{record.name} ")
    )
    pinned = type(record)(
        **{field: getattr(record, field) for field in record.__struct_fields__} | {"host_keys": keys}
    )
    return log_in(pinned, rig.files.key, "sudo -n id -u").output.strip() == "0"


class TestWaysIn:
    """How a host lets skep in the first time."""

    def test_roots_password(self, fresh: PreparedRig) -> None:
        """Root's password makes the admin user, with the stage's key and sudo."""
        assert admitted(fresh, provider(fresh))

    def test_roots_key(self, fresh: PreparedRig, tmp_path: Path) -> None:
        """A private key that is named makes it, without any password."""
        key = tmp_path / "a key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_name("a key.pub").read_text()
        make.run_in(
            fresh.below.container("hive0"),
            f"mkdir -p /root/.ssh; echo '{public}' >/root/.ssh/authorized_keys",
        )

        assert admitted(fresh, provider(fresh, root_password=None, private_key=str(key)))

    def test_a_person_with_sudo_and_a_password(self, fresh: PreparedRig) -> None:
        """Somebody else than root gives sudo the same password."""
        make.run_in(fresh.below.container("hive0"), "gpasswd -a person sudo")

        assert admitted(fresh, provider(fresh, user="person", root_password="person"))

    def test_a_person_whose_sudo_asks_nothing(self, fresh: PreparedRig) -> None:
        """Where sudo wants no password, none reaches the shell that runs the script."""
        make.run_in(
            fresh.below.container("hive0"),
            "echo 'person ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/person; chmod 0440 /etc/sudoers.d/person",
        )

        assert admitted(fresh, provider(fresh, user="person", root_password="person"))

    def test_sudo_is_installed(self, fresh: PreparedRig) -> None:
        """A host without sudo gets it."""
        make.run_in(
            fresh.below.container("hive0"),
            "rm -rf /etc/sudoers.d; SUDO_FORCE_REMOVE=yes apt-get -q -y purge sudo; ! command -v sudo",
        )

        assert admitted(fresh, provider(fresh))

    def test_the_second_time_needs_no_password(self, fresh: PreparedRig) -> None:
        """Once the stage's key is in, nothing else is tried: a wrong password does not matter."""
        first = make.ensure_host(provider(fresh), "hive0")

        assert make.ensure_host(provider(fresh, root_password="wrong"), "hive0") == first

    def test_other_keys_of_the_admin_user_stay(self, fresh: PreparedRig) -> None:
        """A key that somebody else has added is kept beside the stage's."""
        make.ensure_host(provider(fresh), "hive0")
        keys = "/home/skep/.ssh/authorized_keys"
        make.run_in(fresh.below.container("hive0"), f"echo 'ssh-ed25519 AAAA other' >>{keys}")
        make.new_key(fresh.files)
        make.ensure_host(provider(fresh), "hive0")

        assert "AAAA other" in make.run_in(fresh.below.container("hive0"), f"cat {keys}")

    def test_its_identity_is_the_machines(self, fresh: PreparedRig) -> None:
        """The record's id is the machine's, so that a host that was installed anew is another."""
        record = make.ensure_host(provider(fresh), "hive0")

        assert record.id == make.run_in(fresh.below.container("hive0"), "cat /etc/machine-id").strip()

    def test_a_host_key_that_is_known_is_pinned(self, fresh: PreparedRig) -> None:
        """A host must have the host key of site.toml, which is in its record."""
        key = make.run_in(fresh.below.container("hive0"), "cat /etc/ssh/ssh_host_ed25519_key.pub").strip()
        record = make.ensure_host(provider(fresh, hosts={"hive0": PreparedHost(host_keys=[key])}), "hive0")

        assert record.host_keys == (" ".join(key.split()[:2]),)
        assert log_in(record, fresh.files.key, "true").worked


def test_a_host_that_shuts_this_machine_out_for_a_while(fresh: PreparedRig) -> None:
    """A log-in is tried again while sshd turns this machine's address away after one that it refused."""
    container = fresh.below.container("hive0")
    setting = "/etc/ssh/sshd_config.d/00-penalties.conf"
    make.run_in(container, f"echo 'PerSourcePenalties authfail:10 min:1' >{setting}; systemctl restart ssh")
    lines: list[str] = []
    try:
        with pytest.raises(KeyRefusedError, match="is refused"):
            make.ensure_host(provider(fresh, root_password="wrong"), "hive0")
        make.ensure_host(provider(fresh), "hive0", lines.append)
    finally:
        make.run_in(container, f"rm {setting}; systemctl restart ssh")

    assert any("sshd closes the connection at once: trying again" in line for line in lines)


class TestRefusals:
    """Every refusal has the host, the reason and the way out in one line."""

    def refusal(self, of: Provider) -> str:
        """Return `ensure`'s refusal: one line, of this host."""
        with pytest.raises((ProviderError, KeyRefusedError)) as caught:
            make.ensure(of, "hive0")
        said = str(caught.value)
        assert "\n" not in said
        assert said.startswith(("p-hive0.", "hive0 refuses this checkout's key (SHA256:"))
        return said

    def test_a_wrong_password(self, fresh: PreparedRig) -> None:
        """A wrong password names the secret it came from, and never itself."""
        said = self.refusal(provider(fresh, root_password="wrong"))

        assert "password of root (secret wrong) is refused" in said

    def test_no_key_and_no_password(self, fresh: PreparedRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without anything to log in with, the two settings are named."""
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        said = self.refusal(provider(fresh, root_password=None))

        assert "private_key" in said
        assert "root_password" in said

    def test_a_key_that_is_refused(self, fresh: PreparedRig, tmp_path: Path) -> None:
        """A private key that the host does not know is named."""
        key = tmp_path / "key"
        shutil.copy(make.ssh_files(tmp_path / "other").key, key)

        assert f"the key {key} is refused for root" in self.refusal(
            provider(fresh, root_password=None, private_key=str(key))
        )

    def test_a_person_without_sudo(self, fresh: PreparedRig) -> None:
        """Somebody who may not use sudo is told so."""
        assert "person has no sudo" in self.refusal(provider(fresh, user="person", root_password="person"))

    def test_no_answer(self, fresh: PreparedRig) -> None:
        """A host that does not answer is named with address and port, by `check` as well, all at once."""
        nowhere = provider(fresh, ssh_port=1)

        assert ":1: " in self.refusal(nowhere)
        said = nowhere.check()
        assert len(said) == len(fresh.stage.hosts)
        assert all("no ssh on" in line for line in said)

    def test_another_host_key_than_site_toml_says(self, fresh: PreparedRig) -> None:
        """A host that has another key than site.toml says gets no password, and the setting is named."""
        other = make.ssh_files(fresh.files.key.parent / "other").key.with_name("key.pub").read_text()
        said = self.refusal(provider(fresh, hosts={"hive0": PreparedHost(host_keys=[other])}))

        assert "stages.private.hosts.hive0.host_keys" in said
        assert "reinstalled" in said

    def test_another_host_key_than_before(self, fresh: PreparedRig) -> None:
        """A host with another key than at the first time is refused, with the line of the old one and the way out."""
        make.ensure_host(provider(fresh), "hive0")
        container = fresh.below.container("hive0")
        make.run_in(
            container,
            """
            rm -f /etc/ssh/ssh_host_*
            ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
            systemctl restart ssh
            """,
        )
        said = self.refusal(provider(fresh))

        assert f"{fresh.files.known_hosts}:1" in said
        assert f"ssh-keygen -f {fresh.files.known_hosts} -R p-hive0." in said
        fix = ["ssh-keygen", "-f", str(fresh.files.known_hosts), "-R", make_name(fresh.stage)]
        subprocess.run(fix, check=True, capture_output=True)
        make.ensure_host(provider(fresh), "hive0")

    def test_the_key_does_not_let_in(self, fresh: PreparedRig) -> None:
        """Where sshd keeps the admin user out, the settings to look for are named."""
        container = fresh.below.container("hive0")
        setting = "/etc/ssh/sshd_config.d/10-deny.conf"
        make.run_in(container, f"echo 'AllowUsers root' >{setting}; systemctl restart ssh")
        try:
            assert "AllowUsers" in self.refusal(provider(fresh))
        finally:
            make.run_in(container, f"rm {setting}; systemctl restart ssh")


def make_name(stage: Stage) -> str:
    """Return the name of the stage's first host."""
    return stage.hosts[0].name
