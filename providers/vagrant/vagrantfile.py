"""The stage's Vagrantfile, and its inputs."""

import ipaddress
import json
from pathlib import Path
from typing import Any

from model.keys.digest import sha256
from model.labels import NAME_LABEL
from model.site import VagrantStage
from model.stage import Host, Stage
from providers.vagrant.machines import Machines, prefix_of
from remote.ssh.authorized_keys import LET_IN

_VAGRANTFILE = Path(__file__).with_name("Vagrantfile.rb")
_ADMIT = Path(__file__).with_name("admit.sh")
_INTERFACE_MAX = 15  # characters: Linux's IFNAMSIZ, less its end


def write(machines: Machines, table: dict[str, Any]) -> None:
    """Write the Vagrantfile and its inputs, one writer at a time.

    Args:
        machines: The stage's machines.
        table: Of `stage_table`.

    """
    with machines.lock("files", lambda _line: None):
        machines.write(machines.directory / "Vagrantfile", _VAGRANTFILE.read_text())
        machines.write(machines.directory / "admit.sh", _ADMIT.read_text().replace("@LET_IN@\n", LET_IN))
        path = machines.directory / "stage.json"
        # Machines that the stage does not want any more stay known to Vagrant until they are removed.
        before = json.loads(path.read_text())["hosts"] if path.exists() else {}
        left = {name: before[name] for name in machines.known() if name in before}
        table["hosts"] = {**left, **table["hosts"]}
        machines.write(path, json.dumps(table, indent=1))


def stage_table(
    stage: Stage, config: VagrantStage, backend: str, public_key: str, directory: Path
) -> dict[str, Any]:
    """Return the inputs of the Vagrantfile.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        backend: Which program makes the machines.
        public_key: The entry that lets this checkout's ssh key in.
        directory: The site's directory.

    """
    network = ipaddress.ip_network(str(config.cidr))
    return {
        "box": config.box,
        "box_url": box_url(config, directory),
        "boot_timeout": int(config.boot_timeout),
        "backend": backend,
        "driver": config.driver,
        "prefix": prefix_of(stage),
        "network": f"skep-{sha256(prefix_of(stage))[:8]}"[:_INTERFACE_MAX],
        "bridge": config.bridge,
        "dev": config.dev,
        "proxy": config.vagrant_proxy,
        "authorized_key": public_key,
        "hosts": {
            host.short: {
                "address": host.address,
                "netmask": str(network.netmask),
                "labels": json.dumps({**stage.labels, NAME_LABEL: host.short}),
                "memory": size_of(config, host, "memory_size"),
                "cpus": size_of(config, host, "cpus"),
                "disk": size_of(config, host, "disk_size"),
                "mirrored_disk": config.mirrored_disk_size if host.is_hive else None,
            }
            for host in stage.hosts
        },
    }


def box_url(config: VagrantStage, directory: Path) -> str | None:
    """Return the box's address; of a file its whole path, since Vagrant runs in a directory of its own."""
    url = config.box_url
    return url if url is None or "://" in url else str((directory / Path(url).expanduser()).resolve())


def size_of(config: VagrantStage, host: Host, key: str) -> int | None:
    """Return a size of a host: the repository may have its own."""
    own = getattr(config, f"repository_{key}") if host.is_repository else None
    common: int | None = getattr(config, key)
    return common if own is None else own
