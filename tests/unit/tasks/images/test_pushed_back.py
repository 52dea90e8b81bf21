"""Images that the registry lost, or can't read."""

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from model.errors import BuildError
from model.keys.digest import key_of
from model.keys.record import ImageRecord
from remote.images.registry import RegistryClient, SiteRegistry
from tasks.build_images import BuiltImage, images
from tasks.run.context import Run
from tasks.step import Work
from tests import made as rig

DIGEST = f"sha256:{'1' * 64}"
NAME = f"p-hive2.example:5000/web@{DIGEST}"


class Engine:
    """An engine that has images by digest, and pushes."""

    def __init__(self, *names: str) -> None:
        self.api = self.images = self
        self._names, self.done = names, list[str]()

    def __call__(self) -> list[Any]:
        """List the images: `client.api.images()`."""
        return [{"Id": "1", "RepoDigests": list(self._names)}, {"Id": "2", "RepoDigests": None}]

    def get(self, name: str) -> Any:
        """Return an image that is there."""
        assert name in self._names
        return SimpleNamespace(attrs={"RootFS": {"Layers": ["sha256:a"]}})

    def tag(self, image: str, name: str, key: str, *, force: bool) -> None:
        """Give it a name."""
        del force
        self.done.append(f"tag {image} {name}:{key}")

    def push(self, name: str, key: str, **_: object) -> Any:
        """Push it."""
        self.done.append(f"push {name}:{key}")
        yield {"aux": {"Digest": DIGEST}}

    def remove_image(self, name: str, *, noprune: bool) -> None:
        """Remove a name."""
        assert noprune
        self.done.append(f"remove {name}")


def image_of(run: Run) -> BuiltImage:
    """Return the image `web`."""
    return next(image for image in images(run) if isinstance(image, BuiltImage))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return the run of a stage whose image `web` has a record."""
    made = rig.new(tmp_path)
    made.make()
    for host in ("hive0", "hive1"):
        made.hosts[host] = replace(made.hosts[host], info={"ID": host})
    run = made.run()
    run.state.write("build_images:web", ImageRecord(reference=NAME))
    return run


def test_what_still_runs_is_pushed_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first host that has it by that digest, under whichever name of the registry; nothing is built."""
    engines = {
        "hive2": Engine(),
        "hive0": Engine("p-hive2.example:5000/other@" + DIGEST),
        "hive1": Engine(NAME.replace("hive2", "hive9")),
    }
    monkeypatch.setattr(run.connections, "engine", lambda host: engines[host.short])
    image, said = image_of(run), list[str]()
    inputs = image.inputs_now()

    record = image._push_back(Work(image.task, inputs, key_of(inputs), said.append))

    key = key_of(inputs)
    assert record == NAME
    assert engines["hive1"].done == [
        f"tag {NAME.replace('hive2', 'hive9')} p-hive2.example:5000/web:{key}",
        f"push p-hive2.example:5000/web:{key}",
        f"remove p-hive2.example:5000/web:{key}",
    ]
    assert said[-1] == "pushed back from hive1, which still had it"
    assert run.progress.pushed


@pytest.mark.parametrize("host", ["hive9", "hive2"])
def test_what_was_pushed_counts_though_its_tag_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """An engine may keep a name that a container uses; one beside the digest's own is not taken away at all."""

    class Keeping(Engine):
        def remove_image(self, name: str, *, noprune: bool) -> None:
            """Refuse, as Docker does where a container uses the name."""
            super().remove_image(name, noprune=noprune)
            answer: Any = SimpleNamespace(status_code=409, url="u", reason="Conflict")
            raise APIError(
                "refused", response=answer, explanation="container 1 is using its referenced image"
            )

    engines = {"hive2": Engine(), "hive0": Keeping(NAME.replace("hive2", host))}
    monkeypatch.setattr(run.connections, "engine", lambda host: engines[host.short])
    image, said = image_of(run), list[str]()
    inputs = image.inputs_now()

    assert image._push_back(Work(image.task, inputs, key_of(inputs), said.append)) == NAME
    removed = [line for line in engines["hive0"].done if line.startswith("remove")]
    assert bool(removed) == (host == "hive9")
    assert ("the tag stays there" in " ".join(said)) == (host == "hive9")


