"""The errors that are told, without a traceback, to whoever started the agent."""

from pathlib import Path
from traceback import extract_tb


class AgentError(Exception):
    """Something that can't be done, in one sentence with the way out."""


class NotTriedError(AgentError):
    """A test that could not be made here and now, which says nothing of what was to be tested."""


class CommandFailedError(AgentError):
    """A command of `backup_scripts` that ran in a container, and ended by itself with a status other than 0."""


class BadDataError(AgentError):
    """A generation that was restored, and whose data is broken, as the comparison or a command of the service says."""


class BusyError(AgentError):
    """Another job of the agent has the host."""


def reason_of(error: BaseException) -> str:
    """Return why something failed: for an error of the system its own words, without numbers."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def fault_of(error: Exception) -> str:
    """Return why something failed that must go on whatever fails in it: of a mistake of skep's also where that is."""
    if isinstance(error, AgentError | OSError):
        return reason_of(error)
    last = extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in last)
    return f"a mistake of skep's: {type(error).__name__}: {error}{where}"


def words_of(error: BaseException) -> str:
    """Return why something failed, as `reason_of`; a bug's error with its kind."""
    return reason_of(error) if isinstance(error, AgentError | OSError) else repr(error)
