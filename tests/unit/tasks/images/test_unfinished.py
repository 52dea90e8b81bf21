"""What a killed or interrupted build leaves on the repository host."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.run import end_builds
from tasks.build_images import orphans
from tasks.images.builder import marks
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
    builder = SimpleNamespace(clear_leftovers=lambda: ended.append("ended"))
    monkeypatch.setattr("tasks.images.unfinished.builder_for", lambda *_, **__: builder)

    [found] = list(orphans(run))

    assert (found.words, found.is_reported) == ("build container 0123.ab on hive2", False)
    assert found.may_go(())
    found.remove(run, lambda _line: None)
    assert ended == ["ended"]
