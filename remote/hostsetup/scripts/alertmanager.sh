# shellcheck shell=sh
# Alertmanager: sends alarms to those who are to be told. Its configuration holds secrets.

[ "$(family)" = apt ] || fail "[monitoring] sets up Debian and Ubuntu alone"
its_unit=$(unit alertmanager)
override=/etc/systemd/system/$its_unit.d/skep.conf
config=/etc/prometheus/skep/alertmanager.json
place /etc/skep/monitoring/alertmanager.conf "$override" 0644
systemctl daemon-reload
install_packages alertmanager ca
told=$(amtool check-config /etc/skep/monitoring/alertmanager.json 2>&1) ||
    fail "monitoring.receivers: Alertmanager does not take them: $(say "$told" | tail -n 3)"
mkdir -p "${config%/*}"
chgrp prometheus "${config%/*}"
chmod 0750 "${config%/*}"
place /etc/skep/monitoring/alertmanager.json "$config" 0640
chgrp prometheus "$config"
if systemctl is-active --quiet "$its_unit"; then
    if older_than alertmanager "$override"; then
        restart_unit alertmanager
    elif older_than alertmanager "$config"; then
        # It forgets no alarm, and asks nobody twice.
        systemctl reload "$its_unit"
    fi
fi
enable_unit alertmanager

# An active unit does not answer yet.
tries=0
until amtool --alertmanager.url=http://127.0.0.1:9093 --timeout=5s config show >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || unit_failed "$its_unit"
    sleep 0.5
done
