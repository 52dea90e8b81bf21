"""A step whose files hold no secret: its inputs and its script follow from its name and its files."""

from collections.abc import Sequence

from model.keys.digest import Inputs, sha256
from remote.hostsetup.packages import script
from remote.hostsetup.step import HostFile, HostStep


def plain_step(
    name: str,
    inputs: Inputs,
    files: Sequence[HostFile] = (),
    *,
    units: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    timeout: float = 600,
) -> HostStep:
    """Return the step whose script is `scripts/<name>.sh`, with what its files hold among its inputs.

    Its scripts are the same for every host and site: what differs is in files below `/etc/skep`, which they read. So
    the input that a person changed is seen under its name, and the file beside it tells of a new way to write it.
    """
    return HostStep(
        name=name,
        inputs=inputs | file_digests(files),
        script=script(name),
        files=lambda: files,
        units=units,
        needs=needs,
        timeout=timeout,
    )


def file_digests(files: Sequence[HostFile]) -> Inputs:
    """Return one input for each file. Not for files that hold a secret: they have keyed digests of their own."""
    found = {}
    for file in files:
        if not isinstance(file.content, str):
            raise TypeError(f"{file.path}: a secret is no input")
        found[f"file {file.path}"] = f"file {file.mode:04o} {sha256(file.content)}"
    return found
