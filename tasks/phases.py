"""The seven phases in order, each as doit tasks."""

from collections.abc import Iterator
from types import ModuleType
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
from tasks.run.context import Run
from tasks.step import phase

PHASES: dict[str, ModuleType] = {
    module.PHASE: module
    for module in (
        build_infra,
        setup_hosts,
        build_images,
        build_networks,
        build_volumes,
        deploy_services,
        initialize_services,
    )
}


def tasks(run: Run, name: str) -> Iterator[dict[str, Any]]:
    """Yield a phase's doit tasks."""
    module = PHASES[name]
    try:
        yield from phase(run, name, module.DOC, module.steps(run))
    except SkepError as error:
        # A person's mistake that only shows here: printed alone, as those of site.toml's form are.
        raise InvalidDodoFile(str(error)) from None
