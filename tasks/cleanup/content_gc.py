"""Removing older contents of secrets and configs that nothing uses any more, at the end of a run that went well.

Contents of secrets and configs that site.toml no longer has are orphans: `doit prune` removes them.
"""

import contextlib

from model.log import Log
from tasks.run.context import Run
from tasks.services.orphans import older_contents


def remove(run: Run, log: Log) -> None:
    """Remove older contents, but for those that a service uses, used before, or would go back to (its revisions).

    Args:
        run: The run, which ended well.
        log: Tells the person.

    Raises:
        SkepError: No manager answers, or it refuses.

    """
    seen = run.live_state.swarm
    if seen.error:
        return
    if run.progress.deployed:
        # The live state is from the beginning of the run.
        seen = run.live_state.swarm_now()
    going = older_contents(run, seen)
    if not going:
        return
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    host, client = run.connections.manager()
    for orphan in going:
        with engine_errors(host.short, f"removing {orphan.words}"), contextlib.suppress(NotFound):
            orphan.remover(client)(orphan.id)
        log(f"removed {orphan.words}, {orphan.note} that nothing uses any more")
