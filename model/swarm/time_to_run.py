"""How long a service is waited for: its `converge_timeout`, or what its own times need, if that is more. Pure."""

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType

from model import site as types

_ENGINES_OWN = 30.0
"""Seconds that the engine takes for an interval or a timeout of 0."""


def time_to_run(
    service: types.Service, hives: int, images: Mapping[str, types.Image] = MappingProxyType({})
) -> float:
    """Return the seconds that a service may take until it runs.

    A task may take its `stop_grace_period` to make room, then `start_period` and the first `interval` of its health
    check until it is healthy. Tasks are replaced in groups of `parallelism`, with `delay` between them; the last one
    is watched for `monitor`.

    Args:
        service: The service.
        hives: How many hives there are, each of which may run a task of a global service.
        images: The site's images: a service without a health check of its own has its image's.

    """
    return max(service.converge_timeout, 0.0 if service.is_job else _needed(service, hives, images))


def _health_check(service: types.Service, images: Mapping[str, types.Image]) -> types.Healthcheck | None:
    """Return the health check of a service's containers, as far as site.toml shows it: images hand it on."""
    found, image, seen = service.healthcheck, service.image, set[str]()
    while found is None and image in images and image not in seen:
        seen.add(image)
        found, image = images[image].healthcheck, images[image].from_ or ""
    return found


def _needed(service: types.Service, hives: int, images: Mapping[str, types.Image]) -> float:
    """Return the seconds that a service's own times need."""
    update, check = service.update_config, _health_check(service, images)
    tasks = hives if service.is_global else service.replicas
    groups = max(1, ceil(tasks / (update.parallelism or tasks or 1)))
    healthy = 0.0
    if check is not None and check.test:
        healthy = check.start_period + (check.interval or _ENGINES_OWN) + (check.timeout or _ENGINES_OWN)
    each = service.stop_grace_period + healthy
    return groups * each + (groups - 1) * update.delay + update.monitor
