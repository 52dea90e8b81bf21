"""What a killed or interrupted build leaves on the repository host."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.run import end_builds
from model.errors import HostError
from model.stage import Host
from tasks.build_images import orphans
from tasks.images.builder import builder_for, marks
from tasks.images.unfinished import OrphanBuildContainer
from tests import made as rig


def test_a_base_that_was_not_pushed_is_seen_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is in no tag of the registry. One that was pushed is no orphan, and neither is reported after a run."""
    made = rig.new(tmp_path)
    made.make()
    seen = made.hosts["hive2"]
    pushed = next(iter(seen.tags)).rpartition(":")[2]
    made.hosts["hive2"] = replace(seen, local_bases=("skep/base:0123456789abcdef", f"skep/base:{pushed}"))
    run = made.run()

    found = list(orphans(run))

    assert [orphan.words for orphan in found] == ["unfinished image skep/base:0123456789ab on hive2"]
    assert not found[0].is_reported
    assert found[0].may_go(())
    removed: list[str] = []
    engine: Any = SimpleNamespace(images=SimpleNamespace(remove=removed.append))
    monkeypatch.setattr(run.connections, "engine", lambda _host: engine)
    found[0].remove(run, lambda _line: None)
    assert removed == ["skep/base:0123456789abcdef"]


def test_a_layer_that_a_killed_run_had_pushed_is_no_orphan(tmp_path: Path) -> None:
    """The build may go on in the next run, which has it from there; the registry's collection removes it later."""
    made = rig.new(tmp_path)
    made.make()
    seen = made.hosts["hive2"]
    made.hosts["hive2"] = replace(seen, tags=seen.tags | {"skep/layer:0123", "gone:0123"})

    assert [orphan.words for orphan in orphans(made.run())] == ["image gone"]


@pytest.mark.parametrize("building", [True, False])
def test_ctrl_c_ends_the_build_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, building: bool
) -> None:
    """They are removed where there may be one; an interrupted run that builds nothing asks nobody."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    ended: list[str] = []
    builder = SimpleNamespace(clear_leftovers=lambda: ended.append("ended"))
    monkeypatch.setattr("commands.run.builder_for", lambda *_, **__: builder)
    if building:
        marks(run.state).mkdir(parents=True)
        (marks(run.state) / "0123").touch()

    end_builds(run)

    assert ended == (["ended"] if building else [])


def test_a_killed_builds_container_is_seen_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This checkout knows that there may be one, and `doit prune` does not leave it at work."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    marks(run.state).mkdir(parents=True)
    (marks(run.state) / "0123.ab").touch()
    ended: list[str] = []
    monkeypatch.setattr(
        "tasks.images.unfinished.clear_leftovers", lambda _run, host, _log: ended.append(host)
    )

    [found] = list(orphans(run))

    assert (found.words, found.is_reported) == ("build container 0123.ab on hive2", False)
    assert found.may_go(())
    found.remove(run, lambda _line: None)
    assert ended == ["hive2"]


class Engines:
    """The hosts' engines, of which one has the container of a killed build."""

    def __init__(self, name: str, *, answers: bool) -> None:
        self.there, self.answers = ["hive2"], answers
        self._name = name

    def of(self, host: Host) -> Any:
        """Return the engine of a host."""

        def found(**_: Any) -> list[Any]:
            if host.short == "hive2" and not self.answers:
                raise HostError("hive2: no route to host")
            attrs = {"Created": "2026-11-29T11:03:31.123456789Z"}
            container = SimpleNamespace(
                name=self._name, attrs=attrs, remove=lambda **_: self.there.remove(host.short)
            )
            return [container] if host.short in self.there else []

        return SimpleNamespace(containers=SimpleNamespace(list=found))


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("prunes", [True, False])
def test_a_killed_builds_container_is_found_where_the_repository_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, prunes: bool, answers: bool
) -> None:
    """Its mark names its host, and stays as long as that was not asked. The builds of a run don't fail by it."""
    made = rig.new(tmp_path)
    made.make()
    made.edit("number_of_hosts = 3", 'number_of_hosts = 3\nrepository = "hive1"')
    run = made.run()
    marks(run.state).mkdir(parents=True)
    mark = marks(run.state) / "0123.ab"
    mark.write_text("hive2")
    engines = Engines("skep-build.example.private.0123.ab", answers=answers)
    monkeypatch.setattr(run.connections, "engine", engines.of)
    told: list[str] = []

    if prunes:
        [found] = [each for each in orphans(run) if isinstance(each, OrphanBuildContainer)]
        assert found.words == "build container 0123.ab on hive2"
        with nullcontext() if answers else pytest.raises(HostError, match="no route to host"):
            found.remove(run, told.append)
    else:
        builder_for(run, told.append)
        later = "build containers that a killed run left on hive2 are removed later: hive2: no route to host"
        assert told == ([] if answers else [later])

    assert engines.there == ([] if answers else ["hive2"])
    assert mark.exists() is not answers


def test_the_mark_of_a_host_that_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage has no way to ask it, and no run has to say for ever that a build was killed."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    marks(run.state).mkdir(parents=True)
    (marks(run.state) / "0123.ab").write_text("hive9")
    monkeypatch.setattr(run.connections, "engine", Engines("none", answers=True).of)
    (marks(run.state) / "at_work").write_text("hive2")
    run.coordination.once("clear build containers", lambda: None)

    builder_for(run, lambda _line: None)

    assert [mark.name for mark in marks(run.state).iterdir()] == ["at_work"]
