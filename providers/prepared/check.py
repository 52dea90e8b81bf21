"""Problems that would keep a stage's hosts from being used: ssh, the key, their names, whether they answer."""

import os
import shutil
import socket
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from model.reasons import reason_of
from model.site import PreparedStage
from model.stage import Host, Stage
from providers.prepared.host import no_answer, record_of

REACH_TIMEOUT = 5.0


def problems(stage: Stage, config: PreparedStage) -> list[str]:
    """Return a line for each problem: no ssh, an unusable private key, unknown hosts, hosts that don't answer."""
    path = f"stages.{stage.name}"
    lines = []
    if not shutil.which("ssh"):
        lines.append("ssh: not found: install OpenSSH's client")
    if config.private_key is not None:
        key = Path(config.private_key).expanduser()
        if not key.is_file() or not os.access(key, os.R_OK):
            lines.append(f"{path}.private_key: {key}: there is no file that you can read")
        elif key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            lines.append(f"{path}.private_key: {key}: others can read it, so ssh refuses it: chmod 600 {key}")
    unknown = sorted(config.hosts.keys() - {host.short for host in stage.hosts})
    lines += [f"{path}.hosts.{name}: the stage has no such host" for name in unknown]
    with ThreadPoolExecutor(max_workers=16) as pool:
        lines += [line for line in pool.map(partial(_unreachable, config), stage.hosts) if line]
    return lines


def not_moved(stage: Stage, config: PreparedStage, moved: Mapping[str, str]) -> list[str]:
    """Return a line for each host that is to have another address, and does not answer there.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        moved: The hosts' short names, each with the address that it had.

    """

    def problem(host: Host) -> str:
        why = _unreachable(config, host)
        return f"{why} Give it {host.address} first, or put {moved[host.short]} back" if why else ""

    hosts = [host for host in stage.hosts if host.short in moved]
    with ThreadPoolExecutor(max_workers=16) as pool:
        return [line for line in pool.map(problem, hosts) if line]


def _unreachable(config: PreparedStage, host: Host) -> str:
    """Return why a host's ssh port can't be reached, if it can't."""
    record = record_of(config, host)
    try:
        socket.create_connection((record.ssh_host, record.ssh_port), timeout=REACH_TIMEOUT).close()
    except OSError as error:
        return no_answer(host, record, reason_of(error))
    return ""
