"""Facts of every hive, read at the same time: kernel, listening programs, published ports of containers."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from model.errors import SkepError
from model.log import Log
from model.stage import Host, Stage
from remote.checks import host_facts
from remote.checks.host_facts import HostFacts
from tasks.run.connections import Connections

FACTS_TIMEOUT = 60


def facts_of_hives(
    stage: Stage,
    connections: Connections,
    log: Log,
    filesystems: Iterable[str] = (),
    paths: Iterable[str] = (),
) -> dict[str, HostFacts]:
    """Return the hives' facts by short name. One that does not answer is logged and left out.

    Args:
        stage: The stage.
        connections: To its hosts.
        log: Takes a line for the log.
        filesystems: File systems, as `nfs`, of which is asked whether the kernel can mount them.
        paths: Paths of which is asked whether they are there.

    """
    script = host_facts.script(filesystems, paths)

    def ask(host: Host) -> HostFacts | None:
        try:
            output = connections.to(host).script(
                script, timeout=FACTS_TIMEOUT, label="checking the hive before services are deployed"
            )
            with closing(connections.reader(host)) as engine:
                containers = engine.containers()
        except SkepError as error:
            log(f"not checked: {error}")
            return None
        return host_facts.parse(output, containers)

    hives = stage.hives
    with ThreadPoolExecutor(len(hives)) as pool:
        found = zip(hives, pool.map(ask, hives), strict=True)
        return {host.short: facts for host, facts in found if facts is not None}
