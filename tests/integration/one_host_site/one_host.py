"""A site of one host, which also has the upstream: two registries on its loopback, where an engine wants no TLS."""

import re
from pathlib import Path

import bcrypt

from tests import rig
from tests.integration.site import Site

HOST = "hive0"
OPEN, CLOSED = "127.0.0.1:5999", "127.0.0.1:5998"
"""The upstream registries: one for everybody, and one that wants a login."""
USER, PASSWORD = "ann", "correct-horse-9"
RUN = 900.0
"""Seconds that a run may take: it may have to make a base."""

_TOML = """
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
number_of_hosts = 1
separate_repository = false
[setup_hosts]
ntp_servers = []
[secrets]
upstream = {{ env = "UPSTREAM_PASSWORD" }}
"""
_START = "systemd-run --quiet --unit=upstream-{port} docker-registry serve /srv/{port}.yml\n"
_REGISTRIES = f"""
for port in 5999 5998; do
    mkdir -p /srv/$port
    echo "{{version: 0.1, http: {{addr: '127.0.0.1:$port'}}, storage: {{filesystem: {{rootdirectory: /srv/$port}}}}" \\
        >/srv/$port.yml
done
echo '}}' >>/srv/5999.yml
echo ', auth: {{htpasswd: {{realm: r, path: /srv/htpasswd}}}}}}' >>/srv/5998.yml
cat >/srv/htpasswd <<'END'
{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}
END
{_START.format(port=5999)}{_START.format(port=5998)}
mkdir -p /srv/root/bin
for tool in sh cat rm sleep; do cp /bin/$tool /srv/root/bin/; done
for library in $(ldd /bin/sh /bin/cat /bin/rm /bin/sleep | grep -oE '/[^ ]+[0-9]' | sort -u); do
    install -D "$library" "/srv/root$library"
done
"""
_IMPORT = "tar -C /srv/root -c . | docker import --change 'CMD [\"/bin/sh\"]' -"


class OneHost(Site):
    """The site.

    Args:
        directory: Where its site.toml, roles/ and state/ are; made here.

    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "bases")
        self._head = _TOML.format(name=self.name, cidr=rig.free_cidr("bases"))
        self.variables["UPSTREAM_PASSWORD"] = PASSWORD
        self.write_role("mark", "cat /version >/built-from\n")
        self.write()

    def write(self, *parts: str) -> None:
        """Write site.toml: the stage, and these parts."""
        self.toml.write_text("".join([self._head, *parts]))

    def ran(self, *words: str) -> dict[str, str]:
        """Run doit, which must end well, and return the tasks that were done, each with its reason."""
        return self.run(*words, timeout=RUN).well().reasons

    def on_host(self, script: str) -> str:
        """Run a script as root on the host."""
        return self.on(HOST, script)

    def file_in(self, service: str, path: str) -> str:
        """Return a file inside a service, without blanks at its ends."""
        label = f"com.docker.swarm.service.name={service}"
        return self.on_host(f"docker exec $(docker ps -q -f label={label} | head -n 1) cat {path}").strip()

    def image_of(self, service: str) -> str:
        """Return the reference that a service runs."""
        template = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
        return self.on_host(f"docker service inspect -f '{template}' {service}").strip()

    # -- its upstream --------------------------------------------------------------------------------------------------

    def make_upstream(self) -> None:
        """Start both registries, and make the root file system of the images that they get."""
        self.on_host(_REGISTRIES)
        for address in (OPEN, CLOSED):
            self._wait_for(address)

    def restart_upstream(self) -> None:
        """Start the open registry again, whatever was done to it."""
        self.on_host(
            "systemctl kill -s CONT upstream-5999 2>/dev/null || true; systemctl stop upstream-5999 || true\n"
            f"systemctl reset-failed 'upstream-5999*' 2>/dev/null || true\n{_START.format(port=5999)}"
        )
        self._wait_for(OPEN)

    def push(self, name: str, version: str) -> str:
        """Push another version upstream, from which the engine keeps nothing; return its digest."""
        output = self.on_host(
            f"{self.import_command(name, version)}\ndocker push {name}\ndocker image rm {name} >/dev/null"
        )
        digests: list[str] = re.findall(r"digest: (sha256:\S+)", output)
        return digests[0]

    def import_command(self, name: str, version: str) -> str:
        """Return a command that gives the host's engine an image with a version in it."""
        return f"echo {version} >/srv/root/version\n{_IMPORT} {name} >/dev/null"

    def _wait_for(self, address: str) -> None:
        """Wait until a registry answers."""
        answers = f"curl -s -o /dev/null http://{address}/ && echo yes || true"
        rig.wait_until(lambda: self.on_host(answers).strip() == "yes", f"{address} to answer")
