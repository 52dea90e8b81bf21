"""A volume on the file system that the stage's cloud makes: `{{ nfs.server }}` and `{{ nfs.path }}` in its options."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ConfigError
from model.keys.record import FactRecord, HostRecord
from model.site_file.load import load, select
from tasks import build_volumes
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tests import rig as make

SITE = """\
site = "example"
[stages.production]
provider = "gcp"
region = "europe-west3"
cidr = "10.0.0.0/24"
number_of_hosts = 2
instance_type = "e2-medium"
nfs = true
[volumes.shared.driver_opts]
type = "nfs"
o = "addr={{ nfs.server }},nfsvers=4.1"
device = ":{{ nfs.path }}"
[volumes.plain]
[services.web]
image = "nginx:1"
volumes = [{ source = "shared", target = "/srv" }, { source = "plain", target = "/var" }]
"""


class Engine:
    """An engine that takes note of the volume that it is asked to make."""

    def __init__(self) -> None:
        self.api, self.made = self, list[Any]()

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """Return a volume, if it was made."""
        from docker.errors import NotFound

        for _, _, options, labels in (each for each in self.made if each[0] == name):
            return {"Options": options, "Labels": labels}
        raise NotFound(name)

    def create_volume(self, *words: Any) -> dict[str, Any]:
        """Take note, and show it as the engine does."""
        self.made.append(words)
        return self.inspect_volume(words[0])


def run_of(directory: Path, text: str = SITE) -> Run:
    """Return a run of the site, whose host is made."""
    (directory / "site.toml").write_text(text)
    run = new_run(
        directory, select(load(directory / "site.toml"), None), State(directory / "state" / "production")
    )
    host = HostRecord(name="hive0.example", id="1", address="10.0.0.10", ssh_host="10.0.0.10", user="skep")
    run.state.write("build_infra:hive0", host)
    return run


def test_the_engine_is_told_where_the_file_system_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's options have server and path; the task waits for the file system, and is stale with another one."""
    run, engine = run_of(tmp_path), Engine()
    monkeypatch.setattr(run.connections, "engine", lambda _host: engine)
    monkeypatch.setattr(build_volumes, "elsewhere", lambda *_: "")
    monkeypatch.setattr(build_volumes, "move_refusal", lambda *_: "")
    monkeypatch.setattr(build_volumes, "dropped_move", lambda *_: None)
    steps = {step.name: step for step in build_volumes.steps(run)}
    assert "build_infra:nfs" in steps["shared@hive0"].after
    assert "build_infra:nfs" not in steps["plain@hive0"].after
    with pytest.raises(KeyError, match="build_infra:nfs"):
        steps["shared@hive0"].inputs()

    run.state.write("build_infra:nfs", FactRecord(id="10.254.0.5:/shares/one"))
    before = steps["shared@hive0"].inputs()
    work: Any = SimpleNamespace(task="build_volumes:shared@hive0", log=make.quiet)
    steps["shared@hive0"].ensure(work)
    [(name, driver, options, _)] = engine.made
    assert (name, driver) == ("shared", "local")
    assert options == {"type": "nfs", "o": "addr=10.254.0.5,nfsvers=4.1", "device": ":/shares/one"}

    run.state.write("build_infra:nfs", FactRecord(id="10.254.0.6:/shares/one"))
    assert steps["shared@hive0"].inputs() != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "nfs = true\n",
            "",
            "o: there is no part of the stage's file system 'server' (there are none)",
        ),
        (
            "nfs.path",
            "nfs.dir",
            "device: there is no part of the stage's file system 'dir' (there are: path, server)",
        ),
        (
            "nfsvers=4.1",
            "password={{ secrets.pw }}",
            "o: there is a secret in it, which would be seen by whoever looks at the volume",
        ),
    ],
)
def test_mistakes_are_said_before_anything_is_touched(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A stage without one, a word that there is not, and a secret in an option are found as site.toml is read."""
    text = SITE.replace(old, new) + "[secrets]\npw = { generate = 12 }\n"
    with pytest.raises(ConfigError) as caught:
        run_of(tmp_path, text)

    assert f"site.toml: volumes.shared.driver_opts.{said}" in caught.value.problems
