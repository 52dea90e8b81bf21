"""Named volumes on one engine."""

from collections.abc import Callable, Mapping
from uuid import uuid4

from docker import DockerClient
from docker.errors import NotFound

from model import site as types
from model.errors import ServiceError
from remote.engine import engine_errors

INCARNATION = "skep.incarnation"


def ensure_volume(
    host: str,
    client: DockerClient,
    name: str,
    volume: types.Volume,
    labels: Mapping[str, str],
    say: Callable[[str], None],
) -> str:
    """Make a volume exist, and return the id of its incarnation.

    The id is a label that skep gives it. Docker's own `CreatedAt` is the time of a directory, and moves.

    A volume is never removed here: it may hold data.

    Raises:
        ServiceError: It exists with another definition, or is not skep's.

    """
    with engine_errors(host, f"volume {name}", ServiceError):
        try:
            found = client.api.inspect_volume(name)
        except NotFound:
            say(f"making volume {name} on {host}")
            named = {**labels, INCARNATION: uuid4().hex}
            client.api.create_volume(name, volume.driver, dict(volume.driver_opts) or None, named)
            # Whoever was first made it: a racing run's labels count then, not ours.
            found = client.api.inspect_volume(name)
    theirs = found.get("Labels") or {}
    if theirs.get("skep.site") != labels["skep.site"] or theirs.get("skep.stage") != labels["skep.stage"]:
        raise ServiceError(
            f"{host}: there is a volume {name} that is not this stage's; rename yours in site.toml, or remove that "
            f"one if its data is not needed (docker volume rm {name})"
        )
    if theirs.get("skep.definition") != labels["skep.definition"]:
        raise ServiceError(
            f"{host}: the definition of volume {name} changed, and it may hold data, so it is left alone. Either put "
            f"the definition back, give the new one another name and move the data, or, if the data is not needed, "
            f"remove its services and it (docker service rm …; docker volume rm {name} on {host}) and run doit again"
        )
    say(f"volume {name} on {host} is {theirs.get(INCARNATION)}")
    return str(theirs.get(INCARNATION, ""))
