"""Four ways to build the same three images on one repository host: skep, and three others.

Each is given the same texts and writes them as its own kind of sources: roles for skep, Dockerfiles for Docker's two
builders, a playbook for hive-builder's method. An image has an apt layer and a file that all three share, then two
layers of its own. Files are roles of files for skep, and `COPY` for Docker's builders.
"""

import json
import os
import subprocess
import venv
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from peer import Peer, docker_client

ROOT = Path(__file__).parents[1]
IMAGES = ("web", "api", "worker")
PACKAGE = "less"
SITE_TOML = """\
site = "{site}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
host_image = "debootstrap:bookworm"  # has the docker command, which the comparison needs
number_of_hosts = 1
separate_repository = false
[bases."debian:12"]
debootstrap = "bookworm"
include = ["python3-apt"]  # Ansible needs it inside; all build on the same base
"""
IMAGE_TOML = """
[images.{name}]
from = "debian:12"
roles = ["packages", "common", "config-{name}", "content-{name}"]
env = {{ WORD = "{word}" }}
command = ["sleep", "1000000"]
[services.{name}]
image = "{name}"
endpoint_mode = "dnsrr"
"""
DOCKERFILE = """\
FROM {base}
RUN mkdir -p /etc/bench && echo '{packages}' >/etc/bench/packages && apt-get update && \\
    apt-get install -y --no-install-recommends {package} && rm -rf {removed}
COPY common /etc/bench/common
COPY config /etc/bench/config
COPY {content} /srv/
ENV WORD={word}
CMD ["sleep", "1000000"]
"""
# What hive-builder does for an image, with the modules that it uses: a container that stays from run to run, tasks
# inside it, stop, commit, push. Leaner than its own playbook: no facts are gathered, and nobody logs in each time.
PLAYBOOK = """\
- hosts: images
  gather_facts: false
  serial: 3
  connection: community.docker.docker
  tasks:
    - community.docker.docker_container:
        name: build_{{ inventory_hostname }}
        image: "{{ base }}"
        hostname: "{{ inventory_hostname }}"
        env: "{{ env }}"
        entrypoint: []
        command: ["/bin/sh", "-c", "trap 'kill %1' int; sleep 2400 & wait"]
        command_handling: correct
        state: started
      delegate_to: repository
    - ansible.builtin.include_role: {name: "{{ role }}"}
      loop: [packages, common, own]
      loop_control: {loop_var: role}
    - ansible.builtin.shell: |
        docker stop build_{{ inventory_hostname }}
        docker commit --change 'ENTRYPOINT []' --change 'CMD ["sleep", "1000000"]' \\
            build_{{ inventory_hostname }} {{ reference }}
      delegate_to: repository
    - ansible.builtin.shell: docker push {{ reference }}
      delegate_to: repository
"""
ANSIBLE_CFG = """\
[defaults]
inventory = inventory.yml
host_key_checking = false
[ssh_connection]
pipelining = true
"""
Texts = Mapping[str, str]


class Host(Peer):
    """The repository host, which skep has set up.

    Args:
        site: The site's directory.
        name: The site's name.

    """

    def __init__(self, site: Path, name: str) -> None:
        """Prepare the host for the builders."""
        super().__init__(site, name, "hive0")
        base = json.loads((self.state / "build_images" / "base.debian-12.json").read_text())
        self.base = "bench-base"
        self.run(
            f"docker tag {base['reference']} {self.base}\n"
            "apt-get update -qq\n"
            "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-requests"
        )
        self.run(
            f"sudo -u {self.user} -H docker login -u skep --password-stdin {self.registry} 2>/dev/null",
            self.password,
        )

    def digest(self, repository: str) -> str:
        """Return the digest of a repository's latest image in the registry."""
        output = self.run(
            f"curl -sS --fail --cacert /etc/skep/registry/ca.crt -K - -I "
            f"-H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "
            f"https://{self.registry}/v2/{repository}/manifests/latest",
            f'user = "skep:{self.password}"\n',
        )
        [line] = [line for line in output.splitlines() if line.lower().startswith("docker-content-digest:")]
        return line.partition(":")[2].strip()

    def look(self, reference: str) -> dict[str, str]:
        """Return an image's files, by path, and its variable."""
        paths = "/etc/bench/packages /etc/bench/common /etc/bench/config /srv/content /srv/extra"
        script = f'for path in {paths}; do echo "$path=$(cat $path 2>/dev/null)"; done; echo "WORD=$WORD"'
        output = self.ran(["docker", "run", "--rm", "--entrypoint", "sh", reference, "-c", script])
        return dict(line.split("=", 1) for line in output.splitlines())


