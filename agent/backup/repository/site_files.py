"""The site's own files and its vault, as generations of a service of their own: with them a lost site is made again."""

import hashlib
import shutil
from pathlib import Path

from agent.backup.config import RepositoryConfig
from agent.backup.hive.journal import RUNTIME, STATE
from agent.backup.notes import SEAL, add_note, data_tags, read_note
from agent.backup.repository.generations import made_at
from agent.backup.repository.repositories import SITE, of_hive
from agent.backup.restic import Restic
from agent.backup.restic_errors import patiently
from agent.errors import AgentError
from agent.host.durable_files import write_json

NOTES = STATE / "note"
_FORMAT = 1


def save_site(config: RepositoryConfig, notes: Path = NOTES, staging: Path = RUNTIME / "backup-site") -> int:
    """Make a generation of the site's files, unless the repository's last one has the same; return how many were made.

    Args:
        config: The repository host's configuration.
        notes: A directory of this host's for notes of generations alone.
        staging: The directory in which it is put together, in memory.

    Raises:
        AgentError: A file is not there yet, or restic fails.

    """
    digest = hashlib.sha256()
    for name, path in sorted(config.site.items()):
        if not Path(path).exists():
            raise AgentError(f"{path} is not there yet (doit setup_hosts)")
        digest.update(f"{name}\n".encode() + Path(path).read_bytes())
    restic = of_hive(config, SITE)
    if _last_digest(restic) == digest.hexdigest():
        return 0
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    try:
        for name, path in config.site.items():
            shutil.copyfile(path, staging / name)
        write_json(staging / "generation.json", {"format": _FORMAT, "service": SITE, "scripts": {}})
        tags = data_tags("", SITE, "scheduled")
        made = patiently(lambda: restic.backup(staging, SITE, tags, lambda _line: None))
        identity = restic.identity(str(made["snapshot_id"]))
        facts = {
            "bytes": int(made["total_bytes_processed"]),
            "files": int(made["total_files_processed"]),
            "added": int(made["data_added"]),
            "seconds": round(float(made["total_duration"]), 1),
            "scripts": {},
            "digest": digest.hexdigest(),
        }
        add_note(restic, SITE, SEAL, identity, facts, notes)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return 1


def _last_digest(restic: Restic) -> str:
    """Return the digest of what the newest generation has, by its seal; empty if there is none."""
    found = restic.snapshots()
    there = {each["id"] for each in found} | {each.get("original") for each in found}
    digests = {}
    for each in found:
        note = read_note(each.get("tags") or [])
        if note is not None and note[0] == SEAL and note[1] in there:
            digests[made_at(each)] = str(note[2].get("digest", ""))
    return digests[max(digests)] if digests else ""
