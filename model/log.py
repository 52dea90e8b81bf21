"""The type of everything that takes progress, line by line: a task's log, or a person's screen."""

from collections.abc import Callable

Log = Callable[[str], None]
