"""A stage's lock on hosts in words: its name, its places, who has it, why a run is turned away. Connects to nothing."""

import os
import socket
from pathlib import Path

from model.stage import Host, Stage
from remote.mother.boot_id import boot_id
from remote.ssh.lock_session import LockAnswer, Owner
from remote.ssh.ssh_files import now


def lock_name(stage: Stage) -> str:
    """Return the name of a stage's lock on hosts, which may have several sites' stages."""
    return f"{stage.site_name}_{stage.name}"


def places(stage: Stage) -> list[Host]:
    """Return the hosts on which a stage's lock may be held, in the order in which they are asked."""
    return [stage.repository, *(host for host in stage.hives if host != stage.repository)]


def owner_of(who: str, directory: Path, command: str, job: str = "") -> dict[str, str]:
    """Return who runs a command here, for others.

    Args:
        who: As `alice@laptop`.
        directory: The site's.
        command: The command line.
        job: The address of the CI job that runs it, if one does.

    """
    return {
        "who": who,
        "host": socket.gethostname(),
        "directory": str(directory),
        "since": now(),
        "command": command,
        "pid": str(os.getpid()),
        "boot": boot_id(),
        **({"job": job} if job else {}),
    }


def words_of(owner: Owner) -> str:
    """Return who holds a lock, for people: who, where, since when, by which command."""
    since = owner.get("since", "?").replace("T", " ").removesuffix("Z")
    job = f", {owner['job']}" if owner.get("job") else ""
    return (
        f"{owner.get('who', 'somebody')} in {owner.get('directory', '?')} on {owner.get('host', '?')}, process "
        f"{owner.get('pid', '?')}, since {since} UTC ({owner.get('command', '?')}){job}"
    )


def is_same_checkout(one: Owner, other: Owner) -> bool:
    """Return whether two owners are of one checkout, whose runs never overlap. CI's machines may share a name."""
    return all(one.get(name) == other.get(name) for name in ("boot", "host", "directory"))


def refusal(stage: Stage, host: Host, answer: LockAnswer) -> str:
    """Return why a run may not go on, in words with the way out."""
    who = words_of(answer.owner)
    if answer.word == "held":
        held = f"{stage.name}: another run holds this stage, as {host.short} says"
        return f"{held}: {who}; wait for it, or see doit unlock"
    if answer.word == "broken":
        return f"{stage.name}: the stage's lock was taken away from this run by doit unlock: {who}"
    return f"{stage.name}: another run had this stage meanwhile, as {host.short} says: {who}; run doit again"
