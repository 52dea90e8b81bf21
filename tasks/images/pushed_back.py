"""Images that the registry lost, pushed back from an engine that still has them: none is built anew."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.errors import BuildError, SkepError
from model.log import Log
from model.stage import Host
from tasks.run.context import Run

if TYPE_CHECKING:
    from remote.images.registry import SiteRegistry


def push_back(
    run: Run, registry: "SiteRegistry", path: str, repository: str, key: str, log: Log
) -> str | None:
    """Push an image from the first engine that has it; return its reference with digest, None if none has it.

    Args:
        run: The run.
        registry: The stage's registry.
        path: The image in the registry as it was, `repository@digest`, under whichever name of the registry.
        repository: Its repository.
        key: Its tag.
        log: Takes a line for the log.

    """
    for host in _hosts(run):
        try:
            reference = _push_from(run, host, registry, path, repository, key, log)
        except SkepError as error:
            log(f"{host.short} could not push it back: {error}")
            continue
        if reference is not None:
            log(f"pushed back from {host.short}, which still had it")
            return reference
    return None


def _hosts(run: Run) -> Iterator[Host]:
    """Yield the hosts whose engines answered the look at the start of the run, the repository first."""
    repository = run.stage.repository
    yield repository
    for hive in run.stage.hives:
        if hive != repository and run.live_state.host(hive).info:
            yield hive


def _push_from(
    run: Run, host: Host, registry: "SiteRegistry", path: str, repository: str, key: str, log: Log
) -> str | None:
    """Push an image from one host's engine; return its reference with digest, None if the engine does not have it."""
    from remote.engine.client import engine_errors
    from remote.images.registry import RegistryClient

    client = run.connections.engine(host)
    with engine_errors(host.short, f"looking for {path}", BuildError):
        names = [name for image in client.api.images() for name in image.get("RepoDigests") or ()]
    found = next((name for name in names if name.partition("/")[2] == path), None)
    if found is None:
        return None
    pushed = RegistryClient(client, host.short, registry, run.coordination.lock, log).push(
        found, repository, key
    )
    tag = registry.reference(repository, key)
    # By a tag of the same name the engine goes on with the digest's: it would take both away.
    if host != run.stage.repository and tag.rpartition(":")[0] != found.partition("@")[0]:
        try:
            with engine_errors(host.short, f"removing the tag of {repository}", BuildError):
                client.api.remove_image(tag, noprune=True)
        except SkepError as error:
            log(f"{error}: the tag stays there")
    return pushed
