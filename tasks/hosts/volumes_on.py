"""The stage's volumes on a host: seen, asked for, or possible."""

from model.labels import belongs_to, label_filter, labels_of
from model.stage import Host
from remote.ssh.connection import Connection
from tasks.run.context import Run

ASK_TIMEOUT = 30

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


def stage_volumes(run: Run, connection: Connection) -> list[str]:
    """Return the stage's volumes on a host, by asking it.

    Raises:
        HostError: It does not answer.

    """
    filters = " ".join(f"--filter label={label}" for label in label_filter(run.stage.labels)["label"])
    return connection.script(
        _VOLUMES.format(filters=filters), timeout=ASK_TIMEOUT, label="looking for volumes"
    ).split()


def maybe_on(run: Run, name: str, host: Host | None) -> list[str]:
    """Return the volumes that a host may hold: those recorded there, and those that site.toml puts there."""
    records = run.state.root / "build_volumes"
    found = {path.stem.partition("@")[0] for path in records.glob(f"*@{name}.json")}
    if host is None or host.is_hive:
        found |= {
            volume for volume in run.stage.volumes if host is None or host in run.stage.volume_hosts(volume)
        }
    return sorted(found)


def volumes_on(run: Run, host: Host) -> list[str]:
    """Return the stage's volumes on a host; where it can't be asked, those that it may hold."""
    look = run.live_state.host(host)
    if look.error or not look.info:
        return maybe_on(run, host.short, host)
    return sorted(
        name for name, volume in look.volumes.items() if belongs_to(labels_of(volume), run.stage.labels)
    )
