"""The page of a real site: as a file, and served; a service that fails says HTML and a secret."""

import http.client
import json

import pytest

from tests.integration.one_host_site.one_host import OPEN, OneHost
from tests.integration.typed import held, typed, words

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"
SITE = f"""
word = {{ env = "WORD" }}
[volumes.pages]
hosts = ["hive0"]
backup = false
[services.well]
image = "{TINY}"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
replicas = 2
command = ["/bin/sh", "-c", "while :; do sleep 1000; done"]
volumes = [{{ source = "pages", target = "/pages" }}]
[services.ill]
image = "{TINY}"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
secrets = ["word"]
entrypoint = ["/bin/sh", "-c", "echo '<script>document.title = 1</script>'; cat /run/secrets/word; sleep 2; exit 3"]
"""
WORD = "correct horse battery"


@pytest.fixture
def ill(site: OneHost) -> OneHost:
    """Give the site with a service that runs, and one that ends again and again."""
    site.push(TINY, "1")
    site.variables["WORD"] = WORD
    site.write(SITE)
    site.run(timeout=900)
    return site


def test_a_page_and_its_server(ill: OneHost) -> None:
    """Both show what runs where, who deployed it, and the log of what fails, as text and without the secret."""
    code, said = words(typed(ill, "page", "page.html"))
    assert (code, said.startswith("page.html: ")) == (0, True)
    text = (ill.directory / "page.html").read_text()
    assert "&lt;script&gt;document.title = 1&lt;/script&gt;" in text
    assert WORD not in text
    assert "[redacted]" in text

    with held(ill, "web") as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split()[0]
        port = int(address.removeprefix("http://127.0.0.1:").removesuffix("/"))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
        connection.request("GET", "/page.json")
        data = json.load(connection.getresponse())
        services = {each["name"]: each for each in data["services"]}
        names = [task["name"] for task in data["hosts"][0]["tasks"]]
        assert [name for name in names if name.startswith("well.")] == ["well.1", "well.2"]
        assert (services["well"]["running"], services["well"]["volumes"]) == (2, ["pages"])
        assert services["well"]["deployed"]["began"].startswith("20")
        assert services["ill"]["problems"]
        assert WORD not in json.dumps(data)
        connection.request("POST", "/")
        assert connection.getresponse().status == 405
