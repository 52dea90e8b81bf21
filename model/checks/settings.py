"""Check the settings of containers that Docker takes when a service is made, and refuses when its containers start."""

import re
from collections.abc import Iterator, Mapping

from model import site as types
from model import templates
from model.swarm.constraints import parse_constraint
from model.toml_text import short_text, toml_text
from model.units import size


def _words(names: str) -> frozenset[str]:
    """Return names that are written one after another."""
    return frozenset(names.split())


_LEAST_MEMORY = {"mem_limit": 6 * 2**20, "mem_reservation": 4 * 2**20}
"""Bytes that the engine and the swarm ask for at least (moby, daemon/daemon_unix.go; swarmkit, controlapi)."""
_LEAST_CPU = 0.001
_LEAST_TIME = 0.001
_SIGNALS = _words(
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP "
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
"""The names of signals that the engine knows: moby/sys, signal/signal_linux.go."""
_REALTIME = re.compile(r"RTMIN\+([1-9]|1[0-5])|RTMAX-([1-9]|1[0-4])")
_LAST_SIGNAL = 64
_CAPABILITIES = _words(
    "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH "
    "FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN "
    "NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT "
    "SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM"
)
"""Linux's capabilities, see capabilities(7)."""
_ULIMITS = _words(
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
)
"""The limits that the engine knows, see getrlimit(2)."""
_HOSTNAME = re.compile(r"\w([\w.-]{0,61}\w)?", re.ASCII)
_NAME = r"[^-\s:'\"$][^\s:'\"$]*\$?"
_USER = re.compile(rf"{_NAME}(:({_NAME})?)?|:{_NAME}")
"""A name or number of the container's `/etc/passwd`, whatever letters it has there, and one of its `/etc/group`.

Without the first the container has its group alone (moby/sys/user, `GetExecUser`). No name begins with `-`.
"""
_LAST_ID = 2**31 - 1
"""The engine's own limit: moby/sys/user."""
_WITH_OPTIONS = re.compile(r"\S+\s+-.*", re.DOTALL)
_SPREAD = re.compile(r"(node|engine)\.labels\..+", re.IGNORECASE)


def check_settings(path: str, service: types.Service) -> Iterator[str]:
    """Yield the settings of a service's containers that the engine would refuse. Templates are left out."""
    yield from check_signal(f"{path}.stop_signal", service.stop_signal)
    yield from check_directory(f"{path}.working_dir", service.working_dir)
    yield from check_command(f"{path}.command", service.command)
    yield from check_command(f"{path}.entrypoint", service.entrypoint)
    yield from check_program(f"{path}.entrypoint", service.entrypoint)
    if service.entrypoint == [""] and not service.command:
        yield f"{path}.entrypoint: [''] takes the image's command away with its entrypoint: write command as well"
    yield from check_user(f"{path}.user", service.user)
    yield from check_health(f"{path}.healthcheck", service.healthcheck)
    name = service.hostname
    if name and not templates.is_template(name) and not _HOSTNAME.fullmatch(name):
        yield f"{path}.hostname: {short_text(name)} is not a host's name: letters, digits, `.`, `_` and `-`, at most 63"
    for key in ("cap_add", "cap_drop"):
        for i, capability in enumerate(getattr(service, key)):
            if not templates.is_template(capability) and capability.removeprefix("CAP_") not in _CAPABILITIES:
                meant = capability.strip().upper()
                known = meant.removeprefix("CAP_") in _CAPABILITIES
                example = f": write {toml_text(meant)}" if known else " (example: NET_ADMIN)"
                yield f"{path}.{key}[{i}]: {short_text(capability)} is not a capability{example}"
    if service.shm_size == 0:
        yield f"{path}.shm_size: 0 would be no limit at all: leave it out for Docker's 64M"
    yield from _limits(f"{path}.ulimits", service.ulimits)
    for key, least in _LEAST_MEMORY.items():
        amount = getattr(service, key)
        if amount is not None and 0 < amount < least:
            yield f"{path}.{key}: {size(amount)} is less than Docker takes: at least {size(least)}"
    for key in ("cpu_limit", "cpu_reservation"):
        cpus = getattr(service, key)
        if cpus is not None and cpus < _LEAST_CPU:
            yield f"{path}.{key}: {cpus:g} is less than Docker takes: at least {_LEAST_CPU}"
    for i, constraint in enumerate(service.placement.constraints):
        try:
            if not templates.is_template(constraint):
                parse_constraint(constraint)
        except ValueError as error:
            yield f"{path}.placement.constraints[{i}]: {error}"
    for i, spread in enumerate(service.placement.preferences):
        if not templates.is_template(spread) and not _SPREAD.fullmatch(spread):
            yield (
                f"{path}.placement.preferences[{i}]: {short_text(spread)} is not a label that the swarm can spread "
                "over, as node.labels.zone"
            )


def _limits(path: str, ulimits: Mapping[str, types.Ulimit]) -> Iterator[str]:
    """Yield the mistakes in limits of processes."""
    for limit in sorted(ulimits.keys() - _ULIMITS):
        yield f"{path}: {short_text(limit)} is not a limit; there are {', '.join(sorted(_ULIMITS))}"
    for name, ulimit in ulimits.items():
        if min(ulimit.soft, ulimit.hard) < -1:
            yield f"{path}.{name}: must be at least 0, or -1 for no limit"


def check_signal(path: str, signal: str | None) -> Iterator[str]:
    """Yield the mistake of a signal that the engine does not know."""
    if not signal or templates.is_template(signal):
        return
    name = signal.upper().removeprefix("SIG")
    is_number = name.isdecimal() and 1 <= int(name) <= _LAST_SIGNAL
    if not (is_number or name in _SIGNALS or _REALTIME.fullmatch(name)):
        yield f"{path}: {short_text(signal)} is not a signal (example: SIGTERM)"


def check_directory(path: str, directory: str | None) -> Iterator[str]:
    """Yield the mistake of a working directory that is none of the container's."""
    if directory and not templates.is_template(directory) and not directory.startswith("/"):
        yield f"{path}: {short_text(directory)} is not an absolute path in the container"


def check_user(path: str, user: str | None) -> Iterator[str]:
    """Yield the mistake of a text that is neither a user nor a user and a group."""
    if not user or templates.is_template(user):
        return
    numbers = [int(part) for part in user.split(":") if part.isdecimal()]
    if not _USER.fullmatch(user) or any(number > _LAST_ID for number in numbers):
        yield f"{path}: {short_text(user)} is not a user, or user:group (examples: www-data, 1000:1000)"


def check_program(path: str, command: str | list[str] | None) -> Iterator[str]:
    """Yield the mistake of a program and its options in one word of a list, which no shell divides."""
    if isinstance(command, list) and command and _WITH_OPTIONS.fullmatch(command[0]):
        words = toml_text([*command[0].split(), *command[1:]])
        yield f"{path}: {short_text(command[0])} is one word, and no program has that name: write {words}"


def check_command(path: str, command: str | list[str] | None) -> Iterator[str]:
    """Yield the mistake of a command: arguments written as a text."""
    if isinstance(command, str) and command.lstrip().startswith("-"):
        words = toml_text(command.split())
        yield f"{path}: {short_text(command)} is a text, which the shell runs; arguments are a list: {words}"


def check_health(path: str, check: types.Healthcheck | None) -> Iterator[str]:
    """Yield the mistakes of a health check. A time of 0 is the image's own, or the engine's default."""
    if check is not None:
        yield from check_command(f"{path}.test", check.test)
    for key in ("interval", "timeout", "start_period", "start_interval"):
        if check is not None and 0 < getattr(check, key) < _LEAST_TIME:
            yield f"{path}.{key}: must be at least 1ms"
