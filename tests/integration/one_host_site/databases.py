"""MariaDB and PostgreSQL as services with backups, by the recipes of docs/backup.md."""

import re
import shutil
from dataclasses import dataclass

from tests import rig
from tests.integration.one_host_site.one_host import OneHost

_POSTGRESQL = r"""
mkdir -p /etc/postgresql-common
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
add-packages postgresql
ln -s /usr/lib/postgresql/*/bin/initdb /usr/lib/postgresql/*/bin/postgres /usr/local/bin/
install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
install -d -o postgres -g postgres -m 2775 /run/postgresql
cat >/usr/local/bin/postgres-start <<'END'
#!/bin/sh
set -eu
data=/var/lib/postgresql/data
[ -s "$data/PG_VERSION" ] || initdb -D "$data" --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256
exec postgres -D "$data" -c shared_buffers=32MB
END
chmod 0755 /usr/local/bin/postgres-start
"""
"""A role: Debian's PostgreSQL, run by its own user, whose local connections need no password."""
TOML = """
[bases."debian:13"]
debootstrap = "trixie"
[backup]
schedule = "Sun 04:00"
keep = {{ last = 50 }}
[volumes.mariadb_data]
hosts = ["hive0"]
[volumes.postgresql_data]
hosts = ["hive0"]
[images.mariadb]
from = "debian:13"
roles = ["debian", "mariadb"]
entrypoint = ["/usr/local/bin/mariadb-start"]
healthcheck = {{ test = ["/usr/local/bin/mariadb-healthy"], interval = "1s", start_period = "60s" }}
[images.postgresql]
from = "debian:13"
roles = ["debian", "postgresql"]
user = "postgres"
entrypoint = ["/usr/local/bin/postgres-start"]
stop_signal = "SIGINT"
healthcheck = {{ test = ["pg_isready", "-U", "postgres"], interval = "1s", start_period = "60s" }}
[services.mariadb]
image = "mariadb"
endpoint_mode = "dnsrr"
volumes = [{{ source = "mariadb_data", target = "/var/lib/mysql" }}]
{mariadb}
[services.postgresql]
image = "postgresql"
endpoint_mode = "dnsrr"
volumes = [{{ source = "postgresql_data", target = "/var/lib/postgresql/data" }}]
{postgresql}
"""
"""The site, but for the recipes."""


def recipe(service: str) -> str:
    """Return the parts of a service's data as docs/backup.md has them."""
    page = (rig.ROOT / "docs/backup.md").read_text()
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    [found] = [block for block in blocks if block.startswith(f"[[services.{service}.backup_scripts]]")]
    return found


@dataclass(frozen=True)
class Database:
    """A database of a site.

    Args:
        site: The site.
        service: Its service.
        client: The command that reads SQL and prints rows, fields apart by tabs.

    """

    site: OneHost
    service: str
    client: str

    @property
    def container(self) -> str:
        """Its container, as a word of the host's shell."""
        return f"$(docker ps -q -f label=com.docker.swarm.service.name={self.service} | head -n 1)"

    def sql(self, text: str) -> list[str]:
        """Have it carry out SQL; return the lines that it answers."""
        script = f"docker exec -i {self.container} {self.client} <<'END'\n{text}\nEND"
        return self.site.on_host(script).splitlines()


def mariadb(site: OneHost) -> Database:
    """Return the MariaDB of a site."""
    return Database(site, "mariadb", "mariadb --batch --skip-column-names")


def postgresql(site: OneHost) -> Database:
    """Return the PostgreSQL of a site."""
    return Database(site, "postgresql", "psql -qAt -v ON_ERROR_STOP=1")


def write_site(site: OneHost, **recipes: str) -> None:
    """Write the site; a recipe that is given takes the place of the page's."""
    parts = {service: recipes.get(service) or recipe(service) for service in ("mariadb", "postgresql")}
    site.write(TOML.format(**parts))


def write_roles(site: OneHost) -> None:
    """Give the site the roles of both."""
    for role in ("debian", "mariadb"):
        shutil.copytree(rig.ROOT / "roles" / role, site.role(role), symlinks=True)
    site.write_role("postgresql", _POSTGRESQL)
