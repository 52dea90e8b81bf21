# shellcheck shell=sh
# What the step `agent` was called until 2026-11-30: a site without [backup] by now has nothing else that removes it.

if [ ! -e "$LIBRARY/steps/agent" ]; then
    rm -f /usr/local/lib/skep/agent.pyz /etc/skep/agent.base64
fi
