"""What restic's end says: of the repository, or of nothing."""

import pytest

from agent.backup import restic, restic_process
from agent.backup.restic import Restic
from agent.backup.restic_errors import LockedError, NotFinishedError
from agent.backup.restic_process import Ended
from agent.errors import AgentError


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        (1, "Fatal: repository contains errors", AgentError),
        (-9, "", NotFinishedError),
        (2, "fatal error: runtime: out of memory", NotFinishedError),
        (1, "Fatal: unable to create lock: repository is already locked", LockedError),
    ],
)
def test_a_check(monkeypatch: pytest.MonkeyPatch, status: int, errors: str, kind: type[AgentError]) -> None:
    """Only its own exit status 1 says something of the repository; a signal, or 2 without memory, does not."""
    monkeypatch.setattr(restic_process, "run", lambda *_, **__: Ended(status, "", errors))
    monkeypatch.setattr(restic, "LOCK_PATIENCE", -1)
    with pytest.raises(AgentError) as error:
        Restic({}).check("5%")
    assert type(error.value) is kind
