# shellcheck shell=sh
# Accounts that skep made for people who are no longer in setup_hosts.users; $ACCOUNTS has their names. Their files stay.

for name in $ACCOUNTS; do
    if getent passwd "$name" >/dev/null; then
        home=$(getent passwd "$name" | cut -d : -f 6)
        usermod --lock --expiredate 1 "$name"
        rm -f "/etc/sudoers.d/90-skep-user-$name"
        loginctl terminate-user "$name" 2>/dev/null || :
        # The next account may get the same number, and must not get these files with it.
        case $home in
        /home/*)
            if [ -d "$home" ]; then
                chown -hR root:root "$home"
                chmod 0700 "$home"
            fi
            ;;
        esac
        tries=0
        # It is in use until its processes have ended.
        until told=$(userdel "$name" 2>&1); do
            tries=$((tries + 1))
            [ $tries -lt 60 ] || fail "the account $name can't be removed: $told"
            sleep 0.5
        done
        say "removed the account $name; its files stay in $home"
    fi
    sed -i "/^made $name\$/d" "$LIBRARY/users"
done
