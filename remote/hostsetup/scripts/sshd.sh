# shellcheck shell=sh
# sshd hardening. sshd judges the new lines before they are where it would read them, so that nothing done here, and
# no moment at which it is cut off, leaves a host that nobody can log in to.

target=/etc/ssh/sshd_config.d/00-skep.conf
main=/etc/ssh/sshd_config
trial=$LIBRARY/sshd.trial
# Where sshd -t wants it, even while sshd is started by its socket only.
mkdir -p /run/sshd

# effective OPTION...: whether sshd, called with these, takes passwords no longer.
effective() {
    sshd -T -C user=root,host=localhost,addr=127.0.0.1 "$@" 2>/dev/null | grep -qx 'passwordauthentication no'
}

# The first value of a setting is the one that counts, so ours stand before all others.
cat /etc/skep/sshd.conf "$main" >"$trial"
told=$(sshd -t -f "$trial" 2>&1) || fail "sshd does not take its new configuration; the old one stays: $told"
place /etc/skep/sshd.conf "$target" 0644
if ! effective; then
    { echo 'Include /etc/ssh/sshd_config.d/*.conf' && cat "$main"; } >"$main.skep-new"
    told=$(sshd -t -f "$main.skep-new" 2>&1) || fail "sshd knows no Include; the old configuration stays: $told"
    effective -f "$main.skep-new" || fail "$main would still have sshd take passwords, after an Include of $target"
    settle "$main" 0644
fi
rm -f "$trial"

# Reload, not restart: nobody's connection ends. An sshd that is started by its socket reads the file by itself.
if written "$main" || older_than ssh "$target"; then
    if systemctl is-active --quiet "$(unit ssh)"; then
        systemctl reload "$(unit ssh)"
    fi
fi
