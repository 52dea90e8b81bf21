"""The readings of one host: load, memory, disks, clock, volumes. The script that reads them, and its output.

Pure. The script reads /proc and asks df: no program that a bare host lacks.
"""

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from model.json_types import Json

_FIGURE = re.compile(r"\d+(\.\d*)?")
DOCKER_ROOT = "/var/lib/docker"
VOLUMES_ROOT = f"{DOCKER_ROOT}/volumes"
JOBS_ROOT = "/var/lib/skep/backup"
"""Where skep's agent writes down how its jobs ended."""
SHIPPING = "/var/lib/skep/logs/shipping.json"
"""Where the shipper of logs notes how far they have arrived."""
VOLUME_TIME = 0.5
"""Seconds for which sizes of volumes are summed up: of those that are not done then only the file system is known."""
FILE_SERVER_TIME = 5
"""Seconds after which nobody waits for a file server any more; the script itself does not wait for so long."""
_SCRIPT = r"""
echo "clock $(date +%s.%N)"
echo "load $(cat /proc/loadavg)"
echo "cpus $(getconf _NPROCESSORS_ONLN)"
echo "uptime $(cat /proc/uptime)"
sed -n 's/^\(MemTotal\|MemAvailable\): */memory \1 /p' /proc/meminfo
for path in / @ROOT@; do [ -d "$path" ] && echo "disk $path $(df -Pk "$path" | tail -n 1)"; done
for path in / @ROOT@; do [ -d "$path" ] && echo "inodes $path $(df -Pi "$path" | tail -n 1)"; done
[ -e /run/reboot-required ] && echo reboot
for file in @JOBS@/status/*.json @JOBS@/schedule.json @JOBS@/repository.json; do
    [ -e "$file" ] && echo "job $(tr -d '\n' <"$file")"
done
for file in @JOBS@/restore/*.json @JOBS@/swap/*.json; do
    name=${file##*/} kind=${file%/*}
    [ -e "$file" ] && echo "restoration ${kind##*/} ${name%.json} $(tr -d '\n' <"$file")"
done
[ -e @SHIPPING@ ] && echo "shipping $(tr -d '\n' <@SHIPPING@)"
out=$(mktemp -d)
for name in @VOLUMES@; do
    # Not waited for, neither here nor by ssh, which waits for all that have its output: df waits for a file server that
    # is gone.
    ( echo "fill $name $(timeout -s KILL @PATIENCE@ df -PkT "@STORE@/$name/_data" | tail -n 1)" >"$out/$name" ) \
        >/dev/null 2>&1 &
done
sizes=
for name in @VOLUMES@; do
    grep -q " @STORE@/$name/_data \(nfs4\|nfs\|cifs\|fuse[^ ]*\) " /proc/mounts || sizes="$sizes @STORE@/$name/_data"
done
# shellcheck disable=SC2086 # names of volumes have no white space
[ -z "$sizes" ] || timeout @TIME@ du -skx $sizes 2>/dev/null | sed 's/^/size /' || :
for name in @VOLUMES@; do
    tries=0
    while [ ! -s "$out/$name" ] && [ "$tries" -lt 10 ]; do sleep 0.05; tries=$((tries + 1)); done
done
cat "$out"/* 2>/dev/null || :
rm -rf "$out"
"""


@dataclass(frozen=True)
class FileSystem:
    """A file system.

    Args:
        size: Its bytes.
        used: The bytes that are used.
        available: The bytes that are left.
        inodes: The share of its inodes that is used, 0 to 1; None where it does not count them.

    """

    size: int
    used: int
    available: int
    inodes: float | None = None

    @property
    def fill(self) -> float:
        """The share that is used, 0 to 1, as df has it: of what is not reserved for root."""
        usable = self.used + self.available
        return self.used / usable if usable else 0.0


@dataclass(frozen=True)
class VolumeFill:
    """A volume on a host.

    Args:
        disk: The file system that it is on.
        size: The bytes that it takes; None where that takes long to find out, or it is no directory of the host.

    """

    disk: FileSystem
    size: int | None = None


