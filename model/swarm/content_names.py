"""What Docker secrets and configs hold, and what they are called: by their content, so that another is another one."""

from collections.abc import Sequence
from pathlib import Path

from model import site as types
from model.errors import ConfigError
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten

DIGITS = 12
"""Of the content's digest; enough that two contents of one name differ."""
LONGEST = 64 - 1 - DIGITS
"""Characters that a name in site.toml may have: Docker takes 64, the digest and a dash among them."""


def content_name(name: str, digest: str) -> str:
    """Return what something of site.toml is called in Docker.

    Args:
        name: Its name in site.toml.
        digest: The digest of its content, with what it is made by: `hmac:…`, `sha256:…`.

    """
    return f"{name}-{digest.partition(':')[2][:DIGITS]}"


def source(path: str, config: types.Config, directory: Path) -> tuple[str, bytes]:
    """Return what a config is made from, with where that is said, for messages.

    Args:
        path: The config's path in site.toml.
        config: Its definition.
        directory: The site's directory.

    Raises:
        ConfigError: Its file can't be read.

    """
    if config.text is not None:
        return f"{path}.text", config.text.encode()
    try:
        return f"{path}: {config.file}", (directory / Path(config.file or "").expanduser()).read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}.file: {config.file}: {error.strerror}"]) from error


def template(path: str, config: types.Config, directory: Path) -> tuple[str, str] | None:
    """Return a config's text that is to be rendered, as `source` does; None of one that is taken as it is.

    Raises:
        ConfigError: Its file can't be read, or is no text.

    """
    if not config.template:
        return None
    where, data = source(path, config, directory)
    try:
        return where, data.decode()
    except UnicodeDecodeError:
        raise ConfigError([f"{where}: is no text in UTF-8; template = false takes it as it is"]) from None


def use_inputs(key: str, uses: Sequence[types.SecretUse | types.ConfigUse]) -> Inputs:
    """Return what counts of how a service gets its secrets, or configs, beside which they are.

    Args:
        key: The service's key, `secrets` or `configs`.
        uses: What it says there, in long form.

    """
    inputs: Inputs = {}
    for i, use in enumerate(uses):
        if use.short is None:
            stated = {name: value for name, value in definition(use).items() if name != "source"}
            inputs |= flatten(f"service.{key}[{i}]", stated)
    return inputs