class Builder(ABC):
    """One way to build the three images.

    Args:
        host: The repository host.

    """

    name: str

    def __init__(self, host: Host) -> None:
        """Keep the host."""
        self.host = host
        self.directory = host.site

    @abstractmethod
    def write(self, texts: Texts) -> None:
        """Write the sources."""

    @abstractmethod
    def build(self) -> None:
        """Build and push the three images: this is measured."""

    def forget(self) -> None:  # noqa: B027 - most have nothing to do
        """Make it so that nothing of an earlier build is of use, beside that all texts are new."""

    def reference(self, image: str) -> str:
        """Return an image's reference with digest, as a service would run it."""
        repository = f"{self.name}/{image}"
        return f"{self.host.registry}/{repository}@{self.host.digest(repository)}"


class Skep(Builder):
    """`./setup doit build_images`, as a person types it."""

    name = "skep"

    def __init__(self, host: Host) -> None:
        """Keep the beginning of its site.toml."""
        super().__init__(host)
        self._head = (self.directory / "site.toml").read_text().partition("\n[images.")[0] + "\n"

    def write(self, texts: Texts) -> None:
        """Write roles and site.toml."""
        write_site(self.directory, self._head, texts)

    def forget(self) -> None:
        """Lose the records of the images."""
        for name in IMAGES:
            for path in ("build_images", "traces/build_images"):
                (self.host.state / path / f"{name}.json").unlink(missing_ok=True)

    def build(self) -> None:
        """Run doit."""
        self.host.ran([str(ROOT / "setup"), "doit", "build_images"], {**os.environ, "CI": "true"})

    def reference(self, image: str) -> str:
        """Return the digest in its record."""
        record = json.loads((self.host.state / "build_images" / f"{image}.json").read_text())
        return str(record["reference"])


class Docker(Builder):
    """`docker build` and `docker push` of one image after another, by one of Docker's builders."""

    def __init__(self, host: Host, name: str, *, buildkit: bool, removes_caches: bool = False) -> None:
        """Choose the builder.

        Args:
            host: The repository host.
            name: The column's name.
            buildkit: Whether it is BuildKit.
            removes_caches: Whether the Dockerfile removes apt's caches as well, which skep's layers are without.

        """
        super().__init__(host)
        self._removed = "/var/lib/apt/lists/*" + " /var/cache/apt/*.bin" * removes_caches
        self.name = name
        self.directory = host.site / name
        self._environment = {**host.environment, "DOCKER_BUILDKIT": str(int(buildkit))}

    def write(self, texts: Texts) -> None:
        """Write a directory with a Dockerfile for each image."""
        for name in IMAGES:
            extra = texts[f"extra.{name}"]
            files = {
                "common": texts["common"],
                "config": texts[f"config.{name}"],
                "content": texts[f"content.{name}"],
                "extra": extra,
                "Dockerfile": DOCKERFILE.format(
                    base=self.host.base, package=PACKAGE, packages=texts["packages"], removed=self._removed,
                    content="content extra" if extra else "content", word=texts[f"word.{name}"],
                ),
            }  # fmt: skip
            for path, text in files.items():
                put(self.directory / name / path, text)

    def build(self) -> None:
        """Build and push one after another."""
        for name in IMAGES:
            reference = f"{self.host.registry}/{self.name}/{name}:latest"
            self.host.ran(["docker", "build", "-t", reference, str(self.directory / name)], self._environment)
            self.host.ran(["docker", "push", reference], self._environment)


