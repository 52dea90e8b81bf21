# shellcheck shell=sh
# The registry's data, on the volume of the engine's: this host is a container, and only its volumes outlive it.

data=/var/lib/docker/skep-registry
here=/var/lib/docker-registry
place /etc/skep/registry-data.unit /etc/systemd/system/skep-registry-data.service 0644
place /etc/skep/registry-owner.conf "/etc/systemd/system/$(unit registry).d/skep.conf" 0644
if ! mountpoint -q "$here"; then
    if systemctl is-active --quiet "$(unit registry)"; then
        systemctl stop "$(unit registry)"
    fi
    mkdir -p "$here"
    if [ -n "$(ls -A "$here")" ]; then
        say "taking the registry along to $data"
        # Whole or not at all: whoever ends this in the middle leaves the data here as it is.
        rm -rf "$data.incoming"
        cp -a "$here" "$data.incoming"
        if [ -e "$data" ]; then
            cp -alf "$data.incoming/." "$data/"
            rm -rf "$data.incoming"
        else
            mv "$data.incoming" "$data"
        fi
        find "$here" -mindepth 1 -delete
    fi
    if [ ! -e "$data" ]; then
        mkdir "$data"
        chown --reference="$here" "$data"
        chmod --reference="$here" "$data"
    fi
fi
enable_unit registry_data
must_hold mountpoint -q "$here"
if systemctl is-enabled --quiet "$(unit registry)" 2>/dev/null && [ -e /etc/skep/registry.name ]; then
    enable_unit registry
fi
