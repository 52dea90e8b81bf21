"""A step whose files hold no secret: its inputs and its script follow from its name and its files."""

from collections.abc import Sequence

from model.keys.digest import Inputs, sha256
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script


def file_step(
    name: str,
    inputs: Inputs,
    files: Sequence[HostFile] = (),
    *,
    units: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    timeout: float = 600,
) -> HostStep:
    """Return the step whose script is `scripts/<name>.sh`, with its files' digests among its inputs.

    The script is the same for every host and site: it reads the differences from files below `/etc/skep`. So a change
    in site.toml shows under the name of its input, and a change in how skep writes a file under that of the file.
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
    digests = {}
    for file in files:
        if not isinstance(file.content, str):
            raise TypeError(f"{file.path}: a secret is no input")
        digests[f"file {file.path}"] = f"file {file.mode:04o} {sha256(file.content)}"
    return digests
