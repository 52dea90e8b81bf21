"""The seven phases. `./setup doit` runs what is stale, `./setup doit list` shows it."""

from collections.abc import Iterator
from typing import Any

from tasks.phases import tasks
from tasks.run.open import doit_config, open_run

Tasks = Iterator[dict[str, Any]]
RUN = open_run()
DOIT_CONFIG = doit_config(RUN.state)


def task_build_infra() -> Tasks:
    """Make the hosts and what they need of their provider."""
    yield from tasks(RUN, "build_infra")


def task_setup_hosts() -> Tasks:
    """Set up each host by small steps, and join the hives into a swarm."""
    yield from tasks(RUN, "setup_hosts")


def task_build_images() -> Tasks:
    """Build container images, one layer a role, found again by their keys."""
    yield from tasks(RUN, "build_images")


def task_build_networks() -> Tasks:
    """Make the overlay networks."""
    yield from tasks(RUN, "build_networks")


def task_build_volumes() -> Tasks:
    """Make the volumes on the hosts that hold them."""
    yield from tasks(RUN, "build_volumes")


def task_deploy_services() -> Tasks:
    """Deploy the services, and wait until they run."""
    yield from tasks(RUN, "deploy_services")


def task_initialize_services() -> Tasks:
    """Load first data by scripts inside the running services."""
    yield from tasks(RUN, "initialize_services")
