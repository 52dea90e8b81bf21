"""An engine's answers for tags upstream, and a site with one image from such a tag.

The engine answers as the one of the repository host does when it is asked for a distribution.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from docker.errors import APIError, ImageNotFound

from model.images.reference import parse
from model.keys.record import HostRecord, ImageRecord
from model.site_file.load import parse_site
from model.stage import Stage
from tasks.names import upstream_task
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def run_of(directory: Path, **tables: Any) -> Run:
    """Return a run of a site with one image from debian:12, and more tables."""
    given = {
        "site": "example",
        "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
        "images": {"web": {"from": "debian:12"}},
        "services": {"web": {"image": "web"}},
        **tables,
    }
    site = parse_site(given)
    stage = Stage(site, "private", site.stages["private"])
    return new_run(directory, stage, State(directory / "state" / "private"))


def resolve_to(run: Run, digest: str, name: str = "debian:12") -> None:
    """Have a base resolved, as by an earlier run."""
    run.state.write(upstream_task(name), ImageRecord(reference=str(parse(name.partition("@")[0]).at(digest))))


class Engine:
    """An engine that answers one way."""

    def __init__(self, answer: str | Exception, held: dict[str, list[str]] | None = None) -> None:
        self.answer, self.held = answer, held or {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.api = SimpleNamespace(inspect_distribution=self._distribution)
        self.images = SimpleNamespace(get=self._image)

    def _distribution(self, name: str, auth_config: dict[str, str]) -> Any:
        self.asked.append((name, auth_config))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Descriptor": {"digest": self.answer}}

    def _image(self, name: str) -> Any:
        if name not in self.held:
            raise ImageNotFound(name)
        return SimpleNamespace(attrs={"RepoDigests": self.held[name]})


def refused(status: int, said: str) -> APIError:
    """Return an error of the engine's API."""
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response, said)


def with_engine(run: Run, engine: Engine) -> Run:
    """Give a run an engine on its repository host."""
    run.connections.engine = lambda _host: engine  # type: ignore[method-assign, assignment]
    host = run.stage.repository
    record = HostRecord(name=host.name, id="1", address=host.address, ssh_host=host.address)
    run.state.write(f"build_infra:{host.short}", record)
    return run
