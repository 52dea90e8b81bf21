"""Data in volumes: whether a volume holds any, and whether that is on a host that is no longer to have it."""

from contextlib import closing
from shlex import quote

from model import site as types
from model.labels import belongs_to, labels_of
from model.stage import Host
from tasks.names import volume_task
from tasks.run.connections import Connections
from tasks.run.context import Run

ASK_TIMEOUT = 60


def has_data(connections: Connections, name: str, host: Host) -> bool:
    """Ask a host whether a volume holds any data."""
    with closing(connections.reader(host)) as engine:
        volumes = engine.volumes(filters={"name": name})["Volumes"] or ()
    directory = next((str(each["Mountpoint"]) for each in volumes if each["Name"] == name), "")
    if not directory:
        return True  # it can't be told
    output = connections.to(host).script(
        f'[ -z "$(ls -A {quote(directory)} 2>/dev/null | head -n 1)" ] || echo data\n',
        timeout=ASK_TIMEOUT,
        label=f"checking volume {name} for data",
    )
    return "data" in output.split()


def refused_volumes(run: Run) -> list[str]:
    """Return the tasks of volumes that may not be made on hosts that are new to them."""
    return [
        volume_task(name, host.short)
        for name, volume in run.stage.volumes.items()
        for host in run.stage.volume_hosts(name)
        if elsewhere(run, name, volume, host)
    ]


def elsewhere(run: Run, name: str, volume: types.Volume, host: Host) -> str:
    """Return why a volume may not be made on a host: another one that is no longer to have it has its data."""
    if not volume.is_on_host or name in run.may_replace or name in run.live_state.host(host).volumes:
        return ""
    for other in run.stage.hosts:
        held = labels_of(run.live_state.host(other).volumes.get(name, {}))
        if other in run.stage.volume_hosts(name) or not belongs_to(held, run.stage.labels):
            continue
        if has_data(run.connections, name, other):
            config = run.connections.files.config
            copy = f"sudo tar -C /var/lib/docker/volumes/{name}/_data"
            return (
                f"volume {name}: its data is on {other.short}, which is no longer among its hosts, and would not be "
                f"on {host.short}. Either restore volumes.{name}.hosts. Or move the data: stop its services (docker "
                f"service scale …=0), and type: doit build_volumes replace={name}; then: ssh -F {config} {other.short} "
                f"{copy} -c . | ssh -F {config} {host.short} {copy} -x; then: doit. Or, if it is not needed: doit "
                f"replace={name}"
            )
    return ""
