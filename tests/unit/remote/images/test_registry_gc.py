"""Which versions of images stay, and how the rest goes."""

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from remote.images.registry_gc import (
    ImageTag,
    collect_script,
    freed,
    list_script,
    parse_list,
    passed_layers,
    remove_local,
    surplus,
)


def image_tags(*names: str) -> list[ImageTag]:
    """Return tags, the first the newest, as `repository:key` or `repository:key=digest`."""
    made = []
    for age, name in enumerate(names):
        reference, _, digest = name.partition("=")
        repository, _, key = reference.partition(":")
        made.append(ImageTag(repository, key, f"sha256:{digest or key}", 1000.0 - age))
    return made


@pytest.mark.parametrize(
    ("found", "used", "keep", "old"),
    [
        (["web:4", "web:3", "web:2", "web:1"], set(), 2, ["2", "1"]),
        (["web:4", "web:3", "web:2", "web:1"], {"web@sha256:1"}, 2, ["2"]),
        (["web:4", "db:3", "web:2", "db:1"], set(), 2, []),
        (["web:4", "db:3", "web:2", "db:1"], {"web@sha256:1"}, 1, ["2", "1"]),
        (["base/debian-12:1"], set(), 1, []),
        ([], set(), 1, []),
    ],
)
def test_tags_that_go(found: list[str], used: set[str], keep: int, old: list[str]) -> None:
    """The newest of each repository stay, and what is in use, however old."""
    assert old == [each.key for each in surplus(image_tags(*found), used, keep)]


HOUR = 3600.0


@pytest.mark.parametrize(
    ("ages", "passed", "old"),
    [([0.9], [], []), ([1.1], ["0"], []), ([23.0], ["0"], []), ([25.0, 2.0, 0.5], ["0", "1"], ["0"])],
)
def test_a_layer_that_was_pushed_before_its_image(
    ages: list[float], passed: list[str], old: list[str]
) -> None:
    """For an hour a build may need it; later it goes where others go, and after a day also if nothing else does.

    It never takes the place of a version that `keep` has stay.
    """
    tags = [
        ImageTag("skep/layer", f"{number}", f"sha256:{number}", time.time() - age * HOUR)
        for number, age in enumerate(ages)
    ]

    assert [tag.key for tag in passed_layers(tags)] == passed
    assert [tag.key for tag in surplus([*tags, *image_tags("web:1")], (), 1)] == old


def test_the_listing() -> None:
    """Each tag with when it was pushed, and what it is a tag of."""
    text = (
        "1763900000.5 sha256:ab ./web/_manifests/tags/k1/current/link\n"
        "1763900001.0 sha256:cd ./base/debian-12/_manifests/tags/k2/current/link\n"
        # It went while it was read.
        "1763900001.0  ./base/debian-12/_manifests/tags/k3/current/link\n"
        "sudo: unable to resolve host hive3: Name or service not known\n"
    )

    assert parse_list(text) == [
        ImageTag("web", "k1", "sha256:ab", 1763900000.5),
        ImageTag("base/debian-12", "k2", "sha256:cd", 1763900001.0),
    ]
    assert "/var/lib/docker-registry" in list_script()


def test_the_listing_is_that_of_the_storage(tmp_path: Path) -> None:
    """The registry writes no end of line behind a digest; where there is no storage yet there are no tags."""
    link = tmp_path / "repositories/base/debian-12/_manifests/tags/k2/current/link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:cd")
    os.utime(link, (0, 1763900001.25))

    def listed(storage: Path) -> list[ImageTag]:
        script = ["/bin/sh", "-euc", list_script(str(storage))]
        return parse_list(subprocess.run(script, capture_output=True, text=True, check=True).stdout)

    assert listed(tmp_path) == [ImageTag("base/debian-12", "k2", "sha256:cd", 1763900001.25)]
    assert listed(tmp_path / "none") == []


def test_a_digest_that_is_still_a_tags_stays() -> None:
    """Two keys may have come out the same: the older tag goes, the image does not."""
    new, same, other = image_tags("web:3=x", "web:2=x", "web:1=y")

    script = collect_script([same, other], [new])

    assert "rm -rf web/_manifests/tags/2\n" in script
    assert "rm -rf web/_manifests/tags/1\n" in script
    assert "rm -rf web/_manifests/revisions/sha256/y\n" in script
    assert "revisions/sha256/x" not in script


