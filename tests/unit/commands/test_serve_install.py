"""`doit serve_install`: it ends when all hosts answer, and refuses a stage that it can't serve."""

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands import serve_install
from commands.serve_install import ServeInstallCommand
from model import site as types
from model.stage import Host, Stage
from providers.kickstart.provider import KickstartProvider
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tests import rig as make
from tests.unit.commands.test_halt import Loader


@contextmanager
def port() -> Iterator[int]:
    """Give a port of the loopback that somebody has bound, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def run_of(directory: Path, **config: Any) -> Run:
    """Return the run of a stage of two hosts."""
    source = directory / "source"
    source.mkdir(exist_ok=True)
    for name in ("linux", "initrd.gz"):
        (source / name).write_text("")
    table = types.KickstartStage(
        **{
            "ip_address_list": ["192.0.2.11", "192.0.2.12"],
            "cidr": "192.0.2.0/24",
            "networks": [types.InstallNetwork(interface="ens3", gateway="192.0.2.1")],
            "target": "/dev/vda",
            "hosts": {f"hive{n}": types.InstallHost(mac=f"52:54:00:00:00:0{n}") for n in range(2)},
            "netboot_src": str(source),
            **config,
        }
    )
    stage = Stage(types.Site(site="iron.test", stages={"production": table}), "production", table)
    state = directory / "state" / "production"
    run = new_run(directory, stage, State(state))
    files = make.ssh_files(state / "secrets")
    run.provider = KickstartProvider(stage, files, state, run.secrets.read)
    return run


def serve(run: Run, *words: str) -> tuple[int, str]:
    """Run `doit serve_install`, and return its exit status and its output."""
    command = ServeInstallCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    return command.execute({}, words), out.getvalue()


@pytest.fixture
def url() -> str:
    """Give where hosts would look for the server."""
    with port() as number:
        return f"http://127.0.0.1:{number}"


def test_ends_when_all_hosts_answer(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each host is said once, when it answers; one that answers from the beginning is not waited for."""
    run = run_of(tmp_path, netboot_url=url)
    make.ensure(run.provider, "medium", make.quiet)
    looks: dict[str, int] = {}

    def is_installed(_: KickstartProvider, host: Host) -> bool:
        looks[host.short] = looks.get(host.short, 0) + 1
        return looks[host.short] > {"hive0": 0, "hive1": 3}[host.short]

    monkeypatch.setattr(KickstartProvider, "is_installed", is_installed)
    monkeypatch.setattr(serve_install, "LOOK_AGAIN", 0)
    status, output = serve(run)

    assert status == 0
    assert looks == {"hive0": 1, "hive1": 4}
    assert [line for line in output.splitlines() if "hive" in line] == ["hive1: answers ssh, installed"]
    assert output.splitlines()[-1] == "all 2 hosts answer; `doit` goes on with them"


def test_what_was_not_made_is_not_served(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the medium it names the task that makes it; without netboot_url there is nothing to serve."""
    monkeypatch.setattr(KickstartProvider, "is_installed", lambda *_: False)
    with pytest.raises(InvalidCommand, match="run `doit build_infra:medium`"):
        serve(run_of(tmp_path, netboot_url=url))
    with pytest.raises(InvalidCommand, match=r"production\.netboot_url: is not set"):
        serve(run_of(tmp_path, netboot_url=None))
    with pytest.raises(InvalidCommand, match="takes no now"):
        serve(run_of(tmp_path, netboot_url=url), "now")


def test_a_port_in_use_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use ends the command, with the port and the way out."""
    monkeypatch.setattr(KickstartProvider, "is_installed", lambda *_: False)
    with port() as number:
        run = run_of(tmp_path, netboot_url=f"http://127.0.0.1:{number}")
        make.ensure(run.provider, "medium", make.quiet)

        with pytest.raises(InvalidCommand, match=f"can't listen on port {number}: .*or name another port"):
            serve(run)
