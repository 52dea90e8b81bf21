"""What the control plane runs: MariaDB's programs, and the services' packages in an environment of their own."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from packages import install as packages
from tests import debian

HERE = Path(__file__).resolve().parent
DATABASE = ("mariadb-server-core", "mariadb-client-core")
"""Debian's packages of the programs alone: no service of this machine is made or met."""


class PlaneError(Exception):
    """The services can't be had; the message says where to read why."""


def say(text: str) -> None:
    """Tell who waits."""
    print(f"openstack: {text}", file=sys.stderr, flush=True)  # noqa: T201 - a program's own output


def install_database(log: Path) -> None:
    """Have MariaDB's programs."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if all(shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db")):
        return
    # Another one may be at work.
    words = ["-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    install = ["apt-get", "install", *words, *DATABASE]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PlaneError(f"MariaDB's programs are missing; as root: {' '.join(install)}")
    say("installing MariaDB's programs")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with debian.apt_alone(), (log / "apt.out").open("wb") as output:
        for command in (install, ["apt-get", "update"], install):
            done = subprocess.run(
                command, check=False, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
            if done.returncode == 0 and command is install:
                return
    raise PlaneError(f"MariaDB's programs can't be installed: see {log}/apt.out")


def install_services(environment: Path, log: Path) -> None:
    """Have the services' packages; of several that want them at once, one installs."""
    requirements = HERE / "requirements.txt"
    wanted, complete = requirements.read_text(), environment / "complete"
    environment.parent.mkdir(parents=True, exist_ok=True)
    with environment.with_name(environment.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists() and complete.read_text() == wanted:
            return
        say(f"installing its services in {environment}, 700 MB")
        shutil.rmtree(environment, ignore_errors=True)
        with (log / "packages.out").open("wb") as output:
            if not _by_uv(environment, requirements, output) and not _by_pip(
                environment, requirements, output
            ):
                raise PlaneError(f"its services can't be installed: see {log}/packages.out")
        complete.write_text(wanted)


def _by_uv(environment: Path, requirements: Path, output: BinaryIO) -> bool:
    """Install by the uv that `setup` has brought, which takes ten seconds; return whether that went well."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.is_file():
        return False
    asked = [*packages.PIP, "config", "list"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    variables = packages.uv_environment(packages.pip_settings(listed.stdout), os.environ)
    python = environment / "bin" / "python"
    make = [str(uv), "venv", "--python", sys.executable, str(environment)]
    install = [str(uv), "pip", "install", "--python", str(python), "--no-deps", "-r", str(requirements)]
    return _all_end_well([make, install], output, variables)


def _by_pip(environment: Path, requirements: Path, output: BinaryIO) -> bool:
    """Install by pip, which takes some minutes; return whether that went well."""
    shutil.rmtree(environment, ignore_errors=True)
    # Of what is installed here a fraction is ever imported; Python compiles that at the first start.
    python = str(environment / "bin" / "python")
    install = [python, "-m", "pip", "install", "--no-deps", "--no-compile", "-r", str(requirements)]
    return _all_end_well([[sys.executable, "-m", "venv", str(environment)], install], output, os.environ)


def _all_end_well(commands: Sequence[Sequence[str]], output: BinaryIO, env: Mapping[str, str]) -> bool:
    """Run commands one after another; return whether each ended well."""
    return all(
        subprocess.run(
            command, check=False, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        ).returncode
        == 0
        for command in commands
    )
