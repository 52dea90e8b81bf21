"""Ansible's roles in an image's build and at an initialization, on a real engine with a real Ansible."""

import re

import pytest

from tests.integration.one_host_site.one_host import RUN, OneHost

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
ANSIBLE = """
[secrets.of_build]
generate = 24
[bases."debian:13"]
debootstrap = "trixie"
[images.ansible]
from = "debian:13"
secrets = ["of_build"]
vars = { PORT = 8080 }
roles = ["begin", { role = "app", vars = { WORKERS = 4 } }, "still"]
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
    "begin/tasks/main": """
- import_role: {name: python}
- import_role: {name: certificate}
  vars: {NAMES: a.example, DIRECTORY: /etc/tls}
""",
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
  shell: echo {{ hostvars.ansible.of_build | length }} >/etc/length
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


def test_roles_of_ansible(site: OneHost) -> None:
    """Defaults, templates, handlers, dependencies, built-in roles, the site; no trace of Ansible or a secret stays."""
    for name, text in ROLES.items():
        path = site.directory / "roles" / (name if "templates" in name else f"{name}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    site.write(ANSIBLE)

    site.ran()

    container = "$(docker ps -q -f label=com.docker.swarm.service.name=ansible | head -n 1)"
    assert site.file_in("ansible", "/etc/app.conf") == f"8080 5 of-common {site.name} private"
    assert site.file_in("ansible", "/etc/noted") == "noted"
    assert site.file_in("ansible", "/etc/length") == "24"
    assert site.file_in("ansible", "/data") == "ansible www.example.com ansible 24"
    assert site.file_in("ansible", "/asked") == f"p-hive0.{site.name}"
    assert site.on_host(
        f"docker exec {container} stat -c %a:%U /etc/app.conf /var/tmp/mine /etc/tls/tls.key"
    ).split() == [
        "640:nobody",
        "644:nobody",
        "600:root",
    ]
    # One layer more than the base and `begin`: that of `app`, as `still` changed nothing.
    image = f"$(docker inspect -f {{{{.Image}}}} {container})"
    assert len(site.on_host(f"docker history -q {image}").split()) == 3
    top = site.on_host(
        # Engines differ in what they call a layer's archive.
        f"mkdir /srv/saved; docker save {image} | tar -xC /srv/saved\n"
        "for file in $(find /srv/saved -type f); do tar -tf $file 2>/dev/null || :; done >/srv/names\n"
        "rm -r /srv/saved; grep -q etc/app.conf /srv/names; grep -iE 'skep|ansible' /srv/names || :"
    )
    assert top == ""
    vault = (site.state / "secrets" / "vault.json").read_text()
    secret = re.search(r'"of_build": ?"([^"]+)"', vault)
    assert secret is not None
    for log in (site.state / "logs").rglob("*.log"):
        assert secret[1] not in log.read_text()
    assert not list((site.state / "ansible").iterdir())
    assert site.ran() == {}


def test_what_a_role_of_ansible_depends_on(site: OneHost) -> None:
    """A changed file of a role that it uses makes it stale; so does a variable that it names, and no other."""
    common = site.directory / "roles" / "common" / "defaults" / "main.yml"
    common.write_text("common: changed")
    site.write(ANSIBLE.replace("www.example.com", "new.example.com"))

    done = site.ran()

    assert "roles/common/defaults/main.yml" in done["build_images:ansible"]
    assert "fqdn" in done["initialize_services:ansible.data"]
    assert site.file_in("ansible", "/etc/app.conf").split()[2] == "changed"
    site.write(
        ANSIBLE.replace("www.example.com", "new.example.com").replace(
            "[services", "[setup_hosts.hosts]\n[services"
        )
    )
    assert site.ran() == {}


def test_a_role_of_ansible_that_fails(site: OneHost) -> None:
    """The message has task, place and output, or how to get a missing Python; no build container is left."""
    tasks = site.directory / "roles" / "still" / "tasks" / "main.yml"
    tasks.write_text("- {name: stop here, shell: 'echo so far; echo no more >&2; exit 3'}\n")

    failed = site.run("build_images", timeout=RUN).text

    assert "role still: task 'still : stop here' (roles/still/tasks/main.yml:1): " in failed
    assert "no more" in failed
    site.write(ANSIBLE.replace('"begin", ', ""))
    failed = site.run("build_images", timeout=RUN).text
    assert "role app: task 'app : install the configuration'" in failed
    assert "put role `python` before this one" in failed
    assert site.on_host("docker ps -aq -f name=skep-build") == ""
