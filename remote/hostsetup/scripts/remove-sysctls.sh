# shellcheck shell=sh
# No kernel parameter is asked for any more: all get the values back that they had.

if [ -x /etc/skep/boot.d/sysctls ]; then
    : >/etc/skep/sysctls
    /etc/skep/boot.d/sysctls
fi
rm -f /etc/skep/boot.d/sysctls /etc/skep/sysctls /var/lib/skep/sysctls
