# shellcheck shell=sh
# The upkeep of the hives' repositories, by a timer. They are made at once.

# Files for places off the site: first it is noted which there are to be, so that none is forgotten that is written. What
# programs write into them, as rclone does, stays until the next time.
files=/etc/skep/backup-files
touch $files/known
sed 's/^[^ ]* //' $files/paths >$files/wanted
sort -u $files/wanted $files/known >$files/known.skep-new
mv $files/known.skep-new $files/known
while read -r source path; do
    (umask 077 && mkdir -p "${path%/*}" && cat "$source" >"$path.skep-new")
    settle "$path" 0600
    must_hold test -s "$path"
done <$files/paths
while read -r path; do
    grep -qxF "$path" $files/wanted || { rm -f "$path" && say "removed $path"; }
done <$files/known
for source in $files/[0-9]*; do
    grep -q "^$source " $files/paths || rm -f "$source"
done
mv $files/wanted $files/known

place /etc/skep/backup-keep.unit /etc/systemd/system/skep-backup-keep.service 0644
place /etc/skep/backup-keep.timer /etc/systemd/system/skep-backup-keep.timer 0644
if ! python3 -I /usr/local/lib/skep/agent.pyz backup accounts >/tmp/skep-backup.$$ 2>&1; then
    tail -n 3 /tmp/skep-backup.$$ >&2
    rm -f /tmp/skep-backup.$$
    exit 1
fi
rm -f /tmp/skep-backup.$$
if systemctl is-active --quiet skep-backup-keep.timer && written /etc/systemd/system/skep-backup-keep.timer; then
    restart_unit backup_keep
fi
enable_unit backup_keep
