# shellcheck shell=sh
# What this host tells of itself: figures for node-exporter, written by the agent every 15 s.

textfile=/var/lib/prometheus/node-exporter/skep.prom
unit_file=/etc/systemd/system/skep-observe.service
place /etc/skep/observe.unit "$unit_file" 0644
if systemctl is-active --quiet skep-observe.service && older_than observe /etc/skep/observe.json "$unit_file" /usr/local/lib/skep/agent.pyz; then
    restart_unit observe
fi
enable_unit observe

# An active unit may be one that ends again and again: its first look is written within seconds.
tries=0
until [ -n "$(find "$textfile" -mmin -1 2>/dev/null)" ]; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then
        unit_failed "$(unit observe)"
    fi
    sleep 0.5
done
