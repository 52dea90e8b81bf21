"""Check secrets and configs: sources, names, paths in containers."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from model import site as types
from model.checks.networks import check_external
from model.checks.shared import known_are, no_secret
from model.errors import ConfigError
from model.swarm.content_names import LONGEST, template
from model.user_paths import expanded, is_file

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCES = ("generate", "env", "file", "command")


def check_secret(path: str, name: str, secret: types.SecretSource) -> Iterator[str]:
    """Yield the mistakes of one secret."""
    if sum(getattr(secret, key) is not None for key in _SOURCES) != 1:
        yield f"{path}: needs exactly one of {', '.join(_SOURCES)}"
    form = secret.generate
    if isinstance(form, types.Generated) and [form.hex, form.base64, form.key_pair].count(None) != 2:  # noqa: PLR2004
        yield f"{path}.generate: needs exactly one of hex, base64, key_pair"
    if secret.binary and secret.file is None and secret.command is None:
        yield f"{path}.binary: is for file and command"
    if secret.env is not None and not _VARIABLE.fullmatch(secret.env):
        # It may be the secret itself, which is not shown.
        yield f"{path}.env: this is not the name of an environment variable: letters, digits and `_`"
    if secret.command is not None and not (secret.command and secret.command[0]):
        yield f"{path}.command: is empty"
    yield from check_length(path, name)


def check_length(path: str, name: str) -> Iterator[str]:
    """Yield the mistake of a name that is too long for Docker with the content's digest added."""
    if len(name) > LONGEST:
        yield f"{path}: a name may have {LONGEST} characters, as Docker's limit is 64 with the content's digest"


def check_config(path: str, name: str, config: types.Config, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one config, except those of its template."""
    yield from check_external(path, config)
    if config.external:
        return
    yield from check_length(path, name)
    if (config.file is None) == (config.text is None):
        yield f"{path}: needs exactly one of file, text, external"
        return
    if config.text == "":
        yield f"{path}.text: is empty, which Docker takes for no config"
    try:
        template(path, config, directory)
        if config.file is not None and not is_file(expanded(directory, config.file)):
            yield f"{path}.file: there is no file {config.file}"
    except ConfigError as error:
        yield from error.problems


def check_uses(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in a service's secrets and configs."""
    named: list[tuple[str, types.SecretUse | types.ConfigUse]] = []
    for i, secret in enumerate(service.secrets):
        named.append((f"{path}.secrets[{i}]", secret))
        if secret.source not in site.secrets:
            yield f"{named.pop()[0]}: {no_secret(site.secrets)}"
    for i, config in enumerate(service.configs):
        named.append((f"{path}.configs[{i}]", config))
        if config.source not in site.configs:
            yield f"{named[-1][0]}: there is no config {config.source!r}{known_are(site.configs)}"
    targets: dict[str, str] = {}
    for where, use in named:
        target = target_of(use)
        if ".." in (use.target or "").split("/"):
            yield f"{where}.target: {use.target}: .. is not allowed in it"
        elif target in targets:
            yield f"{where}: {target} is {targets[target]} already"
        targets.setdefault(target, where)


def target_of(use: types.SecretUse | types.ConfigUse) -> str:
    """Return the path of a secret or config in a container."""
    root = "/run/secrets" if isinstance(use, types.SecretUse) else "/"
    return posixpath.normpath(posixpath.join(root, use.target or use.source))
