"""Layers that are pushed before the image that has them."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from model.errors import BuildError
from model.json_types import Json
from model.labels import NAME_LABEL
from remote.images.builder import Builder
from remote.images.early_push import WORTH, EarlyPushes
from remote.images.registry import RegistryClient, SiteRegistry

BASE, APT, TOP = (f"sha256:{letter * 64}" for letter in "abc")
SECONDS = 30


class Engine:
    """An engine whose push of a layer waits until it may end."""

    def __init__(self) -> None:
        self.api = self.images = self
        self.pushed: list[str] = []
        self.names: list[str] = []
        self.may_end = threading.Event()
        self.has_begun = threading.Event()
        self.fails = False

    def get(self, image: str) -> Any:
        """Return an image: its layers are its letters."""
        layers = [f"sha256:{letter * 64}" for letter in image]
        return type("Image", (), {"attrs": {"RootFS": {"Layers": layers}}})

    def tag(self, _image: str, name: str, tag: str, *, force: bool) -> None:
        """Give an image a name."""
        assert force
        self.names.append(f"{name}:{tag}")

    def remove(self, name: str, *, noprune: bool) -> None:
        """Remove a name, and not the image."""
        assert noprune
        self.names.remove(name)

    def push(self, name: str, key: str, **_options: Any) -> Iterator[Json]:
        """Push: of a layer only when it may."""
        if name.endswith("/skep/layer"):
            self.has_begun.set()
            assert self.may_end.wait(SECONDS)
            if self.fails:
                yield {"error": "received unexpected HTTP status: 500"}
                return
        yield {"id": "b" * 12, "status": "Pushed"}
        self.pushed.append(f"{name}:{key}")
        yield {"aux": {"Digest": f"sha256:{key}"}}


@pytest.fixture
def engine() -> Engine:
    """Give an engine."""
    return Engine()


def pushes(engine: Any, log: Callable[[str], None]) -> tuple[EarlyPushes, RegistryClient]:
    """Return an image's early pushes, and what pushes the image."""
    locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
    where = (engine, "hive3", SiteRegistry("reg:5000", "u", "p"), locks.__getitem__, log)
    return EarlyPushes(*where), RegistryClient(*where)


def begin(early: EarlyPushes, size: int = WORTH) -> None:
    """Begin with a layer of this size."""
    early.begin({"Id": "ab", "Size": 100 + size}, {"Id": "a", "Size": 100}, "k1")


def test_the_image_meets_its_layer_in_the_registry(engine: Engine) -> None:
    """While the layer is on its way the image's push waits for it; the name that it was pushed under is removed."""
    early, registry = pushes(engine, print)
    begin(early)
    assert engine.has_begun.wait(SECONDS)
    image = threading.Thread(target=registry.push, args=("abc", "web", "k2"))
    image.start()
    assert engine.pushed == []

    engine.may_end.set()
    image.join(SECONDS)
    early.end()

    assert sorted(engine.pushed) == ["reg:5000/skep/layer:k1", "reg:5000/web:k2"]
    assert engine.names == ["reg:5000/web:k2"]


def test_a_small_layer_goes_with_its_image(engine: Engine) -> None:
    """A push of its own would take longer."""
    early, _ = pushes(engine, print)

    begin(early, WORTH - 1)
    early.end()

    assert not engine.has_begun.is_set()


def test_a_push_that_fails_fails_no_build(engine: Engine) -> None:
    """The log says so; the image's own push sends the layer."""
    said: list[str] = []
    early, registry = pushes(engine, said.append)
    engine.fails = True
    engine.may_end.set()

    begin(early)
    early.end()

    assert engine.names == []
    assert said[-1].startswith(
        "layer k1 is pushed with the image: hive3: pushing skep/layer: received unexpected"
    )
    assert registry.push("abc", "web", "k2") == "reg:5000/web@sha256:k2"


@pytest.mark.parametrize("step", ["_layers", "_with_config", "forget_failed", "push"])
def test_the_log_of_a_task_that_ended_gets_no_more_lines(engine: Engine, tmp_path: Path, step: str) -> None:
    """Wherever the image failed: nobody waits for the layer, which goes on all the same. The next run has it."""
    said: list[str] = []
    locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
    registry = SiteRegistry("reg:5000", "u", "p")
    double: Any = engine
    builder: Any = Builder(double, "hive3", registry, "o", locks.__getitem__, tmp_path, said.append)

    def fails(*_: object) -> NoReturn:
        raise BuildError("no space left on device")

    def layers(*_: object) -> tuple[Json, list[Any]]:
        begin(builder._early)
        assert engine.has_begun.wait(SECONDS)
        if step == "_layers":
            fails()
        return {"Id": "ab"}, []

    builder._layers, builder._with_config, builder.forget_failed = layers, lambda *_: "abc", print
    builder._inspect = lambda _: {"Config": None}
    builder.registry = SimpleNamespace(pull=str, push=fails)
    if step not in {"_layers", "push"}:
        setattr(builder, step, fails)
    with pytest.raises(BuildError, match="no space left"):
        builder.push(builder.build("base@sha256:1", (), {}, {NAME_LABEL: "web"}), "web", "k2")

    engine.may_end.set()
    builder._early.end()

    assert said == ["pushing layer k1 already"]
    assert engine.pushed == ["reg:5000/skep/layer:k1"]
