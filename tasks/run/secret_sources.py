"""Secrets from the sources that `[secrets]` names: environment, files, commands. Generated ones are in the vault."""

import codecs
import os
import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from model.errors import ConfigError
from model.keys.exported_keys import VARIABLE
from model.secrets.secret import BinarySecret, Secret, UnknownSecret
from model.site import SecretSource
from model.stage import Stage
from model.user_paths import expanded, file_size
from providers import SDK_VARIABLES
from remote.mother import process

COMMAND_TIMEOUT = 120
"""Seconds that a command may take: a person may have to unlock something."""
LARGEST = 16 * 2**20
"""Bytes of a file or of an output that are read."""


def take(stage: Stage, environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take the variables of secrets, and `SKEP_KEYS`, out of the environment, so that no child process inherits them.

    Those that the provider's own SDK reads stay: it could not log in without them.

    Args:
        stage: The stage.
        environment: Where they are taken from.

    """
    own = SDK_VARIABLES.get(stage.provider, ())
    names = {source.env for source in stage.site.secrets.values() if source.env is not None} | {VARIABLE}
    taken = {}
    for name in names & environment.keys():
        taken[name] = environment[name]
        if not name.startswith(own):
            del environment[name]
    return taken


class Sources:
    """Reads secrets. A command is run once; its output is kept.

    Args:
        directory: The site's directory.
        taken: What was taken out of the environment.

    """

    def __init__(self, directory: Path, taken: Mapping[str, str]) -> None:
        self._directory, self.taken = directory, taken
        self._lock = threading.Lock()
        self._printed: dict[str, Secret | ConfigError] = {}

    def read(self, name: str, source: SecretSource, *, asks: bool) -> Secret:
        """Return a secret.

        Args:
            name: Its name.
            source: Where it comes from.
            asks: Whether its command may be run; else it is an `UnknownSecret`, unless it was run before.

        Raises:
            ConfigError: There is nothing, or nothing that can be used. The message holds nothing of it.

        """
        if source.env is not None:
            value = self.taken.get(source.env) or os.environ.get(source.env)
            if not value:
                raise ConfigError([f"secrets.{name}: the environment variable {source.env} is not set"])
            where = f"secrets.{name}: the environment variable {source.env}"
            if not value.strip():
                raise ConfigError([f"{where} is empty"])
            # As a variable is: what made it has taken off what was no part of it.
            return _secret(f"secrets.{name}", where, os.fsencode(value), as_it_is=True)
        if source.file is not None:
            path = expanded(self._directory, source.file)
            try:
                size = file_size(path)
                if size > LARGEST:
                    raise ConfigError([f"secrets.{name}: {path}: has {size} bytes, which is no secret"])
                return _secret(
                    f"secrets.{name}", f"secrets.{name}: {path}", path.read_bytes(), as_it_is=source.binary
                )
            except OSError as error:
                raise ConfigError([f"secrets.{name}: {path}: {error.strerror}"]) from error
        if not asks and name not in self._printed:
            return UnknownSecret()
        return self._of_command(name, source.command or [], as_it_is=source.binary)

    def _of_command(self, name: str, command: str | list[str], *, as_it_is: bool) -> Secret:
        """Return the output of a command, which is run once, even if it fails."""
        # One at a time: two that ask a person for a password would read one another's.
        with self._lock:
            if name not in self._printed:
                try:
                    self._printed[name] = self._run(f"secrets.{name}", command, as_it_is=as_it_is)
                except ConfigError as error:
                    self._printed[name] = error
            found = self._printed[name]
        if isinstance(found, ConfigError):
            raise ConfigError(found.problems)
        return found

    def _run(self, path: str, command: str | list[str], *, as_it_is: bool) -> Secret:
        """Run a command and return its output. Its standard error goes nowhere: it may hold the secret."""
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        by_hand = f"type it in {self._directory} to see why"
        try:
            # In this process's session: the command may ask on the terminal.
            done = process.run(
                words, cwd=self._directory, timeout=COMMAND_TIMEOUT, stderr="discarded", most=LARGEST
            )
        except OSError as error:
            raise ConfigError([f"{path}.command: {words[0]}: {error.strerror}"]) from None
        except process.TooMuchOutputError:
            raise ConfigError(
                [f"{path}.command: prints more than {LARGEST} bytes, which is no secret"]
            ) from None
        if not done.ok:
            raise ConfigError([f"{path}.command: {done.ending}; {by_hand}"])
        return _secret(path, f"{path}.command", done.stdout, as_it_is=as_it_is)


def _secret(path: str, where: str, data: bytes, *, as_it_is: bool) -> Secret:
    """Return data as a secret.

    A text has no byte order mark and no line break at its end: editors and commands add them, and no password has them.
    What is not UTF-8, or holds a NUL, is no text and stays as it is.

    Args:
        path: The secret's path in site.toml.
        where: Where the data is from, for messages.
        data: The data.
        as_it_is: Whether nothing is removed of a text either.

    """
    if not data:
        raise ConfigError([f"{where}: is empty"])
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if as_it_is:
        return BinarySecret(data, path) if "\0" in text else Secret(text)
    if not text.strip("\ufeff \t\r\n"):
        raise ConfigError([f"{where}: is empty"])
    if _is_utf16(data):
        raise ConfigError(
            [f"{where}: is UTF-16: save it as UTF-8, or set binary = true, which uses it as it is"]
        )
    if "\0" in text:
        return BinarySecret(data, path)
    text = text.removeprefix("\ufeff")
    return Secret(text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n"))


def _is_utf16(data: bytes) -> bool:
    """Return whether data is a text in UTF-16, which a byte order mark alone does not show: any bytes may begin so."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\r\n" for char in text)
