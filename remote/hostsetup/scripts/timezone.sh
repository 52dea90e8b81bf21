# shellcheck shell=sh
# The time zone, of which nothing else is to be set where it is right.

install_packages tzdata
zone=$(cat /etc/skep/timezone)
[ -f "/usr/share/zoneinfo/$zone" ] || fail "setup_hosts.timezone: this host knows no time zone $zone"
if [ "$(readlink /etc/localtime)" != "/usr/share/zoneinfo/$zone" ]; then
    ln -sfn "/usr/share/zoneinfo/$zone" /etc/localtime.skep-new
    mv -fT /etc/localtime.skep-new /etc/localtime
    say "set the time zone $zone"
    # They read it only when they start.
    systemctl try-restart cron.service crond.service rsyslog.service 2>/dev/null || :
fi
if [ "$FAMILY" = apt ]; then
    place /etc/skep/timezone /etc/timezone 0644
fi
remember /etc/localtime
