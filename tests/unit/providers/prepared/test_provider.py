"""The resources of stages whose hosts exist already."""

from pathlib import Path
from typing import Any

from model import site as types
from model.secrets.secret import Secret
from model.site import PreparedHost
from model.stage import Stage
from providers.prepared.provider import PreparedProvider
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
