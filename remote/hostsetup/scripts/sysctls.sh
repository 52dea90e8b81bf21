# shellcheck shell=sh
# Kernel parameters. The work is done by a script that runs at boot too.

enable_unit boot
/etc/skep/boot.d/sysctls
