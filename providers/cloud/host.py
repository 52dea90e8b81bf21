"""What hosts of every cloud have in common: their sizes, their tag, and the wait for ssh."""

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.keys.digest import Inputs, sha256
from model.keys.record import HostRecord
from model.log import Log
from model.site import CloudStage
from model.stage import Host, Stage
from remote.ssh.connection import SshFiles
from remote.ssh.login import wait_for_login

SSH_TIMEOUT = 300.0
UNKNOWN_KEY_TIMEOUT = 20.0
"""Seconds for ssh where the host was made for another key, which somebody may have changed by hand."""
_WORDS = 3


def _cloud(stage: Stage) -> CloudStage:
    """Return the table of a stage in a cloud."""
    if not isinstance(stage.config, CloudStage):
        raise TypeError(f"stage {stage.name} is in no cloud")
    return stage.config


def instance_type(stage: Stage, host: Host) -> str:
    """Return the size of a host, by the cloud's own name. Pure."""
    config = _cloud(stage)
    return (config.repository_instance_type if host.is_repository else None) or config.instance_type


def disk_size(stage: Stage, host: Host) -> int:
    """Return the GiB of a host's disk. Pure."""
    config = _cloud(stage)
    return (config.repository_disk_size if host.is_repository else None) or config.disk_size


def data_size(stage: Stage, host: Host) -> int:
    """Return the GiB of a host's extra disk, 0 if it has none. Pure."""
    return (_cloud(stage).mirrored_disk_size or 0) if host.is_hive else 0


def settings(stage: Stage, host: Host) -> Inputs:
    """Return what is changed while a host stays the one that it is, where the cloud can do so. Pure."""
    found = {
        "instance_type": instance_type(stage, host),
        "disk_size": str(disk_size(stage, host)),
        "public_address": str(stage.has_public_address(host)),
    }
    if data_size(stage, host):
        found["mirrored_disk_size"] = str(data_size(stage, host))
    return found


def tag(stage: Stage, name: str, key: str) -> str:
    """Return the tag that a thing carries as its description: stage, name, key; at most 255 characters. Pure."""
    return f"{cloud_name(stage)} {name} {key}"


def parse_tag(stage: Stage, text: object) -> tuple[str, str]:
    """Return name and key from a description that is a tag of the stage, else two empty strings. Pure."""
    words = str(text or "").split()
    if len(words) != _WORDS or words[0] != cloud_name(stage):
        return "", ""
    return words[1], words[2]


def public_key(files: SshFiles) -> str:
    """Return the stage's public key."""
    return files.key.with_name(files.key.name + ".pub").read_text().strip()


def fingerprint(public: str) -> str:
    """Return what an ssh key is known by: its own text without the comment, as a digest."""
    return sha256(" ".join(public.split()[:2]))[:16]


def log_in(record: HostRecord, files: SshFiles, admitted: str, end: str, console: str, log: Log) -> None:
    """Wait until the stage's key logs in.

    Args:
        record: The host.
        files: The stage's ssh files.
        admitted: The fingerprint of the key that it was made with; empty where that is unknown.
        end: What ends the host in the cloud's own words, as in `delete`, before its id.
        console: The command that shows what the host says.
        log: Hears what is waited for.

    Raises:
        ProviderError: It does not.

    """
    is_stranger = admitted not in {"", fingerprint(public_key(files))}
    timeout = UNKNOWN_KEY_TIMEOUT if is_stranger else SSH_TIMEOUT
    log(f"{record.name}: waiting for ssh on {record.ssh_host}")
    reason = wait_for_login(record, files.key, timeout, lambda: True)
    if reason and is_stranger:
        raise ProviderError(
            f"{record.name}: was made for another ssh key than {files.key}, and lets nobody else in: put the old one "
            f"back; or {end} {record.id}, whose disks go with it, and run again ({reason})"
        )
    if reason:
        raise ProviderError(
            f"{record.name}: no ssh log-in on {record.ssh_host} within {timeout:.0f} s: {reason}\n"
            f"    is this machine in ssh_source_ips? What the host says: {console}"
        )
