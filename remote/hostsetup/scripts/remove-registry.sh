# shellcheck shell=sh
# This host is no longer the repository: its registry is stopped. What it holds stays in /var/lib/docker-registry.

its_unit=$(unit registry)
systemctl --quiet disable --now "$its_unit"
rm -rf /etc/skep/registry /etc/skep/registry.name
say "stopped $its_unit; what it holds stays in /var/lib/docker-registry"
