"""Backups: when, of what, and how much of it is kept."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen, Label, Name, Variable
from model.units import Seconds


class Keep(Frozen, frozen=True):
    """How many generations of each service are kept: of each period the newest."""

    last: Annotated[int, Meta(ge=1, le=10_000, description="The newest ones.")] = 3
    daily: Annotated[int, Meta(ge=0, le=10_000, description="Of days.")] = 7
    weekly: Annotated[int, Meta(ge=0, le=10_000, description="Of weeks.")] = 4
    monthly: Annotated[int, Meta(ge=0, le=10_000, description="Of months.")] = 6
    yearly: Annotated[int, Meta(ge=0, le=10_000, description="Of years.")] = 0


class BackupCopy(Frozen, frozen=True):
    """A place off the site that has a copy of every generation."""

    repository: Annotated[
        str,
        Meta(
            min_length=1,
            description="restic's word for the place, as in `s3:https://s3.example/bucket`, `sftp:`, `azure:`, `gs:`, "
            "`rclone:`, or a path of the repository host.",
        ),
    ]
    name: Annotated[Label, Meta(description="What it is called; `copy0`, `copy1` by default.")] | None = None
    password: (
        Annotated[
            Name,
            Meta(
                description="The secret of `[secrets]` with the password of the user that `repository` names, as in "
                "`rest:https://user@backup.example/`; skep puts it into the address that restic gets."
            ),
        ]
        | None
    ) = None
    secrets: Annotated[
        dict[Variable, Name],
        Meta(description="Environment variable of restic's to the secret of `[secrets]` that it has."),
    ] = {}
    environment: Annotated[
        dict[Variable, str],
        Meta(description="Further environment variables of restic's, which are no secrets."),
    ] = {}
    files: Annotated[
        dict[str, Name],
        Meta(
            description="Files of the repository host's to the secret of `[secrets]` that each holds, as `sftp:` needs "
            "`/root/.ssh/id_ed25519`: root alone may read them. A path that is taken out here is removed there."
        ),
    ] = {}


class Backup(Frozen, frozen=True):
    """Backups of the services' data, by the hosts themselves. The repository host keeps them."""

    schedule: Annotated[
        str,
        Meta(
            description="When hives save their services' data: as systemd's `OnCalendar`, in the hosts' time zone. A "
            "night without power is caught up."
        ),
    ] = "01:00"
    keep: Annotated[Keep, Meta(description="How many generations of each service are kept.")] = Keep()
    verify: Annotated[
        str,
        Meta(
            pattern="^(daily|weekly|monthly|never)$",
            description="How often a service's newest generation is restored aside and tried.",
        ),
    ] = "weekly"
    copies: Annotated[
        list[BackupCopy], Meta(description="Places off the site that have a copy of every generation.")
    ] = []

    @property
    def named_copies(self) -> dict[str, BackupCopy]:
        """The copies by their names, in the file's order."""
        return {copy.name or f"copy{i}": copy for i, copy in enumerate(self.copies)}


class BackupScriptBase(Frozen, frozen=True):
    """One part of a service's data: what a command writes, or the files of a volume or directory."""

    name: Annotated[Label, Meta(description="The part's name, by which generations have it.")] = "backup"
    backup_command: (
        Annotated[
            str,
            Meta(
                description="A command for the shell of the service's container that writes the data to standard "
                "output, as a database's dump. Its exit status must be 0."
            ),
        ]
        | None
    ) = None
    covers: (
        Annotated[
            list[str],
            Meta(
                description="The service's volumes whose data `backup_command` writes, so that they are not said to be "
                "without a backup. By default the one that is left, where all others are named by a part or need none."
            ),
        ]
        | None
    ) = None
    restore_command: (
        Annotated[
            str,
            Meta(description="The command that reads the data from standard input, in the running service."),
        ]
        | None
    ) = None
    verify_command: (
        Annotated[
            str,
            Meta(
                description="The command that ends with 0 if restored data is of use. It runs in a container of the "
                "service's image without a network, once the data is in it."
            ),
        ]
        | None
    ) = None
    volume: (
        Annotated[str, Meta(description="Instead of a command: the service's volume whose files it is.")]
        | None
    ) = None
    directory: (
        Annotated[
            str, Meta(pattern="^/.+$", description="Instead of a command: a directory of the container.")
        ]
        | None
    ) = None
    consistency: Annotated[
        str,
        Meta(
            pattern="^(none|pause|stop)$",
            description="What happens to the service while a volume's files are read: `none`, `pause` (its container "
            "is frozen), `stop` (it is scaled to 0, and back).",
        ),
    ] = "none"
    batch_scripts: Annotated[
        list[str], Meta(description="Commands that run in the container before, one after another.")
    ] = []
    backup_file: (
        Annotated[
            str,
            Meta(
                pattern="^/.+$",
                description="The container's file that `backup_command` leaves, if it does not write to standard "
                "output.",
            ),
        ]
        | None
    ) = None
    restore_file: (
        Annotated[
            str,
            Meta(
                pattern="^/.+$",
                description="The container's file that the data is put to for `restore_command`, instead of its "
                "standard input.",
            ),
        ]
        | None
    ) = None
    cleanup_days_before: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=10_000,
                description="hive-builder's: for how many days backups are kept. `backup.keep` decides; skep says "
                "where that keeps fewer days.",
            ),
        ]
        | None
    ) = None


class BackupScript(BackupScriptBase, frozen=True):
    """One part of a service's data: what a command writes, or the files of a volume or directory."""

    timeout: Seconds = 21_600.0
