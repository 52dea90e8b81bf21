# shellcheck shell=sh
# The server of the hives' backups. /etc/skep/backup.root is where it keeps them, /etc/skep/backup-server.name what it is called.

install_packages restic rclone ca
root=$(cat /etc/skep/backup.root)
if ! getent passwd skep-backup >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir "$root" --shell /usr/sbin/nologin skep-backup
fi
mkdir -p "$root"
# In another container the user may have another number.
if [ "$(stat -c %U "$root")" != skep-backup ]; then
    chown -R skep-backup:skep-backup "$root"
fi
chmod 0700 "$root"
chgrp skep-backup /etc/skep/backup-server /etc/skep/backup-server/*
chmod 0750 /etc/skep/backup-server
place /etc/skep/backup-server.unit /etc/systemd/system/skep-backup-server.service 0644
if systemctl is-active --quiet skep-backup-server.service && older_than backup_server /etc/skep/backup-server/* /etc/skep/backup-server.unit; then
    restart_unit backup_server
fi
enable_unit backup_server

# An active unit is not yet a server: ask it, by its name, with the site's CA, as a hive will.
name=$(cat /etc/skep/backup-server.name)
ask() {
    printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$name" |
        timeout 5 openssl s_client -quiet -connect "$name" -servername "${name%:*}" \
            -verify_hostname "${name%:*}" -verify_return_error -CAfile /etc/skep/ca.crt 2>&1
}
tries=0
# 401: it speaks TLS that verifies, and wants a password.
until ask | grep -q '^HTTP/1.* 401'; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then
        ask | tail -n 5 >&2
        unit_failed "$(unit backup_server)"
    fi
    sleep 0.5
done
