"""Building a Dockerfile on the repository host. Pure: the command is run elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from model.secrets.secret import Secret

_KIT = (
    "version=$(docker version --format '{{.Client.Version}}'); kit=1; "
    "case ${version%%.*} in 1?|20) ;; *) docker buildx version >/dev/null 2>&1 || kit=0 ;; esac; "
    "[ $kit = 1 ] || echo 'no buildx here: built by the classic builder'; "
)
"""By BuildKit, which a new client has as a plug-in."""
_FILES = (
    "umask 077; files=$(mktemp -d /run/skep-build.XXXXXX); "
    "trap 'rm -rf \"$files\"' EXIT; trap 'exit 1' HUP INT TERM; "
)
"""A directory in memory for secrets, which goes with the command."""


@dataclass(frozen=True)
class DockerBuild:
    """A `docker build` of a context on its input.

    Args:
        tag: The local tag of the image.
        dockerfile: The Dockerfile's path in the context.
        args: Build arguments.
        target: The stage to build; the last one by default.
        secrets: The secrets that come first on the input, in this order, each with its length in bytes.
        anew: Whether nothing is taken from the builder's cache.
        pulled: The images that are pulled first if it is made anew, where others must not be; None for all.

    """

    tag: str
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    secrets: Mapping[str, int] = field(default_factory=dict)
    anew: bool = False
    pulled: Sequence[str] | None = None

    def command(self) -> str:
        """Return the command for the host's shell."""
        words = ["docker", "build"]
        before = []
        if self.anew:
            words.append("--no-cache")
            # What is the site's own was pulled with the registry's login, which the client lacks.
            words += ["--pull"] if self.pulled is None else []
            before = [f"docker pull -q {quote(image)} >&2; " for image in self.pulled or ()]
        words += ["--network", "host", "-t", self.tag]
        words += ["-f", self.dockerfile] if self.dockerfile != "Dockerfile" else []
        words += ["--target", self.target] if self.target is not None else []
        for name, value in self.args.items():
            words += ["--build-arg", f"{name}={value}"]
        build = " ".join(map(quote, words))
        if not self.secrets:
            script = f"{''.join(before)}{_KIT}DOCKER_BUILDKIT=$kit BUILDKIT_PROGRESS=plain exec {build} -"
        else:
            # Byte by byte, so that nothing of the context is taken as well.
            taken = "".join(
                f'dd bs=1 count={size} of="$files/"{quote(name)} status=none; '
                for name, size in self.secrets.items()
            )
            given = " ".join(f'--secret id={quote(name)},src="$files/"{quote(name)}' for name in self.secrets)
            build = f"DOCKER_BUILDKIT=$kit BUILDKIT_PROGRESS=plain {build} {given} -"
            script = f"{_FILES}{taken}{''.join(before)}{_KIT}{build}"
        return f"sudo -n sh -euc {quote(script)}"


def build_input(secrets: Mapping[str, Secret], context: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the input of a `DockerBuild` with secrets of these lengths."""
    for secret in secrets.values():
        yield secret.data
    yield from context
