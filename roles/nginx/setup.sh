#!/bin/sh
# nginx as the site's front door: a status page, and read-only access to PowerDNS's API.
set -eu

add-packages nginx-light

install -m 0755 files/nginx-start files/nginx-healthy /usr/local/bin/
install -d /usr/local/share/skep
install -m 0644 files/nginx.conf files/index.html /usr/local/share/skep/
# The whole configuration is written by nginx-start: nothing of Debian's may mix in.
rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available /etc/nginx/conf.d /etc/nginx/nginx.conf /var/www/html
