"""Taking a stage down: what there is of it, and how it is removed. Used by `doit destroy` alone.

Every removal finds first and tolerates that nothing is there, so that a destroy that was killed is simply run again.
The state directory goes last: as long as anything is left, what is known of it is kept.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.errors import HostError, SkepError
from model.labels import belongs_to, label_filter, labels_of
from model.log import Log
from model.stage import Host
from remote.hostsetup.step import MARKERS
from remote.ssh.connection import Connection
from tasks import build_volumes
from tasks.run.context import Run
from tasks.setup_hosts import VAULT

if TYPE_CHECKING:
    from docker import DockerClient

ASK_TIMEOUT = 30
GONE_TIMEOUT = 120
"""Seconds that containers get to end, so that their networks and volumes can be removed."""

# The engine knows by label which volumes are skep's. Where it does not run, every named volume's directory counts.
_VOLUMES = """\
if docker info >/dev/null 2>&1; then
    docker volume ls --quiet {filters}
elif [ -d /var/lib/docker/volumes ]; then
    cd /var/lib/docker/volumes
    for name in *; do
        [ ! -d "$name/_data" ] || echo "$name"
    done | grep -vxE '[0-9a-f]{{64}}' || :
fi
"""
_FORGET = f"rm -rf {MARKERS} {VAULT}\n"


@dataclass(frozen=True)
class Inventory:
    """What there is of a stage.

    Args:
        owned: Whether the provider made the hosts, so that they go, too.
        hosts: The hosts by short name; where they are not owned, those that were set up.
        others: What else the provider made, in the order in which it can be removed.
        volumes: Volume to the hosts that hold it.
        doubts: Host to why it could not be asked for its volumes. The volumes that it may hold are in `volumes`.
        docs: What each of the provider's things is, in words.

    """

    owned: bool
    hosts: tuple[str, ...]
    others: tuple[str, ...]
    volumes: Mapping[str, tuple[str, ...]]
    doubts: Mapping[str, str]
    docs: Mapping[str, str]


def inventory(run: Run) -> Inventory:
    """Find out what there is: one listing of the provider, and one question to each host. Changes nothing.

    Raises:
        SkepError: The provider's listing can't be had.

    """
    provider = run.provider
    wanted = {resource.name: resource for resource in provider.resources()}
    others: list[str] = []
    stopped: set[str] = set()
    if provider.owns:
        found = provider.found()
        hosts = [name for name in found if found[name].is_host]
        others = [name for name in reversed(list(found)) if not found[name].is_host]
        stopped = {name for name in hosts if not found[name].running}
    else:
        hosts = [host.short for host in run.stage.hosts if run.state.host_record(host) is not None]
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        answers = dict(
            zip(
                hosts,
                pool.map(lambda name: _volumes_on(run, name, running=name not in stopped), hosts),
                strict=True,
            )
        )
    volumes: dict[str, list[str]] = {}
    for name, (held, _) in answers.items():
        for volume in held:
            volumes.setdefault(volume, []).append(name)
    return Inventory(
        provider.owns,
        tuple(sorted(hosts)),
        tuple(others),
        {volume: tuple(sorted(where)) for volume, where in sorted(volumes.items())},
        {name: why for name, (_, why) in sorted(answers.items()) if why},
        {name: resource.doc for name, resource in wanted.items()},
    )


def _volumes_on(run: Run, name: str, *, running: bool) -> tuple[list[str], str]:
    """Return the volumes that a host holds, and why it could not be asked, if so; then those that it may hold."""
    host = next((host for host in run.stage.hosts if host.short == name), None)
    if host is None:
        return maybe_on(run, name, None), "the stage has no such host any more"
    if run.state.host_record(host) is None or not run.connections.files.key.exists():
        return maybe_on(run, name, host), "state/ does not say how to log in"
    if not running:
        return maybe_on(run, name, host), "it does not run"
    try:
        return stage_volumes(run, run.connections.to(host)), ""
    except SkepError as error:
        return maybe_on(run, name, host), str(error).splitlines()[0]


def stage_volumes(run: Run, connection: Connection) -> list[str]:
    """Return the stage's volumes on a host, by asking it.

    Raises:
        HostError: It does not answer.

    """
    filters = " ".join(f"--filter label={each}" for each in label_filter(run.stage.labels)["label"])
    return connection.script(
        _VOLUMES.format(filters=filters), timeout=ASK_TIMEOUT, label="looking for volumes"
    ).split()


def maybe_on(run: Run, name: str, host: Host | None) -> list[str]:
    """Return the volumes that a host may hold: those recorded there, and those that site.toml puts there."""
    records = run.state.root / build_volumes.PHASE
    found = {path.stem.partition("@")[0] for path in records.glob(f"*@{name}.json")}
    if host is None or host.is_hive:
        found |= {
            volume for volume in run.stage.volumes if host is None or host in run.stage.volume_hosts(volume)
        }
    return sorted(found)


# -- hosts of the provider's own ---------------------------------------------------------------------------------------


def remove_owned(run: Run, there: Inventory, log: Log) -> list[str]:
    """Remove the hosts, all at a time, then what else the provider made; return what could not be removed."""
    disconnect(run)
    problems = each(there.hosts, lambda name: run.provider.remove(name, log), log)
    for name in there.others:
        problems += each([name], lambda name: run.provider.remove(name, log), log)
    return problems


# -- hosts that stay ---------------------------------------------------------------------------------------------------


def remove_from_hosts(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove what was made on hosts that stay: swarm, named volumes, marks; return what could not be removed."""
    hosts = [host for host in run.stage.hosts if host.short in there.hosts]
    problems = _remove_from_swarm(run, log)
    foreign = _foreign_services(run)
    if foreign:
        log(f"the swarm stays: it has services that are not this stage's: {', '.join(foreign)}")

    def clear(name: str) -> None:
        host = run.stage.host(name)
        # The marks first: whatever happens next, the following run sets the host up again.
        run.connections.to(host).script(
            _FORGET, timeout=ASK_TIMEOUT, label="removing the marks of what was set up"
        )
        log(f"{name}: removed the marks of its set-up, and the copy of the stage's secrets")
        if host.is_hive and not foreign:
            _leave(run, host, log)
        for volume in sorted(volumes):
            if name in there.volumes.get(volume, ()):
                _remove_volume(run, host, volume, log)

    problems += each([host.short for host in hosts], clear, log)
    disconnect(run)
    return problems


