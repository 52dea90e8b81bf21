"""Labels that nothing reads are a warning: in `doit list`, in `doit plan`, and after each run."""

from pathlib import Path

import pytest

from model.checks.unread_labels import unread_labels
from model.site_file.load import load, select
from tests.unit.model.good_site import GOOD

TRAEFIK = '[services.proxy]\nimage = "traefik:3"\n'


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('labels = { "com.example" = "x", HIVE = "x" }', []),
        (
            'labels = { HIVE_VIP = "192.0.2.9" }',
            ["services.web.labels.HIVE_VIP: nothing acts on it: skep has no virtual addresses, routes or marks"],
        ),
        (
            "labels.traefik.enable = true",
            ["services.web.labels: nothing reads those of traefik: stage private has no traefik"],
        ),
        (f"labels.traefik.enable = true\n{TRAEFIK}", []),
        ("labels.traefik.enable = true\nnetworks = ['t']\n[networks.t]\nexternal = true", []),
        (
            f"container_labels.traefik.enable = true\n{TRAEFIK}",
            ["services.web.container_labels: in a swarm traefik reads the labels of services: write labels"],
        ),
        (
            'labels = { "com.centurylinklabs.watchtower.enable" = true }',
            ["services.web.labels: watchtower reads the labels of containers: write container_labels"],
        ),
        ("container_labels = { autoheal = true }", []),
        (
            'labels = { "swarm.cronjob.enable" = true }',
            ["services.web.labels: nothing reads those of swarm-cronjob: stage private has no swarm-cronjob"],
        ),
        ('labels = { "swarm.cronjob.enable" = true }\n[services.cron]\nimage = "crazymax/swarm-cronjob:1"', []),
        (
            'labels = { "docker-volume-backup.stop-during-backup" = true }',
            ["services.web.labels: docker-volume-backup reads the labels of containers: write container_labels"],
        ),
    ],
)  # fmt: skip
def test_what_nothing_reads(site_dir: Path, text: str, lines: list[str]) -> None:
    """Programs that read labels read them from services or from containers; hive-builder's are nobody's here."""
    (site_dir / "site.toml").write_text(f"{GOOD}{text}\n")

    found = list(unread_labels(select(load(site_dir / "site.toml"), None), site_dir))

    assert [line.removesuffix(" as hive-builder has them") for line in found] == lines


BUILT = '[services.proxy]\nimage = "edge"\n[images.edge]\n'


@pytest.mark.parametrize(
    "text",
    [
        f'{BUILT}build = "app"',
        f'{BUILT}from = "inner"\n[images.inner]\nbuild = "app"',
        f'{BUILT}build = "on"\n[images.inner]\nbuild = "app"',
        f'{BUILT}from = "tarball"\n[bases.tarball]\nimage = "registry.test/traefik/x"',
        f'{BUILT}from = "debian:12"\nroles = ["edge"]',
        f'{BUILT}from = "debian:12"\npull_on = ["private"]\npull_from = "traefik:3"',
        '[services.proxy]\nimage = "edge:1"\nvolumes = [{ type = "bind", source = "/run/docker.sock", target = "/s" }]',
    ],
)
def test_a_program_is_known_by_what_its_image_is_made_of(site_dir: Path, text: str) -> None:
    """And whatever has the engine's socket may be one: a warning that is wrong could not be switched off."""
    for directory, lines in {"app": "FROM traefik:v3", "on": "FROM inner"}.items():
        (site_dir / directory).mkdir()
        (site_dir / directory / "Dockerfile").write_text(f"{lines}\n")
    (site_dir / "roles" / "edge").mkdir()
    (site_dir / "roles" / "edge" / "setup.sh").write_text("apt-get install -y traefik\n")
    (site_dir / "site.toml").write_text(f"{GOOD}labels.traefik.enable = true\n{text}\n")

    assert list(unread_labels(select(load(site_dir / "site.toml"), None), site_dir)) == []