def test_another_version_is_built(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is the image of the inputs that were, and no other."""
    monkeypatch.setattr(run.connections, "engine", lambda _host: pytest.fail("asked"))
    image = image_of(run)
    inputs = {**image.inputs_now(), "config.User": '"www"'}

    assert image._push_back(Work(image.task, inputs, key_of(inputs), lambda _line: None)) is None


def test_without_a_host_that_has_it_it_is_built(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer is passed by."""

    def engine(host: Any) -> Engine:
        if host.short == "hive0":
            raise BuildError("hive0: gone")
        return Engine()

    monkeypatch.setattr(run.connections, "engine", engine)
    image, said = image_of(run), list[str]()
    inputs = image.inputs_now()

    assert image._push_back(Work(image.task, inputs, key_of(inputs), said.append)) is None
    assert said == ["hive0 could not push it back: hive0: gone"]


@pytest.mark.parametrize(
    ("status", "answer", "is_there_not"),
    [
        (404, "manifest unknown: manifest unknown", True),
        (500, "unknown: unknown error", True),
        (500, "received unexpected HTTP status: 500 Internal Server Error", True),
        (
            500,
            "Get https://p-hive2.example:5000/v2/: dial tcp 10.0.0.12:5000: connect: connection refused",
            False,
        ),
        (401, "unauthorized: authentication required", False),
    ],
)
def test_a_tag_that_cant_be_read_is_not_there(status: int, answer: str, *, is_there_not: bool) -> None:
    """It is built and pushed again. A registry that does not answer, or refuses, is another matter."""

    def ask(*_: object, **__: object) -> None:
        kind = NotFound if status == 404 else APIError
        response = SimpleNamespace(status_code=status, url="u", reason="r")
        raise kind("refused", response=response, explanation=answer)

    client: Any = SimpleNamespace(images=SimpleNamespace(get_registry_data=ask))
    site = SiteRegistry("p-hive2.example:5000", "skep", "word")
    registry = RegistryClient(client, "hive2", site, lambda _name: threading.Lock(), lambda _line: None)

    if is_there_not:
        assert registry.find("web", "key") is None
    else:
        with pytest.raises(BuildError):
            registry.find("web", "key")


def test_a_lost_base_is_made_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come out with another digest, and all images on it with it. Until then nothing is to be done."""
    made = rig.new(tmp_path)
    made.edit("[images.web]", '[bases."debian:12"]\ndebootstrap = "bookworm"\n\n[images.web]')
    made.make()
    made.hosts["hive2"] = replace(made.hosts["hive2"], tags=frozenset())
    run = made.run()
    base = image_of(run).base
    reference = f"p-hive2.example:5000/base/debian-12@{DIGEST}"
    run.state.write(base.task, ImageRecord(reference=reference))
    inputs = base.inputs_now()
    work = Work(base.task, inputs, key_of(inputs), lambda _line: None)
    assert base.real(work.key) is not None

    absent = base._absent(work)

    assert absent == ImageRecord(reference=reference, is_absent=True)
    run.state.write(base.task, absent)
    assert base.real(work.key) is None
    other = f"sha256:{'2' * 64}"
    builder: Any = SimpleNamespace(
        push=lambda _image, repository, _key: f"p-hive2.example:5000/{repository}@{other}"
    )
    monkeypatch.setattr(type(base), "make", lambda *_: "image")
    with pytest.raises(
        BuildError, match="was lost with the registry, and has been made again: run doit again"
    ):
        base.have(builder, DIGEST, lambda _line: None)
    assert run.state.record(base.task, ImageRecord) == ImageRecord(
        reference=f"p-hive2.example:5000/base/debian-12@{other}"
    )
    assert base.have(builder, other, lambda _line: None).endswith(other)
