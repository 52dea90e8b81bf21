"""`doit list` shows the state of all resources, without a connection."""

import re
from pathlib import Path

import pytest

from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

# Refuses to connect or to start a program, and notes that it was tried, even where the error is swallowed.
_REFUSING = """
import os, sys
def _hook(event, args):
    if event == "subprocess.Popen" and args[1] == ["uname", "-p"]:
        return  # plumbum asks so for the processor when it is imported
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}:
        with open(os.environ["SKEP_TEST_ATTEMPTS"], "a") as file: file.write(f"{event} {args}\\n")
        raise OSError(f"{event} is refused by the test")
sys.addaudithook(_hook)
"""


def test_list_opens_no_connection(site: Example, tmp_path: Path) -> None:
    """`doit list` tries neither to connect nor to start a program, and says that all is up to date."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "sitecustomize.py").write_text(_REFUSING)
    attempts = tmp_path / "attempts"
    ended = site.run(
        "list",
        PYTHONPATH=str(tmp_path),
        SKEP_TEST_ATTEMPTS=str(attempts),
        PATH=str(tmp_path / "bin"),
        DOCKER_HOST=f"unix://{tmp_path}/none",
        HOME=str(tmp_path),
        timeout=240,
    )
    assert ended.status == 0, ended.text
    assert not attempts.exists(), attempts.read_text()
    phases = [
        line.split()[0]
        for line in ended.text.splitlines()
        if re.match("(build|setup|deploy|initialize)_", line)
    ]
    assert phases == [
        "build_infra",
        "setup_hosts",
        "build_images",
        "build_networks",
        "build_volumes",
        "deploy_services",
        "initialize_services",
    ]
    assert ended.text.count("up to date") == 7, ended.text


def test_list_says_what_is_stale(site: Example) -> None:
    """`doit list` shows which resource a change makes stale, and does nothing about it."""
    with site.edited('SITE_NAME = "example"', 'SITE_NAME = "another"'):
        ended = site.run("list", "--all")
    stale = [line for line in ended.text.splitlines() if re.search(r"\bstale\b", line)]
    assert any("deploy_services:proxy" in line or line.strip().startswith("proxy ") for line in stale), (
        ended.text
    )
    assert site.run().did_nothing
