"""A stage's own secrets: the key of its CA, the registry's password, the pepper of keyed digests."""

import json
import secrets
import string
from dataclasses import dataclass

from model.errors import StateError
from model.secrets.certificate import make_ca
from model.secrets.secret import Secret

REGISTRY_USER = "skep"
_FORM = 1
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class StageSecrets:
    """The secrets of one stage. They are made once; if they are lost, registry and hosts must be set up anew.

    Args:
        ca_key: The private key of the site's CA, as PEM.
        ca_certificate: Its certificate, as PEM; no secret.
        registry_password: The password of `REGISTRY_USER` at the site's registry.
        pepper: The key of the stage's keyed digests.

    """

    ca_key: Secret
    ca_certificate: str
    registry_password: Secret
    pepper: Secret

    def fingerprint(self, secret: Secret) -> str:
        """Return a secret's keyed digest, as used in inputs."""
        return secret.fingerprint(self.pepper.reveal().encode())

    def to_bytes(self) -> bytes:
        """Return the secrets as JSON in clear text, only for a file of mode 0600."""
        values = {
            "form": _FORM,
            "ca_key": self.ca_key.reveal(),
            "ca_certificate": self.ca_certificate,
            "registry_password": self.registry_password.reveal(),
            "pepper": self.pepper.reveal(),
        }
        return (json.dumps(values, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "StageSecrets":
        """Return the secrets that `to_bytes` wrote.

        Raises:
            StateError: It is not what `to_bytes` makes. The message holds nothing of it.

        """
        try:
            values = json.loads(data)
            texts = [values[name] for name in ("ca_key", "ca_certificate", "registry_password", "pepper")]
            form = values["form"]
        except (ValueError, KeyError, TypeError) as error:
            # `from None` and not `from error`: a JSON error holds the whole text.
            raise StateError(f"the stage's secrets can't be read ({type(error).__name__})") from None
        if form != _FORM or not all(isinstance(text, str) and text for text in texts):
            raise StateError(f"the stage's secrets can't be read: not of form {_FORM}, or one is missing")
        ca_key, ca_certificate, registry_password, pepper = texts
        return cls(Secret(ca_key), ca_certificate, Secret(registry_password), Secret(pepper))


def generate(site_name: str, stage_name: str) -> StageSecrets:
    """Make the secrets of a new stage."""
    ca_key, ca_certificate = make_ca(f"skep {site_name} {stage_name}")
    return StageSecrets(ca_key, ca_certificate, Secret(_random_text(32)), Secret(_random_text(43)))


def _random_text(length: int) -> str:
    """Return random letters and digits, which need no quoting anywhere; 32 of them hold 190 bits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
