"""Inputs of an image beyond those that histories change, and building it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from model.images import ansible
from model.keys.digest import changed
from tasks import build_images
from tests.doubles.engine import Node
from tests.doubles.image_histories import ANSIBLE, Bench, World, first_world

# -- attributes that histories leave alone -------------------------------------------------------------------------


def inputs(tmp_path: Path, world: World) -> dict[str, str]:
    """Return the inputs of image `web`."""
    bench = Bench(tmp_path)
    world.write(tmp_path, None)
    stepped = {step.name: step for step in build_images.steps(bench.run_of(world))}
    run_ = bench.run_of(world)
    run_.state.root.mkdir(parents=True, exist_ok=True)
    (run_.state.root / "build_images").mkdir(exist_ok=True)
    record = json.dumps({"reference": "registry/base@sha256:0"})
    for name in stepped:
        (run_.state.root / "build_images" / f"{name}.json").write_text(record)
    return stepped["web"].inputs()


def web(**parts: Any) -> World:
    """Return a world whose image `web` has something more, or lacks it."""
    world = first_world()
    definition = {**world.images["web"], **parts}
    world.images["web"] = {name: value for name, value in definition.items() if value is not None}
    return world


@pytest.mark.parametrize(
    ("parts", "reason"),
    [({"privileged": True}, "privileged added"), ({"standalone": True}, "standalone added")],
)
def test_how_roles_run_is_an_input(parts: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """What lets a role do more makes another image, and is said."""
    before = inputs(tmp_path / "a", first_world())

    assert changed(before, inputs(tmp_path / "b", web(**parts))) == [reason]


def test_the_release_of_ansible_is_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another feature release of Ansible makes an image with such a role stale, and says so; others it does not."""
    world = first_world()
    ANSIBLE["make_ansible"](world, 0, 0, 0)
    worlds = {"with": world, "without": first_world()}
    before = {name: inputs(tmp_path / name, each) for name, each in worlds.items()}
    monkeypatch.setattr(ansible, "feature_release", lambda: "2.99")
    found = {name: inputs(tmp_path / name, each) for name, each in worlds.items()}

    assert before["without"] == found["without"]
    assert changed(before["with"], found["with"]) == [f"ansible: {before['with']['ansible']} → 2.99"]


def test_age_is_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a period an image stays as it is, whoever asks; after it, it is stale and says so."""
    world = web(max_age="7d")
    monkeypatch.setattr(time, "time", lambda: 700 * 86400.0 + 1)
    first = inputs(tmp_path / "a", world)
    monkeypatch.setattr(time, "time", lambda: 707 * 86400.0 - 1)
    assert inputs(tmp_path / "b", world) == first

    monkeypatch.setattr(time, "time", lambda: 707 * 86400.0)
    said = changed(first, inputs(tmp_path / "c", world))

    assert said == ["max_age.since: 1971-12-02 00:00 UTC → 1971-12-09 00:00 UTC"]


def test_a_secret_counts_by_its_keyed_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another secret makes another image; its text is in no input."""
    world = web(secrets=["token"])
    world.secrets = {"token": {"env": "TOKEN"}}
    monkeypatch.setenv("TOKEN", "sesame-first")
    before = inputs(tmp_path / "a", world)
    monkeypatch.setenv("TOKEN", "sesame-second")
    after = inputs(tmp_path / "b", world)

    assert changed(before, after) == ["secrets.token changed"]
    assert "sesame" not in json.dumps([before, after])


def test_a_secret_is_a_file_while_the_role_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role finds it in /.skep/secrets, readable by root alone; the image has neither it nor a trace of it."""
    monkeypatch.setenv("TOKEN", "sesame-first")
    world = web(secrets=["token"])
    world.secrets = {"token": {"env": "TOKEN"}}
    bench = Bench(tmp_path)

    assert bench.build(world) is None

    assert bench.engine.secrets_seen == {"token": Node("file", 0o600, b"sesame-first")}
    assert "sesame" not in repr(bench.registry) + repr(bench.engine.store)


def test_a_failed_build_is_kept_without_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks into it finds the role at the point of failure, and no secret; the next good build removes it."""
    monkeypatch.setenv("TOKEN", "sesame-first")
    world = web(secrets=["token"])
    world.secrets = {"token": {"env": "TOKEN"}}
    good = world.roles["r1"]["setup.sh"]
    world.roles["r1"]["setup.sh"] = Node("file", 0o755, b"echo half >>/done\nexit 3\n")
    bench = Bench(tmp_path)

    said = bench.build(world)

    assert said is not None
    assert "hive3: role r1: setup.sh: exit status 3\n    half\n" in said
    assert "doit shell_image:web opens a shell there" in said
    assert not bench.engine.running
    (failed,) = [name for name in bench.engine.tags if name.startswith("skep/failed:")]
    files = bench.engine.find(failed).files
    assert files["done"].data == b"half\n"
    assert ".skep/role/setup.sh" in files
    assert "sesame" not in repr(files)

    world.roles["r1"]["setup.sh"] = good
    assert bench.build(world) is None
    assert not [name for name in bench.engine.tags if name.startswith("skep/failed:")]


def test_pulled_where_it_is_said(tmp_path: Path) -> None:
    """On a stage of `pull_on` an image is pulled into the site's registry; nothing of it is built there."""
    world = web(pull_on=["private"], pull_from="hub:1")
    bench = Bench(tmp_path)

    assert bench.build(world) is None

    assert bench.image("web").config["Labels"] == {"hub": "1"}
    assert "build_images:web" in bench.acted
    assert len(bench.engine.ran) == 2


def test_a_role_that_changes_nothing_adds_no_layer(tmp_path: Path) -> None:
    """The image is the same with and without it, digest included."""
    world = first_world()
    world.roles["nothing"] = {"setup.sh": Node("file", 0o755, b"true\n")}
    bench = Bench(tmp_path)
    assert bench.build(world) is None
    before = bench.image("web").id
    world.images["web"]["roles"].append("nothing")

    assert bench.build(world) is None

    assert len(bench.engine.ran) == 1
    assert bench.image("web").id == before


# -- the Dockerfile way --------------------------------------------------------------------------------------------


def test_a_dockerfile_is_a_base(tmp_path: Path) -> None:
    """An image that says `build` has what the Dockerfile makes as its base: keyed on what the build can see."""
    world = web(**{"from": None, "build": "ctx"})
    context = tmp_path / "ctx"
    context.mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / ".dockerignore").write_text("*.md\n")
    bench = Bench(tmp_path)
    world.write(tmp_path, None)

    def base() -> dict[str, str]:
        stepped = {step.name: step for step in build_images.steps(bench.run_of(world))}
        assert stepped["web"].needs == ("build_images:dockerfile.web",)
        return stepped["dockerfile.web"].inputs()

    before = base()
    (context / "README.md").write_text("x")
    assert base() == before
    (context / ".dockerignore").write_text("# as before\n*.md\n")
    assert base() == before
    (context / "file").write_text("x")
    assert changed(before, base()) == ["ctx/file added"]
