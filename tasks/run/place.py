"""Where a stage's things are made, as its state directory keeps it: the provider, with region, project and the like.

A provider lists what is in the place that site.toml names. What was made elsewhere it does not see, and that runs on.
"""

import contextlib
import threading
from collections.abc import Mapping

import msgspec

from model.errors import ConfigError, ProviderError
from model.keys.record import FactRecord
from model.log import Log
from model.stage import Stage
from providers.base import Found, Provider
from remote.mother.files import file_errors, write_whole
from tasks.names import infra_task
from tasks.run.state import State

FILE = "place.json"
UNKNOWN = "unknown"
"""The place that nobody wrote down."""
_OF_CLOUDS = "zone"
"""An input that hosts of clouds alone have."""
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

        self._refusal = ""

    def listing(self) -> Mapping[str, Found]:
        """List the provider's things, refuse to go on where they are in another place, and keep the place of a stage.

        A stage that an older skep made, and that is up to date, has its place kept here, by the run that holds it.

        Raises:
            ProviderError: They can't be listed, or are in another place.

        """
        found = self._provider.found()
        with self._lock:
            self._refusal = self._problem() or self._gap(found)
            if self._refusal:
                raise ProviderError(self._refusal)
            is_new = not self._now().items() <= self._kept().items()
            if is_new and self._state.is_held and self._is_here(found):
                self._keep()
        return found

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
            if problem := self._problem() or self._refusal:
                raise ProviderError(problem)
            others = _others(self._before(), self._now())
            if others:
                log(f"left behind {_words(others)}: what is there runs on, and skep no longer sees it")
            if self._provider.owns or others:
                self._keep()

    def _keep(self) -> None:
        """Write the place that site.toml names, unless the file says it already."""
        kept, now = self._kept(), self._now()
        # What only credentials say is not forgotten while it is not known.
        wanted = now if _others(self._before(), now) else {**kept, **now}
        if wanted != kept:
            write_whole(self._state.root / FILE, msgspec.json.format(msgspec.json.encode(wanted)) + b"\n")

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

    def _before(self) -> dict[str, str]:
        """Return the place in which things were made: of a stage of an older skep what its things tell."""
        kept = self._kept()
        if kept or not self._provider.place():
            return kept
        told: dict[str, str] = {}
        for resource in self._provider.resources():
            inputs, identifier = self._state.last_inputs(infra_task(resource.name)), self._id(resource.name)
            told = {**self._provider.place_of(inputs, identifier), **told}
        return told

    def _id(self, name: str) -> str:
        """Return the id in the record of one of the provider's things; empty if there is none."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(
                self._state.record_path(infra_task(name)).read_bytes(), type=FactRecord
            ).id
        return ""

    def _is_here(self, found: Mapping[str, Found]) -> bool:
        """Return whether things that were listed are those that are wanted, hosts among them."""
        there = [one for one in self._provider.resources() if one.name in found]
        return any(one.is_host for one in there) and all(
            found[one.name].key in {one.key, *one.former_keys} for one in there
        )

    def _gap(self, found: Mapping[str, Found]) -> str:
        """Return that none of the hosts that were made is listed, and that nobody knows where they were made."""
        if self._kept() or not self._provider.place() or UNKNOWN in self._left:
            return ""
        tasks = {host.short: infra_task(host.short) for host in self._stage.hosts}
        made = [
            short
            for short, task in tasks.items()
            if self._id(short) and _OF_CLOUDS in self._state.last_inputs(task)
        ]
        if not made or any(thing.is_host for thing in found.values()):
            return ""
        return (
            f"stages.{self._stage.name}: state/ knows {', '.join(made)}, and not where that was made; it is not in "
            f"{_words(self._now())}: put the former place back in site.toml, or use the former credentials; or, if "
            f"nothing is left there, or what is there may run on, make everything anew: doit {LEAVE}={UNKNOWN}"
        )

    def _problem(self) -> str:
        """Return that things are in another place, and the way out; empty if they are not."""
        now = self._now()
        others = _others(self._before(), now)
        if not others or self._left >= set(others.values()):
            return ""
        lines = ", ".join(
            f"{self._named(key)} was {value}, and is {now[key]}" for key, value in others.items()
        )
        in_file = any(self._is_in_file(key) for key in others)
        back = "put it back in site.toml" if in_file else "use the former credentials"
        leave = ",".join(others.values())
        return (
            f"{lines}: what the stage has there would run on, unseen: {back} and run `doit destroy`; or, to leave it "
            f"behind as it is, and make everything anew: doit {LEAVE}={leave}"
        )

    def _is_in_file(self, key: str) -> bool:
        """Return whether site.toml can have a part of a place; credentials alone have the others."""
        return key == "provider" or hasattr(self._stage.config, key)

    def _named(self, key: str) -> str:
        """Return a part of a place for a message."""
        return f"stages.{self._stage.name}.{key}" if self._is_in_file(key) else f"the credentials' {key}"


def _others(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a place that are others now; of another provider, nothing else can be compared. Pure."""
    found = {
        key: value for key, value in before.items() if now.get(key, value).casefold() != value.casefold()
    }
    return {"provider": found["provider"]} if "provider" in found else found


def _words(others: Mapping[str, str]) -> str:
    """Return a place for a reader. Pure."""
    return ", ".join(f"{key} {value}" for key, value in others.items())
