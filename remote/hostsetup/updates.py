"""Newer versions of a host's packages: which there are, as its package manager says, and how they are taken. Pure."""

from dataclasses import dataclass

from remote.hostsetup.apply import LOCK_WAIT, lock
from remote.hostsetup.packages import script, whole_script

LOOK_TIMEOUT = LOCK_WAIT + 900.0
"""Seconds for fetching the lists of packages: another program may hold them."""
UPGRADE_TIMEOUT = LOCK_WAIT + 2 * 3600.0
ENGINE = frozenset({"docker.io", "docker-ce", "containerd", "containerd.io", "runc"})
"""The packages whose new version starts the engine, or its containers, anew."""
NEEDED = ENGINE | {"docker-registry", "docker-distribution", "openssh-server", "sudo", "iptables"}
"""The packages without which a host is none of a site: an upgrade that would remove one is not begun."""
_SECURITY = "security"


@dataclass(frozen=True)
class Update:
    """A package that an upgrade would change.

    Args:
        name: Its name.
        old: The version that is installed; empty where it is new.
        new: The version that would be; empty where it would be removed.
        origin: Where it is from, as the package manager writes it.

    """

    name: str
    old: str
    new: str
    origin: str = ""

    @property
    def words(self) -> str:
        """The change, for people."""
        if not self.new:
            return f"{self.name} {self.old} is removed"
        return f"{self.name} {self.old} → {self.new}" if self.old else f"{self.name} {self.new} is new"


@dataclass(frozen=True)
class HostUpdates:
    """What a host says of its packages.

    Args:
        updates: Those that an upgrade would change.
        half_done: Whether an upgrade was cut off.
        restart: Why the host has to be restarted; empty if it does not.
        is_container: Whether it is a container, which only its provider can start again.
        engine: The version of its Docker Engine.

    """

    updates: tuple[Update, ...] = ()
    half_done: bool = False
    restart: str = ""
    is_container: bool = False
    engine: str = ""

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.updates or self.half_done or self.restart)

    @property
    def touches_engine(self) -> bool:
        """Whether its containers would be started anew; of what was cut off that is not known."""
        return self.half_done or any(update.name in ENGINE for update in self.updates)

    @property
    def security(self) -> int:
        """How many are of a security archive."""
        return sum(_SECURITY in update.origin.lower() for update in self.updates)

    @property
    def lost(self) -> list[str]:
        """The packages that would be removed although a site needs them."""
        return [update.name for update in self.updates if not update.new and update.name in NEEDED]


def look_script() -> str:
    """Return a script that says which newer packages there are. It changes none."""
    return whole_script(script("updates"), 'mkdir -p "$LIBRARY"', "fetch_lists >&2", "tell looked")


def upgrade_script() -> str:
    """Return a script that takes the newer packages, and says what is left then."""
    return whole_script(
        lock("upgrade"),
        script("updates"),
        "fetch_lists >&2",
        f"take_newer {' '.join(sorted(NEEDED))} >&2",
        "tell upgraded",
    )


def parse_updates(output: str) -> HostUpdates:
    """Return what one of these scripts printed."""
    updates, restart, engine = [], "", ""
    words = {line.strip() for line in output.splitlines()}
    for line in output.splitlines():
        match line.split():
            case ["inst", name, old, new, *origin]:
                updates.append(Update(name, "" if old == "-" else old, new, " ".join(origin)))
            case ["remv", name, old]:
                updates.append(Update(name, old, ""))
            case ["restart", *why]:
                restart = " ".join(why)
            case ["engine", version]:
                engine = version
    return HostUpdates(tuple(updates), "half_done" in words, restart, "container" in words, engine)


# -- what a look keeps, for `doit plan` --------------------------------------------------------------------------------

READ_KEPT = """
echo '== packages'
sed -n '/^[a-z]* [0-9]*$/p' /var/lib/skep/packages 2>/dev/null || :
stat -c 'base %Y' /var/lib/dpkg/info/base-files.list 2>/dev/null || :
[ ! -e /run/reboot-required ] || echo 'restart 1'
echo "now $(date +%s)"
"""
"""A script that reads it. Debian's base-files is renewed with each point release, so that its age is the system's.
Where that is newer than the last upgrade by skep, somebody else upgraded."""


@dataclass(frozen=True)
class PackageAge:
    """How old a host's packages are, as far as a quick look tells.

    Args:
        days: Days since they were upgraded, or since the system was made.
        is_upgraded: Whether skep upgraded them then.
        waiting: How many newer ones there were at the last look; None if there was no look.
        looked: Days since that look.
        restart: Whether packages ask for a restart of the host.

    """

    days: int
    is_upgraded: bool
    waiting: int | None
    looked: int
    restart: bool


def parse_kept(text: str) -> PackageAge | None:
    """Return what `READ_KEPT` printed; None where nothing is known."""
    said = {
        words[0]: int(words[1])
        for line in text.splitlines()
        if len(words := line.split()) == 2 and words[1].isdecimal()  # noqa: PLR2004
    }
    since, now = max(said.get("upgraded", 0), said.get("base", 0)), said.get("now", 0)
    if not since or not now:
        return None
    return PackageAge(
        max(0, now - since) // 86_400,
        is_upgraded="upgraded" in said,
        waiting=said.get("waiting"),
        looked=max(0, now - said.get("looked", now)) // 86_400,
        restart="restart" in said,
    )
