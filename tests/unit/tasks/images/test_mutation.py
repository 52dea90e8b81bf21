"""Each single input of an image's and a layer's key is needed: without it, something stale would be kept.

What is dropped is dropped everywhere: from the key, and from what a task compares. A history that changes just that
must then be caught by what `image_histories.step` checks after each step. And every input that there is belongs to one
of the kinds below, so that a new one can't be forgotten here.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from model.keys import tree
from model.keys.digest import Inputs
from model.keys.tree import Entry
from remote.images.layers import Layer
from tasks.build_images import BuiltImage
from tasks.images.bases import BaseImage
from tests.doubles.image_histories import ANSIBLE, EDITS, Bench, Edit, World, first_world, play

pytestmark = pytest.mark.slow

ATTRIBUTES = (
    "env",
    "entrypoint",
    "command",
    "user",
    "working_dir",
    "stop_signal",
    "expose",
    "labels",
    "healthcheck",
)


def edit(name: str, a: int = 0, b: int = 0, c: int = 0) -> Edit:
    """Return an edit."""
    assert name in {**EDITS, **ANSIBLE}
    return name, a, b, c


def attribute(name: str) -> list[Edit]:
    """Return edits that set an attribute of an image, then another value of it."""
    return [edit("change_attribute", 1, ATTRIBUTES.index(name), value) for value in (2, 3)]


OF_ANSIBLE = [edit("make_ansible", a=0), edit("make_ansible", a=2), edit("depend", a=0, b=2)]
"""Edits after which r0, which is in both images, is a role of Ansible that uses r2."""
IMAGE_INPUTS: dict[str, tuple[str, list[Edit]]] = {
    "base": (r"base", [edit("move_base", b=1)]),
    **{
        name: (pattern, attribute(name))
        for name, pattern in (
            ("env", r"config\.Env.*"),
            ("entrypoint", r"config\.(Entrypoint|Cmd).*"),
            ("command", r"config\.Cmd.*"),
            ("user", r"config\.User"),
            ("working_dir", r"config\.WorkingDir"),
            ("stop_signal", r"config\.StopSignal"),
            ("expose", r"config\.ExposedPorts.*"),
            ("labels", r"labels.*"),
            ("healthcheck", r"config\.Healthcheck.*"),
        )
    },
    "roles": (r"roles\[\d+\](\.vars)?", [edit("add_use", a=1, b=0, c=0)]),
    "vars": (r"roles\[\d+\]\.vars.*", [edit("image_vars", a=0, b=1, c=1)]),
    "files": (r"roles/.*", [edit("change_file", a=0, b=1, c=1)]),
    **{
        f"ansible: {name}": (pattern, [*OF_ANSIBLE, *edits])
        for name, (pattern, edits) in {
            "files": (r"roles/r0/.*", [edit("change_file", a=0, b=1, c=1)]),
            "files that it uses": (r"roles/r2/.*", [edit("change_file", a=2, b=1, c=1)]),
            "vars": (r"vars.*", [edit("image_vars", a=0, b=0, c=1)]),
            "own vars": (r"roles\[\d+\]\.vars.*", [edit("use_vars", a=0, b=0, c=5)]),
            "own attribute": (r"(config\.Env|hive_env).*", [edit("ask", a=0, c=0), *attribute("env")]),
            "other hosts": (r"groups.*", [edit("ask", a=0, c=2), edit("rename_service", a=1, b=0)]),
            "others' attributes": (
                r"hostvars.*",
                [edit("ask", a=0, c=3), *[(name, 0, b, c) for name, _, b, c in attribute("env")]],
            ),
            "own name": (
                r"inventory_hostname|groups\.(images|private).*",
                [edit("ask", a=0, c=2), edit("rename_image", a=1, b=0)],
            ),
        }.items()
    },
}
"""Kind of an image's input to the names that it has, and edits of it alone."""
ELSEWHERE = {"ansible", "secrets.*", "privileged", "standalone", "max_age.since", "config"}
"""Inputs that no history has; `test_build_images.py` has a table for each."""

