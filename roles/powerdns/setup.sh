#!/bin/sh
# PowerDNS, the authoritative server, with its MySQL backend.
set -eu

add-packages pdns-server pdns-backend-mysql

install -m 0755 files/powerdns-start /usr/local/bin/
# The whole configuration is /run/powerdns/pdns.conf, written by powerdns-start: nothing of Debian's may mix in.
rm -rf /etc/powerdns/pdns.d /etc/powerdns/pdns.conf /etc/powerdns/named.conf
