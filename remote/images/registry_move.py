"""Commands that take a registry's storage from one host to another. Pure.

Both run at once, one's output being the other's input. What arrives is put aside first, and only when all of it is
there into the storage: a stream that was cut off changes nothing.
"""

from shlex import quote

ROOT = "/var/lib/docker-registry"
_END = ".skep-end"

ROOM = f"""\
mkdir -p {ROOT}
room=$(($(df -Pk {ROOT} | awk 'NR == 2 {{ print $4 }}') * 1024))
if [ "$room" -lt "$need" ]; then
    echo "the registry needs $need bytes below {ROOT}, and there are $room free" >&2
    exit 1
fi
"""
"""Fails where a number of bytes, `$need`, has no room."""


def size_script() -> str:
    """Return a script that prints the bytes of a registry's storage; nothing where there is none."""
    return f"if [ -d {ROOT}/docker ]; then du -s --block-size=1 {ROOT}/docker | cut -f1; fi\n"


def send_command() -> str:
    """Return the command that writes a registry's storage to its output; its last file says that it is whole."""
    # A file that changes meanwhile is one that is just pushed, by somebody else.
    script = f"""\
set -eu
mkdir -p {ROOT}/docker
cd {ROOT}
: >{_END}
tar --warning=no-file-changed --exclude=_uploads -cf - docker {_END} || [ $? -eq 1 ]
"""
    return f"sudo -n sh -c {quote(script)}"


def receive_command() -> str:
    """Return the command that reads a registry's storage from its standard input, and adds it to its own."""
    script = f"""\
set -eu
mkdir -p {ROOT}/docker
cd {ROOT}
rm -rf .skep-incoming
mkdir .skep-incoming
tar -C .skep-incoming -xpf - || {{ rm -rf .skep-incoming; exit 1; }}
if [ ! -e .skep-incoming/{_END} ]; then
    rm -rf .skep-incoming
    echo "the stream was cut off" >&2
    exit 1
fi
chown -R --reference=. .skep-incoming
find .skep-incoming -name link -size 0 -delete
cp -alf .skep-incoming/docker/. docker/
rm -rf .skep-incoming
"""
    return f"sudo -n sh -c {quote(script)}"
