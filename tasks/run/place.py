"""Where a stage's things are made, as its state directory keeps it: the provider, with region, project and the like.

A provider lists what is in the place that site.toml names. What was made elsewhere it does not see, and that runs on.
"""

import contextlib
import threading
from collections.abc import Mapping

import msgspec

from model.errors import ConfigError, ProviderError
from model.log import Log
from model.stage import Stage
from providers.base import Provider
from remote.mother.files import file_errors, write_whole
from tasks.run.state import State

FILE = "place.json"
LEAVE = "leave"
"""The word of the command line that names the place in which all is left behind."""


class Place:
    """The place of a stage's things.

    Args:
        stage: The stage.
        state: Its state directory.
        provider: Makes them.
        left: The places that a person leaves behind, as `leave=` names them.

    """

    def __init__(
        self, stage: Stage, state: State, provider: Provider, left: frozenset[str] = frozenset()
    ) -> None:
        self._stage, self._state, self._provider, self._left = stage, state, provider, left
        self._lock = threading.Lock()

    def check(self) -> None:
        """Refuse to go on where the stage's things are in another place.

        Raises:
            ConfigError: They are, and nobody named that place.

        """
        if problem := self._problem():
            raise ConfigError([problem])

    def settle(self, log: Log) -> None:
        """Keep where things are made, before the first one is.

        Raises:
            ProviderError: What was made before is in another place.

        """
        with self._lock:
            if problem := self._problem():
                raise ProviderError(problem)
            before, now = self._kept(), self._now()
            if not self._provider.owns or before == {**before, **now}:
                return
            if others := _others(before, now):
                log(f"left behind {_words(others)}: what is there runs on, and skep no longer sees it")
            kept = now if others else {**before, **now}
            write_whole(self._state.root / FILE, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")

    def _now(self) -> dict[str, str]:
        """Return the place that site.toml names."""
        return {
            "provider": self._stage.provider,
            **{key: value for key, value in self._provider.place().items() if value},
        }

    def _kept(self) -> dict[str, str]:
        """Return the place in which things were made; empty if that is not known."""
        path = self._state.root / FILE
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError, msgspec.MsgspecError),
            file_errors(path, except_=(FileNotFoundError, NotADirectoryError)),
        ):
            return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        return {}

    def _problem(self) -> str:
        """Return that things are in another place, and the way out; empty if they are not."""
        now = self._now()
        others = _others(self._kept(), now)
        if not others or self._left >= set(others.values()):
            return ""
        path = f"stages.{self._stage.name}"
        lines = ", ".join(f"{path}.{key} was {value}, and is {now[key]}" for key, value in others.items())
        leave = ",".join(others.values())
        return (
            f"{lines}: what the stage has there would run on, unseen: put it back, and `doit destroy` it first; or, to "
            f"leave it behind as it is, and make everything anew: doit {LEAVE}={leave}"
        )


def _others(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a place that are others now; of another provider, nothing else can be compared. Pure."""
    found = {key: value for key, value in before.items() if now.get(key, value) != value}
    return {"provider": found["provider"]} if "provider" in found else found


def _words(others: Mapping[str, str]) -> str:
    """Return a place for a reader. Pure."""
    return ", ".join(f"{key} {value}" for key, value in others.items())
