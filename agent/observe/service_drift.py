"""Services in the swarm that are not as skep deployed them: somebody else changed or removed them.

By the rule that runs and `doit status` go by (`remote/swarm/spec.py`; a test holds both against each other): a service
has a label with the digest of the specification with which skep saw it run. One without that label is being deployed.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from agent.host.service_labels import SPEC, as_before_backup, is_at_work, without_extra
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig

_HASHES = ("_sha2", "_sha256", "hashlib")
"""Modules with SHA-256. The last one loads half of OpenSSL; the first is there from Python 3.12 on."""


def drift_figures(services: Iterable[Mapping[str, Any]], config: ObserveConfig, figures: Exposition) -> None:
    """Add which of the site's services are not as skep deployed them; jobs have no figure, as they are to end.

    Args:
        services: The stage's services, as the swarm lists them.
        config: The site.
        figures: Where they are added.

    """
    found = {str(each["Spec"]["Name"]): each["Spec"] for each in services}
    for name, service in config.services.items():
        if service.wanted is not None:
            is_as_deployed = name in found and not is_changed(found[name])
            figures.add("skep_service_drift", int(not is_as_deployed), service=name)


def is_changed(spec: Mapping[str, Any]) -> bool:
    """Return whether somebody else changed a service since skep saw it run.

    A backup that has stopped it did not, nor did a rebalance that has given it more tasks for a while.

    Args:
        spec: Its specification, as the swarm has it.

    """
    if is_at_work(spec):
        return False
    digest = (spec.get("Labels") or {}).get(SPEC)
    return digest is not None and digest != _digest(without_extra(as_before_backup(spec)))


def _digest(spec: Mapping[str, Any]) -> str:
    """Return the digest of a specification without its labels."""
    content = {name: value for name, value in spec.items() if name != "Labels"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest: str = _sha256()(text.encode()).hexdigest()
    return digest


@cache
def _sha256() -> Callable[[bytes], Any]:
    """Return the function for SHA-256 that needs the least memory."""
    for name in _HASHES:
        with suppress(ImportError):
            function: Callable[[bytes], Any] = importlib.import_module(name).sha256
            return function
    raise ImportError("this Python has no SHA-256")
