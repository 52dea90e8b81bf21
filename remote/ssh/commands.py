"""Command lines, as data. Pure: nothing is run here."""

from pathlib import Path

CONNECT_TIMEOUT = 10
PERSIST = 60
"""Seconds that a shared connection stays open after its last use, as Ansible has it."""


def ssh_master(config: Path, control: Path, sockets: dict[Path, str], host: str) -> list[str]:
    """Return the command that opens a shared connection in the background and forwards sockets through it.

    Args:
        config: The stage's ssh_config.
        control: The path of the connection's control socket.
        sockets: Local socket path to the path on the host.
        host: The host's name in `config`.

    """
    forwards = [word for local, there in sockets.items() for word in ("-L", f"{local}:{there}")]
    options = [
        f"ControlPath={path_value(control)}",
        "ControlMaster=yes",
        f"ControlPersist={PERSIST}",
        # A socket that a killed run left behind never stands in the way.
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
    ]
    return ["ssh", "-F", str(config), *_options(options), *forwards, "-f", "-N", "-T", host]


def ssh_command(config: Path, control: Path, host: str, command: str) -> list[str]:
    """Return the command that runs a shell command on a host over its shared connection."""
    return [
        "ssh",
        "-F",
        str(config),
        *_options([f"ControlPath={path_value(control)}", "ControlMaster=no"]),
        "-T",
        host,
        command,
    ]


def ssh_control(config: Path, control: Path, host: str, order: str) -> list[str]:
    """Return the command that asks a shared connection to `check` or `exit`."""
    return ["ssh", "-F", str(config), *_options([f"ControlPath={path_value(control)}"]), "-O", order, host]


def _options(options: list[str]) -> list[str]:
    """Return `-o` before each option."""
    return [word for option in options for word in ("-o", option)]


def ssh_config(entries: list[dict[str, str]], common: dict[str, str]) -> str:
    """Return the text of an ssh_config: one block per host, then what holds for all of them."""
    blocks = []
    for entry in entries:
        lines = [f"Host {entry['Host']}", *(f"    {k} {_quoted(v)}" for k, v in entry.items() if k != "Host")]
        blocks.append("\n".join(lines))
    blocks.append("\n".join(["Host *", *(f"    {key} {_quoted(value)}" for key, value in common.items())]))
    return "\n\n".join(blocks) + "\n"


def path_value(path: Path) -> str:
    """Return a path as ssh_config(5) wants one: ssh expands `%` in it, and splits it at white space."""
    return _quoted(str(path).replace("%", "%%"))


def _quoted(value: str) -> str:
    """Return a value as ssh_config(5) wants one with white space in it."""
    has_space = any(letter.isspace() for letter in value)
    return f'"{value}"' if has_space and not value.startswith('"') else value
