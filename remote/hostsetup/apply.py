"""How a step is applied: one script for one ssh command. Pure.

The script removes the step's marker first and writes it last, whole and by a rename: a step whose script was cut off
has none, even if it was cut off between writing a file and restarting what reads it.
"""

import base64
import re
from collections.abc import Sequence

from model.keys.digest import Inputs, key_of, sha256
from model.secrets.secret import Secret
from remote.hostsetup.host_step import MARKERS, HostFile, HostStep
from remote.hostsetup.packages import PRELUDE

LOCK_WAIT = 600
"""Seconds that a step waits for another one of its host, such as one whose run was killed."""

_UNIT_WAIT = 60
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_.:@+/-]+")
PLAIN_NAME = re.compile(r"[a-z0-9_]+")


def step_key(step: HostStep) -> tuple[Inputs, str]:
    """Return a step's inputs, its script and units among them, and their key.

    `PRELUDE` is not among them. It says how a host is brought to a state, not which state: where a step was applied, a
    better way of installing a package is no reason to do it again, and where it failed it is run again anyway. A step
    names in its script the entries of the tables that it uses, and its files' digests are among its inputs.
    """
    inputs = {**step.inputs, **step.late_inputs()}
    inputs["script"] = f"sha256:{sha256(step.script)}"
    inputs |= {f"units[{i}]": unit for i, unit in enumerate(step.units)}
    return inputs, key_of(inputs)


def time_limit(step: HostStep) -> float:
    """Return the seconds within which the script of a step ends, whether it succeeds or not."""
    return step.timeout + LOCK_WAIT + _UNIT_WAIT


def apply_script(step: HostStep, files: Sequence[HostFile], key: str, before: str = "") -> str:
    """Return the POSIX shell script that applies a step. Run as root, it prints its changes and nothing else.

    It holds the secrets of the step's files: it goes to the shell's standard input and nowhere else.

    Args:
        step: The step.
        files: What `step.files()` returned.
        key: What `step_key` returned.
        before: Lines that run with the host's lock held, before anything is changed; one that fails ends it there.

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
            before,
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


def lock(holder: str) -> str:
    """Return the lines that hold the host's lock until this script, with every process of it, has ended."""
    return f"""\
mkdir -p /etc/skep "$LIBRARY"
exec 9>>/run/skep.lock
if ! flock -w {LOCK_WAIT} 9; then
    fail "another set-up step ($(cat /run/skep.lock)) has been running on this host for {LOCK_WAIT} s"
fi
echo {holder} >/run/skep.lock"""


def _put(file: HostFile) -> str:
    """Return the lines that write a file. Base64: whatever its content, the shell sees none of it."""
    if not _PLAIN_PATH.fullmatch(file.path):
        raise ValueError(f"{file.path}: not a path that needs no quoting")
    data = file.content.data if isinstance(file.content, Secret) else file.content.encode()
    encoded = base64.encodebytes(data).decode().rstrip("\n")
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
