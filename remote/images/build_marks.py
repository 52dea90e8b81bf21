"""The marks on the mother of build containers that may be there: a file for each, which holds its host's short name.

Apart from the builder, since every run looks for marks, and few import Docker's SDK.
"""

from pathlib import Path


def marked_host(mark: Path, repository: str) -> str:
    """Return the host of a mark's build container: the repository, unless that has moved since.

    Args:
        mark: The mark; an older skep wrote it without a host.
        repository: The repository's short name.

    Raises:
        FileNotFoundError: The build has ended.

    """
    return mark.read_text() or repository
