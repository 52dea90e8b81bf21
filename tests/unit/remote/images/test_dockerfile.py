"""Building a Dockerfile: the command, and its input."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from model.secrets.secret import Secret
from remote.images.dockerfile import DockerBuild, build_input

DOCKER = """#!/bin/sh
case $1 in version) echo 26.1.5; exit ;; buildx) exit ;; pull) printf 'pull %s\\n' "$3" >>"$SEEN"; exit ;; esac
printf '%s\\n' "$@" >>"$SEEN"
for word; do case $word in id=*) cat "${word#*,src=}" >>"$SEEN"; echo >>"$SEEN" ;; esac; done
cat >>"$SEEN"
"""


def built(directory: Path, build: DockerBuild, data: bytes) -> list[str]:
    """Run a build's command against a program that writes down how it is called; return its lines."""
    (directory / "docker").write_text(DOCKER)
    (directory / "docker").chmod(0o755)
    *_, script = shlex.split(build.command())
    assert script.isprintable()
    subprocess.run(
        ["/bin/sh", "-euc", script.replace("/run/skep-build.", f"{directory}/skep-build.")],
        input=data,
        env={"PATH": f"{directory}:{os.environ['PATH']}", "SEEN": str(directory / "seen")},
        check=True,
        timeout=20,
    )
    assert not list(directory.glob("skep-build.*"))
    return (directory / "seen").read_text().splitlines()


def test_a_build(tmp_path: Path) -> None:
    """Its context comes on its input."""
    seen = built(tmp_path, DockerBuild("skep/dockerfile:k"), b"context")

    assert seen == ["build", "--network", "host", "-t", "skep/dockerfile:k", "-", "context"]


def test_how_it_is_built(tmp_path: Path) -> None:
    """Dockerfile, target and arguments arrive as they are, whatever is in them."""
    build = DockerBuild("t", dockerfile="docker/a b", target="x", args={"A": "it's $HOME `id` \\n", "B": ""})

    assert built(tmp_path, build, b"context") == [
        "build", "--network", "host", "-t", "t", "-f", "docker/a b", "--target", "x",
        "--build-arg", "A=it's $HOME `id` \\n", "--build-arg", "B=", "-", "context",
    ]  # fmt: skip


def test_secrets_come_before_the_context(tmp_path: Path) -> None:
    """They are files for the time of the build, on no command line, and nothing of the context is lost by them."""
    secrets = {"a": Secret("sesame\nü"), "b": Secret("")}
    build = DockerBuild("t", secrets={name: len(each.reveal().encode()) for name, each in secrets.items()})
    assert "sesame" not in build.command()

    seen = built(tmp_path, build, b"".join(build_input(secrets, [b"con", b"text"])))

    assert seen[:5] == ["build", "--network", "host", "-t", "t"]
    assert [word.partition(",")[0] for word in seen[5:10]] == ["--secret", "id=a", "--secret", "id=b", "-"]
    assert seen[10:] == ["sesame", "ü", "", "context"]


@pytest.mark.parametrize(
    ("pulled", "begin"),
    [
        (None, ["build", "--no-cache", "--pull"]),
        ([], ["build", "--no-cache", "--network"]),
        (["debian:12", "b"], ["pull debian:12", "pull b", "build", "--no-cache", "--network"]),
    ],
)
def test_an_image_of_limited_age(tmp_path: Path, pulled: list[str] | None, begin: list[str]) -> None:
    """It takes nothing from the cache, and pulls what comes from elsewhere, but not the site's own."""
    seen = built(tmp_path, DockerBuild("t", anew=True, pulled=pulled), b"")

    assert seen[: len(begin)] == begin
