"""How long a service is waited for: its `converge_timeout`, or what its own times need, if that is more. Pure."""

from math import ceil

from model import site as types


def time_to_run(service: types.Service, hives: int) -> float:
    """Return the seconds that a service may take until it runs.

    A task may take its `stop_grace_period` to make room, then `start_period` and the first `interval` of its health
    check until it is healthy. Tasks are replaced in groups of `parallelism`, with `delay` between them; the last one
    is watched for `monitor`.

    Args:
        service: The service.
        hives: How many hives there are, each of which may run a task of a global service.

    """
    return max(service.converge_timeout, 0.0 if service.is_job else _needed(service, hives))


def _needed(service: types.Service, hives: int) -> float:
    """Return the seconds that a service's own times need."""
    update, check = service.update_config, service.healthcheck
    tasks = hives if service.is_global else service.replicas
    groups = max(1, ceil(tasks / (update.parallelism or tasks or 1)))
    healthy = check.start_period + check.interval + check.timeout if check is not None and check.test else 0.0
    each = service.stop_grace_period + healthy
    return groups * each + (groups - 1) * update.delay + update.monitor
