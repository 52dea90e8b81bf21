"""This machine's boot."""

from pathlib import Path


def boot_id() -> str:
    """Return the id of this machine's boot, by random(4); empty where it can't be told, as on macOS."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
