# shellcheck shell=sh
# What this host's services and its journal say goes to the repository host, by the agent.

place /etc/skep/logs-shipper.unit /etc/systemd/system/skep-logs-shipper.service 0644
if systemctl is-active --quiet skep-logs-shipper.service &&
    older_than logs_shipper /etc/skep/logs/* /etc/systemd/system/skep-logs-shipper.service /usr/local/lib/skep/agent.pyz; then
    restart_unit logs_shipper
fi
enable_unit logs_shipper

# There is always something in the journal. A repository host that is down is no fault of this one's.
tries=0
until [ -e "$LIBRARY/logs/sent.json" ]; do
    tries=$((tries + 1))
    if [ $tries -ge 40 ]; then
        say "nothing was taken by the repository host yet: $(journalctl --unit skep-logs-shipper.service --lines 1 --output cat)"
        break
    fi
    sleep 0.5
done
