"""The secrets of one run: those of the stage's vault and those of `[secrets]`, all kept out of the logs."""

import threading
from collections.abc import Mapping
from pathlib import Path

from model.errors import ConfigError
from model.secrets.generated import fits
from model.secrets.secret import SHORTEST, BinarySecret, Secret, UnknownSecret
from model.stage import Stage
from remote.mother.files import file_errors, write_whole
from tasks.run.log import Redactor
from tasks.run.secret_sources import Sources
from tasks.run.state import State
from tasks.run.vault import Vault


class Secrets:
    """Reads secrets when they are first used, and hides each one that it hands out. Thread-safe.

    Args:
        directory: The site's directory.
        stage: The stage.
        state: Its state directory, with the vault.
        captured_env: The environment variables that `[secrets]` names, taken when the process began.

    Attributes:
        may_run_commands: Whether the commands of secrets may be run; `doit list` and `doit why` run none.

    """

    def __init__(
        self, directory: Path, stage: Stage, state: State, captured_env: Mapping[str, str] | None = None
    ) -> None:
        self.may_run_commands = False
        self._stage, self._state = stage, state
        self._sources = Sources(directory, captured_env or {})
        self._redactor = Redactor()
        self._guard = threading.RLock()
        self._vault: Vault | None = None

    # -- the vault -----------------------------------------------------------------------------------------------------

    @property
    def vault_path(self) -> Path:
        """The file that holds the stage's own secrets."""
        return self._state.root / "secrets" / "vault.json"

    @property
    def vault(self) -> Vault:
        """The stage's own secrets.

        Raises:
            KeyError: There is none yet.

        """
        with self._guard:
            if self._vault is not None:
                return self._vault
            try:
                with file_errors(self.vault_path, except_=(FileNotFoundError,)):
                    vault = Vault.from_bytes(self.vault_path.read_bytes())
            except FileNotFoundError as error:
                raise KeyError("vault") from error
            self._remember(vault)
            return vault

    def keep(self, vault: Vault) -> None:
        """Write the stage's own secrets, for their owner's eyes only."""
        with self._guard:
            _ = self._state.secrets
            write_whole(self.vault_path, vault.to_bytes(), mode=0o600)
            self._remember(vault)

    def _remember(self, vault: Vault) -> None:
        """Use the vault from now on, and keep its secrets out of the logs."""
        self._vault = vault
        for secret in vault.all():
            self.hide(secret)

    def fingerprint(self) -> str:
        """Return a keyed digest of all secrets in the vault; `none` before there is one."""
        try:
            return self.vault.fingerprint
        except KeyError:
            return "none"

    @property
    def pepper(self) -> bytes:
        """The stage's HMAC key."""
        return self.vault.stage.pepper.reveal().encode()

    # -- [secrets] -----------------------------------------------------------------------------------------------------

    def read(self, name: str) -> Secret:
        """Return a secret of site.toml.

        Raises:
            ConfigError: Its source is empty, or too short to be hidden.
            KeyError: It is a generated one and there is no vault yet.

        """
        source = self._stage.site.secrets[name]
        if source.generate is None:
            secret = self._sources.read(name, source, asks=self.may_run_commands)
        else:
            secret = self.vault.generated[name]
            if not fits(source.generate, secret):
                problem = "was generated in another form, and is kept: put generate back, or call the new one otherwise"
                raise ConfigError([f"secrets.{name}.generate: {problem}"])
        if (
            not isinstance(secret, UnknownSecret | BinarySecret)
            and 0 < len(secret.reveal().strip()) < SHORTEST
        ):
            problem = f"is shorter than {SHORTEST} characters, which can't be kept out of logs"
            raise ConfigError([f"secrets.{name}: {problem}: use a longer one"])
        self.hide(secret)
        return secret

    @property
    def taken(self) -> Mapping[str, str]:
        """The environment variables that were taken out of this process's own, for another doit that it starts."""
        return self._sources.taken

    # -- logs ----------------------------------------------------------------------------------------------------------

    def redact(self, text: str) -> str:
        """Return a text without any secret that this run has used."""
        return self._redactor.redact(text)

    def hide(self, secret: Secret, template: str = "") -> None:
        """Keep a secret out of the logs from now on; see `Redactor`."""
        self._redactor.hide(secret, template)
