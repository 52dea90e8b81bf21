"""What an image is made from, beyond what histories change; and what the builder does with it."""

import json
import tarfile
import threading
import time
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import BuildError
from model.images import ansible
from model.images.dockerignore import counted
from model.keys.digest import Entry, changed
from model.secrets.secret import Secret
from remote.images import layers
from remote.images.builder import Builder, SiteRegistry
from remote.images.dockerfile import build_command, context_archive
from remote.images.image_config import compose, merged_config
from remote.images.layers import Layer, container_options, forget_secrets, lines, run
from remote.images.role_archive import BUILD_ROLE
from tasks import build_images
from tests.doubles.engine import Node
from tests.doubles.image_histories import ANSIBLE, Bench, World, first_world

SCRIPT = Entry("setup.sh", 0o755, b"true\n", "file")
LAYER = Layer("web", (SCRIPT,), {"A": "1"}, 60)


def layer(**parts: Any) -> Layer:
    """Return a layer that differs from `LAYER`."""
    return Layer(**{**{name: getattr(LAYER, name) for name in LAYER.__dataclass_fields__}, **parts})


@pytest.mark.parametrize(
    "other",
    [
        layer(entries=()),
        layer(environment={"A": "2"}),
        layer(environment={"B": "1"}),
        layer(fingerprints={"s": "hmac:1"}),
        layer(privileged=True),
        layer(standalone=True),
        layer(period="2026-01-01"),
    ],
)
def test_what_counts_for_a_layer(other: Layer) -> None:
    """All that a role can see makes another layer, and each of it in another way."""
    assert other.key("p") != LAYER.key("p")
    assert LAYER.key("q") != LAYER.key("p")


@pytest.mark.parametrize("other", [layer(role="other"), layer(timeout=5), layer(secrets={"s": Secret("x")})])
def test_what_does_not_count_for_a_layer(other: Layer) -> None:
    """Its name, how long it may take, and a secret's own text (only its keyed digest counts) make no other layer."""
    assert other.key("p") == LAYER.key("p")


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


def entry(path: str, data: bytes = b"", kind: str = "file") -> Entry:
    """Return an entry of a context."""
    return Entry(path, 0o644 if kind == "file" else 0o755, data, kind)


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ("", {"a.txt", "b.md", "src/a.txt", "src/deep/b.md"}),
        ("*.md", {"a.txt", "src/a.txt", "src/deep/b.md"}),
        ("**/*.md", {"a.txt", "src/a.txt"}),
        ("src", {"a.txt", "b.md"}),
        ("/src/deep/", {"a.txt", "b.md", "src/a.txt"}),
        ("*\n!a.txt", {"a.txt"}),
        ("src/**\n!src/deep/b.md", {"a.txt", "b.md", "src/deep/b.md"}),
        ("# *\n\n?.txt", {"b.md", "src/a.txt", "src/deep/b.md"}),
        ("[ab].*", {"src/a.txt", "src/deep/b.md"}),
        ("Dockerfile", {"a.txt", "b.md", "src/a.txt", "src/deep/b.md"}),
    ],
)
def test_dockerignore(ignore: str, kept: set[str]) -> None:
    """What it names does not count, and is not sent."""
    tree = [
        entry(".dockerignore", ignore.encode()),
        entry("Dockerfile"),
        entry("a.txt"),
        entry("b.md"),
        entry("src", kind="directory"),
        entry("src/a.txt"),
        entry("src/deep", kind="directory"),
        entry("src/deep/b.md"),
    ]

    left = counted(tree)

    assert kept | {"Dockerfile"} == {each.path for each in left if each.kind == "file"}
    with tarfile.open(fileobj=BytesIO(context_archive(left))) as archive:
        assert [each.path for each in left] == archive.getnames()


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


def test_the_build_command() -> None:
    """Its context comes on its input; an image of limited age takes nothing from the cache."""
    assert "docker build  --network host -t skep/dockerfile:k -" in build_command(
        "skep/dockerfile:k", anew=False
    )
    assert "--no-cache --pull" in build_command("t", anew=True)


# -- containers ----------------------------------------------------------------------------------------------------


class Refusing:
    """A container that an engine without rights refuses to start."""

    def put_archive(self, path: str, data: bytes) -> bool:
        """Take anything."""
        del path, data
        return True

    def start(self) -> None:
        """Refuse."""
        from docker.errors import APIError

        raise APIError(
            "500", explanation="OCI runtime create failed: unable to apply caps: operation not permitted"
        )


def test_privileged_where_the_engine_refuses() -> None:
    """One line says which attribute asks for what this engine can't do."""
    with pytest.raises(
        BuildError, match="role web: the image has privileged = true, and the engine of hive3 can't"
    ):
        run(Refusing(), layer(privileged=True), "hive3", print)


