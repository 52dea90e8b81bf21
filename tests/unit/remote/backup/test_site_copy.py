"""A copy off the site with a login, as restic is told of it: restic is a double that says what it got."""

import os
from pathlib import Path

import pytest

from model.errors import StateError
from model.secrets.secret import Secret
from remote.backup.site_copy import LOGIN_VARIABLE, SiteCopy

RESTIC = """\
#!/bin/sh
echo "$RESTIC_REPOSITORY" >>"$SAID"
echo "words: $*" >>"$SAID"
echo "Fatal: unable to open config file: Head \\"https://u:p%40ss@x/config\\": $RESTIC_REPOSITORY" >&2
exit 1
"""


@pytest.mark.parametrize("repository", ["rest:https://u@x/", "rest:https://x/"])
def test_the_password_of_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str) -> None:
    """It goes into the address in restic's environment, of a user who is named, on no command line and in no error."""
    restic, said = tmp_path / "restic", tmp_path / "said"
    restic.write_text(RESTIC)
    restic.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environment = {**os.environ, LOGIN_VARIABLE: "p@ss", "SAID": str(said)}

    with pytest.raises(StateError) as caught:
        SiteCopy(repository, Secret("key"), environment).snapshots()

    address, words = said.read_text().splitlines()
    assert address == repository.replace("u@", "u:p%40ss@")
    assert "p%40ss" not in words
    assert "p%40ss" not in str(caught.value)
    assert f"from={repository}: there is no copy, or it can't be had: unable to open config file" in str(
        caught.value
    )
