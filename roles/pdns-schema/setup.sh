#!/bin/sh
# Runs inside the running pdnsdb container: PowerDNS's tables, one zone, and the database user that PowerDNS logs in as.
# May run any number of times on the same data. Environment: PDNS_DB_NAME, PDNS_DB_USER, ZONE (a domain name),
# ZONE_ADDRESS (IPv4, of the zone itself, www and ns1). Secret: pdns_db (the user's password).
set -eu

say() { echo "pdns-schema: $*" >&2; }
die() { say "$*"; exit 1; }

# root needs no password on the socket. SQL comes from standard input: a command line could be read by others.
sql() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --batch --skip-column-names "$@"; }

# matches NAME VALUE REGEXP: all of these become part of SQL text. -z takes the value as one line, whatever is in it.
matches() { printf '%s' "$2" | grep -Eqxz -e "$3" || die "$1 is not valid: '$2'"; }

: "${PDNS_DB_NAME:?}" "${PDNS_DB_USER:?}" "${ZONE:?}" "${ZONE_ADDRESS:?}"
zone=$(printf '%s' "${ZONE%.}" | tr '[:upper:]' '[:lower:]')
label='[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?'
octet='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
matches PDNS_DB_NAME "$PDNS_DB_NAME" '[A-Za-z0-9_]{1,64}'
matches PDNS_DB_USER "$PDNS_DB_USER" '[A-Za-z0-9_]{1,80}'
matches ZONE "$zone" "$label(\.$label)*"
matches ZONE_ADDRESS "$ZONE_ADDRESS" "$octet(\.$octet){3}"

password=$(cat /run/secrets/pdns_db) || die "secret pdns_db is missing: /run/secrets/pdns_db can't be read"
case $password in
    '') die "secret pdns_db is empty" ;;
    *[!A-Za-z0-9._~+/=-]*) die "secret pdns_db may only hold letters, digits and . _ ~ + / = -" ;;
esac

# The database may just be starting again.
tries=30
until reason=$(echo 'SELECT 1' | sql 2>&1); do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "the database does not answer: $reason"
    sleep 2
done

echo "CREATE DATABASE IF NOT EXISTS $PDNS_DB_NAME CHARACTER SET latin1" | sql
sql "$PDNS_DB_NAME" < files/schema.sql
{ printf "SET @zone = '%s', @address = '%s';\n" "$zone" "$ZONE_ADDRESS"; cat files/zone.sql; } | sql "$PDNS_DB_NAME"

# Last, so that PowerDNS, which waits until it can log in, never sees half a schema.
sql <<END
CREATE USER IF NOT EXISTS '$PDNS_DB_USER'@'%' IDENTIFIED BY '$password';
ALTER USER '$PDNS_DB_USER'@'%' IDENTIFIED BY '$password';
GRANT SELECT, INSERT, UPDATE, DELETE ON $PDNS_DB_NAME.* TO '$PDNS_DB_USER'@'%';
END
