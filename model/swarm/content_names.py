"""Content and names of Docker secrets and configs. They are named by content digest: new content makes a new object."""

from collections.abc import Sequence
from pathlib import Path

from model import site as types
from model.errors import ConfigError
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.user_paths import expanded, file_size
from model.utf8 import utf8_text

_LARGEST = 16 << 20
"""Bytes of a config's file that are read."""
_BOM = "\ufeff"
DIGITS = 12
"""How many digits of the content's digest a name holds."""
LONGEST = 64 - 1 - DIGITS
"""The longest name in site.toml: Docker allows 64 characters, with the digest and a dash."""


def content_name(name: str, digest: str) -> str:
    """Return the name of a secret or config in Docker.

    Args:
        name: Its name in site.toml.
        digest: The digest of its content, with what it is made by: `hmac:…`, `sha256:…`.

    """
    return f"{name}-{digest.partition(':')[2][:DIGITS]}"


def source(path: str, config: types.Config, directory: Path) -> tuple[str, bytes]:
    """Return a config's content, with its location for messages.

    Args:
        path: The config's path in site.toml.
        config: Its definition.
        directory: The site's directory.

    Raises:
        ConfigError: Its file can't be read.

    """
    if config.text is not None:
        return f"{path}.text", config.text.encode()
    where, file = f"{path}: {config.file}", expanded(directory, config.file or "")
    try:
        # A template may be longer than what it becomes, but not by much.
        if (size := file_size(file)) > _LARGEST:
            raise ConfigError([f"{where}: has {size} bytes, and Docker takes 1023999"])
        return where, file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}.file: {config.file}: {error.strerror}"]) from error


def template(path: str, config: types.Config, directory: Path) -> tuple[str, str] | None:
    """Return a config's template, with its location for messages; None for a config that is not a template.

    Raises:
        ConfigError: Its file can't be read, or is no text.

    """
    if not config.is_rendered:
        return None
    where, data = source(path, config, directory)
    text = utf8_text(where, data, "save it as UTF-8, or set template = false, which uses it as it is")
    # It is the content of somebody else's file: a mark of its encoding belongs to it.
    return where, f"{_BOM}{text}" if data.startswith(_BOM.encode()) else text


def use_inputs(key: str, uses: Sequence[types.SecretUse | types.ConfigUse]) -> Inputs:
    """Return the inputs for the files that a service gets its secrets or configs as.

    Args:
        key: The service's key, `secrets` or `configs`.
        uses: Its secrets or configs.

    """
    inputs: Inputs = {}
    for i, use in enumerate(uses):
        if use.short is None:
            stated = {name: value for name, value in definition(use).items() if name != "source"}
            inputs |= flatten(f"service.{key}[{i}]", stated)
    return inputs
