"""Problems that would keep a stage from being made on this machine's engine."""

from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.stage import Stage
from providers.docker.check import watch_shortage
from providers.docker.provider import DockerProvider
from remote.ssh.ssh_files import SshFiles


def a_stage(**config: Any) -> Stage:
    """Return a stage of two docker hosts."""
    table = types.DockerStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    return Stage(types.Site(site="s.test", stages={"private": table}), "private", table)


def files(directory: Path) -> SshFiles:
    """Return ssh files that are not there."""
    return SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)


class TestCheck:
    """Problems that show before the engine is asked."""

    @pytest.fixture(autouse=True)
    def _no_engine(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Have no engine."""
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    def test_no_engine(self, tmp_path: Path) -> None:
        """An engine that is not there is one line with the way out, and no traceback."""
        [said] = DockerProvider(a_stage(), files(tmp_path)).check()

        assert "nothing.sock" in said
        assert "start it" in said

    def test_all_at_once(self, tmp_path: Path) -> None:
        """A name that is too long and addresses that are taken are said together, with all the hosts."""
        stage = a_stage(prefix="x" * 60, ip_address_list=["10.9.8.1", "10.9.8.255"])
        said = DockerProvider(stage, files(tmp_path)).check()

        assert sum("longer than 64" in line for line in said) == 2
        assert sum("10.9.8.1," in line or "10.9.8.255," in line for line in said) == 2

    def test_an_engine_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine on another machine can't be used, and it is said why."""
        monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere.invalid:2375")
        monkeypatch.setattr("providers.docker.network.problems", lambda _: [])
        monkeypatch.setattr("providers.docker.image.problems", lambda _: [])

        assert "can't be reached from here" in DockerProvider(a_stage(), files(tmp_path)).check()[0]


class TestWatches:
    """Whether the kernel has enough inotify instances for every host on it."""

    class Engine:
        """An engine with four hosts of another stage."""

        @staticmethod
        def containers(**_: object) -> list[dict[str, object]]:
            """Return the hosts."""
            return [
                {"Labels": {"skep.site": "s.test", "skep.stage": "other", "skep.name": f"hive{n}"}}
                for n in range(4)
            ]

    @pytest.mark.parametrize(("allowed", "enough"), [(128, True), (64, True), (63, False)])
    def test_counts_all_hosts(self, tmp_path: Path, allowed: int, *, enough: bool) -> None:
        """The hosts of other stages count too, and a limit that is too low is said with the way out."""
        limit = tmp_path / "limit"
        limit.write_text(f"{allowed}\n")
        said = watch_shortage(self.Engine(), a_stage(), limit)

        assert (said == "") is enough
        assert enough or "sysctl -w fs.inotify.max_user_instances=1024" in said

    def test_a_machine_without_inotify(self, tmp_path: Path) -> None:
        """Where there is no such limit to be read, as on macOS, nothing is said."""
        assert watch_shortage(self.Engine(), a_stage(), tmp_path / "none") == ""
