"""The files of a new site, and its name."""

from pathlib import Path

import pytest
import tomli

from model.new_site.ci_files import public_url
from model.new_site.skeleton import is_site_name, new_site, site_name


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("shop", "shop"),
        ("My_Shop (new)", "my-shop-new"),
        ("shop.example.com", "shop.example.com"),
        ("..", "mysite"),
        ("", "mysite"),
        ("日本", "mysite"),
        ("-a-.b", "a.b"),
        ("x" * 80, "x" * 63),
    ],
)
def test_it_follows_from_the_directory(directory: str, name: str) -> None:
    """Whatever that is called, it is a DNS name."""
    assert site_name(directory) == name
    assert is_site_name(name)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://example.com/skep.git\n", "https://example.com/skep.git"),
        ("https://me:token@example.com/skep.git", "https://example.com/skep.git"),
        ("git@example.com:skep.git", ""),
        ("/srv/git/skep.git", ""),
        ("", ""),
    ],
)
def test_ci_gets_no_login(url: str, public: str) -> None:
    """The URL of a checkout may have one, and a CI file is in git."""
    assert public_url(url) == public


def test_readme_shows_what_is_made() -> None:
    """Its ten lines say what `doit init mysite` writes, whatever the addresses are."""
    readme = (Path(__file__).parents[4] / "README.md").read_text()
    part = readme.split("doit init mysite\n", 1)[1]
    shown = tomli.loads(part.split("```toml\n", 1)[1].split("```", 1)[0])

    made = new_site("mysite", "docker", shown["stages"]["private"]["cidr"], "site.schema.json")

    assert tomli.loads(made["site.toml"]) == shown
