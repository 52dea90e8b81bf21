"""Removing old versions of images that nobody needs any more, at the end of a run that made one."""

from model.log import Log
from remote.images.registry_gc import surplus
from tasks.build_images import in_use
from tasks.images.registry import remove, versions
from tasks.run.context import Run


def prune(run: Run, log: Log) -> None:
    """Remove the versions that are neither in use nor among the newest of their image, and say how much that freed.

    Raises:
        SkepError: The repository host does not do it.

    """
    known = versions(run.stage, run.connections)
    keep = run.stage.site.registry.keep
    # What runs is asked only if something would go: a new site has no swarm to ask.
    old = surplus(known, in_use(run), keep) if surplus(known, (), keep) else []
    if old:
        remove(run.stage, run.connections, old, [version for version in known if version not in old], log)
