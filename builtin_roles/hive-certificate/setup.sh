#!/bin/sh
# hive-builder's role: a certificate of the site's CA for each of `certificates`, at cert_dest, and its key at key_dest.
# skep issues them and puts them into files/.
set -eu

for made in files/*.cert_dest; do
    one=${made%.cert_dest}
    certificate=$(cat "$made")
    key=$(cat "$one.key_dest")
    mkdir -p "$(dirname "$certificate")" "$(dirname "$key")"
    cp "$one.crt" "$certificate"
    chmod 0644 "$certificate"
    # Never there with a wider mode, not even for a moment.
    rm -f "$key"
    (umask 077 && cp "$one.key" "$key")
    chown root "$key"
    chmod 0600 "$key"
    echo "$certificate is one of the site's CA"
done
