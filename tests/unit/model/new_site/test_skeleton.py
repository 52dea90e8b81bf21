"""The name of a new site."""

import pytest

from model.new_site.ci_files import public_url
from model.new_site.skeleton import is_site_name, site_name


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