def test_the_registry_is_stopped_meanwhile() -> None:
    """It starts again however the script ends, and nothing is removed while somebody pushes."""
    script = collect_script(image_tags("web:1"), [])

    order = [
        script.index(part)
        for part in (
            "flock",
            "_uploads",
            "trap 'systemctl start $unit' EXIT",
            "systemctl stop",
            "rm -rf",
            "garbage",
        )
    ]
    assert order == sorted(order)


def test_what_was_freed() -> None:
    """Bytes; None where somebody was pushing."""
    assert freed("before 100\nafter 30\n") == 70
    assert freed("busy\n") is None


def test_local_names() -> None:
    """On the engine stay the images that the registry keeps, the layers that they have, and what is not skep's.

    So do layers that were just used, and those below them: another checkout may be at work on an image that it has not
    pushed. When they were created says nothing: a layer of files has its base's time.
    """
    layers = {
        "new": ["b", "1", "2"],
        "old": ["b", "1", "3"],
        "layer1": ["b", "1"],
        "layer2": ["b", "1", "2"],
        "layer3": ["b", "1", "3"],
        "layer4": ["b", "4"],
        "layer5": ["b", "4", "5"],
        "foreign": ["f"],
        "killed": ["b", "9"],
        "building": ["b", "8"],
    }
    tags = {
        "new": ["reg:5000/web:2", "reg:5000/web@sha256:2"],
        "old": ["reg:5000/web:1", "reg:5000/web@sha256:1"],
        "layer1": ["skep/layer:1"],
        "layer2": ["skep/layer:2"],
        "layer3": ["skep/layer:3"],
        "layer4": ["skep/layer:4"],
        "layer5": ["skep/layer:5"],
        "foreign": ["nginx:1"],
        # The names of layers that runs pushed before their image, and were killed.
        "killed": ["reg:5000/skep/layer:9"],
        "building": ["reg:5000/skep/layer:8"],
    }
    removed: list[str] = []
    listed = [
        {
            "Id": image,
            "Created": 0,
            "RepoTags": [name for name in names if "@" not in name] or None,
            "RepoDigests": [name for name in names if "@" in name] or None,
        }
        for image, names in tags.items()
    ]

    def inspect_image(image: str) -> Any:
        # The engine writes nine digits, and the first year for an image that was never given a name.
        when = datetime.now(UTC) - timedelta(seconds=1800 if image in {"layer5", "old"} else 7200)
        named = "0001-01-01T00:00:00Z" if image == "layer3" else f"{when:%Y-%m-%dT%H:%M:%S}.123456789Z"
        return {"RootFS": {"Layers": layers[image]}, "Metadata": {"LastTagTime": named}}

    client = SimpleNamespace(
        api=SimpleNamespace(images=lambda: listed, inspect_image=inspect_image),
        images=SimpleNamespace(remove=removed.append),
    )

    assert remove_local(client, "hive3", "reg:5000", image_tags("web:2", "skep/layer:8")) == 4

    old = ["reg:5000/web:1", "reg:5000/web@sha256:1", "skep/layer:3", "reg:5000/skep/layer:9"]
    assert removed == old


def test_the_registrys_own_word_on_a_failure(tmp_path: Path) -> None:
    """Of the garbage collection's output the end is kept, and its exit status is the script's."""
    (tmp_path / "repositories").mkdir()
    program = tmp_path / "registry"
    program.write_text("#!/bin/sh\nseq 1 1000\necho 'unknown manifest' >&2\nexit 7\n")
    program.chmod(0o755)
    script = collect_script([], [], storage=str(tmp_path), program=str(program), stop="true", start="true")
    script = script.replace("/run/skep-registry.lock", str(tmp_path / "lock"))

    ended = subprocess.run(
        ["sh", "-eu", "-s"], input=script, capture_output=True, text=True, check=False, timeout=50
    )

    assert ended.returncode == 7
    assert ended.stdout.startswith("before ")
    assert ended.stderr.splitlines() == [*map(str, range(987, 1001)), "unknown manifest"]
