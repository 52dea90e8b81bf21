"""The ssh key that a run logs in with: of `SKEP_KEYS`, of an operator, or the checkout's own."""

from collections.abc import Mapping
from pathlib import Path

from model.keys.exported_keys import VARIABLE, ExportedKeys
from model.secrets.secret import Secret
from model.stage import Stage
from remote.mother.files import write_whole
from remote.ssh.identity import Identity, find_identity
from remote.ssh.ssh_files import learn
from tasks.run.context import Run
from tasks.run.state import State

OF_VARIABLE = "skep_keys"
"""The file in `secrets/` that ssh reads the key of `SKEP_KEYS` from; without the variable nobody uses it."""


def identity(
    stage: Stage, state: State, taken: Mapping[str, str], environment: Mapping[str, str], directory: Path
) -> Identity | None:
    """Return the key to log in with; None for the checkout's own.

    Args:
        stage: The stage.
        state: Its state directory, where the key of `SKEP_KEYS` is kept for ssh.
        taken: What was taken out of the environment.
        environment: The rest of it.
        directory: The site's, where doit was started.

    Raises:
        ConfigError: A key that was named can't be used.

    """
    keys = _keys_of(stage, taken)
    if keys is not None:
        path = state.secrets / OF_VARIABLE
        write_whole(path, keys.private_key.reveal().encode(), mode=0o600)
        write_whole(path.with_name(f"{path.name}.pub"), f"{keys.public}\n".encode())
        return Identity(keys.public, path, source=VARIABLE)
    return find_identity(stage.site.operators, environment, _home(), directory)


def _keys_of(stage: Stage, taken: Mapping[str, str]) -> ExportedKeys | None:
    """Return the keys of `SKEP_KEYS`; None where it is not set, or empty, as a CI's secret that is not there.

    Raises:
        ConfigError: It can't be used.

    """
    text = taken.get(VARIABLE, "").strip()
    return ExportedKeys.from_line(text, VARIABLE, stage.site_name, stage.name) if text else None


def settle(run: Run, taken: Mapping[str, str]) -> None:
    """Keep the keys of `SKEP_KEYS` out of the logs, and know hosts by those that came with them."""
    keys = _keys_of(run.stage, taken)
    if keys is not None:
        run.secrets.hide(Secret(taken[VARIABLE].strip()))
        run.secrets.hide(keys.private_key)
        learn_host_keys(run, keys)


def learn_host_keys(run: Run, keys: ExportedKeys) -> None:
    """Know hosts by the keys that came with the ssh key, where nothing else is known of them."""
    run.provider.learn_host_keys(
        {host.short: keys.host_keys[host.name] for host in run.stage.hosts if host.name in keys.host_keys}
    )
    path = run.connections.files.known_hosts
    known = {line.split(" ")[0] for line in path.read_text().splitlines()} if path.exists() else set()
    learn(run.connections.files, [line for line in keys.known_hosts if line.split(" ")[0] not in known])


def _home() -> Path | None:
    """Return the home directory; None if nobody knows it."""
    try:
        return Path.home()
    except RuntimeError:
        return None
