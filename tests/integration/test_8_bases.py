"""What is pulled, on a real engine from a real registry: tags that move, a lock, a login, a mirror, a saved image.

The one host of the site also has the upstream: two registries on its loopback, where an engine wants no TLS.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests import rig

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PURPOSE = "bases"
OPEN, CLOSED = "127.0.0.1:5999", "127.0.0.1:5998"
USER, PASSWORD = "ann", "correct-horse-9"
TINY = f"{OPEN}/tiny:1"
UPSTREAM, BASE = "build_images:upstream.127.0.0.1-5999-tiny-1", "build_images:base.127.0.0.1-5999-tiny-1"

SITE = f"""
site = "{rig.site_name(PURPOSE)}"
[stages.private]
provider = "docker"
cidr = "CIDR"
number_of_hosts = 1
separate_repository = false
[setup_hosts]
ntp_servers = []
[secrets]
upstream = {{ env = "UPSTREAM_PASSWORD" }}
"""
BUILT = f"""
[images.built]
from = "{TINY}"
roles = ["mark"]
command = ["sleep", "1000000"]
[services.built]
image = "built"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""
AS_IT_IS = """
[services.plain]
image = "NAME"
command = ["sleep", "1000000"]
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""
REGISTRIES = f"""
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
for port in 5999 5998; do
    systemd-run --quiet --unit=upstream-$port docker-registry serve /srv/$port.yml
done
mkdir -p /srv/root/bin
for tool in sh cat rm sleep; do cp /bin/$tool /srv/root/bin/; done
for library in $(ldd /bin/sh /bin/cat /bin/rm /bin/sleep | grep -oE '/[^ ]+[0-9]' | sort -u); do
    install -D "$library" "/srv/root$library"
done
for port in 5999 5998; do
    for try in 1 2 3 4 5 6 7 8 9; do curl -s -o /dev/null http://127.0.0.1:$port/ && break; sleep 1; done
