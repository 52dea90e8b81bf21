"""Where the services answer, in lines that can be pasted."""

from model.stage import Host
from model.units import Port
from tasks.ports import published_ports
from tasks.run import Run

_GUESS = {53: "dig @{address}", 80: "curl http://{address}/", 443: "curl -k https://{address}/"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def lines(run: Run) -> list[str]:
    """Return a heading and a line for each way in, or nothing where no service publishes a port."""
    found = []
    for name, service in run.stage.services.items():
        published = published_ports(run, name)
        if not published:
            continue
        address = _address(run, name, published)
        if address is None:
            continue
        said = service.try_ or [_guess(port) for port in published]
        found += [(name, text.replace("{address}", address)) for text in dict.fromkeys(said)]
    if not found:
        return []
    width = max(len(name) for name, _ in found)
    said = ["the services answer:", *(f"  {name:<{width}}  {text}" for name, text in found)]
    first = run.stage.hives[0]
    record = run.host_record(first)
    if record is not None and record.ssh_host in _LOOPBACK:
        config = run.ssh_files.config
        said.append("  (these addresses are behind the engine's virtual machine; forward what you need:")
        said.append(f"   ssh -F {config} -N -L 8080:{first.address}:80 {first.short})")
    return said


def _guess(port: Port) -> str:
    """Return a command that speaks to a port."""
    known = _GUESS.get(port.published)
    if known is not None:
        return known + (" +tcp" if port.published == 53 and port.protocol == "tcp" else "")  # noqa: PLR2004
    return f"nc -z{'u' if port.protocol == 'udp' else ''} {{address}} {port.published}"


def _address(run: Run, name: str, published: list[Port]) -> str | None:
    """Return the address of a hive where a service answers: any for the ingress, else one where it runs."""
    for host in run.stage.hives:
        if any(port.mode == "ingress" for port in published) or _runs_on(run, name, host):
            return host.address
    return None


def _runs_on(run: Run, name: str, host: Host) -> bool:
    """Return whether a container of a service runs on a host."""
    if name in run.probe.host(host).services and not run.deployed:
        return True
    if not run.deployed:
        return False
    label = f"com.docker.swarm.service.name={name}"
    return bool(run.engine(host).api.containers(filters={"label": label}))
