"""The host with the registry and the vault's copy is not taken down before nothing is lost with it."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from commands.shared.task_selection import all_before
from model.errors import ProviderError
from tasks import build_infra
from tasks.explain.plan import Planner
from tasks.hosts import let_in_keys, moving, registry_host
from tasks.hosts.rolling_order import rolling_order
from tasks.hosts.volumes_on import maybe_on
from tasks.step import BLOCKED, Work
from tests import made as rig
from tests.made import Made

OTHER = ('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Give a stage of two hives, and hive2 with the registry; its hosts have other keys than site.toml wants."""
    site = rig.new(tmp_path)
    site.make()
    site.edit(*OTHER)
    return site


def as_clone(made: Made, *kept: str) -> Made:
    """Leave nothing in state/ but what is named, as in a fresh clone."""
    for path in (made.directory / "state/private").iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    made.hosts.clear()
    return made


@pytest.mark.parametrize("must_stop", [False, True])
def test_no_host_goes_down_while_nobody_knows_the_repository(made: Made, *, must_stop: bool) -> None:
    """A clone takes the last host for the repository, and so may want another one of it: nothing is changed."""
    if must_stop:
        made.edit(*reversed(OTHER))
        for where, thing in list(made.cloud.things.items()):
            if thing.name == "hive1":
                made.cloud.things[where] = dataclasses.replace(thing, must_stop=True)
    run = as_clone(made, "secrets").run()
    hosts = "hive1" if must_stop else "hive0, hive1, hive2"

    assert moving.refusal(run) == (
        f"stages.private: state/ does not know which host is the repository, and {hosts} would be replaced or "
        'stopped: write repository = "…" in [stages.private]; or put the change back in site.toml, run doit once with '
        "the hosts as they are, then change them"
    )
    planner = Planner(made.table())
    assert planner["build_infra:hive1"].action == BLOCKED


def test_the_host_that_is_taken_for_the_repository_may_hold_volumes(made: Made) -> None:
    """It may be a hive, as long as nobody knows; a volume that site.toml puts elsewhere is not there."""
    for known, volumes in ((False, ["data"]), (True, [])):
        made.edit('hosts = ["hive0"]\n', 'hosts = "each"\n') if not known else made.edit(
            "number_of_hosts = 3", 'number_of_hosts = 3\nrepository = "hive2"'
        )
        run = as_clone(made).run()
        assert maybe_on(run.stage, run.state, "hive2", run.stage.repository) == volumes


def test_hosts_that_stay_as_they_are_need_no_known_repository(made: Made) -> None:
    """A clone of an unchanged site, and a stage that was never made, are built as ever; so is one whose state knows."""
    assert moving.refusal(made.run()) == ""
    made.edit(*reversed(OTHER))
    assert moving.refusal(as_clone(made).run()) == ""


def test_the_only_copy_of_the_secrets_stays(made: Made) -> None:
    """A clone whose site.toml names the repository has not read the vault: no host that may have it goes down."""
    made.edit("number_of_hosts = 3", 'number_of_hosts = 3\nrepository = "hive2"')

    lines = moving.refusal(as_clone(made).run()).splitlines()

    assert [line.partition(" the stage's")[0] for line in lines] == [
        "hive0: may have",
        "hive1: may have",
        "hive2: has",
    ]
    assert lines[2].endswith(
        "the stage's only copy of its secrets, which this checkout has not read: put the change back in site.toml, "
        "run doit, then change it"
    )


def test_a_lost_vault_keeps_the_repository_alone(made: Made) -> None:
    """Where state/ knows the repository, the other hosts may go; and it too, where it was seen to have no copy."""
    shutil.rmtree(made.directory / "state/private/secrets")
    assert moving.refusal(made.run()).startswith("hive2: has the stage's only copy")

    steps = {name: step for name, step in made.hosts["hive2"].steps.items() if name != "vault"}
    made.look("hive2", steps=steps)
    assert moving.refusal(made.run()) == ""


def test_a_registry_in_its_container_is_taken_out_first(made: Made) -> None:
    """An older skep's repository lost its images with its container: one run moves the data before hosts change."""
    assert moving.refusal(made.run()) == ""
    steps = {name: step for name, step in made.hosts["hive2"].steps.items() if name != "registry_data"}
    made.look("hive2", steps=steps)
    (made.directory / "state/private/setup_hosts/hive2.registry_data.json").unlink()

    assert moving.refusal(made.run()) == (
        "hive2: the registry's data is still in its container, and would be lost with it: put the change back in "
        "site.toml, run doit once, then change the hosts"
    )
    assert registry_host.goes_down(made.run(), made.run().stage.repository)


def test_the_former_repository_is_changed_when_its_registry_has_moved(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A move that makes both hosts others, as repository_* does, does not lose the images on the way."""
    monkeypatch.setattr(let_in_keys, "settle", lambda *_: None)
    made.edit(*reversed(OTHER))
    made.edit("number_of_hosts = 3", 'number_of_hosts = 3\nrepository = "hive1"')
    where = ("example", "private", "hive2")
    made.cloud.things[where] = dataclasses.replace(made.cloud.things[where], key="as the repository")
    done, said, later = len(made.cloud.log), list[str](), list[str]()

    def ensure() -> None:
        run = made.run()
        step = next(step for step in build_infra.steps(run) if step.name == "hive2")
        step.ensure(Work(step.task, step.inputs(), "key", said.append))
        later.extend(run.progress.later)

    ensure()
    assert made.cloud.log[done:] == []
    assert (
        said
        == later
        == ["hive2 stays as it is until its registry has moved to hive1: the next run changes it"]
    )
    run = made.run()
    before = all_before({name: task.task_dep for name, task in made.tasks(run).items()})
    assert rolling_order(run, before, before.keys()).hosts == ()
    assert "in the run after this one" in str(Planner(made.table())["build_infra:hive2"].reasons)

    made.cloud.things[where] = dataclasses.replace(made.cloud.things[where], running=False)
    with pytest.raises(
        ProviderError, match=r"has not moved to hive1 yet \(it does not run\): put .* replace=hive2$"
    ):
        ensure()
    assert made.cloud.log[done:] == []

    monkeypatch.setattr("tasks.hosts.rolling_replace._give_up_place", lambda *_, **__: {})
    made.run().state.keep_home("hive1")
    ensure()
    assert made.cloud.log[done : done + 2] == ["removed hive2", "created hive2"]