@dataclass(frozen=True)
class HostReading:
    """The readings of a host.

    Args:
        clock: Its time, in seconds since 1970.
        load: The load of the last 1, 5 and 15 minutes.
        cpus: Its processors.
        uptime: Seconds since it was started.
        memory: Its bytes of memory.
        available: The bytes that programs can still have.
        disks: Path to its file system: the root, and Docker's directory.
        volumes: Volume to its fill.
        wants_reboot: Whether an update asks for a restart.
        jobs: How the last jobs of skep's agent ended there: a service's backup, the upkeep of all backups; and when
            backups are due.
        restoring: Service to what it goes back to, of restorations that have not ended there, as the agent notes it.
        swapped: Service to the generation that its volumes' files are changed for there, as the agent notes it.
        shipping: How far its logs have arrived, as its shipper notes it; None where none does.

    """

    clock: float = 0.0
    load: tuple[float, ...] = ()
    cpus: int = 0
    uptime: float = 0.0
    memory: int = 0
    available: int = 0
    disks: Mapping[str, FileSystem] = field(default_factory=dict)
    volumes: Mapping[str, VolumeFill] = field(default_factory=dict)
    wants_reboot: bool = False
    jobs: tuple[Json, ...] = ()
    restoring: Mapping[str, Json] = field(default_factory=dict)
    swapped: Mapping[str, Json] = field(default_factory=dict)
    shipping: Json | None = None


def reading_script(volumes: Collection[str]) -> str:
    """Return the script that reads a host, with the names of its volumes."""
    names = " ".join(shlex.quote(name) for name in sorted(volumes))
    words = {
        "@ROOT@": DOCKER_ROOT,
        "@STORE@": VOLUMES_ROOT,
        "@VOLUMES@": names,
        "@TIME@": str(VOLUME_TIME),
        "@PATIENCE@": str(FILE_SERVER_TIME),
        "@JOBS@": JOBS_ROOT,
        "@SHIPPING@": SHIPPING,
    }
    text = _SCRIPT
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def parse_reading(output: str) -> HostReading:
    """Return a host's readings; a line that is not understood is left out."""
    lines: dict[str, list[list[str]]] = {}
    for line in output.splitlines():
        kind, *words = line.split() or [""]
        lines.setdefault(kind, []).append(words)
    one = {kind: found[0] for kind, found in lines.items()}
    memory = {words[0]: int(_number(words[1:])) * 1024 for words in lines.get("memory", ()) if words}
    inodes = {words[0]: _inodes(words[1:]) for words in lines.get("inodes", ()) if words}
    disks = {
        words[0]: disk
        for words in lines.get("disk", ())
        if (disk := _disk(words[2:], inodes.get(words[0]))) is not None
    }
    sizes = {
        _volume_of(words[1]): int(words[0]) * 1024
        for words in lines.get("size", ())
        if len(words) > 1 and words[0].isdecimal()
    }
    volumes = {
        words[0]: VolumeFill(disk, sizes.get(words[0]))
        for words in lines.get("fill", ())
        if (disk := _disk(words[3:])) is not None
    }
    return HostReading(
        clock=_number(one.get("clock", ())),
        load=tuple(_number([each]) for each in one.get("load", [])[:3] if _FIGURE.fullmatch(each)),
        cpus=int(_number(one.get("cpus", ()))),
        uptime=_number(one.get("uptime", ())),
        memory=memory.get("MemTotal", 0),
        available=memory.get("MemAvailable", 0),
        disks=disks,
        volumes=volumes,
        wants_reboot="reboot" in one,
        jobs=tuple(job for words in lines.get("job", ()) if (job := _job(" ".join(words))) is not None),
        restoring=_notes(lines, "restore"),
        swapped=_notes(lines, "swap"),
        shipping=_job(" ".join(one.get("shipping", ()))),
    )


def _notes(lines: Mapping[str, Sequence[list[str]]], kind: str) -> dict[str, Json]:
    """Return the notes of restorations of a kind, by service."""
    found = [words for words in lines.get("restoration", ()) if words[:1] == [kind] and len(words) > 1]
    return {words[1]: note for words in found if (note := _job(" ".join(words[2:]))) is not None}


def _job(text: str) -> Json | None:
    """Return how a job ended, as the agent wrote it down; None if that is not whole."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _number(words: Sequence[str]) -> float:
    """Return the number that the first word is; 0 if it is none."""
    return float(words[0]) if words and _FIGURE.fullmatch(words[0]) else 0.0


def _disk(words: list[str], inodes: float | None = None) -> FileSystem | None:
    """Return a file system from df's words from its size on."""
    if len(words) < 3 or not all(word.isdecimal() for word in words[:3]):  # noqa: PLR2004 - size, used, available
        return None
    size, used, available = (int(word) * 1024 for word in words[:3])
    return FileSystem(size, used, available, inodes)


def _inodes(words: list[str]) -> float | None:
    """Return the share of inodes that is used from a line of `df -i`."""
    if len(words) < 4 or not (words[1].isdecimal() and words[2].isdecimal()) or words[1] == "0":  # noqa: PLR2004
        return None
    return int(words[2]) / int(words[1])


def _volume_of(path: str) -> str:
    """Return the volume whose directory this is."""
    return path.removeprefix(f"{VOLUMES_ROOT}/").removesuffix("/_data")
