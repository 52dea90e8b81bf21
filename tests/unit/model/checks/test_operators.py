"""`[operators]`: each mistake with its path and the way out; nothing that was pasted is shown."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site_file.load import load
from tests.unit.model.good_site import problems
from tests.unit.ssh_keys import made_key, wire_key

SITE = 'site = "example"\n[stages.private]\nprovider = "docker"\ncidr = "172.31.252.0/24"\n[operators]\n'
ONE, TWO = wire_key("ssh-ed25519", bytes(32)), wire_key("ssh-ed25519", b"\1" * 32)


def test_operators_have_keys(site_dir: Path) -> None:
    """One key, or a list of them; names may be addresses."""
    (site_dir / "site.toml").write_text(f'{SITE}ann = "{ONE} ann@laptop"\n"bob@example.com" = ["{TWO}"]\n')

    assert load(site_dir / "site.toml").operators == {"ann": [f"{ONE} ann@laptop"], "bob@example.com": [TWO]}


@pytest.mark.parametrize(
    ("lines", "path", "said"),
    [
        ("ann = []", "operators.ann", "has no key"),
        (f'"ann b" = "{ONE}"', "operators", "'ann b' is not a name"),
        (f'ann = "{ONE}"\nbob = "{ONE} b"', "operators.bob", "is the key of operators.ann"),
        (f'ann = ["{ONE}", "{ONE} again"]', "operators.ann[1]", "is the key of operators.ann[0]"),
        (f'ann = ["{ONE}", "{TWO[:-9]}"]', "operators.ann[1]", "is cut off"),
        ('ann = ""', "operators.ann", "is no public ssh key"),
        ("ann = 7", "operators.ann", "this is not a text or a list"),
    ],
)
def test_mistakes(site_dir: Path, lines: str, path: str, said: str) -> None:
    """Each is one line with its path."""
    [found] = problems(site_dir, f"{SITE}{lines}\n")

    assert found.startswith(f"{path}: ")
    assert said in found


@pytest.mark.parametrize("quoted", ['"""{}"""', '["""{}"""]'])
def test_a_private_key_is_not_shown(site_dir: Path, tmp_path: Path, quoted: str) -> None:
    """Who pastes one is told that it is known now, and no line of it is in any message."""
    made_key(tmp_path / "key")
    text = (tmp_path / "key").read_text()

    for pasted in (text, text.splitlines()[1], text.replace("OPENSSH ", "")):
        (site_dir / "site.toml").write_text(f"{SITE}ann = {quoted.format(pasted)}\n")
        with pytest.raises(ConfigError) as raised:
            load(site_dir / "site.toml")
        [said] = raised.value.problems
        assert "operators.ann" in said
        assert not [line for line in pasted.splitlines() if len(line) > 20 and line in said]
        assert "private key" in said
