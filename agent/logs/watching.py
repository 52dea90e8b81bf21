"""Something that is looked at again and again, beside what the process does."""

import subprocess
import threading
from collections.abc import Callable

from agent.errors import reason_of
from agent.logs.troubles import Troubles

_PAUSE = 1.0
"""Seconds between two looks."""


def watch(name: str, look: Callable[[], None], say: Callable[[str], None], stopped: threading.Event) -> None:
    """Look each second, in a thread of its own, until it is stopped; a look that fails is said, once while it lasts.

    Args:
        name: What is looked at, as the sentence begins with it.
        look: Looks; may raise OSError and SubprocessError.
        say: Takes a sentence.
        stopped: Set when it is to end.

    """
    troubles = Troubles(say)

    def again() -> None:
        while not stopped.wait(_PAUSE):
            try:
                look()
            except (OSError, subprocess.SubprocessError) as error:
                troubles.begin(name, f"{name}: {reason_of(error)}; it is looked at again")
            else:
                troubles.end(name)

    threading.Thread(target=again, name=name, daemon=True).start()
