# shellcheck shell=sh
# The site's registry. /etc/skep/registry.name is what it is called, with its port.

its_user=$(word registry_user)
install_packages registry
chgrp "$its_user" /etc/skep/registry /etc/skep/registry/*
chmod 0750 /etc/skep/registry
mkdir -p /var/lib/docker-registry
chown "$its_user" /var/lib/docker-registry
place /etc/skep/registry/config.yml "$(word registry_conf)" 0644
if systemctl is-active --quiet "$(unit registry)" && older_than registry /etc/skep/registry/*; then
    restart_unit registry
fi
enable_unit registry

# An active unit is not yet a registry: ask it, by its name, with the site's CA, as an engine will.
name=$(cat /etc/skep/registry.name)
ask() {
    printf 'GET /v2/ HTTP/1.0\r\nHost: %s\r\n\r\n' "$name" |
        timeout 5 openssl s_client -quiet -connect "$name" -servername "${name%:*}" \
            -verify_hostname "${name%:*}" -verify_return_error -CAfile /etc/skep/registry/ca.crt 2>&1
}
tries=0
# 401: it speaks TLS that verifies, and wants a password.
until ask | grep -q '^HTTP/1.* 401'; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ]; then
        ask | tail -n 5 >&2
        unit_failed "$(unit registry)"
    fi
    sleep 0.5
done
