"""The seven phases in order, and their doit tasks."""

from collections.abc import Iterator
from typing import Any

from doit.exceptions import InvalidDodoFile

from model.errors import SkepError
from tasks import (
    build_images,
    build_infra,
    build_networks,
    build_volumes,
    deploy_services,
    initialize_services,
    setup_hosts,
)
from tasks.doit_task import doit_task
from tasks.phase import Phase
from tasks.run.context import Run

PHASES: dict[str, Phase] = {
    phase.name: phase
    for phase in (
        build_infra.PHASE,
        setup_hosts.PHASE,
        build_images.PHASE,
        build_networks.PHASE,
        build_volumes.PHASE,
        deploy_services.PHASE,
        initialize_services.PHASE,
    )
}


def tasks(run: Run, name: str) -> Iterator[dict[str, Any]]:
    """Yield a phase's doit tasks: its group, then one for each step."""
    try:
        yield {"basename": name, "name": None, "doc": PHASES[name].doc}
        for step in PHASES[name].steps(run):
            yield doit_task(run, step)
    except SkepError as error:
        # A person's mistake that only shows here: printed alone, as those of site.toml's form are.
        raise InvalidDodoFile(str(error)) from None
