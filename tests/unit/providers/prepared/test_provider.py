"""The resources of stages whose hosts exist already."""

from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.secrets.secret import Secret
from model.site import PreparedHost
from model.stage import Stage
from providers.prepared import host
from providers.prepared.provider import PreparedProvider
from remote.ssh.login import Answer
from remote.ssh.ssh_files import SshFiles


def a_provider(directory: Path, **config: Any) -> PreparedProvider:
    """Return the provider of two prepared hosts."""
    table = types.PreparedStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    stage = Stage(types.Site(site="s.test", stages={"production": table}), "production", table)
    files = SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)
    return PreparedProvider(stage, files, directory, Secret)


def keys(provider: PreparedProvider) -> list[str]:
    """Return the keys of the hosts."""
    return [resource.key for resource in provider.resources()]


class TestResources:
    """The resources of a prepared stage."""

    def test_what_differs_at_one_host_counts_for_it_alone(self, tmp_path: Path) -> None:
        """Another port of one host makes that host stale, and no other."""
        before, after = (
            keys(a_provider(tmp_path)),
            keys(a_provider(tmp_path, hosts={"hive0": PreparedHost(ssh_port=23)})),
        )

        assert before[0] != after[0]
        assert before[1] == after[1]

    def test_how_to_log_in_the_first_time_does_not_count(self, tmp_path: Path) -> None:
        """A host that lets the stage's key in is not stale because of another password."""
        assert keys(a_provider(tmp_path)) == keys(a_provider(tmp_path, user="person", root_password="x"))

    def test_where_it_answers(self, tmp_path: Path) -> None:
        """A host's own address and port come before the stage's port and the address."""
        provider = a_provider(
            tmp_path, ssh_port=2222, hosts={"hive1": PreparedHost(ssh_host="gate.example", ssh_port=23)}
        )
        inputs = [resource.inputs for resource in provider.resources()]

        assert [(i["ssh_host"], i["ssh_port"]) for i in inputs] == [
            ("10.9.8.10", "2222"),
            ("gate.example", "23"),
        ]


def test_a_plan_makes_no_admin_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh clone it takes a host for known only where the key logs in already; no password is tried."""
    asked: list[list[str]] = []

    def run_ssh(words: list[str], **_: object) -> Answer:
        asked.append(words)
        worked = "HostKeyAlias=hive1.s.test" in words
        return (
            Answer(0, "machine-1\n", "")
            if worked
            else Answer(255, "", "skep@h: Permission denied (publickey).")
        )

    monkeypatch.setattr(host, "run_ssh", run_ssh)
    provider = a_provider(tmp_path, user="person", root_password="x")

    found = {each.name: provider.recall(each) for each in provider.resources()}

    assert found["hive0"] is None
    assert found["hive1"] is not None
    assert (found["hive1"].id, found["hive1"].ssh_host) == ("machine-1", "10.9.8.11")
    assert {"User=skep"} == {word for words in asked for word in words if word.startswith("User=")}
    assert len(asked) == 2