def _remove_from_swarm(run: Run, log: Log) -> list[str]:
    """Remove the stage's services, secrets and networks; return what could not be removed."""
    from remote.engine.client import engine_errors

    try:
        host, client = run.connections.manager()
    except SkepError as error:
        # Nothing is lost by it: what a swarm holds goes with its last node.
        log(f"{str(error).splitlines()[0].rstrip(':')}: its services, networks and secrets go with the swarm")
        return []
    api = client.api
    mine = label_filter(run.stage.labels)
    try:
        with engine_errors(host.short, "removing the stage's services"):
            for service in api.services(filters=mine):
                api.remove_service(service["ID"])
                log(f"removed service {service['Spec']['Name']}")
            for secret in api.secrets(filters=mine):
                api.remove_secret(secret["ID"])
                log(f"removed Docker secret {secret['Spec']['Name']}")
            for config in api.configs(filters=mine):
                api.remove_config(config["ID"])
                log(f"removed Docker config {config['Spec']['Name']}")
            networks = {network["Id"]: network["Name"] for network in api.networks(filters=mine)}
        for network, name in networks.items():
            remove_when_free(api.remove_network, network, host.short, f"network {name}")
            log(f"removed network {name}")
    except SkepError as error:
        log(str(error))
        return [str(error)]
    return []


def _foreign_services(run: Run) -> list[str]:
    """Return the swarm's services that are not this stage's."""
    try:
        _, client = run.connections.manager()
        services = client.api.services()
    except (SkepError, OSError):
        return []
    return sorted(s["Spec"]["Name"] for s in services if not belongs_to(labels_of(s), run.stage.labels))


def _leave(run: Run, host: Host, log: Log) -> None:
    """Take a hive out of the swarm, when its services have ended in their own time: leaving would kill them."""
    from remote.engine.client import engine_errors
    from remote.mother.wait import wait_for

    client: DockerClient = run.connections.engine(host)
    with engine_errors(host.short, "leaving the swarm"):
        if client.info()["Swarm"].get("LocalNodeState") == "inactive":
            return
        wait_for(
            lambda: not client.api.containers(filters={"label": "com.docker.swarm.service.id"}),
            f"the services on {host.short} to end",
            GONE_TIMEOUT,
        )
        client.swarm.leave(force=True)
    log(f"{host.short}: left the swarm")


def _remove_volume(run: Run, host: Host, volume: str, log: Log) -> None:
    """Remove a volume that was named, as soon as no container uses it."""
    remove_when_free(run.connections.engine(host).api.remove_volume, volume, host.short, f"volume {volume}")
    log(f"{host.short}: removed volume {volume}")


def remove_when_free(remove: Callable[[str], Any], name: str, host: str, what: str) -> None:
    """Remove something of an engine's unless it is gone; containers that still end may hold it for a while.

    Raises:
        HostError: It is still held when the time is over, or the engine does not answer.

    """
    from docker.errors import NotFound

    from remote.engine.client import engine_errors
    from remote.mother.wait import wait_for

    def removed() -> bool:
        with engine_errors(host, f"removing {what}"), contextlib.suppress(NotFound):
            remove(name)
        return True

    wait_for(removed, f"{what} on {host} to be free", GONE_TIMEOUT, retry=HostError)


# -- this machine ------------------------------------------------------------------------------------------------------


def disconnect(run: Run) -> None:
    """Close the stage's ssh connections, those of hosts that it no longer wants, too."""
    run.connections.close()
    run.connections.write_ssh_files()
    names = {path.stem for path in run.connections.files.sockets.glob("*.ssh")}
    connections = [Connection(name, run.connections.files) for name in sorted(names)]
    with ThreadPoolExecutor(max_workers=max(1, len(connections))) as pool:
        list(pool.map(Connection.close, connections))


def forget(run: Run) -> None:
    """Remove what this machine keeps of the stage, sockets and secrets among it. The lock ends last."""
    shutil.rmtree(run.connections.files.sockets, ignore_errors=True)
    lock = run.state.root / "lock"
    for path in run.state.root.iterdir():
        if path == lock:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    lock.unlink(missing_ok=True)
    run.state.unlock()
    for directory in (run.state.root, run.state.root.parent):
        try:
            directory.rmdir()
        except OSError:
            return  # another stage's, or a new run has begun in it


def each(names: Iterable[str], remove: Callable[[str], None], log: Log) -> list[str]:
    """Remove several things at a time; return what went wrong, which is said at once and stops none of the others."""

    def one(name: str) -> str:
        try:
            remove(name)
        except SkepError as error:
            problem = _named(str(error), name)
        else:
            return ""
        log(problem)
        return problem

    names = list(names)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return [problem for problem in pool.map(one, names) if problem]


def _named(message: str, name: str) -> str:
    """Return a message that begins with the name of what it is about."""
    return message if message.startswith(name) else f"{name}: {message}"
