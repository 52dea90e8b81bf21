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
# same key without a time (of an older skep's, or a person's) becomes this one; one with options is left as it is. That
# of an operator has his name as well.
LET_IN = f"""\
{_FILE}
mkdir -p "${{keys%/*}}"
chmod 0700 "${{keys%/*}}"
chown "$ADMIN:" "${{keys%/*}}"
(
    {_LOCK}
    blob=${{AUTHORIZED_KEY#* }}
    blob=${{blob%% *}}
    mark=${{AUTHORIZED_KEY##* }}
    case $mark in
    skep-operator:*) mark=$(printf '%s\n' "$mark" | cut -d: -f1,2) ;;
    *) mark=skep ;;
    esac
    if ! grep -q "^[^ ]* $blob $mark:.*:.*:" "$keys" 2>/dev/null; then
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

# The process that logs the key of a log-in is the one that all of its session hangs on: ended, it ends the session,
# with every command that shares the connection. sshd logs the key at its usual LogLevel, INFO (auth.c, `auth_log`).
_END_SESSIONS = r"""
(
    journalctl -q -b --no-pager -o short -t sshd -t sshd-session 2>/dev/null |
        sed -n "s/^.* sshd[a-z-]*\[\([0-9]*\)\]: Accepted publickey for $ADMIN from .* \(SHA256:[^ ]*\).*$/\1 \2/p" |
        awk '{ last[$1] = $2 } END { for (pid in last) print pid, last[pid] }' |
        while read -r pid fingerprint; do
            case " $FINGERPRINTS " in *" $fingerprint "*) ;; *) continue ;; esac
            [ -r "/proc/$pid/cmdline" ] || continue
            if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "^sshd[a-z-]*: $ADMIN \[priv\]"; then
                kill "$pid" || :
            fi
        done
) || :
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


def end_sessions_script(keys: Sequence[AuthorizedKey]) -> str:
    """Return the script, to be run as root, that ends the admin user's ssh sessions by some keys. Pure."""
    if not keys:
        return ""
    fingerprints = shlex.quote(" ".join(key.fingerprint for key in keys))
    return f"ADMIN={ADMIN}\nFINGERPRINTS={fingerprints}\n{_END_SESSIONS}"
