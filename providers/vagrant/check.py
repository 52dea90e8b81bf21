"""Problems that would keep a stage's machines from being made."""

import shutil
from pathlib import Path

from model.errors import ProviderError
from model.site import VagrantStage
from model.stage import Stage
from providers.vagrant.machines import Machines
from providers.vagrant.vagrantfile import box_url


def problems(stage: Stage, config: VagrantStage, machines: Machines, directory: Path) -> list[str]:
    """Return a line for each problem: no Vagrant, no working backend, no such interface, no box.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        machines: Its machines.
        directory: The site's directory.

    """
    missing = [program for program in ("vagrant", "ssh") if shutil.which(program) is None]
    lines = [f"{program}: not found: install it" for program in missing]
    if lines:
        return lines
    try:
        _ = machines.backend
    except ProviderError as error:
        lines.append(str(error))
    path = f"stages.{stage.name}"
    interfaces = Path("/sys/class/net")
    for key in ("bridge", "dev"):
        name = getattr(config, key)
        if name is not None and interfaces.is_dir() and not (interfaces / name).exists():
            there = ", ".join(sorted(path.name for path in interfaces.iterdir()))
            lines.append(f"{path}.{key}: this machine has no interface {name!r}; it has {there}")
    url = box_url(config, directory)
    if url is not None and "://" not in url and not Path(url).is_file():
        lines.append(f"{path}.box_url: there is no file {url}")
    return lines
