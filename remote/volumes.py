"""Named volumes on one engine."""

from collections.abc import Callable, Mapping

from docker import DockerClient
from docker.errors import NotFound

from model import site as types
from model.errors import ServiceError
from remote.engine import engine_errors


def ensure_volume(
    host: str,
    client: DockerClient,
    name: str,
    volume: types.Volume,
    labels: Mapping[str, str],
    say: Callable[[str], None],
) -> str:
    """Make a volume exist, and return when it was made, which tells one incarnation from the next.

    A volume is never removed here: it may hold data.

    Raises:
        ServiceError: It exists with another definition, or is not skep's.

    """
    with engine_errors(host, f"volume {name}", ServiceError):
        try:
            found = client.api.inspect_volume(name)
        except NotFound:
            say(f"making volume {name} on {host}")
            client.api.create_volume(name, volume.driver, dict(volume.driver_opts) or None, dict(labels))
            return str(client.api.inspect_volume(name)["CreatedAt"])
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
    say(f"found volume {name} on {host}")
    return str(found["CreatedAt"])
