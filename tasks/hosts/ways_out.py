"""Try the containers' way out of hosts. What is wrong is a warning: services and images may need nothing outside."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from model.errors import SkepError
from model.log import Log
from model.stage import Host
from remote.checks import way_out
from tasks.run.context import Run


def try_ways_out(run: Run, hosts: Sequence[Host], log: Log) -> None:
    """Try hosts' ways out, once a run for each; what keeps containers in is said in the log and at the end of the run.

    Args:
        run: The run.
        hosts: The hosts.
        log: Takes a line for the log.

    """
    from remote.engine.client import engine_errors
    from remote.swarm.builtin_networks import bridge_mtus

    def attempt(host: Host) -> None:
        try:
            output = run.connections.to(host).script(
                way_out.script(), timeout=way_out.TIMEOUT, label="trying the containers' way out"
            )
            with engine_errors(host.short, "listing its networks"):
                bridges = bridge_mtus(run.connections.engine(host))
        except SkepError as error:
            # Of a kernel or a system where it can't be tried that says nothing.
            log(f"the containers' way out was not tried: {error}")
            return
        for line in way_out.warnings(host.short, way_out.parse(output), bridges):
            log(line)
            run.progress.later.append(line)

    def once(host: Host) -> None:
        run.coordination.once(f"way out of {host.short}", lambda: attempt(host))

    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        list(pool.map(once, hosts))
