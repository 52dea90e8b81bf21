# shellcheck shell=sh
# chrony with the site's servers and no others; the rest of the distribution's configuration stays.

install_packages chrony
conf=$(word chrony_conf)
block "$conf" /etc/skep/chrony.servers 0644 's/^(pool|server|peer) /# &/'
started_from=$conf

if in_container; then
    # The clock is its machine's, not the container's: chronyd runs and watches, and leaves it alone (-x). Debian 12's
    # unit would not start it at all without CAP_SYS_TIME.
    options=$(word chrony_options_file)
    variable=$(word chrony_options)
    if ! grep -q "^$variable=.* -x" "$options" 2>/dev/null; then
        touch "$options"
        grep -q "^$variable=" "$options" || echo "$variable=\"\"" >>"$options"
        sed "s/^\($variable=\"[^\"]*\)\"/\1 -x\"/" "$options" >"$options.skep-new"
        settle "$options" 0644
    fi
    override=/etc/systemd/system/$(unit chrony).d/skep.conf
    place /etc/skep/chrony.override "$override" 0644
    remember "$options"
    started_from="$started_from $options $override"
fi

# shellcheck disable=SC2086 # a list of words
if systemctl is-active --quiet "$(unit chrony)" && older_than chrony $started_from; then
    restart_unit chrony
fi
enable_unit chrony
