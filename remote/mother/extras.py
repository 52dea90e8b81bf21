"""Install what only some sites need when it is needed, by the checkout's own `setup`."""

import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from model.errors import ProviderError
from model.extras import CHECKOUT, VENV, Extra
from remote.mother import process

TIMEOUT = 900
_SHOWN = 8
"""Lines of a failed installation that its message repeats."""
_one = threading.Lock()
_installed: set[str] = set()
_Loaded = TypeVar("_Loaded")


def loaded(extra: Extra, load: Callable[[], _Loaded]) -> _Loaded:
    """Return what `load` does; where that can't be imported, after the extra was installed.

    Args:
        extra: The extra with the modules.
        load: Imports them.

    Raises:
        ProviderError: They are not installed, and can't be.

    """
    try:
        return load()
    except ImportError:
        install(extra)
        return load()


def install(extra: Extra) -> None:
    """Install an extra, after a line that says so. Whoever does so already is waited for.

    Args:
        extra: The extra.

    Raises:
        ProviderError: It can't be installed; the message has the command to type.

    """
    with _one:
        if extra.name in _installed:
            return
        if extra.obstacle:
            raise ProviderError(extra.refusal)
        log = CHECKOUT / ".setup.log"
        sys.stderr.write(f"skep: {extra.need}: installing it into {VENV}, once (output: {log})\n")
        sys.stderr.flush()
        done = process.run(
            [CHECKOUT / "setup", "true"],
            timeout=TIMEOUT,
            stderr="merged",
            env={**os.environ, "SKEP_EXTRAS": extra.name, "SKEP_SETUP_ENGINE": "no"},
        )
        if not done.ok:
            last = [line.removeprefix("setup:").strip() for line in done.lines if line.strip()][-_SHOWN:]
            raise ProviderError(
                f"{extra.need}, which could not be installed: `{extra.command}` tries again"
                + "".join(f"\n    {line}" for line in last)
            )
        importlib.invalidate_caches()
        _installed.add(extra.name)
