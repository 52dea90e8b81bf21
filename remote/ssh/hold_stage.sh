# shellcheck shell=sh
# Hold a stage's lock for the mother whose words come on standard input, and keep the history of her runs.
#
# Run as root, with $name (of the stage), $LOCKS and $HISTORY (directories), $patience (seconds without a word after
# which she is gone), $kept (lines of history that stay) and $keeps (`yes` on the host that keeps the history). The
# first line is `take|again TOKEN OWNER`; the answer is `taken SECONDS OWNER` (since the one before her was last heard),
# `held OWNER`, `broken OWNER` or `other OWNER`. Then come `beat …`, which is sent back, `begin JSON`, `end JSON`,
# `idle JSON`, and at last `bye`, or `undo`, which leaves the one before her as the last who had the lock. What can't be
# written for the history, as on a full disk, is answered by `unwritten`: the lock is worth more.
#
# The lock is the kernel's: it ends with this shell, which ends with its input. While the input is silent, as of a
# machine that lost its network, a child of it watches the time. /proc/uptime goes by no clock that somebody sets.

export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 077
past=$HISTORY/$name
[ -d "$LOCKS" ] || mkdir -p "$LOCKS"
cd "$LOCKS"

# uptime: put the seconds since the boot into $now.
uptime() {
    read -r now _ </proc/uptime
    now=${now%.*}
}

# heard: note that the mother was heard just now.
heard() {
    uptime
    echo "$now" >"$name.beat"
}

# read_owner: put who has, or had, the lock into $last (the token), $pid (of the shell) and $owner_before.
read_owner() {
    last='' pid='' owner_before='{}'
    [ -e "$name.owner" ] || return 0
    {
        read -r last pid
        read -r owner_before
    } <"$name.owner" || :
}

# end_holder: end the shell that holds the lock, if that is the one that wrote who it is.
end_holder() {
    if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/fd/9" || :)" = "$LOCKS/$name.lock" ]; then
        kill "$pid" || :
    fi
}

# refuse_former: send a run away that had the lock before, if another one has had it since.
refuse_former() {
    if [ "$mode" = again ] && [ -n "$last" ] && [ "$last" != "$token" ]; then
        printf '%s\n' "other $owner_before"
        exit 0
    fi
}

# settle FILE LINE: write a file whole.
settle() {
    printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}

# append LINE: add a line to the history, of which the last ones stay.
append() {
    if [ -e "$past.idle" ]; then
        cat "$past.idle" >>"$past.jsonl" && rm -f "$past.idle" || return 1
    fi
    printf '%s\n' "$1" >>"$past.jsonl" || return 1
    if [ "$(wc -l <"$past.jsonl")" -gt $((kept + kept / 5)) ]; then
        tail -n "$kept" "$past.jsonl" >"$past.jsonl.new" && mv "$past.jsonl.new" "$past.jsonl" || return 1
    fi
    sync "$past.jsonl" 2>/dev/null || :
}

# unended: a run that began and never said how it ended becomes a line of the history.
unended() {
    [ -e "$past.begun" ] || return 0
    begun=$(cat "$past.begun") && append "${begun%\}},\"noticed\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}" && rm -f "$past.begun"
}

if [ "$keeps" = yes ] && [ ! -d "$HISTORY" ]; then
    (umask 022 && mkdir -p "${HISTORY%/*}") && mkdir -p "$HISTORY" || :
fi

read -r mode token owner
if [ -e "$name.broken" ]; then
    {
        read -r broken
        read -r by
    } <"$name.broken"
    if [ "$broken" = "$token" ]; then
        printf '%s\n' "broken $by"
        exit 0
    fi
fi
exec 9>>"$name.lock"
read_owner
if [ "$last" = "$token" ]; then
    end_holder # the session before this one broke, and this host has not noticed yet
fi
refuse_former
# One that has just ended is about to let go.
if ! flock -w 2 9; then
    read_owner
    printf '%s\n' "held $owner_before"
    exit 0
fi
read_owner # another may have had it while this one waited
refuse_former
since=none
if [ -e "$name.beat" ]; then
    uptime
    read -r then <"$name.beat" && since=$((now - then))
fi
heard
settle "$name.owner" "$token $$
$owner"
if [ "$keeps" = yes ] && [ "$last" != "$token" ]; then
    unended || :
fi

(
    while sleep 3 && kill -0 $$; do
        uptime
        read -r then <"$name.beat" || continue
        [ $((now - then)) -lt "$patience" ] || kill $$
    done
) </dev/null >/dev/null 2>&1 9>&- &

printf '%s\n' "taken $since $owner_before"
while read -r word rest; do
    heard
    case $word in
    beat) echo "beat $rest" ;;
    begin)
        if settle "$past.begun" "$rest"; then
            sync "$past.begun" 2>/dev/null || :
            echo begun
        else
            echo unwritten
        fi
        ;;
    end)
        if append "$rest" && rm -f "$past.begun"; then echo ended; else echo unwritten; fi
        ;;
    idle)
        rm -f "$past.begun" || :
        # Runs that changed nothing share a line: its number, the first one's time, and the last one.
        first=$(sed -n 's/.*"first":"\([^"]*\)".*/\1/p' "$past.idle" 2>/dev/null || :)
        count=$(sed -n 's/^{"idle":\([0-9]*\),.*/\1/p' "$past.idle" 2>/dev/null || :)
        settle "$past.idle" "{\"idle\":$((${count:-0} + 1)),\"first\":\"${first:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}\",${rest#\{}" || :
        ;;
    undo)
        [ -z "$last" ] || settle "$name.owner" "$last 0
$owner_before"
        break
        ;;
    bye) break ;;
    esac
done
if [ "$keeps" = yes ]; then
    unended || :
fi
