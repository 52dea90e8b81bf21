"""One look at every hive, all at the same time: its kernel, who listens there, what its containers publish."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from model.errors import SkepError
from model.log import Log
from model.stage import Host
from remote.checks import host_facts
from remote.checks.host_facts import HostFacts
from tasks.run.context import Run

LOOK_TIMEOUT = 60


def look_at_hives(
    run: Run, log: Log, filesystems: Iterable[str] = (), paths: Iterable[str] = ()
) -> dict[str, HostFacts]:
    """Return what the hives are like, by short name; one that does not answer is said and left out.

    Args:
        run: The run.
        log: Takes a line for the log.
        filesystems: Kinds of file systems that are to be mounted there, if it can.
        paths: What is to be mounted into containers, if it is there.

    """
    script = host_facts.script(filesystems, paths)

    def ask(host: Host) -> HostFacts | None:
        try:
            said = run.connections.to(host).script(
                script, timeout=LOOK_TIMEOUT, label="looking before services are deployed"
            )
        except SkepError as error:
            log(f"not looked at: {error}")
            return None
        return host_facts.parse(said)

    hives = run.stage.hives
    with ThreadPoolExecutor(len(hives)) as pool:
        found = zip(hives, pool.map(ask, hives), strict=True)
        return {host.short: facts for host, facts in found if facts is not None}