class Hive(Builder):
    """hive-builder's method: Ansible's tasks inside a container that stays, then stop, commit and push."""

    name = "hive"

    def __init__(self, host: Host, environment: Path) -> None:
        """Write the files that do not change.

        Args:
            host: The repository host.
            environment: A virtual environment with Ansible; made if it is not there.

        """
        super().__init__(host)
        self.directory = host.site / "hive"
        self._ansible = environment / "bin" / "ansible-playbook"
        if not self._ansible.exists():
            print(f"installing Ansible into {environment}", flush=True)
            venv.create(environment, with_pip=True)
            subprocess.run([environment / "bin" / "pip", "install", "-q", "ansible>=11,<12"], check=True)
        put(self.directory / "ansible.cfg", ANSIBLE_CFG)
        put(self.directory / "playbook.yml", PLAYBOOK)

    def write(self, texts: Texts) -> None:
        """Write inventory and roles. JSON is YAML."""

        def copy(path: str, text: str) -> dict[str, object]:
            return {"ansible.builtin.copy": {"content": text, "dest": path, "mode": "0644"}}

        apt = {"name": PACKAGE, "update_cache": True, "install_recommends": False}
        directory = {"ansible.builtin.file": {"path": "/etc/bench", "state": "directory"}}
        own = [copy("/etc/bench/config", "{{ config }}"), copy("/srv/content", "{{ content }}")]
        extra = {**copy("/srv/extra", "{{ extra }}"), "when": "extra != ''"}
        roles = {
            "packages": [
                directory,
                copy("/etc/bench/packages", texts["packages"]),
                {"ansible.builtin.apt": apt},
            ],
            "common": [copy("/etc/bench/common", texts["common"])],
            "own": [*own, extra],
        }
        for role, tasks in roles.items():
            put(self.directory / "roles" / role / "tasks" / "main.yml", json.dumps(tasks))
        host = {
            "ansible_connection": "ssh",
            "ansible_host": self.host.address, "ansible_user": self.host.user,
            "ansible_ssh_private_key_file": str(self.host.state / "secrets" / "id_ed25519"),
            "ansible_python_interpreter": "/usr/bin/python3",
        }  # fmt: skip
        images = {
            name: {
                "ansible_host": f"build_{name}", "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_docker_extra_args": f"-H unix://{self.host.socket}",
                "base": self.host.base, "env": {"WORD": texts[f"word.{name}"]},
                "reference": f"{self.host.registry}/{self.name}/{name}:latest",
                **{word: texts[f"{word}.{name}"] for word in ("config", "content", "extra")},
            }
            for name in IMAGES
        }  # fmt: skip
        groups = {"ungrouped": {"hosts": {"repository": host}}, "images": {"hosts": images}}
        put(self.directory / "inventory.yml", json.dumps({"all": {"children": groups}}))

    def forget(self) -> None:
        """Remove the containers."""
        self.host.run(f"docker rm -f {' '.join(f'build_{name}' for name in IMAGES)} >/dev/null 2>&1 || true")

    def build(self) -> None:
        """Run the playbook."""
        environment = {**os.environ, "PATH": f"{docker_client().parent}:{os.environ['PATH']}"}
        self.host.ran([str(self._ansible), "playbook.yml"], environment, cwd=self.directory)


def write_site(directory: Path, head: str, texts: Texts) -> None:
    """Write a site's roles and its site.toml."""
    packages = (
        f"apt-get update\napt-get install -y --no-install-recommends {PACKAGE}\nrm -rf /var/lib/apt/lists/*\n"
        "install -D -m 0644 packages /etc/bench/packages\n"
    )
    files = {
        "packages/setup.sh": packages,
        "packages/packages": texts["packages"],
        "common/root/etc/bench/common": texts["common"],
    }
    for name in IMAGES:
        files[f"config-{name}/root/etc/bench/config"] = texts[f"config.{name}"]
        files[f"content-{name}/root/srv/content"] = texts[f"content.{name}"]
        files[f"content-{name}/root/srv/extra"] = texts[f"extra.{name}"]
    for path, text in files.items():
        if text:
            put(directory / "roles" / path, text)
        else:
            (directory / "roles" / path).unlink(missing_ok=True)
    images = [IMAGE_TOML.format(name=name, word=texts[f"word.{name}"]) for name in IMAGES]
    put(directory / "site.toml", "".join([head, *images]))


def put(path: Path, text: str) -> None:
    """Write a file, if it differs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
