#!/bin/sh
# MariaDB's server and client alone. Debian's mariadb-server would add Galera, Perl and 36 more packages, and would put
# a ready-made data directory into the image, the same one, keys and all, for every container made of it.
set -eu

# The program that makes backups, alone out of a package that would add Perl. What it needs comes with the next ones.
apt-get -q update
(
    cd "$(mktemp -d)"
    apt-get -q -o APT::Sandbox::User=root download mariadb-client
    dpkg-deb --fsys-tarfile mariadb-client_*.deb | tar -x -C / ./usr/bin/mariadb-dump
    rm -r "$PWD"
)
add-packages mariadb-server-core mariadb-client-core

# The numbers are fixed because they own files on a volume that outlives this image.
groupadd --system --gid 306 mysql
useradd --system --uid 306 --gid mysql --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin mysql

install -m 0644 files/skep.cnf /etc/mysql/mariadb.conf.d/90-skep.cnf
printf 'innodb_buffer_pool_size = %s\n' "${BUFFER_POOL:-64M}" >> /etc/mysql/mariadb.conf.d/90-skep.cnf
install -m 0755 files/mariadb-start files/mariadb-healthy /usr/local/bin/

# An empty named volume takes owner and mode from the image's directory.
install -d -o mysql -g mysql -m 0750 /var/lib/mysql
