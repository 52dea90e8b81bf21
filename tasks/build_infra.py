"""Phase 1: the hosts, and what they need of their provider."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError, SkepError, StateError
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord, Record
from providers.base import Resource
from remote.mother.files import file_errors, write_whole
from tasks.hosts.rolling_replace import one_at_a_time
from tasks.observe.drift import Missing
from tasks.run.context import Run
from tasks.step import Step, Work

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PHASE = "build_infra"
DOC = "make the hosts and what they need of their provider"
SETTING = "setting."
"""Before the names of inputs that are changed in place."""


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for the ssh key, and one for each resource of the provider."""
    yield Step(
        PHASE,
        "ssh_key",
        lambda work: _ensure_ssh_key(run, work),
        lambda: _ssh_key(run),
        real=lambda _key: Missing("there is none") if _ssh_key(run)["public"] == "none" else None,
        doc="the stage's ssh key",
    )
    for resource in run.provider.resources():
        yield Step(
            PHASE,
            resource.name,
            partial(_ensure, run, resource),
            partial(_inputs, run, resource),
            real=partial(_real, run, resource),
            needs=(f"{PHASE}:ssh_key",) if resource.is_host or resource.embeds_ssh_key else (),
            after=tuple(f"{PHASE}:{name}" for name in resource.needs),
            host=resource.name if resource.is_host else "",
            doc=resource.doc,
        )


def _real(run: Run, resource: Resource, _key: str) -> str | None:
    """Ask the live look for a resource; its key there does not count the ssh key, which is no part of it."""
    return run.live_state.resource(resource.name, resource.key)


def _inputs(run: Run, resource: Resource) -> Inputs:
    """Return a resource's inputs; a new ssh key counts where it goes in, as into every host."""
    settings = {f"{SETTING}{name}": value for name, value in resource.settings.items()}
    if not (resource.is_host or resource.embeds_ssh_key):
        return {**resource.inputs, **settings}
    return {**resource.inputs, **settings, "ssh_key": run.state.record(f"{PHASE}:ssh_key", FactRecord).id}


def _ensure(run: Run, resource: Resource, work: Work) -> Record:
    """Have the provider make a resource; a host's ssh entry is written at once, for the steps that follow."""
    _check(run, work.task)
    before = run.state.read(work.task, HostRecord) if resource.is_host else None
    with one_at_a_time(run, resource, work.log):
        record = run.provider.ensure(resource, work.log)
    if isinstance(record, HostRecord):
        host = run.stage.host(resource.name)
        run.state.write(work.task, record)
        # Before the old connection goes: whoever opens the next one must know the new host's key.
        run.connections.write_ssh_files()
        if before != record:
            run.connections.reset(host)
    return record


def _check(run: Run, task: str) -> None:
    """Raise for all that stands in the way, before the stage's first host is made; looked for once a run."""
    first, problems = run.coordination.found_once("check the provider", task, lambda: _problems(run))
    if problems and first != task:
        raise ProviderError(f"nothing was made: {first} says why")
    if problems:
        raise ProviderError("\n".join(problems))


def _problems(run: Run) -> list[str]:
    """Return all that stands in the way of the stage's first host."""
    if any(run.state.host_record(host) is not None for host in run.stage.hosts):
        return []
    try:
        return list(run.provider.check())
    except SkepError as error:
        return [str(error)]


def _ssh_key(run: Run) -> Inputs:
    """Return what the ssh key's task depends on: that the key is there."""
    public = run.connections.files.key.with_suffix(".pub")
    with file_errors(public):
        there = public.exists() and run.connections.files.key.exists()
        return {"public": public.read_text().strip() if there else "none"}


def _ensure_ssh_key(run: Run, work: Work) -> FactRecord:
    """Make the stage's ssh key pair unless it is there."""
    private, public = run.connections.files.key, run.connections.files.key.with_suffix(".pub")
    _ = run.state.secrets
    if private.exists() and public.exists():
        work.log(f"found {private}")
    else:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if private.exists():
            # Never replaced: it may be the only one that hosts let in.
            key = _load_key(private)
            work.log(f"found {private}, making its public half again")
        else:
            key = Ed25519PrivateKey.generate()
            text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
            write_whole(private, text, mode=0o600)
            work.log(f"made {private}")
        line = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        write_whole(public, line + f" skep@{run.stage.site_name}.{run.stage.name}\n".encode())
    work.inputs["public"] = public.read_text().strip()
    return FactRecord(id=public.read_text().strip())


def _load_key(path: Path) -> "Ed25519PrivateKey":
    """Return the stage's private key.

    Raises:
        StateError: The file is no ed25519 key without a passphrase.

    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise StateError(f"{path}: is no ssh key that can be used: put a good copy back") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StateError(f"{path}: is no ed25519 key: put the one back that skep made")
    return key
