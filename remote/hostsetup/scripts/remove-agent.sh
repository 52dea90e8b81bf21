# shellcheck shell=sh
# Nothing is left that this host does by itself.

rm -f /usr/local/lib/skep/agent.pyz /etc/skep/agent.base64
