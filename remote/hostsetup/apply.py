"""How a step is applied in one ssh command, and how all steps of a host are found applied in another. Pure.

A *marker* is a text file named after its step:

    key <key>
    unit <unit>                     for each unit that must be active
    sha256 <digest>  <path>         for each file of the step
    mode <octal> <owner> <path>     the same files
    test <command>                  for each that must end well, where there is neither unit nor file

It is removed first and written last, whole and by a rename: a step whose script was cut off has none, even if it was
cut off between writing a file and restarting what reads it.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.keys.digest import Inputs, key_of, sha256
from model.secrets.secret import Secret
from remote.hostsetup.packages import PRELUDE
from remote.hostsetup.step import MARKERS, HostFile, HostStep

LOCK_WAIT = 600
"""Seconds that a step waits for another one of its host, such as one whose run was killed."""

_UNIT_WAIT = 60
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_.:@+/-]+")
PLAIN_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class Applied:
    """What a host's marker says of a step.

    Args:
        key: The key it was applied with; empty if the marker can't be read.
        drift: The files and units that are no longer as they were then, as a person may read them.

    """

    key: str
    drift: tuple[str, ...] = ()


def step_key(step: HostStep) -> tuple[Inputs, str]:
    """Return all that a step depends on, and the key made from it.

    `PRELUDE` is not in it. It says how a host is brought to a state, not which state: where a step was applied, a
    better way of installing a package is no reason to do it again, and where it failed it is run again anyway. What
    a step wants of the tables is in its script by name, and its files' digests are among its inputs.
    """
    inputs = dict(step.inputs)
    inputs["script"] = f"sha256:{sha256(step.script)}"
    inputs |= {f"units[{i}]": unit for i, unit in enumerate(step.units)}
    return inputs, key_of(inputs)


def time_limit(step: HostStep) -> float:
    """Return the seconds after which the script of a step has surely ended, one way or the other."""
    return step.timeout + LOCK_WAIT + _UNIT_WAIT


def apply_script(step: HostStep, files: Sequence[HostFile], key: str) -> str:
    """Return the POSIX shell script that applies a step; run as root, it says what it changes, and only that.

    It holds the secrets of the step's files: it goes to the shell's standard input and nowhere else.

    Args:
        step: The step.
        files: What `step.files()` returned.
        key: What `step_key` returned.

    """
    if not PLAIN_NAME.fullmatch(step.name):
        raise ValueError(f"{step.name}: a step's name is lower-case letters, digits and _")
    units = " ".join(step.units)
    # All in one brace group: the shell reads to its end before it runs anything, so that nothing is run of a script
    # that was cut off on its way, and no command in it eats the rest of the script from standard input.
    return "\n".join(
        [
            "set -eu",
            "{",
            PRELUDE,
            lock(step.name),
            f"rm -f {MARKERS}/{step.name}",
            *(_put(file) for file in files),
            step.script,
            f"wait_units {units}" if units else "",
            _mark(step, key),
            "exit 0",
            "} </dev/null",
            "",
        ]
    )


def lock(what: str) -> str:
    """Return the lines that keep other scripts off the host until this one, with all it started, has ended."""
    return f"""\
mkdir -p /etc/skep "$LIBRARY"
exec 9>>/run/skep.lock
if ! flock -w {LOCK_WAIT} 9; then
    fail "another set-up step ($(cat /run/skep.lock)) has been at work on this host for {LOCK_WAIT} s"
fi
echo {what} >/run/skep.lock"""


def _put(file: HostFile) -> str:
    """Return the lines that write a file. Base64: whatever its content, the shell sees none of it."""
    if not _PLAIN_PATH.fullmatch(file.path):
        raise ValueError(f"{file.path}: not a path that needs no quoting")
    text = file.content.reveal() if isinstance(file.content, Secret) else file.content
    encoded = base64.encodebytes(text.encode()).decode().rstrip("\n")
    return f"put {file.path} {file.mode:04o} <<'END'\n{encoded}\nEND\nremember {file.path}"


def _mark(step: HostStep, key: str) -> str:
    """Return the lines that write the marker."""
    units = "".join(f'    echo "unit $(unit {unit})"\n' for unit in step.units)
    return f"""\
mkdir -p {MARKERS}
chmod 0700 {MARKERS}
{{
    echo 'key {key}'
{units}\
    if [ -n "$REMEMBERED" ]; then
        sha256sum $REMEMBERED | sort -u -k 2 | sed 's/^/sha256 /'
        stat -L -c 'mode %a %U %n' $REMEMBERED | sort -u
    fi
    printf '%s' "$TESTS"
}} >"$LIBRARY/marker"
mv "$LIBRARY/marker" {MARKERS}/{step.name}"""


def probe_script() -> str:
    """Return the script that reads all markers of a host and looks at what they name; `parse_probe` reads its output.

    A dozen processes, however many steps there are, and one for each test.
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


def parse_probe(text: str) -> dict[str, Applied]:
    """Return each step that the host has a marker of. A host without markers gives none.

    Args:
        text: What `probe_script` printed.

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
    """Return the lines of each part of the probe's output, by the part's name."""
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
) -> Applied:
    """Return what one marker says, against what was found."""
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
    return Applied(key, tuple(drift))
