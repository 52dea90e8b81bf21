"""Letting ssh keys in on a host, and taking one out. Letting one in never takes another one out.

Who writes `authorized_keys` holds a lock on its directory and puts a whole file in the place of the old one: of two
checkouts that let themselves in at the same time both are in, and a kill leaves the old file or the new one.
"""

import shlex
from collections.abc import Sequence

from model.keys.authorized_key import AuthorizedKey
from model.keys.record import ADMIN

_FILE = 'keys=$(getent passwd "$ADMIN" | cut -d: -f6)/.ssh/authorized_keys'
_LOCK = "! command -v flock >/dev/null 2>&1 || flock 9"
_REPLACE = """\
    chmod 0600 "$keys.skep"
    chown "$ADMIN:" "$keys.skep"
    mv "$keys.skep" "$keys"
    ! command -v restorecon >/dev/null 2>&1 || restorecon "$keys" || :
"""

# The new entry is the first line: below `# Added by Google` its agent would take it for one of its own. An entry of the
# same key without a time (of an older skep's, or a person's) becomes this one; one with options is left as it is.
LET_IN = f"""\
{_FILE}
mkdir -p "${{keys%/*}}"
chmod 0700 "${{keys%/*}}"
chown "$ADMIN:" "${{keys%/*}}"
(
    {_LOCK}
    blob=${{AUTHORIZED_KEY#* }}
    blob=${{blob%% *}}
    if ! grep -q "^[^ ]* $blob skep:.*:.*:" "$keys" 2>/dev/null; then
        {{
            printf '%s\\n' "$AUTHORIZED_KEY"
            [ ! -s "$keys" ] || grep -v "^[^ ]* $blob" "$keys" || [ $? -eq 1 ]
        }} >"$keys.skep"
    {_REPLACE.replace(chr(10) + "    ", chr(10) + "        ").rstrip()}
    fi
) 9<"${{keys%/*}}"
"""
"""The part of a script, run as root with `set -eu`, that lets the key in: ADMIN and AUTHORIZED_KEY are set before."""

_TAKE_OUT = f"""\
{_FILE}
(
    {_LOCK}
    [ -s "$keys" ] || exit 0
    grep -vF "$BLOBS" "$keys" >"$keys.skep" || [ $? -eq 1 ]
{_REPLACE}) 9<"${{keys%/*}}"
"""

LIST = f"""\
{_FILE.replace("$ADMIN", ADMIN)}
cat "$keys" 2>/dev/null || :
"""
"""A script, run as root, that prints the entries of the admin user."""


def let_in_script(keys: Sequence[AuthorizedKey]) -> str:
    """Return the script, to be run as root with `set -eu`, that lets keys in. Pure."""
    each = [f"AUTHORIZED_KEY={shlex.quote(key.line)}\n{LET_IN}" for key in keys]
    return "".join([f"ADMIN={ADMIN}\n", *each])


def take_out_script(keys: Sequence[AuthorizedKey]) -> str:
    """Return the script, to be run as root with `set -eu`, that takes keys out. Pure."""
    blobs = shlex.quote("\n".join(key.blob for key in keys))
    return f"ADMIN={ADMIN}\nBLOBS={blobs}\n{_TAKE_OUT}"
