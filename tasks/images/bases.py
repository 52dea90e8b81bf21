"""Base images, and images that services run as they are: obtained as `[bases]` says, kept in the site's registry.

Two steps for each that is pulled: `upstream.<name>` resolves its tag to a digest, by upstream or by `site.lock`, and
`base.<name>` brings that digest into the registry. One that is made here has only the second.
"""

import contextlib
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from model import site as types
from model.errors import BuildError, StateError
from model.images import bases
from model.images.reference import Reference
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import ImageRecord
from remote.mother.files import write_whole
from tasks.images.registry_image import RegistryImage, RepositoryStep
from tasks.names import base_task, readable, upstream_task
from tasks.run.context import Run
from tasks.run.coordination import Coordination
from tasks.run.state import State
from tasks.step import Work

if TYPE_CHECKING:
    from remote.images.builder import Builder

DEBOOTSTRAP_TIMEOUT = 1800
FILE = "digests.json"
"""In the state directory: the digests of large files of the site, with the size and times that they had."""

_JUST_WRITTEN = 2.0
"""Seconds; two writes within them may leave a file with the same times."""


def repository_of(name: str) -> str:
    """Return where the registry has a base."""
    return f"base/{readable(name)}"


class UpstreamDigest(RepositoryStep):
    """The digest that a base's reference stands for.

    Args:
        run: The run.
        reference: The base, as images name it in `from`, and services in `image`.
        pulled: What is pulled for it.

    """

    def __init__(self, run: Run, reference: str, pulled: Reference) -> None:
        super().__init__(run, upstream_task(reference))
        self.reference, self.pulled = reference, pulled
        self.doc = f"{pulled} upstream"
        self.paths = {"pinned": "site.lock"}

    def inputs(self) -> Inputs:
        """Return the reference, and the digest that site.toml or site.lock holds it to."""
        pin = self._run.upstream.pinned(self.pulled).removeprefix("sha256:")
        return {"reference": str(self.pulled), **({"pinned": pin} if pin else {})}

    def real(self, key: str) -> str | None:
        """Ask upstream whether the tag has moved."""
        del key
        return self._run.live_state.tag_moves.moved(self.reference)

    def ensure(self, work: Work) -> ImageRecord:
        """Return the reference with its digest; asks upstream unless something pins it."""
        digest = self._run.upstream.pinned(self.pulled)
        if digest:
            work.log(f"{self.pulled} is pinned to {digest}")
        else:
            digest = self._ask(work)
            work.log(f"{self.pulled} is {digest}")
        return ImageRecord(reference=str(self.pulled.at(digest)))

    def recall(self, work: Work) -> ImageRecord | None:
        """Return what upstream says today: to ask is all that a run does as well."""
        return self.ensure(work) if self.real(work.key) is None else None

    def _ask(self, work: Work) -> str:
        """Return upstream's digest; where it can't be asked, the one that is known from before."""
        from remote.images.bases import UnreachableError, present, resolve

        run = self._run
        host = run.stage.repository
        where = run.upstream.source(self.pulled)
        try:
            return resolve(run.connections.engine(host), host.short, where)
        except UnreachableError as error:
            known = run.upstream.last_resolved([self.reference], self.pulled) or present(
                run.connections.engine(host), host.short, where
            )
            if known is None:
                raise self.with_way_out(error) from error
            work.log(f"{error}")
            work.log(f"{self.reference} stays what it was")
            return known
        except BuildError as error:
            raise self.with_way_out(error) from error

    def pull(self, work: Work) -> str:
        """Pull that digest, and return its id on the repository host's engine."""
        from remote.images.bases import pull

        run, host = self._run, self._run.stage.repository
        try:
            digest = run.upstream.resolved(self.reference)
            return pull(
                run.connections.engine(host), host.short, run.upstream.source(self.pulled), digest, work.log
            )
        except BuildError as error:
            raise self.with_way_out(error) from error

    def with_way_out(self, error: BuildError) -> BuildError:
        """Add the ways out to an error; one of a login has its own."""
        from remote.images.bases import RefusedError

        if isinstance(error, RefusedError):
            return error
        locked = ""
        if str(self.pulled) in self._run.upstream.lockfile:
            locked = f"\n    site.lock holds it to that digest; `doit lock upgrade={self.reference}` moves it"
        return BuildError(
            f"{error}{locked}"
            f"\n    where {self.pulled} can't be pulled, say in site.toml where to get it, for example:"
            f'\n    [bases."{self.reference}"]\n    debootstrap = "trixie"        # or tarball, archive, image'
        )