done
"""
IMPORT = "tar -C /srv/root -c . | docker import --change 'CMD [\"/bin/sh\"]' -"


class Site:
    """A site in a directory of its own, and the upstream on its host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = rig.site_name(PURPOSE)
        self.cidr = rig.free_cidr(PURPOSE)
        role = directory / "roles" / "mark" / "setup.sh"
        role.parent.mkdir(parents=True)
        role.write_text("cat /version >/built-from\n")
        self.write()

    def write(self, *parts: str) -> None:
        """Write site.toml."""
        text = "".join([SITE.replace("CIDR", self.cidr), *parts])
        (self.directory / "site.toml").write_text(text)

    def doit(self, *words: str, password: str = PASSWORD) -> "subprocess.CompletedProcess[str]":
        """Run doit."""
        path = os.environ.get("SKEP_DOIT") or str(Path(sys.executable).with_name("doit"))
        environment = {
            **os.environ,
            "DOIT_FILE": str(rig.ROOT / "dodo.py"),
            "UPSTREAM_PASSWORD": password,
        }
        return subprocess.run(
            [path, *words],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def ran(self, *words: str) -> dict[str, str]:
        """Run doit, which must end well, and return what it did with its reasons."""
        done = self.doit(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(re.findall(r"^([a-z_]+:\S+) .*?[\d.]+ s  (.*)$", done.stdout, re.MULTILINE))

    def on_host(self, script: str) -> str:
        """Run a script on the host."""
        return rig.run_in(f"skep.{self.name}.private.hive0", script)

    def push(self, name: str, version: str) -> str:
        """Push another version upstream, from which the engine keeps nothing; return its digest."""
        said = self.on_host(
            f"echo {version} >/srv/root/version\n{IMPORT} {name} >/dev/null\n"
            f"docker push {name}\ndocker image rm {name} >/dev/null"
        )
        digests: list[str] = re.findall(r"digest: (sha256:\S+)", said)
        return digests[0]

    def inside(self, service: str, path: str) -> str:
        """Return a file inside a service."""
        label = f"com.docker.swarm.service.name={service}"
        return self.on_host(f"docker exec $(docker ps -q -f label={label} | head -n 1) cat {path}").strip()

    def image_of(self, service: str) -> str:
        """Return the reference that a service runs."""
        template = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
        return self.on_host(f"docker service inspect -f '{template}' {service}").strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site whose host is set up, with an upstream on it."""
    made = Site(tmp_path_factory.mktemp("bases"))
    with rig.own(made.name):
        try:
            made.ran("setup_hosts")
            made.on_host(REGISTRIES)
            yield made
        finally:
            made.doit("destroy", f"confirm={made.name}", "volumes=all")


@pytest.fixture
def first(site: Site) -> str:
    """Give the digest of a first version, from which an image is built and a service runs as it is."""
    (site.directory / "site.lock").unlink(missing_ok=True)
    digest = site.push(TINY, "1")
    site.write(BUILT, AS_IT_IS.replace("NAME", TINY))
    site.ran("run")
    return digest


def test_what_is_pulled_runs_by_its_digest(site: Site, first: str) -> None:
    """Also what is not built: through the site's registry, at the digest that upstream had."""
    assert site.image_of("plain").endswith(f":5000/base/127.0.0.1-5999-tiny-1@{first}")
    assert site.inside("built", "/built-from") == "1"
    assert site.ran("run") == {}


def test_a_moved_tag_is_noticed_and_said(site: Site, first: str) -> None:
    """Old against new, and then all that is made from it; looking at the status alone asks nobody."""
    second = site.push(TINY, "2")
    listed = site.doit("list", "--all").stdout

    ran = site.ran("run")

    assert "stale" not in listed
    assert ran[UPSTREAM] == f"{TINY} moved upstream: {first[:19]} → {second[:19]}"
    assert ran[BASE] == f"upstream: {first[7:19]} → {second[7:19]}"
    assert sorted(ran) == sorted(
        [UPSTREAM, BASE, "build_images:built", "deploy_services:built", "deploy_services:plain"]
    )
    assert site.inside("built", "/built-from") == site.inside("plain", "/version") == "2"
    assert site.ran("run") == {}


def test_an_upstream_that_is_away_makes_nothing_stale(site: Site, first: str) -> None:
    """Nor without state/: what the engine has is what it was."""
    del first
    site.on_host("systemctl kill -s STOP upstream-5999")
    try:
        slow = site.ran("run")
        site.on_host("systemctl kill -s CONT upstream-5999; systemctl stop upstream-5999")
        away = site.ran("run")
        (site.directory / "state/private/build_images/upstream.127.0.0.1-5999-tiny-1.json").unlink()
        lost = site.ran("run")
    finally:
        site.on_host(
            "systemctl kill -s CONT upstream-5999 2>/dev/null || true; systemctl stop upstream-5999 || true\n"
            "systemctl reset-failed 'upstream-5999*' 2>/dev/null || true\n"
            "systemd-run --quiet --unit=upstream-5999 docker-registry serve /srv/5999.yml; sleep 1"
        )

    assert slow == away == {}
    assert list(lost) == [UPSTREAM]
    log = site.directory / "state/private/logs/build_images/upstream.127.0.0.1-5999-tiny-1.log"
    assert f"{TINY} stays what it was" in log.read_text()


def test_a_lock_holds_and_upgrade_moves(site: Site, first: str) -> None:
    """Locked, upstream is not asked; a moved tag matters when the lock is moved, and going back builds nothing."""
    assert site.doit("lock").stdout == f"{TINY}: {first[:19]} (new)\n"
    assert (site.directory / "site.lock").read_text() == f'[images]\n"{TINY}" = "{first}"\n'
    assert list(site.ran("run")) == [UPSTREAM]
    locked = (site.directory / "site.lock").read_text()
    second = site.push(TINY, "3")
    assert site.ran("run") == {}

    assert site.doit("lock", f"upgrade={TINY}").stdout == f"{TINY}: {first[:19]} → {second[:19]}\n"
    ran = site.ran("run")

    assert ran[UPSTREAM] == f"pinned: {first[7:19]} → {second[7:19]}"
    assert site.inside("built", "/built-from") == site.inside("plain", "/version") == "3"
    (site.directory / "site.lock").write_text(locked)
    site.ran("run")
    log = (site.directory / "state/private/logs/build_images/built.log").read_text()
    assert "found " in log
    assert "building layer" not in log
    assert site.inside("plain", "/version") == "1"


def test_a_login(site: Site) -> None:
    """Without one, with a wrong one, with the right one; the password is in no file of state/ but the secrets."""
    (site.directory / "site.lock").unlink(missing_ok=True)
    name = f"{CLOSED}/tiny:1"
    site.on_host(f"echo {PASSWORD} | docker login -u {USER} --password-stdin {CLOSED} >/dev/null 2>&1")
    site.push(name, "4")
    site.on_host(f"docker logout {CLOSED}")
    service = AS_IT_IS.replace("NAME", name)
    login = f'[registries."{CLOSED}"]\nuser = "{USER}"\npassword = "upstream"\n'

    site.write(service)
    none = site.doit().stdout
    site.write(login, service)
    wrong = site.doit(password="wrong-horse-9").stdout
    site.ran("run")

    assert f'if it wants a login, say it in site.toml: [registries."{CLOSED}"]' in none
    assert f"{CLOSED} did not let in user {USER} with the secret upstream" in wrong
    assert "debootstrap" not in wrong
    assert site.inside("plain", "/version") == "4"
    texts = [path.read_text(errors="replace") for path in site.directory.rglob("*") if path.is_file()]
    assert not any(PASSWORD in text or "wrong-horse" in text for text in texts)


def test_a_mirror(site: Site) -> None:
    """What names Docker Hub comes from the mirror, and nothing is asked of Docker Hub itself."""
    site.push(f"{OPEN}/library/elsewhere:1", "5")
    site.write(f'[registries."docker.io"]\nmirror = "{OPEN}"\n', AS_IT_IS.replace("NAME", "elsewhere:1"))

    site.ran("run")

    assert site.inside("plain", "/version") == "5"


def test_a_saved_image(site: Site) -> None:
    """A file of `docker save`, compressed, with another name than it goes by here; changed, it is another base."""
    site.write('[bases.app]\narchive = "app.tar.gz"\ntag = "saved:6"\n', AS_IT_IS.replace("NAME", "app"))
    for version in ("6", "7"):
        site.on_host(
            f"echo {version} >/srv/root/version\n{IMPORT} saved:6 >/dev/null\n"
            "docker save saved:6 | gzip >/srv/app.tar.gz; docker image rm saved:6 >/dev/null"
        )
        subprocess.run(
            ["docker", "cp", f"skep.{site.name}.private.hive0:/srv/app.tar.gz", "app.tar.gz"],
            cwd=site.directory,
            check=True,
            capture_output=True,
        )

        ran = site.ran("run")

        assert "build_images:base.app" in ran
        assert site.inside("plain", "/version") == version
    assert site.ran("run") == {}


def test_certificates_of_the_sites_ca_on_debian(site: Site) -> None:
    """Python, the CA's trust, and a certificate that Python accepts by it."""
    check = (
        "import ssl; c = ssl.create_default_context();"
        "s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain('/etc/tls/tls.crt', '/etc/tls/tls.key');"
        "a, b, d, e = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO();"
        "x = c.wrap_bio(a, b, server_hostname='www.example.com'); y = s.wrap_bio(b, a, server_side=True)\n"
        "for o in (x, y, x, y):\n"
        "    try: o.do_handshake()\n"
        "    except ssl.SSLWantReadError: pass\n"
        "print(x.getpeercert()['subjectAltName'])"
    )
    site.write(
        '[bases."debian:12"]\ndebootstrap = "bookworm"\n'
        '[images.tls]\nfrom = "debian:12"\nvars = { NAMES = "www.example.com", DIRECTORY = "/etc/tls" }\n'
        'roles = ["python", "trust-ca", "certificate"]\ncommand = ["sleep", "1000000"]\n'
        '[services.tls]\nimage = "tls"\nendpoint_mode = "dnsrr"\nstop_grace_period = "1s"\n'
    )

    site.ran("run")

    container = "$(docker ps -q -f label=com.docker.swarm.service.name=tls | head -n 1)"
    said = site.on_host(f"docker exec -i {container} python3 - <<'END'\n{check}\nEND\n")
    assert said.strip() == "(('DNS', 'www.example.com'),)"
    assert site.on_host(f"docker exec {container} stat -c %a:%U /etc/tls/tls.key").strip() == "600:root"
    assert site.ran("run") == {}


ANSIBLE = """
[secrets.of_build]
generate = 24
[bases."debian:12"]
debootstrap = "bookworm"
[images.ansible]
from = "debian:12"
secrets = ["of_build"]
vars = { PORT = 8080 }
roles = ["python", { role = "app", vars = { WORKERS = 4 } }, "still"]
command = ["sleep", "1000000"]
[services.ansible]
image = "ansible"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
secrets = ["of_build"]
labels = { fqdn = "www.example.com" }
initialize_roles = ["data"]
"""
ROLES = {
    "app/meta/main": "dependencies: [common]",
    "app/defaults/main": "PORT: 80\nWORKERS: 1\nOWNER: nobody",
    "app/vars/main": "WORKERS: 2",
    "app/templates/app.conf.j2": "{{ PORT }} {{ WORKERS + 1 }} {{ common }} {{ hive_name }} {{ hive_stage }}",
    "app/handlers/main": "- {name: note, shell: echo noted >>/etc/noted}",
    "app/tasks/main": """
- name: install the configuration
  template: {src: app.conf.j2, dest: /etc/app.conf, owner: "{{ OWNER }}", mode: "0640"}
  notify: note
- name: install the configuration again
  template: {src: app.conf.j2, dest: /etc/app.conf, owner: "{{ OWNER }}", mode: "0640"}
  notify: note
- name: become another user
  copy: {content: mine, dest: /var/tmp/mine}
  become: true
  become_user: "{{ OWNER }}"
  become_method: su
  become_flags: "-s /bin/sh"
- name: use the secret
  shell: echo {{ of_build | length }} >/etc/length
""",
    "common/defaults/main": "common: of-common",
    "common/tasks/main": "- {name: common, set_fact: {x: 1}}",
    "still/tasks/main": """
- {name: nothing new, file: {path: /etc/app.conf, mode: "0640"}}
- {name: look, stat: {path: /etc/app.conf}}
- {name: a module with files of its own, tempfile: {state: directory}, register: made}
- {name: without a trace, file: {path: "{{ made.path }}", state: absent}}
""",
    "data/tasks/main": """
- name: load
  copy:
    content: "{{ inventory_hostname }} {{ hive_labels.fqdn }} {{ groups['services'] | first }} {{ of_build | length }}"
    dest: /data
- name: ask a host
  raw: hostname -f
  delegate_to: "{{ groups['hives'] | intersect(groups[hive_stage]) | first }}"
  register: asked
- name: keep
  copy: {content: "{{ asked.stdout | trim }}", dest: /asked}
""",
}


def test_roles_of_ansible(site: Site) -> None:
    """Defaults, templates, handlers, dependencies, and what hive-builder gave; no trace of Ansible, nor of secrets."""
    for name, text in ROLES.items():
        path = site.directory / "roles" / (name if "templates" in name else f"{name}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    site.write(ANSIBLE)

    site.ran("run")

    container = "$(docker ps -q -f label=com.docker.swarm.service.name=ansible | head -n 1)"
    assert site.inside("ansible", "/etc/app.conf") == f"8080 5 of-common {site.name} private"
    assert site.inside("ansible", "/etc/noted") == "noted"
    assert site.inside("ansible", "/etc/length") == "24"
    assert site.inside("ansible", "/data") == "ansible www.example.com ansible 24"
    assert site.inside("ansible", "/asked") == f"p-hive0.{site.name}"
    assert site.on_host(f"docker exec {container} stat -c %a:%U /etc/app.conf /var/tmp/mine").split() == [
        "640:nobody",
        "644:nobody",
    ]
    # One layer more than the base and `python`: that of `app`, as `still` changed nothing.
    image = f"$(docker inspect -f {{{{.Image}}}} {container})"
    assert len(site.on_host(f"docker history -q {image}").split()) == 3
    top = site.on_host(
        f"docker save {image} | tar -xO --wildcards '*/layer.tar' | tar -ti 2>/dev/null | grep -iE 'skep|ansible' || :"
    )
    assert top == ""
    vault = (site.directory / "state" / "private" / "secrets" / "vault.json").read_text()
    secret = re.search(r'"of_build": ?"([^"]+)"', vault)
    assert secret is not None
    for log in (site.directory / "state" / "private" / "logs").rglob("*.log"):
        assert secret[1] not in log.read_text()
    assert not list((site.directory / "state" / "private" / "ansible").iterdir())
    assert site.ran("run") == {}


def test_what_a_role_of_ansible_depends_on(site: Site) -> None:
    """A file of a role that it uses, and a variable of hive-builder's that it names; not one that it does not name."""
    common = site.directory / "roles" / "common" / "defaults" / "main.yml"
    common.write_text("common: changed")
    site.write(ANSIBLE.replace("www.example.com", "new.example.com"))

    done = site.ran("run")

    assert "roles/common/defaults/main.yml" in done["build_images:ansible"]
    assert "fqdn" in done["initialize_services:ansible.data"]
    assert site.inside("ansible", "/etc/app.conf").split()[2] == "changed"
    site.write(
        ANSIBLE.replace("www.example.com", "new.example.com").replace(
            "[services", "[setup_hosts.hosts]\n[services"
        )
    )
    assert site.ran("run") == {}


def test_a_role_of_ansible_that_fails(site: Site) -> None:
    """The message has the task, where it is, and what it said; without a Python, what to do; nothing is left."""
    tasks = site.directory / "roles" / "still" / "tasks" / "main.yml"
    tasks.write_text("- {name: stop here, shell: 'echo so far; echo no more >&2; exit 3'}\n")

    failed = site.doit("build_images").stdout

    assert "role still: task 'still : stop here' (roles/still/tasks/main.yml:1): " in failed
    assert "no more" in failed
    site.write(ANSIBLE.replace('"python", ', ""))
    failed = site.doit("build_images").stdout
    assert "role app: task 'app : install the configuration'" in failed
    assert "put role `python` before this one" in failed
    assert site.on_host("docker ps -aq -f name=skep-build") == ""
