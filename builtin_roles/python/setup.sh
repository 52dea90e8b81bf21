#!/bin/sh
# Python 3, as Ansible's modules want it. PACKAGES are installed with it, such as python3-apt.
set -eu

if [ -z "${PACKAGES:-}" ] && command -v python3 >/dev/null; then
    echo "there is $(python3 --version 2>&1) already"
    exit 0
fi
# shellcheck disable=SC2086 # a list of names, split on purpose
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q install --yes --no-install-recommends python3 ${PACKAGES:-}
    apt-get -q clean
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
elif command -v apk >/dev/null; then
    apk add --no-cache python3 ${PACKAGES:-}
else
    for tool in dnf microdnf yum; do
        if command -v "$tool" >/dev/null; then
            "$tool" install -y python3 ${PACKAGES:-}
            "$tool" clean all
            exit 0
        fi
    done
    echo "this image has none of apt-get, apk, dnf, microdnf, yum" >&2
    exit 1
fi
