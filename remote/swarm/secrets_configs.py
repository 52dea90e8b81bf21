"""Docker secrets and configs, whose names hold their content's digest."""

from collections.abc import Callable, Mapping
from functools import partial

from docker import DockerClient

from model.errors import ServiceError
from model.json_types import Json
from model.log import Log
from model.secrets.secret import Secret
from remote.engine.client import engine_errors


def ensure_secret(
    client: DockerClient, name: str, content: Secret, labels: Mapping[str, str], log: Log
) -> str:
    """Make a Docker secret exist, and return its id."""
    api = client.api
    return _ensure(api.secrets, api.create_secret, "secret", name, content.data, labels, log)


def ensure_config(
    client: DockerClient,
    name: str,
    content: bytes,
    labels: Mapping[str, str],
    log: Log,
    driver: str | None = None,
) -> str:
    """Make a Docker config exist, and return its id.

    Args:
        client: A manager's engine.
        name: Its name, which holds the digest of content and driver.
        content: Its content.
        labels: Its labels.
        log: Takes a line for the log.
        driver: The driver by which Docker renders it for each task, if one does.

    """
    create = client.api.create_config
    if driver is not None:
        create = partial(create, templating={"Name": driver})
    return _ensure(client.api.configs, create, "config", name, content, labels, log)


def _ensure(
    list_named: Callable[..., list[Json]],
    create: Callable[..., Json],
    kind: str,
    name: str,
    content: bytes,
    labels: Mapping[str, str],
    log: Log,
) -> str:
    """Find a Docker secret or config by its name, or make it."""
    with engine_errors(name, f"making the Docker {kind}", ServiceError):
        for found in list_named(filters={"name": name}):
            if found["Spec"]["Name"] == name:
                log(f"found {name}")
                return str(found["ID"])
        made = create(name, content, labels=dict(labels))
        log(f"made {name}")
        return str(made["ID"])
