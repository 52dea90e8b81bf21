"""Command lines and options of ssh, all of them. Pure: nothing is run here."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.keys.record import HostRecord

CONNECT_TIMEOUT = 10
PERSIST = 60
"""Seconds that a shared connection stays open after its last use, as Ansible has it."""

_ALWAYS = {
    "GlobalKnownHostsFile": "/dev/null",
    "ConnectTimeout": str(CONNECT_TIMEOUT),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
}
"""What holds for all log-ins."""


def host_options(record: HostRecord) -> dict[str, str]:
    """Return the options for reaching a host, and knowing it by its key."""
    return {
        # ssh replaces what follows a `%`; an address may have an interface there (`fe80::1%eth0`).
        "HostName": record.ssh_host.replace("%", "%%"),
        "Port": str(record.ssh_port),
        "User": record.user,
        "HostKeyAlias": record.name,
        # A host without a key known beforehand: the first connection's is kept, and every later one verified.
        "StrictHostKeyChecking": "yes" if record.host_keys else "accept-new",
    }


def with_key(key: Path) -> dict[str, str]:
    """Return the options for logging in with this private key and nothing else."""
    return {"BatchMode": "yes", "PreferredAuthentications": "publickey", **_identity(key)}


def with_any(key: Path | None, *, has_password: bool) -> dict[str, str]:
    """Return the options for a person's log-in: with this key, or a password, or ssh's own keys and agent."""
    methods = ["publickey"] if key is not None else []
    options = _identity(key) if key is not None else {}
    if has_password:
        methods += ["password", "keyboard-interactive"]
        # One attempt: a wrong password stays wrong, and fail2ban counts.
        options["NumberOfPasswordPrompts"] = "1"
    else:
        options["BatchMode"] = "yes"
    return {**options, "PreferredAuthentications": ",".join(methods or ["publickey"])}


def _identity(key: Path) -> dict[str, str]:
    """Return the options for trying no key but this one."""
    return {"IdentityFile": path_value(key), "IdentitiesOnly": "yes"}


def stage_config(keys: Sequence[Path], known_hosts: Path, records: Mapping[str, HostRecord]) -> str:
    """Return the text of a stage's ssh_config: one block per host, then the common options.

    Args:
        keys: The keys that are tried, in order.
        known_hosts: Its known_hosts.
        records: Short host name to record.

    """
    common: dict[str, str | tuple[str, ...]] = {
        "IdentityFile": tuple(map(path_value, keys)),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": path_value(known_hosts),
        "PasswordAuthentication": "no",
        "BatchMode": "yes",
        **_ALWAYS,
    }
    blocks = [
        _block(f"{short} {record.name}", host_options(record)) for short, record in sorted(records.items())
    ]
    return "\n\n".join([*blocks, _block("*", common)]) + "\n"


def _block(hosts: str, options: Mapping[str, str | tuple[str, ...]]) -> str:
    """Return a block of ssh_config(5); an option with several values has a line for each."""
    lines = [
        (name, value)
        for name, held in options.items()
        for value in ([held] if isinstance(held, str) else held)
    ]
    return "\n".join([f"Host {hosts}", *(f"    {name} {_quoted(value)}" for name, value in lines)])


def ssh_login(record: HostRecord, known_hosts: Path, options: Mapping[str, str], command: str) -> list[str]:
    """Return the command that runs a shell command on a host before the stage's ssh_config knows it.

    No configuration file is read, neither the person's nor the machine's: later phases log in without them as well.

    Args:
        record: The host; `user` is who logs in.
        known_hosts: Where its host key is looked up, and kept if none was known.
        options: How to authenticate: `with_key` or `with_any`.
        command: For the host's shell.

    """
    every = {
        **host_options(record),
        "UserKnownHostsFile": path_value(known_hosts),
        "UpdateHostKeys": "no",
        **_ALWAYS,
        **options,
    }
    return ["ssh", "-F", "/dev/null", *_options(every), "-T", record.name, command]


def ssh_master(config: Path, control: Path, sockets: Mapping[Path, str], host: str) -> list[str]:
    """Return the command that opens a shared connection in the background and forwards sockets through it.

    Args:
        config: The stage's ssh_config.
        control: The path of the connection's control socket.
        sockets: Local socket path to the path on the host.
        host: The host's name in `config`.

    """
    forwards = [word for local, there in sockets.items() for word in ("-L", f"{local}:{there}")]
    options = {
        "ControlPath": path_value(control),
        "ControlMaster": "yes",
        "ControlPersist": str(PERSIST),
        # A socket that a killed run left behind never stands in the way.
        "StreamLocalBindUnlink": "yes",
        "StreamLocalBindMask": "0177",
    }
    return ["ssh", "-F", str(config), *_options(options), *forwards, "-f", "-N", "-T", host]


def ssh_command(config: Path, control: Path, host: str, command: str, *, terminal: bool = False) -> list[str]:
    """Return the command that runs a shell command on a host over its shared connection.

    Args:
        config: The stage's ssh_config.
        control: The path of the connection's control socket.
        host: The host's name in `config`.
        command: For the host's shell.
        terminal: Whether it gets a terminal there.

    """
    options = _options({"ControlPath": path_value(control), "ControlMaster": "no"})
    return ["ssh", "-F", str(config), *options, "-t" if terminal else "-T", host, command]


def ssh_session(config: Path, control: Path, host: str, words: Sequence[str], *, terminal: bool) -> list[str]:
    """Return the command that logs in to a host over its shared connection, or runs the words of a shell command there.

    Args:
        config: The stage's ssh_config.
        control: The path of the connection's control socket.
        host: The host's name in `config`.
        words: The words; ssh puts a space between them. None of them for a shell to type in.
        terminal: Whether there is a terminal.

    """
    options = _options({"ControlPath": path_value(control), "ControlMaster": "no"})
    return ["ssh", "-F", str(config), *options, "-t" if terminal else "-T", host, *words]


def ssh_forward(config: Path, host: str, ports: Sequence[str]) -> list[str]:
    """Return the command that forwards ports of this machine over a connection of its own.

    Its end is that of its standard input: so it ends with the process that has started it, however that ends.

    Args:
        config: The stage's ssh_config.
        host: The host's name in `config`.
        ports: As ssh's `-L` wants them.

    """
    # Of a connection that could not be made at the other end ssh tells at this level alone.
    options = _options({"ControlPath": "none", "ExitOnForwardFailure": "yes", "LogLevel": "INFO"})
    forwards = [word for port in ports for word in ("-L", port)]
    return ["ssh", "-F", str(config), *options, *forwards, "-T", host, "cat"]


def ssh_control(config: Path, control: Path, host: str, order: str) -> list[str]:
    """Return the command that gives a shared connection an order: `check`, `stop` or `exit`."""
    options = _options({"ControlPath": path_value(control)})
    return ["ssh", "-F", str(config), *options, "-O", order, host]


def ansible_ssh_args(config: Path) -> str:
    """Return Ansible's `ansible_ssh_common_args`, with which it opens connections of its own to the stage's hosts."""
    return shlex.join(["-F", str(config), *_options({"ControlPath": "none"})])


def _options(options: Mapping[str, str]) -> list[str]:
    """Return options as words of a command line."""
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def path_value(path: Path) -> str:
    """Return a path as ssh_config(5) wants one: ssh expands `%` in it, and splits it at white space."""
    return _quoted(str(path).replace("%", "%%"))


def _quoted(value: str) -> str:
    """Return a value as ssh_config(5) wants one with white space in it."""
    has_space = any(letter.isspace() for letter in value)
    return f'"{value}"' if has_space and not value.startswith('"') else value
