"""The stage's own secrets in one file: skep's own, and the generated ones of `[secrets]`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model.errors import StateError
from model.secrets.generated import generated_secret
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets
from model.site import SecretSource


@dataclass(frozen=True)
class Vault:
    """All secrets that only the vault holds.

    Args:
        stage: The site CA's key, the registry's password, the HMAC key.
        generated: Name in `[secrets]` to its value.
        key_shown: When the key of the backups was first printed (`at`) and by whom (`by`); empty if it never was. It is
            no secret, and makes nothing stale.

    """

    stage: StageSecrets
    generated: Mapping[str, Secret]
    key_shown: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Vault":
        """Parse a vault's file.

        Raises:
            StateError: It is none. The message holds nothing of it.

        """
        try:
            held = json.loads(data)
            generated = {name: Secret(text) for name, text in held["generated"].items()}
            stage = json.dumps(held["stage"]).encode()
            key_shown = {name: str(text) for name, text in held.get("key_shown", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # `from None`: a JSON error holds the whole text.
            raise StateError(
                f"the stage's vault can't be read ({type(error).__name__}); put a good copy of secrets/vault.json "
                "back, or remove it: the repository host's copy is then taken"
            ) from None
        return cls(StageSecrets.from_bytes(stage), generated, key_shown)

    def to_bytes(self) -> bytes:
        """Return the vault for a file of mode 0600."""
        held: dict[str, Any] = {
            "stage": json.loads(self.stage.to_bytes()),
            "generated": {name: secret.reveal() for name, secret in sorted(self.generated.items())},
        }
        if self.key_shown:
            held["key_shown"] = dict(self.key_shown)
        return json.dumps(held, indent=1).encode()

    @property
    def fingerprint(self) -> str:
        """A keyed digest of all secrets in it."""
        return self.stage.fingerprint(Secret(replace(self, key_shown={}).to_bytes().decode()))

    def with_all(self, sources: Mapping[str, SecretSource]) -> "Vault":
        """Return the vault with a new secret for each generated one that it lacks."""
        made = {
            name: generated_secret(source.generate)
            for name, source in sources.items()
            if source.generate is not None and name not in self.generated
        }
        return replace(self, generated={**self.generated, **made}) if made else self

    def with_those_of(self, other: "Vault | None") -> "Vault":
        """Return the vault with the generated secrets, and the note on the key, that only another copy of it has."""
        if other is None or other.stage != self.stage:
            return self
        shown = self.key_shown or other.key_shown
        return Vault(self.stage, {**other.generated, **self.generated}, shown)

    def all(self) -> Iterator[Secret]:
        """Yield every secret in it."""
        yield from (self.stage.ca_key, self.stage.registry_password, self.stage.pepper)
        yield from self.generated.values()
