"""The exceptions that skep raises on purpose.

A `SkepError` is something that a person can act on: it is printed as its message, without a traceback.
Whatever else is raised is a fault of ours and keeps its traceback.

    SkepError
    ├── ConfigError        site.toml or a role can't be used as it is
    ├── StateError         the state directory can't be used as it is
    ├── ProviderError      the provider of hosts refused
    ├── HostError          a host can't be reached or a command on it failed
    │   ├── CommandError   … with the host, the command, its exit status and its last lines
    │   └── KeyRefusedError  … since a key is refused: the checkout's or the host's
    ├── BuildError         an image can't be built
    └── ServiceError       a service does not converge
"""

from collections.abc import Sequence


class SkepError(Exception):
    """An error that the user can act on."""


class ConfigError(SkepError):
    """The mistakes in site.toml, a role or another file of the user's, all at once.

    Args:
        problems: One line each, beginning with the path of the mistake.

    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems and make the message from them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StateError(SkepError):
    """The state directory is held by another run, or can't be read or written."""


class ProviderError(SkepError):
    """The provider refused, or is not able to do it."""


class HostError(SkepError):
    """A host does not answer as it should."""


class CommandError(HostError):
    """A command on a host failed or ran into its time limit.

    Args:
        host: The host's name.
        command: What was run, in a form that can be pasted.
        status: The exit status, or None after a time-out.
        output: What it printed; the message carries its last lines.
        reason: A text for the message instead of the exit status, as for a time-out.

    """

    TAIL = 15

    def __init__(self, host: str, command: str, status: int | None, output: str, reason: str = "") -> None:
        """Keep the parts and make the message from them."""
        self.host = host
        self.command = command
        self.status = status
        self.output = output
        what = reason or f"exit status {status}"
        lines = [line for line in output.rstrip().splitlines() if line.strip()][-self.TAIL :]
        tail = "".join(f"\n    {line}" for line in lines)
        super().__init__(f"{host}: {command}: {what}{tail}")


class KeyRefusedError(HostError):
    """A host answers, and does not let this checkout's ssh key in, or has another host key than before.

    Args:
        reason: Which host refuses which key, or has another one.
        remedy: The ways back in.

    """

    def __init__(self, reason: str, remedy: str) -> None:
        """Keep the parts and make the message from them."""
        self.reason, self.remedy = reason, remedy
        super().__init__(f"{reason}: {remedy}")


class BuildError(SkepError):
    """An image or a base image can't be built, pulled or pushed."""


class ServiceError(SkepError):
    """A service did not converge; the message names the task and its last log lines."""
