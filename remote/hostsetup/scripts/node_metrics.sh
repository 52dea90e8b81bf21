# shellcheck shell=sh
# The host's own metrics, for the site's Prometheus.

[ "$(family)" = apt ] || fail "[monitoring] sets up Debian and Ubuntu alone: take it out, or this host"
its_unit=$(unit node_metrics)
override=/etc/systemd/system/$its_unit.d/skep.conf
# Before the package is installed, so that it starts with it the first time.
place /etc/skep/monitoring/node.conf "$override" 0644
systemctl daemon-reload
install_packages node_metrics
if systemctl is-active --quiet "$its_unit" && older_than node_metrics "$override"; then
    restart_unit node_metrics
fi
enable_unit node_metrics
