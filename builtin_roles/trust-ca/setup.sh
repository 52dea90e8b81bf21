#!/bin/sh
# The site's own CA among those that the image's programs trust. NAME is what its file there is called.
# skep puts the certificate into files/ca.crt.
set -eu

name=${NAME:-skep}

if ! command -v update-ca-certificates >/dev/null && ! command -v update-ca-trust >/dev/null; then
    if command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update
        apt-get -q install --yes --no-install-recommends ca-certificates
        apt-get -q clean
        rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
    elif command -v apk >/dev/null; then
        apk add --no-cache ca-certificates
    else
        for tool in dnf microdnf yum; do
            if command -v "$tool" >/dev/null; then
                "$tool" install -y ca-certificates
                "$tool" clean all
                break
            fi
        done
    fi
fi

if command -v update-ca-trust >/dev/null; then
    cp files/ca.crt "/etc/pki/ca-trust/source/anchors/$name.crt"
    update-ca-trust extract
elif command -v update-ca-certificates >/dev/null; then
    mkdir -p /usr/local/share/ca-certificates
    cp files/ca.crt "/usr/local/share/ca-certificates/$name.crt"
    update-ca-certificates
else
    echo "this image has no store of trusted CAs that is known here, and no way to install one" >&2
    exit 1
fi
