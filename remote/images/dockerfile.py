"""Building a Dockerfile on the repository host. Pure: the command is run elsewhere."""

from shlex import quote


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
