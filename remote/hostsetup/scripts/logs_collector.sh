# shellcheck shell=sh
# The collector of logs. /etc/skep/logs-collector.name is what it is called, with its port.

# Debian's package starts a daemon that copies the journal to files of its own: on hosts that had none it stays off.
ours=$LIBRARY/rsyslog-is-skeps
installed rsyslog || : >"$ours"
install_packages rsyslog logrotate python ca
if [ -e "$ours" ] && systemctl is-enabled --quiet rsyslog.service 2>/dev/null; then
    systemctl --quiet disable --now rsyslog.service syslog.socket 2>/dev/null || systemctl --quiet disable --now rsyslog.service
fi
if ! getent passwd skep-logs >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin skep-logs
fi
for kind in services hosts; do
    mkdir -p /var/log/$kind
    # In another container the user may have another number.
    if [ "$(stat -c %U:%G /var/log/$kind)" != skep-logs:adm ]; then
        chown -R skep-logs:adm /var/log/$kind
    fi
    chmod 0750 /var/log/$kind
done
chgrp skep-logs /etc/skep/logs-collector /etc/skep/logs-collector/*
chmod 0750 /etc/skep/logs-collector
place /etc/skep/logs-collector.rotation /etc/logrotate.d/skep-logs 0644
place /etc/skep/logs-trim.unit /etc/systemd/system/skep-logs-trim.service 0644
if [ "$(systemctl show --property NeedDaemonReload --value skep-logs-trim.service)" = yes ]; then
    systemctl daemon-reload
fi
place /etc/skep/logs-collector.unit /etc/systemd/system/skep-logs-collector.service 0644
if systemctl is-active --quiet skep-logs-collector.service &&
    older_than logs_collector /etc/skep/logs-collector/* /etc/systemd/system/skep-logs-collector.service; then
    restart_unit logs_collector
fi
enable_unit logs_collector
# An active unit is not yet a collector: ask it, by its name, with the site's CA, as a host will.
name=$(cat /etc/skep/logs-collector.name)
ask() {
    timeout 5 openssl s_client -connect "$name" -servername "${name%:*}" -verify_hostname "${name%:*}" \
        -verify_return_error -CAfile /etc/skep/ca.crt </dev/null 2>&1
}
# For want of room it does not start, and the shipper sees to that.
refused() {
    [ "$(systemctl show --property Result --value "$(unit logs_collector)")" = exec-condition ]
}
tries=0
until refused || ask | grep -q 'Verify return code: 0 '; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then
        ask | tail -n 5 >&2
        unit_failed "$(unit logs_collector)"
    fi
    sleep 0.5
done
if refused; then
    say "$(journalctl --unit "$(unit logs_collector)" --identifier sh --lines 1 --output cat)"
fi
