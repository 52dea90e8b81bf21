# shellcheck shell=sh
# The site's own files, for the copies of the backups: with these a lost site is made again.

base64 -d /var/lib/skep/site/site.tar.gz.base64 >/var/lib/skep/site/site.tar.gz.skep-new
settle /var/lib/skep/site/site.tar.gz 0600
remember /var/lib/skep/site/site.tar.gz
