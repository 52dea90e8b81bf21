"""Docker secrets, whose names hold their content's digest."""

from collections.abc import Callable, Mapping

from docker import DockerClient

from model.errors import ServiceError
from model.secret import Secret
from remote.engine import engine_errors


def ensure_secret(
    client: DockerClient, name: str, content: Secret, labels: Mapping[str, str], say: Callable[[str], None]
) -> str:
    """Make a secret exist, and return its id."""
    with engine_errors(name, "making the Docker secret", ServiceError):
        for found in client.api.secrets(filters={"name": name}):
            if found["Spec"]["Name"] == name:
                say(f"found {name}")
                return str(found["ID"])
        made = client.api.create_secret(name, content.reveal().encode(), labels=dict(labels))
        say(f"made {name}")
        return str(made["ID"])
