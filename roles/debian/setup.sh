#!/bin/sh
# Makes a debootstrap minbase image pleasant and small to build on. Where packages come from is not this role's
# business: /etc/apt/sources.list stays as it is.
set -eu

install -m 0644 files/apt.conf /etc/apt/apt.conf.d/90skep
install -m 0644 files/dpkg.cfg /etc/dpkg/dpkg.cfg.d/90skep
install -m 0755 files/policy-rc.d /usr/sbin/policy-rc.d
install -m 0755 files/add-packages /usr/local/sbin/add-packages

if [ -n "${PACKAGES:-}" ]; then
    # shellcheck disable=SC2086 # a list of names, split on purpose
    add-packages $PACKAGES
else
    add-packages --clean
fi
