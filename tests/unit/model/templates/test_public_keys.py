"""Public keys of generated key pairs in templates: no secrets, and only of key pairs."""

from pathlib import Path

import pytest

from model.secrets.generated import generated_secret
from model.site import Generated
from model.site_file.load import load, select
from model.templates import Renderer, public_keys_used, secrets_used
from tests.unit.model.good_site import GOOD, problems

TEXT = (
    GOOD
    + """
environment = { KEY = "{{ public_keys.deploy }}" }
labels = { key = "{{ vars.key }}" }
[vars]
key = "{{ public_keys.deploy }}"
[secrets]
deploy = { generate = { key_pair = "ssh-ed25519" } }
plain = { generate = 20 }
"""
)


def test_a_public_key_is_a_value_like_any_other(site_dir: Path) -> None:
    """Also in labels, where a secret would be refused; the private key has to be generated for it."""
    (site_dir / "site.toml").write_text(TEXT)
    stage = select(load(site_dir / "site.toml"), None)
    private = generated_secret(Generated(key_pair="ssh-ed25519"))
    made = Renderer(stage, lambda _name: private, lambda _name: [], str).service("web", stage.services["web"])

    assert str(made.service.environment["KEY"]).startswith("ssh-ed25519 AAAA")
    assert made.service.labels["key"] == made.service.environment["KEY"]
    assert made.environment == {}
    assert public_keys_used("{{ vars.key }}", stage) == {"deploy"}
    assert secrets_used("{{ vars.key }}", stage) == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("public_keys.deploy", "public_keys.plain", "services.web.environment.KEY: there is no key pair in [secrets]"),
        ('key_pair = "ssh-ed25519"', 'key_pair = "dsa"', "secrets.deploy.generate.key_pair: 'dsa' is not allowed"),
        ('key_pair = "ssh-ed25519"', "", "secrets.deploy.generate: needs exactly one of hex, base64, key_pair"),
        ('key_pair = "ssh-ed25519"', "hex = 2", "secrets.deploy.generate.hex: 2 must be at least 6"),
        ("generate = 20", 'env = "A"\nbinary = true', "secrets.plain.binary: is for file and command"),
    ],
)  # fmt: skip
def test_mistakes(site_dir: Path, old: str, new: str, line: str) -> None:
    """They are told when site.toml is read."""
    text = TEXT.replace("plain = { generate = 20 }", "[secrets.plain]\ngenerate = 20").replace(old, new)

    assert [found for found in problems(site_dir, text) if found.startswith(line)]
