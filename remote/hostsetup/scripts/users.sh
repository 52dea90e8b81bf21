# shellcheck shell=sh
# The accounts of setup_hosts.users. /etc/skep/users has a line `user <name> <yes|no: sudo> <groups, or ->` for each, and
# below it a line `key <line of authorized_keys>` for each of its keys. $LIBRARY/users has the accounts that are in
# skep's care: `made <name>` or, where there was one before, `found <name>`.

install_packages sudo
care=$LIBRARY/users
[ -e "$care" ] || : >"$care"

home_of() {
    getent passwd "$1" | cut -d : -f 6
}

is_locked_out() {
    [ "$(getent shadow "$1" | cut -d : -f 8)" = 1 ]
}

# sudoers NAME yes|no: whether it may do everything.
sudoers() {
    file=/etc/sudoers.d/90-skep-user-$1
    if [ "$2" = no ]; then
        rm -f "$file"
        return 0
    fi
    (umask 077 && echo "$1 ALL=(ALL:ALL) NOPASSWD: ALL" >"$file.skep-new")
    # A file that sudo can't read takes sudo away from everybody.
    visudo -c -q -f "$file.skep-new" || fail "visudo does not accept the rule for $1"
    settle "$file" 0440
    remember "$file"
}

# account NAME GROUPS: see that it exists and may log in, in these groups.
account() {
    if ! getent passwd "$1" >/dev/null; then
        # On the list before it exists: one that was made by a run that was killed is still skep's.
        grep -qx "made $1" "$care" || echo "made $1" >>"$care"
        # No password, rather than a locked one, with which some sshd let nobody in by key either.
        useradd --create-home --shell /bin/bash --password '*' "$1"
        say "made the account $1"
    elif ! grep -Eqx "(made|found) $1" "$care"; then
        echo "found $1" >>"$care"
    fi
    # `doit prune` gives an account's files to root, so that nobody gets them with its number.
    if grep -qx "made $1" "$care" && [ "$(stat -c %U "$(home_of "$1")" 2>/dev/null)" = root ]; then
        chown -hR "$1:" "$(home_of "$1")"
    fi
    if is_locked_out "$1"; then
        usermod --expiredate '' --password '*' "$1"
        say "let $1 in again"
    fi
    has_groups=$(id -nG "$1" | tr ' ' '\n' | grep -vx "$(id -ng "$1")" | sort | tr '\n' ,)
    wants_groups=$(echo "$2" | tr , '\n' | grep . | sort -u | tr '\n' ,)
    if [ "$has_groups" != "$wants_groups" ]; then
        # An account that was there before keeps the groups that it had.
        if grep -qx "made $1" "$care"; then
            usermod --groups "$2" "$1"
        elif [ -n "$2" ]; then
            usermod --append --groups "$2" "$1"
        fi
    fi
}

# keys NAME: its authorized_keys are the lines of $LIBRARY/keys.
keys() {
    file=$(home_of "$1")/.ssh/authorized_keys
    # As the user, in whose directory root could be led elsewhere by a link.
    if [ "$(runuser -u "$1" -- cat "$file" 2>/dev/null)" != "$(cat "$LIBRARY/keys")" ]; then
        # shellcheck disable=SC2016 # for the inner shell
        runuser -u "$1" -- sh -c 'umask 077; mkdir -p "${0%/*}" && cat >"$0.skep-new" && mv -f "$0.skep-new" "$0"' \
            "$file" <"$LIBRARY/keys"
        say "wrote $file"
    fi
    if [ -e "$file" ]; then
        remember "$file"
    fi
}

# leave NAME: it is no longer in site.toml. Its files stay.
leave() {
    if ! getent passwd "$1" >/dev/null || is_locked_out "$1"; then
        return 0
    fi
    runuser -u "$1" -- rm -f "$(home_of "$1")/.ssh/authorized_keys"
    sudoers "$1" no
    if grep -qx "made $1" "$care"; then
        usermod --lock --expiredate 1 "$1"
        loginctl terminate-user "$1" 2>/dev/null || :
    fi
    say "locked $1 out, who is no longer in setup_hosts.users"
}

current=
while read -r kind first rest <&3; do
    case $kind in
    user)
        [ -z "$current" ] || keys "$current"
        current=$first
        : >"$LIBRARY/keys"
        groups=${rest#* }
        account "$current" "${groups#-}"
        sudoers "$current" "${rest%% *}"
        ;;
    key) printf '%s\n' "$first${rest:+ $rest}" >>"$LIBRARY/keys" ;;
    esac
done 3</etc/skep/users
[ -z "$current" ] || keys "$current"

# A copy is read, as the list is changed on the way. An account that skep made stays on it: it is still skep's if it
# comes back.
cp "$care" "$care.old"
while read -r how name <&3; do
    if ! grep -q "^user $name " /etc/skep/users; then
        leave "$name"
        [ "$how" = made ] || sed -i "/^found $name\$/d" "$care"
    fi
done 3<"$care.old"
rm -f "$care.old" "$LIBRARY/keys"
