"""The host that a person names."""

from model.errors import HostError
from model.stage import Host, Stage
from tasks.run.context import Run


def known_host(run: Run, name: str) -> Host:
    """Return a host by its short or full name.

    Raises:
        HostError: The stage has no such host.

    """
    found = next((host for host in run.stage.hosts if name in (host.short, host.name)), None)
    if found is None:
        hosts = ", ".join(host.short for host in run.stage.hosts)
        raise HostError(f"stage {run.stage.name} has no host {name}; there are {hosts}")
    return found


def made_host(run: Run, name: str) -> Host:
    """Return a host that is made by its short or full name.

    Raises:
        HostError: The stage has no such host, or it is not made yet, as far as state/ knows.

    """
    found = known_host(run, name)
    if run.state.host_record(found) is None:
        if all(run.state.host_record(host) is None for host in run.stage.hosts):
            raise HostError(no_hosts(run.stage))
        raise HostError(f"{found.short}: not made yet; `doit build_infra` makes the hosts")
    return found


def no_hosts(stage: Stage, kind: str = "host") -> str:
    """Return what to do where state/ knows no host, or no hive: a fresh clone knows none of a site that runs."""
    return f"state/{stage.name} knows no {kind}: doit status finds those that there are, doit makes them"
