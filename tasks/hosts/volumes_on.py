"""The stage's volumes on a host: those that were observed, those that it tells, those that it may hold.

Local volumes of others that its services mount are among them: their data would go with the host.
"""

from contextlib import closing

from model.errors import HostError
from model.labels import belongs_to, labels_of
from model.stage import Host, Stage
from remote.engine.reader import Reader
from remote.ssh.connection import Connection
from tasks.observe.states import HostState
from tasks.run.state import State

ASK_TIMEOUT = 30

# Every named volume has a directory, whosever it is.
_DIRECTORIES = """\
[ -d /var/lib/docker/volumes ] || exit 0
cd /var/lib/docker/volumes
for name in *; do
    [ ! -d "$name/_data" ] || echo "$name"
done | grep -vxE '[0-9a-f]{64}' || :
"""


def stage_volumes(stage: Stage, connection: Connection) -> list[str]:
    """Return the stage's volumes on a host, by asking it.

    The engine knows by label which volumes are skep's. Where it does not run, every named volume counts.

    Raises:
        HostError: It does not answer.

    """
    connection.open()
    try:
        where = f"{connection.name}: its Docker Engine"
        with closing(Reader(where, connection.docker_socket, timeout=ASK_TIMEOUT)) as engine:
            found = engine.volumes()["Volumes"] or ()
    except HostError:
        return connection.script(_DIRECTORIES, timeout=ASK_TIMEOUT, label="looking for volumes").split()
    external = _external(stage)
    return sorted(
        str(volume["Name"])
        for volume in found
        if belongs_to(labels_of(volume), stage.labels) or volume["Name"] in external
    )


def _external(stage: Stage) -> frozenset[str]:
    """Return the volumes of others that services of the stage mount, as far as their data goes with a host."""
    return frozenset(
        stage.docker_volume(name)
        for name, volume in stage.volumes.items()
        if volume.external and volume.is_on_host
    )


def maybe_on(stage: Stage, state: State, name: str, host: Host | None) -> list[str]:
    """Return the volumes that a host may hold: those recorded there, and those that site.toml puts there.

    Args:
        stage: The stage.
        state: Its state directory.
        name: The host's short name.
        host: The host; None if the stage has no such host any more.

    """
    records = state.root / "build_volumes"
    found = {path.stem.partition("@")[0] for path in records.glob(f"*@{name}.json")}
    # As long as nobody knows which host is the repository, the one that is taken for it may be a hive.
    may_be_hive = host is not None and (host.is_hive or not (stage.home or stage.config.repository))
    if host is None:
        found |= stage.volumes.keys()
    elif may_be_hive:
        found |= {
            name
            for name, volume in stage.volumes.items()
            if host.short in (volume.named_hosts or [host.short])
        }
    known = stage.site.volumes
    found = {
        name for name in found if name not in known or not known[name].external or known[name].is_on_host
    }
    return sorted(stage.docker_volume(name) if name in known else name for name in found)


def volumes_on(stage: Stage, state: State, host: Host, observed: HostState) -> list[str]:
    """Return the stage's volumes on a host; where it did not answer, those that it may hold."""
    if observed.error or not observed.info:
        return maybe_on(stage, state, host.short, host)
    own = {name for name, volume in observed.volumes.items() if belongs_to(labels_of(volume), stage.labels)}
    return sorted(own | (_external(stage) & observed.external_volumes))
