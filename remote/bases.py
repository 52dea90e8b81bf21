"""Shell scripts that make a base image on the repository host. Pure: the text is run elsewhere."""

from collections.abc import Sequence
from shlex import quote

BASE_COMMAND = 'CMD ["/bin/sh"]'
"""What a base that skep makes runs by itself, as the distributions' own images do."""


def debootstrap_script(suite: str, mirror: str, include: Sequence[str], tag: str) -> str:
    """Return a script that imports a minimal Debian or Ubuntu made from the distribution's packages.

    Args:
        suite: As in `bookworm`.
        mirror: Where its packages come from.
        include: Packages to add.
        tag: The local tag of the image.

    """
    extra = f"--include={quote(','.join(include))}" if include else ""
    # Debian's updates and security fixes live in suites of their own; Ubuntu's are told apart by the mirror's name.
    return f"""
work=$(mktemp -d /var/tmp/skep-base.XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM
# What a killed run left behind.
find /var/tmp -maxdepth 1 -name 'skep-base.*' ! -path "$work" -mmin +120 -exec rm -rf {{}} +
command -v docker >/dev/null || {{ echo "no docker command on this host"; exit 1; }}
debootstrap --variant=minbase {extra} {quote(suite)} "$work/root" {quote(mirror)}
case {quote(mirror)} in
*ubuntu*) for part in "{suite}" "{suite}-updates" "{suite}-security"; do
    echo "deb {mirror} $part main universe"; done >"$work/root/etc/apt/sources.list" ;;
*) {{ echo "deb {mirror} {suite} main"; echo "deb {mirror} {suite}-updates main"
    echo "deb {_security(mirror)} {suite}-security main"; }} >"$work/root/etc/apt/sources.list" ;;
esac
rm -rf "$work/root/var/cache/apt/archives/"*.deb "$work/root/var/lib/apt/lists/"* "$work/root/var/log/"*.log
: >"$work/root/etc/machine-id"
tar -C "$work/root" --numeric-owner --one-file-system -c . | docker import --change {quote(BASE_COMMAND)} - {quote(tag)}
"""


def _security(mirror: str) -> str:
    """Return where the security fixes of a Debian mirror are: beside it, as on deb.debian.org."""
    return mirror.rstrip("/") + "-security"
