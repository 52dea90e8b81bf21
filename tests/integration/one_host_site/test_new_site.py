"""`doit init`, then `doit`: a page answers; what a compose file says runs."""

import shutil
import subprocess
import urllib.request
from collections.abc import Mapping

import pytest

from tests import rig
from tests.integration.doit_run import DOIT
from tests.integration.one_host_site.one_host import OPEN, RUN, OneHost
from tests.integration.site import Site, replaced

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"


COMPOSE = f"""
services:
  app:
    image: {TINY}
    command: sleep 1000000
    stop_grace_period: 1s
    environment: [GREETING=$GREETING, 'COST=5$$', API_TOKEN, "NODE={{{{.Node.Hostname}}}}"]
    configs: [{{source: plain.conf, target: /etc/plain.conf, mode: 0440}}]
    secrets: [key]
    volumes: ["./conf:/etc/app:ro", "data:/data"]
    deploy: {{replicas: 1, labels: {{com.example.team: web}}}}
volumes: {{data: }}
configs: {{plain.conf: {{content: "to $GREETING"}}}}
secrets: {{key: {{file: ./key.txt}}}}
"""


def test_a_new_site_answers(site: OneHost) -> None:
    """What was made needs no line to be changed; the host is that of these tests, so that none has to be made.

    A changed page is deployed by the next run, and a run after it does nothing.
    """
    new = made(site, "new")

    text = new.run(timeout=RUN).well().text

    address = next(word for word in text.split() if word.startswith("http://"))
    assert page(address) == f"<h1>Hello from {site.name}</h1>"
    index = new.role("hello/files/index.html")
    index.write_text("<h1>mine</h1>\n")
    assert set(new.run(timeout=RUN).well().reasons) == {"build_images:hello", "deploy_services:hello"}
    assert page(address) == "<h1>mine</h1>"
    assert new.run().did_nothing


def test_a_site_from_compose_runs(site: OneHost) -> None:
    """Its variables, configs, secrets, files and volumes arrive in the container as compose would have them."""
    site.push(TINY, "1")
    files = {
        "stack.yml": COMPOSE,
        ".env": "GREETING=hello\nAPI_TOKEN=t0ken\n",
        "key.txt": "k3y-file\n",
        "conf/a": "{{ a }}\n",
    }

    new = made(site, "stack", "from=compose", "stack.yml", files=files)
    new.run(timeout=RUN).well()

    environment = site.file_in("app", "/proc/1/environ").split("\0")
    assert {"GREETING=hello", "COST=5$", "API_TOKEN=t0ken"} <= set(environment)
    assert any(word.startswith("NODE=p-hive0") for word in environment)
    assert site.file_in("app", "/etc/plain.conf") == "to hello"
    assert site.file_in("app", "/etc/app/a") == "{{ a }}"
    assert site.file_in("app", "/run/secrets/key") == "k3y-file"
    assert "t0ken" not in new.toml.read_text()
    assert new.run().did_nothing


def made(site: OneHost, name: str, *words: str, files: Mapping[str, str] | None = None) -> Site:
    """Return a site that `doit init` made in a directory with these files, on the host of another one."""
    new = Site(site.directory.with_name(name), "bases")
    shutil.rmtree(new.directory)
    for file, text in (files or {}).items():
        path = new.directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    where = new.directory if files else new.directory.parent
    command = [str(DOIT), "init", "." if files else name, f"site={site.name}", *words]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=240, check=True)
    assert "made site.toml" in done.stdout
    new.toml.write_text(replaced(new.toml.read_text(), cidr_of(new), cidr_of(site)))
    shutil.copytree(site.state, new.state)
    return new


def cidr_of(site: Site) -> str:
    """Return the line of site.toml with the hosts' network."""
    return next(line for line in site.toml.read_text().splitlines() if line.startswith("cidr = "))


def page(address: str) -> str:
    """Return the heading of a page, whose server may just have been started."""
    text: list[str] = []

    def answers() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=240) as answer:
                text[:] = str(answer.read(), "utf-8").splitlines()
        except OSError:
            return False
        return True

    rig.wait_until(answers, f"{address} to answer")
    return next(line for line in text if line.startswith("<h1>"))
