"""The services' endpoints, in lines that can be pasted, each with its answer where the run deployed something."""

from model.hosts.firewall import INSIDE
from model.labels import SERVICE_LABEL
from model.site import PublishedPort
from model.site.services import OPEN_TO_ALL, OPEN_TO_STAGE
from model.stage import Host, Stage
from tasks.run.context import Run
from tasks.services.answers import ask
from tasks.services.published_ports import published_ports

_GUESS = {53: "dig @{address}", 80: "curl http://{address}/", 443: "curl -k https://{address}/"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def lines(run: Run) -> list[str]:
    """Return a heading and a line for each way in, or nothing where no service publishes a port."""
    endpoints = []
    notes: dict[str, str] = {}
    running = _Running(run)
    for name, service in run.stage.services.items():
        published = published_ports(run.stage, run.state, name)
        if not published:
            continue
        address = _address(run.stage, name, published, running)
        if address is None:
            continue
        commands = (
            dict.fromkeys(service.try_, _closed(published))
            if service.try_
            else {_guess(port): _closed([port]) for port in published}
        )
        for text, note in commands.items():
            command = text.replace("{address}", address)
            endpoints.append((name, command))
            notes |= {command: note} if note else {}
    if not endpoints:
        return []
    width = max(len(name) for name, _ in endpoints)
    first = run.stage.hives[0]
    record = run.state.host_record(first)
    is_inside = record is not None and record.ssh_host in _LOOPBACK
    # A run with nothing to do says where they are; it does not wait for them.
    answers = (
        ask(text for _, text in endpoints if text not in notes)
        if run.progress.deployed and not is_inside
        else {}
    )
    answers |= notes
    found = ["the services' addresses:"]
    for name, text in endpoints:
        # As a comment, so that the line can be pasted as it is.
        found.append(f"  {name:<{width}}  {text}" + (f"  # {answers[text]}" if text in answers else ""))
    if is_inside:
        config = run.connections.files.config
        found.append(
            "  (these addresses are inside the engine's virtual machine; forward the ports that you need:"
        )
        found.append(f"   ssh -F {config} -N -L 8080:{first.address}:80 {first.short})")
    return found


def _closed(ports: list[PublishedPort]) -> str:
    """Return whom ports are open to, in words; empty if one of them is open to everybody."""
    sources = {source for port in ports for source in port.sources}
    if OPEN_TO_ALL in sources:
        return ""
    return (
        f"only from {', '.join(sorted(INSIDE if source == OPEN_TO_STAGE else source for source in sources))}"
    )


def _guess(port: PublishedPort) -> str:
    """Return a command that speaks to a port."""
    known = _GUESS.get(port.published)
    if known is not None:
        return known + (" +tcp" if port.published == 53 and port.protocol == "tcp" else "")  # noqa: PLR2004
    return f"nc -z{'u' if port.protocol == 'udp' else ''} {{address}} {port.published}"


class _Running:
    """Tells on which hives a service has containers; each hive is asked once.

    Args:
        run: The run. The live state answers, unless the run deployed something since that was taken.

    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._services: dict[str, set[str]] = {}

    def on(self, host: Host) -> set[str]:
        """Return the services that have a container on a host."""
        if host.short not in self._services:
            self._services[host.short] = self._ask(host)
        return self._services[host.short]

    def _ask(self, host: Host) -> set[str]:
        """Read them from the live state, or from the host's engine."""
        if not self._run.progress.deployed:
            return set(self._run.live_state.host(host).services)
        engine = self._run.connections.engine(host)
        containers = engine.api.containers(filters={"label": SERVICE_LABEL})
        return {container["Labels"][SERVICE_LABEL] for container in containers}


def _address(stage: Stage, name: str, published: list[PublishedPort], running: _Running) -> str | None:
    """Return the address of a hive where a service answers: any for the ingress, else one where it runs."""
    for host in stage.hives:
        if any(port.mode == "ingress" for port in published) or name in running.on(host):
            return host.address
    return None
