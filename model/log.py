"""The type of a function that takes lines of progress: a task's log, or the screen."""

from collections.abc import Callable

Log = Callable[[str], None]
