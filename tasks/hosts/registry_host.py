"""The host with the registry and the copy of the stage's secrets: what would be lost if it went down now."""

from collections.abc import Callable, Iterator, Sequence

from model.errors import SkepError
from model.site import DockerStage
from model.stage import Host
from providers.base import Found, Resource
from tasks.names import REGISTRY, VAULT, setup_task
from tasks.run.context import Run

REGISTRY_DATA = "registry_data"
"""The set-up step that puts the registry's data where it outlives a container."""


def goes_down(run: Run, host: Host) -> bool:
    """Return whether this run would replace a host that is there, or stop it for a while."""
    return _would_be(run, host, Found.goes_down)


def waits_for_move(run: Run, host: Host) -> bool:
    """Return whether a host stays as it is in this run, since the registry is still there and is to move away.

    It is taken down nevertheless where all hosts leave their network, or a person named it.
    """
    moves = run.progress.moves or host.short in run.may_replace
    return host.short == run.stage.former_repository and not moves and goes_down(run, host)


def obstacles(run: Run) -> Iterator[str]:
    """Yield why hosts may not be taken down: the registry or the stage's only secrets would be lost."""
    going = [host for host in run.stage.hosts if goes_down(run, host)]
    if not going:
        return
    unknown = list(_unknown_repository(run, going))
    yield from unknown
    if not unknown:
        yield from _unread_vault(run, going)
        yield from _data_in_container(run, going)


def is_replaced(run: Run, host: Host) -> bool:
    """Return whether this run would replace a host that is there."""
    return _would_be(run, host, Found.is_replaced)


def _would_be(run: Run, host: Host, question: Callable[[Found, Resource], bool]) -> bool:
    """Return whether a host is there, and the answer to a question on it and its definition of now is yes."""
    found = run.live_state.things.get(host.short)
    return found is not None and any(
        question(found, resource)
        for resource in run.provider.resources()
        if resource.is_host and resource.name == host.short
    )


def _unknown_repository(run: Run, going: Sequence[Host]) -> Iterator[str]:
    """Yield that nobody knows which host has the registry: the last one was only taken for it."""
    stage = run.stage
    if stage.home or stage.config.repository is not None:
        return
    shorts = ", ".join(host.short for host in going)
    yield (
        f"stages.{stage.name}: state/ does not know which host is the repository, and {shorts} would be replaced or "
        f'stopped: write repository = "…" in [stages.{stage.name}]; or put the change back in site.toml, run doit '
        "once with the hosts as they are, then change them"
    )


def _unread_vault(run: Run, going: Sequence[Host]) -> Iterator[str]:
    """Yield the hosts that have, or may have, the only copy of the secrets, which would go or be looked for in vain."""
    try:
        _ = run.secrets.vault
    except (KeyError, SkepError):
        pass
    else:
        return
    home = run.stage.home
    for host in going:
        if home and (host.short not in {home, run.stage.repository.short} or not is_replaced(run, host)):
            continue
        seen = run.live_state.host(host)
        if not seen.error and VAULT not in seen.steps:
            continue  # nothing was ever kept there
        has = "has" if host.short == (home or run.stage.repository.short) else "may have"
        yield (
            f"{host.short}: {has} the stage's only copy of its secrets, which this checkout has not read: put the "
            "change back in site.toml, run doit, then change it"
        )


def _data_in_container(run: Run, going: Sequence[Host]) -> Iterator[str]:
    """Yield the repository if its registry's data is in the container that would go: an older skep set it up."""
    home = run.stage.home
    if not isinstance(run.stage.config, DockerStage):
        return
    for host in going:
        if host.short != home or not is_replaced(run, host):
            continue
        seen = run.live_state.host(host)
        was_set_up = run.state.record_path(setup_task(home, REGISTRY)).exists() or REGISTRY in seen.steps
        is_safe = (
            run.state.record_path(setup_task(home, REGISTRY_DATA)).exists() or REGISTRY_DATA in seen.steps
        )
        if was_set_up and not is_safe:
            yield (
                f"{home}: the registry's data is still in its container, and would be lost with it: put the change "
                "back in site.toml, run doit once, then change the hosts"
            )
