"""The times in notes of hosts' agents, which are by their clocks, as this machine's clock has them. Pure."""

from typing import Any

from model.json_types import Json

_TIMES = frozenset(
    {
        "last_try",
        "last_good",
        "verified",
        "verify_since",
        "since",
        "first",
        "begun",
        "ended",
        "alive",
        "listed",
        "newest",
        "tested",
    }
)
"""The entries that are times in seconds since 1970, or have one for each service."""


def as_here(note: Json, ahead: float) -> Json:
    """Return a note with its times as this machine's clock has them.

    So each is as long ago as its host has it, whichever clock is wrong now. One that was noted while its host's clock
    was another one is still wrong.

    Args:
        note: The note of a job.
        ahead: The seconds by which its host's clock is ahead of this machine's.

    """
    return {name: _moved(each, ahead, is_time=name in _TIMES) for name, each in note.items()}


def _moved(value: Any, ahead: float, *, is_time: bool) -> Any:
    """Return what is in an entry, with its times moved; 0 and None stand for never."""
    if isinstance(value, dict):
        return {name: _moved(each, ahead, is_time=is_time or name in _TIMES) for name, each in value.items()}
    return value - ahead if is_time and isinstance(value, int | float) and value else value
