"""Commands that copy a volume's files from one host to another, and compare the two copies. Pure.

GNU tar does it, which is on every Debian, Ubuntu and Enterprise Linux. As root it keeps modes, owners by their numbers,
times, hard and symbolic links, holes, extended attributes, access lists, devices and FIFOs. It leaves out sockets,
which a program makes anew when it starts.
https://www.gnu.org/software/tar/manual/html_node/Extended-File-Attributes.html (2026-11)

Both copies are compared by the digest of an archive of each: it has everything of each file, in the order of the names,
and holes as the zeros that they read as, since file systems place holes differently. What would differ between two
archives of the same files is left out: https://www.gnu.org/software/tar/manual/html_node/Reproducibility.html (2026-11)
"""

from dataclasses import dataclass
from shlex import quote

from model.json_types import Json
from model.keys.digest import sha256

ROOM = 1.05
"""The free bytes that a copy needs for each byte of the volume."""
SPARE = 64 * 2**20
"""Bytes that stay free besides."""
LOOK_TIMEOUT = 3600.0
"""Seconds that counting a volume's files may take."""
COMPARE_TIMEOUT = 7 * 86_400.0
"""Seconds that reading all of a volume may take."""
_ALL = "--xattrs --xattrs-include='*' --xattrs-exclude=security.selinux --acls --numeric-owner"
"""SELinux's own labels are made by the rules of the host that has the files."""
_FAILED = "tar failed"


@dataclass(frozen=True)
class Contents:
    """What a host says of a volume's files.

    Args:
        entries: The number of files, directories and all else.
        sockets: How many of them are sockets.
        size: The bytes in files.
        used: The bytes that they take on the disk.
        free: The bytes that are free there.
        free_entries: How many files more the file system can have; None where it has no such limit.

    """

    entries: int
    sockets: int
    size: int
    used: int
    free: int
    free_entries: int | None

    @property
    def moved(self) -> int:
        """How many of them go along."""
        return self.entries - self.sockets


def data_directory(volume: Json) -> str:
    """Return the directory of a host that has a volume's files: of one that is bound to a directory, that one.

    The engine mounts such a directory only while a container uses the volume.
    """
    options = volume.get("Options") or {}
    device, flags = str(options.get("device", "")), str(options.get("o", "")).split(",")
    return device if device.startswith("/") and "bind" in flags else str(volume["Mountpoint"])


def look_script(directory: str, *, disk: str = "") -> str:
    """Return a script that says what is in a directory, and what room its disk has.

    Args:
        directory: The directory; one that is not there is empty.
        disk: A directory on the same disk that is there in any case.

    """
    return f"""\
directory={quote(directory)}
case $(tar --version 2>/dev/null | head -n 1) in
*GNU*) ;;
*) echo "there is no GNU tar, which copies a volume: install the package tar" >&2; exit 1 ;;
esac
place={quote(disk or directory)}
[ ! -d "$directory" ] || place=$directory
echo "entries $(find "$directory" -mindepth 1 -printf . 2>/dev/null | wc -c)"
echo "sockets $(find "$directory" -mindepth 1 -type s -printf . 2>/dev/null | wc -c)"
size=$(find "$directory" -type f -printf '%s\\n' 2>/dev/null | awk '{{ sum += $1 }} END {{ printf "%.0f", sum }}')
echo "size ${{size:-0}}"
used=$(du -s --block-size=1 "$directory" 2>/dev/null | cut -f1)
echo "used ${{used:-0}}"
echo "free $(df --block-size=1 --output=avail "$place" | tail -n 1)"
echo "all_inodes $(df --output=itotal "$place" | tail -n 1)"
echo "free_inodes $(df --output=iavail "$place" | tail -n 1)"
"""


def parse_look(output: str) -> Contents:
    """Return what `look_script` printed."""
    said = {
        words[0]: words[1]
        for line in output.splitlines()
        if len(words := line.split()) == 2  # noqa: PLR2004
    }
    # Some file systems make room for files as they need it, and say 0 or a dash.
    has_limit = said.get("all_inodes", "").isdecimal() and int(said["all_inodes"]) > 0
    return Contents(
        int(said["entries"]),
        int(said["sockets"]),
        int(said["size"]),
        int(said["used"]),
        int(said["free"]),
        int(said["free_inodes"]) if has_limit else None,
    )


def empty_script(directory: str) -> str:
    """Return a script that empties a directory of an unfinished copy, when nobody writes to it any more."""
    return f"{_alone(directory)}find {quote(directory)} -mindepth 1 -delete\n"


def _alone(directory: str) -> str:
    """Return lines of a script that wait for the end of one that a killed run left at work on a directory."""
    lock = f"/run/skep-move-{sha256(directory)[:12]}.lock"
    return f"""\
exec 9>{lock}
flock --wait 120 9 || {{ echo "another copy to the same directory has not ended" >&2; exit 1; }}
"""


def send_command(directory: str) -> str:
    """Return the command that writes a directory's files to its output, as root."""
    return (
        f"sudo -n tar --create --file=- --directory={quote(directory)} --format=posix --sparse {_ALL} "
        "--warning=no-file-ignored ."
    )


def receive_command(directory: str) -> str:
    """Return the command that reads files from its input into a directory, as root, and has the disk keep them."""
    script = f"""\
set -eu
{_alone(directory)}tar --extract --file=- --directory={quote(directory)} --same-owner --preserve-permissions {_ALL}
sync --file-system {quote(directory)}
"""
    return f"sudo -n sh -c {quote(script)}"


def digest_script(directory: str) -> str:
    """Return a script that prints the digest of a directory's files with all that is kept of them."""
    return f"""\
exec 3>&1
sum=$({{ LC_ALL=C tar --create --file=- --directory={quote(directory)} --sort=name --format=posix \\
    --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' {_ALL} \\
    --warning=no-file-ignored . || echo '{_FAILED}' >&3; }} | sha256sum | cut -d ' ' -f 1)
echo "sha256 $sum"
"""


def parse_digest(output: str) -> str:
    """Return the digest that `digest_script` printed; empty where the files could not be read."""
    lines = output.splitlines()
    digest = next((line.split()[1] for line in lines if line.startswith("sha256 ")), "")
    return "" if _FAILED in lines else digest
