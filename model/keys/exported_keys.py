"""All that another machine needs to log in to a stage's hosts, as one line: `doit keys export`, `SKEP_KEYS`. Pure.

    skep:1:<JSON in base64>:<the beginning of its digest>

The line has no white space, and no characters but those that every CI can mask in its logs:
https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model.errors import ConfigError
from model.keys.digest import sha256
from model.keys.public_key import public_half
from model.secrets.secret import Secret

VARIABLE = "SKEP_KEYS"
"""The environment variable that has the line."""
_MARK, _VERSION = "skep", "1"
_DIGITS = 12


@dataclass(frozen=True)
class ExportedKeys:
    """The keys of one stage.

    Args:
        site: The site that they are for.
        stage: The stage.
        private_key: An ssh key without a passphrase, in OpenSSH's form.
        host_keys: Host's full name to its public host keys; only those that a provider can't tell.

    """

    site: str
    stage: str
    private_key: Secret
    host_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def public(self) -> str:
        """The public half of the ssh key, as `ssh-ed25519 AAAA…`."""
        half = public_half(self.private_key.reveal().encode())
        if half is None or half.has_passphrase:
            raise ValueError("not an ssh key without a passphrase")
        return half.public

    @property
    def known_hosts(self) -> list[str]:
        """The hosts' keys as lines of known_hosts."""
        return [f"{name} {key}" for name, keys in sorted(self.host_keys.items()) for key in keys]

    def line(self) -> Secret:
        """Return the line."""
        held = {
            "site": self.site,
            "stage": self.stage,
            "private_key": self.private_key.reveal(),
            "host_keys": {name: list(keys) for name, keys in self.host_keys.items()},
        }
        body = base64.b64encode(json.dumps(held, separators=(",", ":")).encode()).decode()
        return Secret(f"{_MARK}:{_VERSION}:{body}:{sha256(body)[:_DIGITS]}")

    @classmethod
    def from_line(cls, text: str, where: str, site: str, stage: str) -> "ExportedKeys":
        """Parse a line.

        Args:
            text: The line.
            where: Its place, for messages.
            site: The site that it has to be for.
            stage: The stage.

        Raises:
            ConfigError: It can't be used. The message holds nothing of it.

        """
        again = "copy the line that doit keys export prints once more, whole"
        mark, _, rest = text.strip().partition(":")
        version, _, rest = rest.partition(":")
        body, _, digest = rest.partition(":")
        if mark != _MARK:
            raise ConfigError([f"{where}: is not what doit keys export prints: {again}"])
        if version != _VERSION:
            raise ConfigError(
                [
                    f"{where}: was made by another version of skep: run doit keys export with the skep that reads it"
                ]
            )
        if not body.isascii() or sha256(body)[:_DIGITS] != digest:
            raise ConfigError([f"{where}: is cut off or changed: {again}"])
        try:
            held = json.loads(base64.b64decode(body, validate=True))
            made = cls(
                str(held["site"]),
                str(held["stage"]),
                Secret(held["private_key"]),
                {str(name): [str(key) for key in keys] for name, keys in held["host_keys"].items()},
            )
            _ = made.public
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            # `from None`: an error of JSON holds the whole text.
            raise ConfigError([f"{where}: has no ssh key that can be used: {again}"]) from None
        if (made.site, made.stage) != (site, stage):
            problem = f"is for stage {made.stage} of {made.site}, and this is stage {stage} of {site}"
            raise ConfigError([f"{where}: {problem}: run doit keys export for this one"])
        return made
