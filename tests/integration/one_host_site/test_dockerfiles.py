"""An image that a Dockerfile builds, on an image of the site, by a real engine."""

import pytest

from tests.integration.one_host_site.one_host import OPEN, OneHost

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TINY = f"{OPEN}/tiny:1"
SITE = f"""
[secrets.token]
generate = 20
[images.lib]
from = "{TINY}"
roles = ["mark"]
[images.app]
secrets = ["token"]
max_age = "30d"
command = ["sleep", "1000000"]
[images.app.build]
context = "app"
dockerfile = "docker/prod"
target = "final"
args = {{ BASE = "lib", WORD = "it's $HOME" }}
[services.app]
image = "app"
endpoint_mode = "dnsrr"
stop_grace_period = "1s"
"""
DOCKERFILE = f"""ARG BASE
FROM {TINY} AS tool
RUN echo made >/made
FROM ${{BASE}} AS final
ARG WORD
RUN --mount=type=secret,id=token [ -s /run/secrets/token ] && echo "$WORD" >/word
COPY --from=tool /made /made
COPY src/ /srv/
COPY empty /srv/empty
FROM nothing.example/at:all
"""


def test_a_dockerfile_on_the_sites_own_images(site: OneHost) -> None:
    """Arguments, target and secrets arrive, empty directories too; a file of the same size gets another time."""
    site.push(TINY, "1")
    context = site.directory / "app"
    for name in ("docker", "src", "empty"):
        (context / name).mkdir(parents=True)
    (context / "docker" / "prod").write_text(DOCKERFILE)
    (context / "src" / "page").write_text("a")
    site.write(SITE)

    def listed() -> str:
        """List what the image has in /srv."""
        container = "$(docker ps -q -f label=com.docker.swarm.service.name=app | head -n 1)"
        return site.on_host(f"docker cp {container}:/srv - | TZ=UTC tar -tvf - --full-time")

    site.ran()

    assert site.file_in("app", "/built-from") == "1"
    assert site.file_in("app", "/word") == "it's $HOME"
    assert site.file_in("app", "/made") == "made"
    before = listed()
    assert "srv/empty/" in before
    (page,) = [line for line in before.splitlines() if line.endswith("srv/page")]
    assert " 1 2024-" in page
    assert site.ran() == {}

    (context / "src" / "page").write_text("b")
    assert set(site.ran()) == {"build_images:dockerfile.app", "build_images:app", "deploy_services:app"}
    assert site.file_in("app", "/srv/page") == "b"
    assert page not in listed()
