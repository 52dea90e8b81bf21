"""Words that skep and its agent, which can't import one another, both write and read."""

from agent.backup import notes
from agent.backup.repository import repositories
from model import backup_names


def test_the_agent_has_the_same() -> None:
    """A generation that the agent makes is known here by these."""
    assert backup_names.SITE == repositories.SITE
    assert backup_names.BEFORE_RESTORE == notes.BEFORE_RESTORE