class BaseImage(RegistryImage):
    """A base image: pulled, loaded or made, then kept in the site's registry.

    Args:
        run: The run.
        reference: As images name it in `from`, and services in `image`.

    """

    def __init__(self, run: Run, reference: str) -> None:
        super().__init__(run, base_task(reference), repository_of(reference))
        self.reference = reference
        self.base = run.stage.site.bases.get(reference, types.Base())
        self.doc = f"base image {reference}"
        self.paths = {"base.": "its definition in bases: "}
        pulled = bases.pulled(run.stage.site, reference)
        self.upstream = None if pulled is None else UpstreamDigest(run, reference, pulled)
        self.needs = () if pulled is None else (upstream_task(reference),)

    @property
    def may_be_absent(self) -> bool:
        """Whether it is made here, and no service runs it as it is."""
        run_as_it_is = any(service.image == self.reference for service in self._run.stage.services.values())
        return bool(self.base.debootstrap or self.base.tarball) and not run_as_it_is

    def inputs(self) -> Inputs:
        """Return the definition, the digest and the files of the base.

        Neither mirror nor login is among them: the image is the same from wherever it comes.
        """
        inputs = {"reference": self.reference, **flatten("base", definition(self.base))}
        if self.upstream is not None:
            inputs["upstream"] = self._run.upstream.resolved(self.reference).removeprefix("sha256:")
        for key in ("tarball", "archive"):
            file = getattr(self.base, key)
            if file is not None:
                inputs[key] = (
                    f"file {file_digest(self._run.state, self._run.coordination, self._run.directory / file)}"
                )
        return inputs

    def make(self, builder: "Builder", work: Work) -> str:
        """Get the base as `[bases]` says."""
        from remote.images.bases import debootstrap_script, load

        run, base = self._run, self.base
        host = run.stage.repository
        if base.debootstrap is not None:
            tag = f"skep/base:{work.key}"
            run.connections.to(host).script(
                debootstrap_script(base.debootstrap, base.mirror, base.include, tag),
                timeout=DEBOOTSTRAP_TIMEOUT,
                log=work.log,
                label=f"debootstrap {base.debootstrap}",
            )
            return tag
        if base.tarball is not None:
            return builder.import_root(run.directory / base.tarball, work.key)
        if base.archive is not None:
            path = run.directory / base.archive
            return load(run.connections.engine(host), host.short, path, base.tag or self.reference, work.log)
        if self.upstream is not None:
            return self.upstream.pull(work)
        raise BuildError(f"{self.reference}: site.toml does not say where to get it")


def file_digest(state: State, coordination: Coordination, path: Path) -> str:
    """Return the digest of a file of the site, which may be larger than memory.

    It is read again only if it may be another one: what the file system says of it is kept beside the digest, as git
    keeps it in its index. Of a file that was just written that is not enough: its times may not tell two writes apart.
    """
    kept = state.root / FILE
    with coordination.lock(FILE):
        try:
            known: dict[str, list[Any]] = msgspec.json.decode(kept.read_bytes(), type=dict[str, list[Any]])
        except (OSError, msgspec.MsgspecError):
            known = {}
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        if known.get(str(path), [])[:-1] == mark:
            return str(known[str(path)][-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - max(status.st_mtime, status.st_ctime) > _JUST_WRITTEN:
            with contextlib.suppress(StateError):  # without write access it is hashed again each time
                write_whole(kept, msgspec.json.encode({**known, str(path): [*mark, digest]}))
        return digest
