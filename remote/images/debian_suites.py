"""Suites that are installed from packages: those of updates beside them, and where a host image keeps its own."""

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

KEPT_BASES = "/usr/share/skep/bases"
"""Where a host image keeps the root file systems of the suites that it was made from, before its packages: for each
`<suite>.tar.gz`, and the digest of the mirror's release that it is of, `<suite>.release`."""
