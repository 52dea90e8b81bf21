"""The passwords of backups, all of which follow from one secret of the vault."""

import hmac

from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets


def backup_password(secrets: StageSecrets) -> Secret:
    """Return the key of the site's backups, which opens every repository's own: what belongs into a safe."""
    return _derived(secrets.pepper, "skep backup")


def repository_password(password: Secret, hive: str) -> Secret:
    """Return the password of a hive's repository.

    Args:
        password: The key of the site's backups.
        hive: The hive's short name.

    """
    return _derived(password, f"repository of {hive}")


def server_password(password: Secret, hive: str) -> Secret:
    """Return the password by which a hive logs in to the server of its repository, on the repository host.

    Args:
        password: The key of the site's backups.
        hive: The hive's short name.

    """
    return _derived(password, f"login of {hive}")


def _derived(secret: Secret, purpose: str) -> Secret:
    """Return a secret that follows from another, and from which that can't be told."""
    return Secret(hmac.new(secret.reveal().encode(), purpose.encode(), "sha256").hexdigest())