LAYER_INPUTS: dict[str, tuple[str, list[Edit]]] = {
    # The base's digest, and with it all that is below the layer.
    "parent": (r"parent", [edit("move_base", b=1)]),
    "files": (r"files/.*", [edit("change_file", a=0, b=1, c=1)]),
    "vars": (r"vars\..*", [edit("image_vars", a=0, b=1, c=1)]),
    **{
        f"ansible: {name}": (pattern, [*OF_ANSIBLE, *edits])
        for name, (pattern, edits) in {
            # Each uses the other: the same files, and another role of them that is run.
            "role": (r"play\.role", [edit("depend", a=2, b=0), edit("drop_use", a=1, b=0)]),
            "files": (r"play\.files/r0/.*", [edit("change_file", a=0, b=1, c=1)]),
            "files that it uses": (r"play\.files/r2/.*", [edit("change_file", a=2, b=1, c=1)]),
            "vars": (r"play\.common\..*", [edit("image_vars", a=0, b=0, c=1)]),
            "own vars": (r"play\.own\..*", [edit("use_vars", a=0, b=0, c=5)]),
            "names": (
                r"play\.(target|groups\..*)",
                [edit("ask", a=0, c=2), edit("rename_service", a=1, b=0)],
            ),
            "hosts": (r"play\.hosts\..*", [edit("ask", a=0, c=0), *attribute("env")]),
        }.items()
    },
}
ENTRY_INPUTS: dict[str, tuple[Callable[[Entry], str], list[Edit]]] = {
    "mode": (lambda e: f"{e.kind} {e.data!r}", [edit("chmod_file", b=1, c=1)]),
    "content": (
        lambda e: f"{e.kind} {e.mode if e.kind == 'file' else e.data!r}",
        [edit("change_file", c=1, b=1)],
    ),
    "target": (
        lambda e: e.kind if e.kind == "link" else f"{e.kind} {e.mode} {e.data!r}",
        [edit("link_file", b=1, c=0), edit("link_file", b=1, c=2)],
    ),
    "kind": (
        lambda e: f"{e.data!r}" if e.path == "a" else f"{e.kind} {e.mode} {e.data!r}",
        [edit("link_file", b=1, c=0)],
    ),
}


def caught(tmp_path: Path, edits: list[Edit]) -> bool:
    """Return whether a history ends with something wrong."""
    try:
        play(tmp_path, [(each, None) for each in edits])
    except AssertionError:
        return True
    return False


def without(pattern: str, inputs: Callable[..., Inputs]) -> Callable[..., Inputs]:
    """Return a function's inputs without some."""

    def fewer(*args: object) -> Inputs:
        return {name: value for name, value in inputs(*args).items() if not re.fullmatch(pattern, name)}

    return fewer


HISTORIES = [*IMAGE_INPUTS.values(), *LAYER_INPUTS.values(), *ENTRY_INPUTS.values()]


def test_the_histories_are_sound(tmp_path: Path) -> None:
    """With every input in its place, none of these histories ends with something wrong."""
    for i, (_, edits) in enumerate(HISTORIES):
        assert not caught(tmp_path / str(i), edits), edits


@pytest.mark.parametrize("kind", IMAGE_INPUTS)
def test_an_image_without_an_input(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image whose key lacks an input stays stale when it changes."""
    pattern, edits = IMAGE_INPUTS[kind]
    monkeypatch.setattr(BuiltImage, "inputs", without(pattern, BuiltImage.inputs))

    assert caught(tmp_path, edits)


@pytest.mark.parametrize("kind", LAYER_INPUTS)
def test_a_layer_without_an_input(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer whose key lacks an input stays stale when it changes."""
    pattern, edits = LAYER_INPUTS[kind]
    monkeypatch.setattr(Layer, "inputs", without(pattern, Layer.inputs))

    assert caught(tmp_path, edits)


@pytest.mark.parametrize("kind", ENTRY_INPUTS)
def test_a_file_without_a_part(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that counts without its mode, content, target or kind leaves a role stale."""
    shown, edits = ENTRY_INPUTS[kind]
    monkeypatch.setattr(tree.Entry, "input", property(shown))

    assert caught(tmp_path, edits)


def test_a_base_without_its_tarball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base whose key lacks the tarball stays stale when it changes."""
    monkeypatch.setattr(BaseImage, "inputs", without(r"tarball|base\..*", BaseImage.inputs))

    assert caught(tmp_path, [edit("move_base", b=1)])


def test_no_input_is_without_a_mutation(tmp_path: Path) -> None:
    """Every input that an image with all attributes has is of a kind that is dropped above."""
    world: World = first_world()
    for number in range(len(ATTRIBUTES)):
        EDITS["change_attribute"](world, 0, number, 2)
    for name, a, b, c in [*OF_ANSIBLE, edit("ask", a=0, c=3)]:
        {**EDITS, **ANSIBLE}[name](world, a, b, c)
    bench = Bench(tmp_path)
    assert bench.build(world) is None
    run = bench.run_of(world)
    image = BuiltImage(run, "web", run.stage.images["web"])
    patterns = [pattern for pattern, _ in IMAGE_INPUTS.values()] + list(ELSEWHERE)

    unknown = [name for name in image.inputs() if not any(re.fullmatch(p, name) for p in patterns)]

    assert unknown == []
