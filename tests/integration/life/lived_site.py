"""The site that a history takes through its changes: a database on one hive, a page on two, and a second checkout."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from model.keys.digest import key_of
from model.site import HOST_IMAGE, DockerStage
from providers.docker import image as docker_host_image
from remote.ssh.ssh_files import socket_directory
from tests import rig
from tests.integration.doit_run import Ended
from tests.integration.site import Site

PURPOSE = "history"
RUN = 900.0
"""Seconds for a run that makes the site, or takes all of its hosts down."""
MOST = 4
"""The most hosts that a history has."""
PYTHONS = re.compile(r"Traceback|\b(None|True|False)\b|\('|<[\w.]+ object")
"""What no message shows: values as Python writes them."""
MADE_HERE = HOST_IMAGE
TOML = """\
site = "{name}"
[stages.private]
separate_repository = false
{lines}
[bases."debian:13"]
debootstrap = "trixie"
[volumes.data]
hosts = ["hive0"]
[images.page]
from = "debian:13"
roles = ["page"]
entrypoint = ["/usr/bin/perl", "/serve"]
[images.db]
from = "debian:13"
roles = ["debian", "mariadb"]
entrypoint = ["/usr/local/bin/mariadb-start"]
healthcheck = {{ test = ["/usr/local/bin/mariadb-healthy"], interval = "2s", timeout = "10s", start_period = "60s" }}
[services.page]
image = "page"
endpoint_mode = "dnsrr"
replicas = 2
placement = {{ max_replicas_per_node = 1 }}
ports = [{{ target_port = 8080, published_port = 8080, mode = "host" }}]
[services.db]
image = "db"
endpoint_mode = "dnsrr"
volumes = [{{ source = "data", target = "/var/lib/mysql" }}]
stop_grace_period = "60s"
"""
SERVE = r"""
cat >/serve <<'END'
use IO::Socket::INET;
$SIG{TERM} = sub { exit };
my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die;
while (my $guest = $door->accept) {
    sysread $guest, my $asked, 4096;
    print $guest "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";
    close $guest;
}
END
"""


@dataclass(frozen=True)
class Shape:
    """The hosts, as site.toml has them.

    Args:
        cidr: Their network.
        number: How many there are.
        repository: The value of `repository`; empty where that line is not there.
        memory: The value of `memory_size`; 0 where that line is not there.
        image: The value of `host_image`.

    """

    cidr: str
    number: int = 3
    repository: str = ""
    memory: int = 0
    image: str = MADE_HERE

    @property
    def hives(self) -> tuple[str, ...]:
        """The short names of the hosts: all are hives."""
        return tuple(f"hive{number}" for number in range(self.number))

    @property
    def home(self) -> str:
        """The host that has the registry: the last one as the site was made, until `repository` names another."""
        return self.repository or "hive2"

    @property
    def addresses(self) -> list[str]:
        """The addresses of as many hosts as there may ever be."""
        return [host.address for host in rig.docker_stage(PURPOSE, MOST, cidr=self.cidr).hosts]


class LivedSite(Site):
    """The site, in one checkout or in a second one.

    Args:
        directory: Where its site.toml, roles/ and state/ are; made here.
        shape: Its hosts.

    """

    owns_hosts = True
    """Whether skep makes its hosts."""

    def __init__(self, directory: Path, shape: Shape) -> None:
        super().__init__(directory, PURPOSE)
        self.second: LivedSite | None = None
        for role in ("debian", "mariadb"):
            shutil.copytree(rig.ROOT / "roles" / role, self.role(role), symlinks=True)
        self.write_role("page", SERVE)
        self.take(shape)

    def take(self, shape: Shape) -> None:
        """Have other hosts in site.toml."""
        self.shape = shape
        said = {key: value for key, value in self._stage().items() if value}
        lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in said.items())
        self.toml.write_text(TOML.format(name=self.name, lines=lines))

    def _stage(self) -> dict[str, object]:
        """Return what the stage says, beside what it says of any hosts; empty values are left out."""
        return {
            "provider": "docker",
            "cidr": self.shape.cidr,
            "number_of_hosts": self.shape.number,
            "repository": self.shape.repository,
            "memory_size": self.shape.memory,
            "host_image": self.shape.image,
        }

    @property
    def machines(self) -> tuple[str, ...]:
        """The hosts that there are, whether the stage has them or not."""
        return self.shape.hives

    def registry(self, host: str) -> str:
        """Return the name of the registry of a host."""
        return f"p-{host}.{self.name}:5000"

    def clone(self) -> "LivedSite":
        """Return the second checkout, with the site.toml of now; without `state/` the first time."""
        self.second = self.second or type(self)(self.directory.with_name("second"), self.shape)
        self.second.take(self.shape)
        return self.second

    def settle(self, first: Ended | None = None) -> list[Ended]:
        """Run doit until it ends well; return the runs, of which there are two at most, with one that has ended."""
        runs = [first or self.run(timeout=RUN)]
        if runs[0].status != 0:
            runs.append(self.run(timeout=RUN))
        text = "\n=== the run after it:\n".join(ended.text for ended in runs)
        assert runs[-1].status == 0, text
        assert not PYTHONS.search(text), text
        return runs

    def logs_in(self, host: str) -> bool:
        """Return whether this checkout's key logs in, over a connection of its own; the host may be another by now."""
        words = ["ssh", "-F", str(self.state / "ssh_config"), "-o", "ControlPath=none"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={os.devnull}", host, "true"]
        return subprocess.run(words, capture_output=True, timeout=240, check=False).returncode == 0

    def hang_up(self) -> None:
        """End the shared connections of this checkout, which outlive their last use by a minute."""
        for control in socket_directory(self.state).glob("*.ssh"):
            words = [
                "ssh",
                "-F",
                str(self.state / "ssh_config"),
                "-o",
                f"ControlPath={control}",
                "-O",
                "exit",
            ]
            subprocess.run([*words, control.stem], capture_output=True, timeout=240, check=False)


def other_image() -> str:
    """Return a host image with the content of the one made here, and another name: the engine has it already."""
    return f"skep-host:{key_of(docker_host_image.inputs(DockerStage()))[:12]}"


def remove_other_image(cidr: str) -> None:
    """Remove what was made of that image, unless somebody uses it."""
    config = DockerStage(cidr=cidr, host_image=other_image())
    docker_host_image.remove(key_of(docker_host_image.inputs(config)), rig.quiet)
