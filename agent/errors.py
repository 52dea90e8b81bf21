"""The errors that are told, without a traceback, to whoever started the agent."""


class AgentError(Exception):
    """Something that can't be done, in one sentence with the way out."""


class NotTriedError(AgentError):
    """A test that could not be made here and now, which says nothing of what was to be tested."""


class CommandFailedError(AgentError):
    """A command of `backup_scripts` that ran in a container, and ended with a status other than 0."""


class BadDataError(AgentError):
    """A generation that was restored, and whose data is broken, as the comparison or a command of the service says."""


class BusyError(AgentError):
    """Another job of the agent has the host."""


def reason_of(error: BaseException) -> str:
    """Return why something failed: for an error of the system its own words, without numbers."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
