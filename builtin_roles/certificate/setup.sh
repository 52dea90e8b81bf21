#!/bin/sh
# A server certificate of the site's CA for NAMES, with its private key, in DIRECTORY: tls.crt, tls.key, ca.crt.
# The key is OWNER's and has mode KEY_MODE. skep issues the certificate and puts it into files/.
set -eu

directory=${DIRECTORY:-/etc/ssl/skep}

mkdir -p "$directory"
cp files/tls.crt files/ca.crt "$directory/"
chmod 0644 "$directory/tls.crt" "$directory/ca.crt"
# Never there with a wider mode, not even for a moment.
(umask 077 && cp files/tls.key "$directory/tls.key")
chown "${OWNER:-root}" "$directory/tls.key"
chmod "${KEY_MODE:-0600}" "$directory/tls.key"
echo "$directory/tls.crt is for $NAMES"
