"""The context of a Dockerfile's build: the files that it sees. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model import site as types
from model.errors import ConfigError
from model.images import bases
from model.images.dockerignore import DOCKERFILE, DockerIgnore, dockerignore, ignore_files
from model.images.instructions import Dockerfile, read_dockerfile
from model.keys.tree import Entry, paths_below, read_file, read_tree
from model.reasons import reason_of
from model.stage import scalar_text
from model.user_paths import content_of

_STATE = "state"


def froms(site: types.Site, directory: Path) -> dict[str, list[str]]:
    """Return the images and bases of a site that each Dockerfile of its uses; `check_image` says what can't be read."""
    found = {}
    for name, image in site.images.items():
        if image.build is not None:
            with suppress(ConfigError):
                read = dockerfile(directory, image.build)
                known = [bases.known_as(site, name, use.image) for use in read.images(image.build.target)]
                found[name] = list(dict.fromkeys(each for each in known if each is not None))
    return found


def dockerfile(site: Path, build: types.Build) -> Dockerfile:
    """Return what a Dockerfile says.

    Args:
        site: The site's directory.
        build: How it is built.

    Raises:
        ConfigError: It can't be read.

    """
    path = f"{build.context}/{build.dockerfile}"
    try:
        text = content_of(site / path)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: {reason_of(error)}"]) from error
    return read_dockerfile(text_of(text), arguments(build))


def arguments(build: types.Build) -> dict[str, str]:
    """Return the build arguments as texts."""
    return {name: scalar_text(value) for name, value in build.args.items()}


def text_of(data: bytes) -> str:
    """Return a Dockerfile as a text, from which `encode(errors="surrogateescape")` gives it back."""
    return data.decode(errors="surrogateescape")


def read_context(site: Path, context: str, dockerfile: str = DOCKERFILE) -> tuple[Entry, ...]:
    """Return what a build sees: the Dockerfile always; what `.dockerignore` leaves out is not even looked at.

    Args:
        site: The site's directory, whose `state/` is never a part.
        context: The context, below it.
        dockerfile: The Dockerfile, as seen from there.

    Raises:
        ConfigError: There is something that can't be read or copied, or a line of `.dockerignore` that is none.

    """
    root = site / context
    with _with_the_way_out(root, context):
        entries = read_tree(root, ignored(site, context, dockerfile), empty=True)
    if any(entry.path == dockerfile for entry in entries):
        return entries
    return (*entries, read_file(root / dockerfile, dockerfile))


def look_through(site: Path, context: str, dockerfile: str = DOCKERFILE) -> None:
    """Look whether a context can be read, without reading its files.

    Raises:
        ConfigError: As of `read_context`.

    """
    with _with_the_way_out(site / context, context):
        paths_below(site / context, ignored(site, context, dockerfile))


@contextmanager
def _with_the_way_out(root: Path, context: str) -> Iterator[None]:
    """Say with a file that is in the way how to leave it out."""
    try:
        yield
    except ConfigError as error:
        hint = f" (what {context}/.dockerignore names is not looked at)"
        raise ConfigError(
            [f"{each}{hint if str(root) in each else ''}" for each in error.problems]
        ) from error


def ignored(site: Path, context: str, dockerfile: str = DOCKERFILE) -> DockerIgnore:
    """Return the rules by which files are left out of a context.

    Raises:
        ConfigError: The file with the rules can't be read, or a line is none.

    """
    root, state = (site / context).resolve(), site.resolve() / _STATE
    never = {state.relative_to(root).as_posix()} if state.is_relative_to(root) else set()
    for name in ignore_files(dockerfile):
        if (root / name).is_file():
            try:
                text = (root / name).read_bytes()
            except OSError as error:
                raise ConfigError([f"{site / context / name}: {error.strerror}"]) from error
            return DockerIgnore(dockerignore(text, f"{context}/{name}"), frozenset({name, *never}))
    return DockerIgnore((), frozenset(never))
