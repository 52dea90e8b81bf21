# shellcheck shell=sh
# This host is no longer the repository, and keeps no copy of the stage's secrets.

rm -f "$LIBRARY/vault.json"
say "removed the copy of the stage's secrets"
