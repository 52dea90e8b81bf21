"""Reading the markers of a host: the steps that were applied there, and changes since. Pure.

A *marker* is a text file named after its step, which `apply.py` writes:

    key <key>
    unit <unit>                     for each unit that must be active
    sha256 <digest>  <path>         for each file of the step
    mode <octal> <owner> <path>     the same files
    test <command>                  for each that must end well, where there is neither unit nor file
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remote.hostsetup.host_step import MARKERS


@dataclass(frozen=True)
class AppliedStep:
    """A step as a host's marker records it.

    Args:
        key: The key it was applied with; empty if the marker can't be read.
        drift: The files and units that have changed since, for messages.

    """

    key: str
    drift: tuple[str, ...] = ()


def read_script() -> str:
    """Return the script that reads all markers of a host and checks their files, units and tests.

    A dozen processes, however many steps there are, and one for each test. `parse` reads its output.
    """
    return f"""\
export LC_ALL=C
cd {MARKERS} 2>/dev/null || exit 0
set -- *
[ -e "$1" ] || exit 0
echo = markers
grep -H '' -- "$@" /dev/null 2>/dev/null || :
echo = digests
sed -n 's/^sha256 //p' -- "$@" 2>/dev/null | sha256sum --check --quiet 2>/dev/null || :
echo = modes
stat -L -c '%a %U %n' -- / $(sed -n 's/^mode [^ ]* [^ ]* //p' -- "$@" 2>/dev/null) 2>/dev/null || :
echo = units
systemctl is-active -- $(sed -n 's/^unit //p' -- "$@" 2>/dev/null) || :
echo = tests
sed -n 's/^test //p' -- "$@" 2>/dev/null | while read -r test; do
    if $test </dev/null >/dev/null 2>&1; then echo holds; else echo fails; fi
done
echo = end
"""


def parse(text: str) -> dict[str, AppliedStep]:
    """Return the steps that the host has a marker of, by name.

    Args:
        text: The output of `read_script`.

    """
    parts = _parts(text)
    broken = {
        path: "is gone" if why.startswith("FAILED open") else "was changed"
        for path, _, why in (line.rpartition(": ") for line in parts.get("digests", []))
    }
    modes = {
        path: f"{mode} {owner}"
        for mode, owner, path in (line.split(" ", 2) for line in parts.get("modes", []))
    }
    markers: dict[str, list[str]] = {}
    for line in parts.get("markers", []):
        name, _, entry = line.partition(":")
        markers.setdefault(name, []).append(entry)
    # One for each line of its kind, in their order. Cut-off output leaves the rest unknown, which is no `active`.
    states, tests = iter(parts.get("units", [])), iter(parts.get("tests", []))
    return {name: _applied(entries, broken, modes, states, tests) for name, entries in markers.items()}


def _parts(text: str) -> dict[str, list[str]]:
    """Return the lines of each part of the output, by the part's name."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("= "):
            lines = parts.setdefault(line[2:], [])
        else:
            lines.append(line)
    return parts


def _applied(
    entries: Sequence[str],
    broken: dict[str, str],
    modes: dict[str, str],
    states: Iterator[str],
    tests: Iterator[str],
) -> AppliedStep:
    """Return the step of one marker, compared with the host's present state."""
    key, drift = "", []
    for entry in entries:
        kind, _, rest = entry.partition(" ")
        if kind == "key":
            key = rest
        elif kind == "unit":
            state = next(states, "unknown")
            if state != "active":
                drift.append(f"{rest} is {state}")
        elif kind == "test":
            result = next(tests, "unknown")
            if result != "holds":
                drift.append(f"`{rest}` {result}")
        elif kind == "sha256":
            path = rest.partition("  ")[2]
            if path in broken:
                drift.append(f"{path} {broken[path]}")
        elif kind == "mode":
            mode, owner, path = rest.split(" ", 2)
            if modes.get(path, f"{mode} {owner}") != f"{mode} {owner}":
                drift.append(f"{path} is {modes[path]}, not {mode} {owner}")
    return AppliedStep(key, tuple(drift))
