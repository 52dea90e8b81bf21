"""Building a Dockerfile on the repository host. Pure: the command is run elsewhere."""

import io
import tarfile
from collections.abc import Iterable
from shlex import quote

from model.keys.digest import Entry
from remote.images.role_archive import add_entry


def context_archive(entries: Iterable[Entry]) -> bytes:
    """Return a build context as a tar; equal contexts make equal ones."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            add_entry(archive, entry.path, entry.mode, entry.data, entry.kind)
    return buffer.getvalue()


def build_command(tag: str, *, anew: bool) -> str:
    """Return the command that builds the context on its input: by BuildKit, which a new client has as a plug-in.

    Args:
        tag: The local tag of the image.
        anew: Whether nothing is taken from the builder's cache.

    """
    options = "--no-cache --pull" if anew else ""
    script = (
        "version=$(docker version --format '{{.Client.Version}}'); kit=1; "
        "case ${version%%.*} in 1?|20) ;; *) docker buildx version >/dev/null 2>&1 || kit=0 ;; esac; "
        "[ $kit = 1 ] || echo 'no buildx here: built by the classic builder'; "
        f"DOCKER_BUILDKIT=$kit BUILDKIT_PROGRESS=plain exec docker build {options} --network host -t {quote(tag)} -"
    )
    return f"sudo -n sh -euc {quote(script)}"
