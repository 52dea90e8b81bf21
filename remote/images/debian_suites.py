"""The suites of a distribution that are beside the one that debootstrap takes packages from."""

DEBIAN = """\
# Debian's own server has security updates under a second name; a mirror's place for them is not known.
case $suite,$mirror in
sid,* | unstable,*) ;;
*,http*://deb.debian.org/debian | *,http*://deb.debian.org/debian/)
    printf '%s\\n' "deb $mirror $suite-updates main" "deb ${mirror%/debian*}/debian-security $suite-security main" \\
        >>"$root/etc/apt/sources.list" ;;
esac
"""
"""A shell text that adds Debian's updates of `$suite` from `$mirror` to what apt in `$root` uses."""
