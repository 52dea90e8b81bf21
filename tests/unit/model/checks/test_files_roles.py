"""Roles of files: those with a `root/`, and nothing that is run."""

from pathlib import Path

import pytest

from model import site as types
from model.checks.images import check_roles
from model.checks.role_files import check_role_files
from model.checks.services import check_service
from model.images.ansible import is_of_files

FILE = "root/etc/app.conf"


def role(site: Path, *files: str) -> Path:
    """Make a role `app` with these files, each empty."""
    made = site / "roles" / "app"
    for file in files:
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).touch()
    return made


def mistakes(site: Path, **variables: types.Value) -> list[str]:
    """Return the mistakes of an image with that role."""
    return list(
        check_roles("images.web.roles", [types.RoleUse(role="app", vars=variables)], site, {"A": "1"})
    )


@pytest.mark.parametrize(
    ("files", "is_it"),
    [
        ((FILE,), True),
        ((FILE, "README.md"), True),
        ((FILE, "setup.sh"), False),
        ((FILE, "tasks/main.yml"), False),
        (("files/root/a",), False),
    ],
)
def test_which_roles_are_of_files(tmp_path: Path, files: tuple[str, ...], *, is_it: bool) -> None:
    """Of a role that runs something its `root/` is a directory like others."""
    assert is_of_files(role(tmp_path, *files)) is is_it


def test_a_role_of_files_uses_no_variables(tmp_path: Path) -> None:
    """Those of the image are for its other roles; its own would change nothing."""
    role(tmp_path, FILE)

    assert mistakes(tmp_path) == []
    assert mistakes(tmp_path, A="2") == [
        "images.web.roles[0].vars: roles/app only has files, and uses no variables: write a setup.sh"
    ]


def test_names_that_remove_files(tmp_path: Path) -> None:
    """In a layer `.wh.passwd` removes `passwd`: no file is called so."""
    role(tmp_path, FILE, "root/etc/.wh.passwd")

    assert mistakes(tmp_path) == [
        "images.web.roles[0]: roles/app/root/etc/.wh.passwd: no file of an image can begin with .wh."
    ]


def test_a_role_of_no_files(tmp_path: Path) -> None:
    """In a clone it would be a role without anything, as git keeps no empty directories."""
    (role(tmp_path, "README.md") / "root" / "etc").mkdir(parents=True)

    assert mistakes(tmp_path) == [
        "images.web.roles[0]: roles/app/root/ has no file that git keeps, so a clone has no such directory"
    ]


def test_a_role_without_anything(tmp_path: Path) -> None:
    """The message names the three kinds."""
    role(tmp_path, "README.md")

    assert mistakes(tmp_path) == [
        "images.web.roles[0]: roles/app has neither setup.sh, tasks/main.yml nor root/"
    ]


def test_a_service_is_not_initialized_by_files(tmp_path: Path) -> None:
    """Its image has them."""
    role(tmp_path, FILE)
    service = types.Service(image="nginx:1.27", initialize_roles=[types.RoleUse(role="app")])
    site = types.Site(site="a.test", stages={}, services={"web": service})

    (said,) = check_service("services.web", service, site, tmp_path)

    assert said.startswith(
        "services.web.initialize_roles: roles/app only has files: add it to the roles of the image"
    )


def test_links_are_the_images(tmp_path: Path) -> None:
    """`/etc/localtime` of an image leads to a file that only the image has."""
    made = role(tmp_path, FILE)
    (made / "root" / "etc" / "localtime").symlink_to("../usr/share/zoneinfo/UTC")
    image = types.Image(from_="debian:13", roles=[types.RoleUse(role="app")])
    site = types.Site(site="a.test", stages={}, images={"web": image})

    assert list(check_role_files(site, tmp_path)) == []
