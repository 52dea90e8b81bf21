# shellcheck shell=sh
# The names of all hosts of the stage. The work is done by a script that runs at boot too.

enable_unit boot
/etc/skep/boot.d/hosts
remember /etc/hosts
