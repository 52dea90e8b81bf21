"""The host that a person names."""

from model.errors import HostError
from model.stage import Host
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
        HostError: The stage has no such host, or it is not made yet.

    """
    found = known_host(run, name)
    if run.state.host_record(found) is None:
        raise HostError(f"{found.short}: not made yet; `doit build_infra` makes the hosts")
    return found
