"""`doit init` in an empty directory, then `doit`: a page answers."""

import shutil
import subprocess
import urllib.request

import pytest

from tests.integration.doit_run import DOIT
from tests.integration.one_host_site.one_host import RUN, OneHost
from tests.integration.site import Site, replaced

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_a_new_site_answers(site: OneHost) -> None:
    """What was made needs no line to be changed; the host is that of these tests, so that none has to be made.

    A changed page is deployed by the next run, and a run after it does nothing.
    """
    new = Site(site.directory.with_name("new"), "bases")
    shutil.rmtree(new.directory)
    words = [str(DOIT), "init", "new", f"site={site.name}"]
    done = subprocess.run(
        words, cwd=new.directory.parent, capture_output=True, text=True, timeout=60, check=True
    )
    assert "made site.toml" in done.stdout
    text = new.toml.read_text()
    cidr = next(line for line in text.splitlines() if line.startswith("cidr = "))
    theirs = next(line for line in site.toml.read_text().splitlines() if line.startswith("cidr = "))
    new.toml.write_text(replaced(text, cidr, theirs))
    shutil.copytree(site.state, new.state)

    text = new.run(timeout=RUN).well().text

    address = next(word for word in text.split() if word.startswith("http://"))
    assert page(address) == f"<h1>Hello from {site.name}</h1>"
    index = new.role("hello/files/index.html")
    index.write_text("<h1>mine</h1>\n")
    assert set(new.run(timeout=RUN).well().reasons) == {"build_images:hello", "deploy_services:hello"}
    assert page(address) == "<h1>mine</h1>"
    assert new.run().did_nothing


def page(address: str) -> str:
    """Return the heading of a page."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        text = str(answer.read(), "utf-8")
    return next(line for line in text.splitlines() if line.startswith("<h1>"))