def test_container_options() -> None:
    """A role has nothing that it was not given; a standalone image's runs beside its init."""
    assert container_options(LAYER)["command"] == [BUILD_ROLE]
    assert not {"privileged", "cap_add"} & container_options(LAYER).keys()
    assert "ALL" not in container_options(layer(standalone=True))["cap_add"]
    both = container_options(layer(standalone=True, privileged=True))
    assert both["privileged"]
    assert "cap_add" not in both
    assert both["tmpfs"]


def test_secrets_are_emptied_in_what_is_kept() -> None:
    """Also where the role was killed, and could not remove them itself."""
    put: list[bytes] = []
    container = SimpleNamespace(put_archive=lambda _, data: put.append(data))

    forget_secrets(container, layer(secrets={"token": Secret("sesame")}))
    forget_secrets(container, LAYER)

    assert len(put) == 1
    with tarfile.open(fileobj=BytesIO(put[0])) as archive:
        assert archive.getmember(".skep/secrets/token").size == 0


def test_lines() -> None:
    """Output is cut anywhere, also within a letter; a last line without a line break counts."""
    assert list(lines([b"a\r\nb\xc3", b"\xa4\nla", b"st"])) == ["a", "", "bä", "last"]


def test_a_silent_role_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the log sees that it is still at work; one that prints needs no such line."""
    monkeypatch.setattr(layers, "SILENCE", 0.05)
    said: list[str] = []

    with layers.heartbeat(said.append):
        deadline = time.monotonic() + 5
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    assert said[:2] == ["still at work after 0 s"] * 2
    said.clear()
    monkeypatch.setattr(layers, "SILENCE", 60)
    with layers.heartbeat(said.append) as beat:
        beat()
    assert said == []


# -- configuration -------------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "Hostname": "abc",
    "Image": "sha256:0",
    "Env": ["PATH=/bin", "LANG=C"],
    "Cmd": ["hub"],
    "Entrypoint": None,
    "User": "daemon",
    "ExposedPorts": {"9/tcp": {}},
    "Labels": {"a": "1", "b": "1"},
    "Volumes": {"/data": {}},
}


@pytest.mark.parametrize(
    ("config", "labels", "key", "value"),
    [
        ({}, {}, "Hostname", None),
        ({}, {}, "Image", None),
        ({}, {}, "Volumes", {"/data": {}}),
        ({"Env": ["LANG=de", "A=1"]}, {}, "Env", ["PATH=/bin", "LANG=de", "A=1"]),
        ({"ExposedPorts": {"80/tcp": {}}}, {}, "ExposedPorts", {"9/tcp": {}, "80/tcp": {}}),
        ({}, {"b": "2", "c": "3"}, "Labels", {"a": "1", "b": "2", "c": "3"}),
        ({}, {}, "Cmd", ["hub"]),
        ({"Entrypoint": ["run"], "Cmd": []}, {}, "Cmd", None),
        ({"User": "root"}, {}, "User", "root"),
        ({"User": None}, {}, "User", "daemon"),
        ({}, {}, "Healthcheck", None),
        ({}, {}, "WorkingDir", None),
    ],
)
def test_a_definition_on_top_of_a_base(
    config: dict[str, Any], labels: dict[str, str], key: str, value: Any
) -> None:
    """As a Dockerfile's lines would set it; nothing of the build containers is in it."""
    assert merged_config(BASE, config, labels).get(key) == value


def test_equal_images_are_one() -> None:
    """The same layers and configuration make the same bytes, whatever else the engine says of the image."""
    image = {
        "RootFS": {"Layers": ["sha256:1", "sha256:2"]},
        "Architecture": "amd64",
        "Os": "linux",
        "Created": "T",
    }

    one, two = (
        compose(image, {"User": "a", "Env": []}),
        compose({**image, "Id": "x"}, {"Env": [], "User": "a"}),
    )

    assert one == two
    assert compose(image, {"User": "b"}).id != one.id
    with tarfile.open(fileobj=BytesIO(one.archive)) as archive:
        (manifest,) = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert len(manifest["Layers"]) == 2
    assert f"sha256:{manifest['Config']}" == f"{one.id}.json"


def test_two_images_with_the_same_layers_are_committed_at_the_same_time(tmp_path: Path) -> None:
    """A container's name tells them apart; the same image always has the same, which clears up after a killed run."""
    made: list[str] = []

    def create(_image: str, name: str, **_options: Any) -> Any:
        made.append(name)
        return SimpleNamespace(commit=lambda **_: SimpleNamespace(id="i"), remove=lambda **_: None)

    client: Any = SimpleNamespace(containers=SimpleNamespace(create=create))
    builder = Builder(
        client, "hive3", SiteRegistry("reg", "u", "p"), "o", lambda _: threading.Lock(), tmp_path, print
    )
    for config in ({"User": "a"}, {"User": "b"}, {"User": "a"}):
        builder._commit("sha256:top", config)

    assert made[0] == made[2] != made[1]
