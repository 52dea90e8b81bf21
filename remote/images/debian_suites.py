"""Debian's suites of updates, beside the one that debootstrap installs from."""

DEBIAN = """\
# Debian's own server has security updates under a second name; a mirror's place for them is not known.
case $suite,$mirror in
sid,* | unstable,*) ;;
*,http*://deb.debian.org/debian | *,http*://deb.debian.org/debian/)
    printf '%s\\n' "deb $mirror $suite-updates main" "deb ${mirror%/debian*}/debian-security $suite-security main" \\
        >>"$root/etc/apt/sources.list" ;;
esac
"""
"""Shell lines that add Debian's updates of `$suite` from `$mirror` to the sources of apt in `$root`."""
