"""Where the services answer, in lines that can be pasted."""

from model.site import PublishedPort
from model.stage import Host
from tasks.run.context import Run
from tasks.services.port_allocation import published_ports

_SERVICE = "com.docker.swarm.service.name"
_GUESS = {53: "dig @{address}", 80: "curl http://{address}/", 443: "curl -k https://{address}/"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def lines(run: Run) -> list[str]:
    """Return a heading and a line for each way in, or nothing where no service publishes a port."""
    found = []
    running: dict[str, set[str]] = {}
    for name, service in run.stage.services.items():
        published = published_ports(run, name)
        if not published:
            continue
        address = _address(run, name, published, running)
        if address is None:
            continue
        said = service.try_ or [_guess(port) for port in published]
        found += [(name, text.replace("{address}", address)) for text in dict.fromkeys(said)]
    if not found:
        return []
    width = max(len(name) for name, _ in found)
    said = ["the services answer:", *(f"  {name:<{width}}  {text}" for name, text in found)]
    first = run.stage.hives[0]
    record = run.state.host_record(first)
    if record is not None and record.ssh_host in _LOOPBACK:
        config = run.connections.files.config
        said.append("  (these addresses are behind the engine's virtual machine; forward what you need:")
        said.append(f"   ssh -F {config} -N -L 8080:{first.address}:80 {first.short})")
    return said


def _guess(port: PublishedPort) -> str:
    """Return a command that speaks to a port."""
    known = _GUESS.get(port.published)
    if known is not None:
        return known + (" +tcp" if port.published == 53 and port.protocol == "tcp" else "")  # noqa: PLR2004
    return f"nc -z{'u' if port.protocol == 'udp' else ''} {{address}} {port.published}"


def _address(run: Run, name: str, published: list[PublishedPort], running: dict[str, set[str]]) -> str | None:
    """Return the address of a hive where a service answers: any for the ingress, else one where it runs.

    Args:
        run: The run.
        name: The service.
        published: What it publishes.
        running: A hive to the services that run there, filled as hives are looked at.

    """
    for host in run.stage.hives:
        if any(port.mode == "ingress" for port in published):
            return host.address
        if host.short not in running:
            running[host.short] = _running(run, host)
        if name in running[host.short]:
            return host.address
    return None


def _running(run: Run, host: Host) -> set[str]:
    """Return the services of which a container runs on a host; as the live look saw it if nothing changed since."""
    if not run.progress.deployed:
        return set(run.live_state.host(host).services)
    containers = run.connections.engine(host).api.containers(filters={"label": _SERVICE})
    return {container["Labels"][_SERVICE] for container in containers}
