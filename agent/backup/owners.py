"""Repositories of another user's, which restic reaches as root: by rclone, which reads and writes as their owner.

What root itself writes there nobody else can read, its locks among it: no hive could save anything until they are gone.
And as the owner restic can't read what root alone may, as the keys of places off the site.
"""

from collections.abc import Mapping


def rclone_option(owners: Mapping[str, str]) -> list[str]:
    """Return the words that have restic run rclone as a repository's owner, and for all others as itself.

    Args:
        owners: Path of the repository, of letters, digits and `/-_.` alone, to its owner; restic gets `rclone:PATH`.

    """
    cases = "".join(
        f"{path}) exec setpriv --reuid {user} --regid {user} --clear-groups"
        ' env RCLONE_CONFIG=/dev/null rclone "$@";; '
        for path, user in owners.items()
    )
    script = f'for last; do :; done; case "$last" in {cases}*) exec rclone "$@";; esac'
    # restic reads its options as lines of CSV, and then as a shell reads words, but for backslashes.
    text = f"rclone.program=sh -c '{script}' sh".replace('"', '""')
    return ["-o", f'"{text}"'] if owners else []
