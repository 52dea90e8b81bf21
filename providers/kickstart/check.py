"""Problems that would keep a stage's medium from being made."""

import shutil
from pathlib import Path

from model.install.install_plan import family_of
from model.site import KickstartStage
from model.stage import Stage
from providers.kickstart import block_device
from providers.kickstart.image import path_of


def problems(stage: Stage, config: KickstartStage, directory: Path) -> list[str]:
    """Return a line for each problem: missing programs and files, a device that is in use.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        directory: The site's directory.

    """
    path = f"stages.{stage.name}"
    programs = ["ssh", *(["xorriso"] if config.iso_src else [])]
    programs += ["mcopy"] if config.iso_dest and family_of(config.release) == "rhel" else []
    lines = [f"{program}: not found: install it" for program in programs if shutil.which(program) is None]
    source, target, netboot = (
        path_of(directory, config.iso_src),
        path_of(directory, config.iso_dest),
        path_of(directory, config.netboot_src),
    )
    if source is not None and not source.exists():
        lines.append(f"{path}.iso_src: there is no file {source}: download it from the distribution")
    if netboot is not None and not netboot.is_dir():
        lines.append(f"{path}.netboot_src: there is no directory {netboot}")
    if target is not None:
        if block_device.is_device(target):
            if problem := block_device.why_not(target):
                lines.append(f"{path}.iso_dest: {problem}")
        elif not target.parent.is_dir():
            lines.append(f"{path}.iso_dest: there is no directory {target.parent}: make it")
    return lines
