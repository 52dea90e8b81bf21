"""The host image: which stages share it."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model import site as types
from model.keys.digest import key_of
from providers.docker import image as docker_host_image
from remote.images.debian_suites import KEPT_BASES
from remote.mother.process import Running


def test_the_image_is_shared() -> None:
    """Two stages that differ in all but the host image share its key."""
    one, other = types.DockerStage(cidr="10.0.0.0/24"), types.DockerStage(cidr="10.0.1.0/24", cpus=2)

    assert key_of(docker_host_image.inputs(one)) == key_of(docker_host_image.inputs(other))


def test_a_mirror_counts_for_debootstrap_alone() -> None:
    """An image that is pulled does not depend on a mirror that nobody asks."""
    pulled = types.DockerStage(host_image="debian:12")

    assert "mirror" not in docker_host_image.inputs(pulled)
    assert "mirror" in docker_host_image.inputs(types.DockerStage())


def test_of_an_archive_that_breaks_off_the_engine_never_hears_the_end() -> None:
    """It has many bytes of it by then; without the end it makes no image."""
    heard: list[bytes] = []

    def import_image_from_stream(chunks: Any, **_: object) -> str:
        heard.extend(chunks)
        return '{"status": "sha256:whole"}'

    client: Any = SimpleNamespace(import_image_from_stream=import_image_from_stream)
    for ending, whole in (("exit 0", True), ("exit 3", False)):
        heard.clear()
        with Running(["sh", "-c", f"head -c 200000 /dev/zero; {ending}"], stdout=True) as process:
            assert process.stdout is not None
            first = process.stdout.read(1 << 16)
            if whole:
                assert docker_host_image._import(client, process, first, "key") == "sha256:whole"
                assert sum(map(len, heard)) == 200000
            else:
                with pytest.raises(docker_host_image._BrokenOffError):
                    docker_host_image._import(client, process, first, "key")


@pytest.mark.parametrize("gzip", ['exec /bin/gzip "$@"', "head -c 9; exit 1"])
def test_a_base_that_is_not_whole_is_in_no_image(tmp_path: Path, gzip: str) -> None:
    """The suite's base is packed beside the installation; where that fails, as with a full memory, all of it does."""
    programs, top = tmp_path / "bin", tmp_path / "top"
    programs.mkdir()
    top.mkdir()
    made = 'mkdir -p "$3/var/lib/apt/lists" "$3/etc/apt"; echo r >"$3/var/lib/apt/lists/m_dists_trixie_InRelease"'
    scripts = {
        **dict.fromkeys(("mount", "umount", "cp", "env"), "exit 0"),  # env runs the installation
        "mmdebstrap": "exit 1",
        "debootstrap": made,
        "gzip": gzip,
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    script, bases = docker_host_image._bootstrap_script(), KEPT_BASES
    done = subprocess.run(
        ["sh", "-c", script, "debootstrap", "trixie", "http://mirror", str(top), "true", bases, "docker.io"],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    if gzip.startswith("exec"):
        assert done.returncode == 0, done.stderr
        assert b"trixie.tar.gz" in done.stdout
    else:
        assert done.returncode == 92
        assert b"can't be packed" in done.stderr
        assert done.stdout == b""
