"""Roles of files: what images get of them, and what a run that breaks off leaves."""

from pathlib import Path
from typing import Any

import pytest

from tests.doubles.engine import ApiDouble, EngineDouble, Fault, Node, Shell, refuse
from tests.doubles.image_histories import Bench, World, default_role, first_world


def files(**contents: str) -> dict[str, Node]:
    """Return a role of files in `/etc/app`, by their names."""
    tree = {path: Node("directory", 0o755) for path in ("root", "root/etc", "root/etc/app")}
    return {
        **tree,
        **{f"root/etc/app/{name}": Node("file", 0o644, text.encode()) for name, text in contents.items()},
    }


def world() -> World:
    """Return two images that share a script's layer and one of files; one has a script on top of files."""
    made = first_world()
    made.roles = {
        "r0": default_role("r0"), "r1": default_role("r1"),
        "common": files(common="1"), "web": files(web="2", common="3"), "db": files(db="4"),
    }  # fmt: skip
    made.images["web"]["roles"] = ["r0", "common", "web"]
    made.images["db"]["roles"] = ["r0", "common", "db", "r1", "web"]
    return made


def test_files_need_no_container_that_runs(tmp_path: Path) -> None:
    """The files are there, a later role's in the place of an earlier one's; only scripts were run."""
    bench = Bench(tmp_path)

    assert bench.build(world()) is None

    assert len(bench.engine.ran) == 2
    found = bench.image("web").files
    assert [found[f"etc/app/{name}"].data for name in ("common", "web")] == [b"3", b"2"]
    assert found["etc"] == Node("directory", 0o755)
    assert "etc/app/db" not in found
    assert bench.image("db").files["etc/app/db"].data == b"4"


def test_each_layer_that_a_build_uses_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine names it anew, be it found or loaded: by that time the registry's host knows that it is in use."""
    bench, now, named = Bench(tmp_path), world(), set[str]()
    tag = ApiDouble.tag

    def note(api: ApiDouble, image: str, repository: str, name: str, **options: Any) -> bool:
        named.add(f"{repository}:{name}")
        return tag(api, image, repository, name, **options)

    monkeypatch.setattr(ApiDouble, "tag", note)
    del now.images["db"], now.services["db"]
    assert bench.build(now) is None
    script, common, web = bench.engine.layered
    assert {common, web} <= named, "a layer that is committed has its name by that"

    named.clear()
    now.roles["web"] = files(web="5")
    assert bench.build(now) is None
    assert {name for name in named if name.startswith("skep/layer:")} == {
        script,
        common,
        bench.engine.layered[-1],
    }


def test_a_path_of_an_image_is_looked_up_once(tmp_path: Path) -> None:
    """Two images on the same one, with files in the same places: the second needs no container to look into it."""
    bench, now = Bench(tmp_path), world()
    now.images["db"]["roles"] = ["r0", "db"]

    assert bench.build(now) is None

    # One for the script, and one to look at /etc and /etc/app.
    assert bench.engine.calls.count("containers.create") == 2
    assert bench.engine.calls.count("container.get_archive") == 2


def test_only_the_files_count(tmp_path: Path) -> None:
    """Neither variables nor other files of the role make its layer anew; a file that goes is gone from the image."""
    bench, now = Bench(tmp_path), world()
    assert bench.build(now) is None
    before = bench.reference("web")

    now.images["web"]["vars"] = {"A": "y"}
    now.images["web"]["roles"] = ["common", "web"]
    now.images["db"]["roles"] = ["common", "db"]
    assert bench.build(now) is None
    layers, second = list(bench.engine.layered), bench.reference("web")
    now.images["web"]["vars"] = {"A": "z"}
    now.roles["web"]["README"] = Node("file", 0o644, b"read me")
    assert bench.build(now) is None
    assert bench.acted == []
    assert len(layers) == 3

    now.roles["web"] = files(common="3")
    assert bench.build(now) is None
    assert "etc/app/web" not in bench.image("web").files
    assert len({before, second, bench.reference("web")}) == 3
    now.roles["web"] = files(common="3", web="2")
    assert bench.build(now) is None
    assert bench.reference("web") == second


@pytest.mark.slow
@pytest.mark.timeout(300)  # a busy machine takes many times the usual 15 s
@pytest.mark.parametrize("kind", ["refused", "lost", "killed"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_build_that_breaks_off_anywhere(tmp_path: Path, kind: str, *, after: bool) -> None:
    """At every call to the engine: the next run ends with what a run from nothing makes, and no container is left."""
    fresh, now = Bench(tmp_path / "fresh"), world()
    assert fresh.build(now) is None
    calls = len(fresh.engine.calls)
    assert calls > 40
    for number in range(1, calls + 1):
        bench = Bench(tmp_path / f"{number}")

        bench.build(now, Fault(number, after, kind))
        # The live state looks for the marks of containers.
        bench.oldest = 0.0

        assert bench.build(now) is None
        assert not bench.engine.running
        for name in now.images:
            ours, new = bench.image(name), fresh.image(name)
            assert (ours.files, ours.config, ours.id) == (new.files, new.config, new.id), (number, name)


def test_an_engine_that_wants_all_layers_runs_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that keeps images in containerd takes no archive without them: files are copied in a container there."""
    bench, now = Bench(tmp_path), world()
    scripts: list[str] = []
    info = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    monkeypatch.setattr(EngineDouble, "info", lambda _self: info)
    monkeypatch.setattr(bench.engine.api.__class__, "load_image", _refuse)

    def run(_self: Shell, text: str) -> int:
        scripts.append(text)
        return 0

    monkeypatch.setattr(Shell, "_script", run)

    assert bench.build(now) is None

    copied = [text for text in scripts if "cp -pP" in text]
    assert len(copied) == 4
    assert len(bench.engine.layered) == 6


def _refuse(_self: Any, _data: Any, *, quiet: bool) -> Any:
    """Refuse an archive without the layers."""
    assert quiet
    refuse(500, "content digest sha256:…: not found")
