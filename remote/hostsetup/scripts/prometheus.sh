# shellcheck shell=sh
# Prometheus: collects the metrics of all hosts, and looks for what is wrong.

[ "$(family)" = apt ] || fail "[monitoring] sets up Debian and Ubuntu alone"
its_unit=$(unit prometheus)
override=/etc/systemd/system/$its_unit.d/skep.conf
directory=/etc/prometheus/skep
place /etc/skep/monitoring/prometheus.conf "$override" 0644
systemctl daemon-reload
install_packages prometheus
told=$(promtool check rules /etc/skep/monitoring/rules.json 2>&1) ||
    fail "Prometheus does not take the services' alerts: $(say "$told" | tail -n 3)"
place /etc/skep/monitoring/rules.json $directory/rules.json 0644
told=$(promtool check config /etc/skep/monitoring/prometheus.json 2>&1) ||
    fail "Prometheus does not take its configuration: $(say "$told" | tail -n 3)"
place /etc/skep/monitoring/prometheus.json $directory/prometheus.json 0644
if systemctl is-active --quiet "$its_unit"; then
    if older_than prometheus "$override"; then
        restart_unit prometheus
    elif older_than prometheus $directory/rules.json $directory/prometheus.json; then
        # Started anew it would forget since when conditions hold.
        systemctl reload "$its_unit"
    fi
fi
enable_unit prometheus

# An active unit does not answer yet.
tries=0
until promtool query instant http://127.0.0.1:9090 'vector(1)' >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || unit_failed "$its_unit"
    sleep 0.5
done
