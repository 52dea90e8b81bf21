"""The line of `doit keys export`: written and read, and refused where it is not whole."""

import base64
import json
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.keys.digest import sha256
from model.keys.exported_keys import ExportedKeys
from model.secrets.secret import Secret
from tests.unit.ssh_keys import made_key


@pytest.fixture
def keys(tmp_path: Path) -> ExportedKeys:
    """Give the keys of a stage."""
    made_key(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    return ExportedKeys("example", "private", Secret(text), {"p-hive0.example": ["ssh-ed25519 AAAAx"]})


def sealed(version: str = "1", **held: object) -> str:
    """Return a line with any content."""
    body = base64.b64encode(json.dumps(held).encode()).decode()
    return f"skep:{version}:{body}:{sha256(body)[:12]}"


def test_it_comes_back(keys: ExportedKeys) -> None:
    """Also with a line break at its end; it is one word, which every CI can mask."""
    line = keys.line().reveal()

    assert ExportedKeys.from_line(f"{line}\n", "x", "example", "private") == keys
    assert not set(line) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=:")
    assert keys.known_hosts == ["p-hive0.example ssh-ed25519 AAAAx"]
    assert repr(keys.line()) == "[redacted]"


def test_what_is_refused(keys: ExportedKeys) -> None:
    """Each in one line that says what to do, and holds nothing of the text."""
    line = keys.line().reveal()
    private = keys.private_key.reveal()
    wrong = {
        "hello": "is not what doit keys export prints",
        private: "is not what doit keys export prints",
        line[:-20]: "is cut off or changed",
        line.replace("skep:1:", "skep:1:e"): "is cut off or changed",
        line.replace(
            "skep:1:", "skep:1:\udcff"
        ): "is cut off or changed",  # as in a variable that is no UTF-8
        line.replace("skep:1:", "skep:2:"): "was made by another version of skep",
        sealed(): "has no ssh key that can be used",
        sealed(site="example", stage="private", private_key=7, host_keys={}): "has no ssh key",
        sealed(site="example", stage="private", private_key=private[:99], host_keys={}): "has no ssh key",
        sealed(site="example", stage="private", private_key=private, host_keys=[]): "has no ssh key",
    }
    for text, said in wrong.items():
        with pytest.raises(ConfigError) as raised:
            ExportedKeys.from_line(text, "SKEP_KEYS", "example", "private")
        [problem] = raised.value.problems
        assert problem.startswith(f"SKEP_KEYS: {said}"), text
        assert "\n" not in problem
        assert not any(part in problem for part in (line[8:40], private[40:80]))


def test_keys_of_another_stage(keys: ExportedKeys) -> None:
    """They would let nobody in: the message says whose they are."""
    with pytest.raises(
        ConfigError, match="is for stage private of example, and this is stage production of example"
    ):
        ExportedKeys.from_line(keys.line().reveal(), "SKEP_KEYS", "example", "production")
