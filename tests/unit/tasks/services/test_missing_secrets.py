"""Missing secrets are found before a run begins."""

from pathlib import Path

import pytest

from model.site_file.load import load, select
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.services.missing_secrets import missing_secrets

SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2"]
root_password = "root"
[secrets]
one = { env = "SKEP_TEST_ONE" }
two = { file = "two.txt" }
root = { env = "SKEP_TEST_ROOT" }
made = { generate = 24 }
other = { env = "SKEP_TEST_OTHER" }
token = { env = "SKEP_TEST_TOKEN" }
[images.web]
from = "debian:12"
secrets = ["token"]
[services.web]
image = "web"
secrets = ["one", "two", "made"]
[services.elsewhere]
image = "nginx:1"
available_on = ["production"]
secrets = ["other"]
"""
ALL = {f"deploy_services:secret.{name}" for name in ("one", "two", "made")} | {"build_images:web"}
ONE = "secrets.one: the environment variable SKEP_TEST_ONE is not set"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the directory of a site whose secrets come from everywhere."""
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


def run_of(site: Path) -> Run:
    """Return a run."""
    return new_run(site, select(load(site / "site.toml"), "private"), State(site / "state" / "private"))


def test_all_secrets_that_are_missing_are_said_at_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each that the tasks need; generated ones and those of other stages or tasks do not count."""
    assert missing_secrets(run_of(site), ALL) == [
        ONE,
        f"secrets.two: {site}/two.txt: No such file or directory",
        "secrets.token: the environment variable SKEP_TEST_TOKEN is not set",
    ]
    assert missing_secrets(run_of(site), {"deploy_services:secret.one"}) == [ONE]
    assert missing_secrets(run_of(site), {"build_infra:hive0"}) == []

    monkeypatch.setenv("SKEP_TEST_ONE", "xxxx")
    monkeypatch.setenv("SKEP_TEST_TOKEN", "xxxx")
    (site / "two.txt").write_text("xxxx")
    assert missing_secrets(run_of(site), ALL) == []


def test_an_image_that_is_pulled_needs_no_build_secret(site: Path) -> None:
    """What only a build needs is not asked for where the image comes from elsewhere."""
    text = SITE.replace(
        'secrets = ["token"]', 'secrets = ["token"]\npull_on = ["private"]\npull_from = "hub/web:1"'
    )
    (site / "site.toml").write_text(text)

    assert missing_secrets(run_of(site), {"build_images:web"}) == []


def test_a_secret_that_docker_does_not_take_is_found_before_a_run(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that services get as files; one of a build may be larger."""
    monkeypatch.setenv("SKEP_TEST_ONE", "x" * 512_000)
    monkeypatch.setenv("SKEP_TEST_TOKEN", "x" * 512_000)
    (site / "two.txt").write_bytes(bytes(range(256)))

    assert missing_secrets(run_of(site), ALL) == [
        "secrets.one: has 512000 bytes, and Docker takes 511999 at most"
    ]


def test_bytes_where_a_text_is_wanted_are_found_before_a_run(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template can't hold them; the message has both places and neither has the bytes."""
    monkeypatch.setenv("SKEP_TEST_ONE", "correct-horse")
    monkeypatch.setenv("SKEP_TEST_TOKEN", "correct-horse")
    text = SITE.replace('secrets = ["one"', 'environment = { A = "{{ secrets.two }}" }\nsecrets = ["one"')
    (site / "site.toml").write_text(text)
    (site / "two.txt").write_bytes(b"\xfe\xed\xfe\xed")

    [line] = missing_secrets(run_of(site), {*ALL, "deploy_services:web"})

    assert line.startswith(
        "services.web.environment.A: secrets.two: is not text, so it can only be a file: in secrets"
    )


def test_a_secret_that_a_dockerfile_can_not_mount(site: Path) -> None:
    """BuildKit would refuse it once the base is made; a script of a role has no such limit."""
    (site / "app").mkdir()
    (site / "app" / "Dockerfile").write_text("FROM debian:12\nRUN --mount=type=secret,id=big true\n")
    (site / "big").write_bytes(b"\xff" * (500 * 1024 + 1))
    text = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[secrets]
big = { file = "big" }
[images.web]
BUILD
secrets = ["big"]
[services.web]
image = "web"
"""
    said = {}
    for build in ('build = "app"', 'from = "debian:12"'):
        (site / "site.toml").write_text(text.replace("BUILD", build))
        said[build] = missing_secrets(run_of(site), {"build_images:web"})

    assert said == {
        'build = "app"': ["secrets.big: has 512001 bytes, and a Dockerfile's build takes 512000 at most"],
        'from = "debian:12"': [],
    }
