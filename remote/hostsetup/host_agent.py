"""The step that puts skep's agent on a host: what hosts do by themselves, such as backups."""

import base64

from agent.pack import packed
from model.keys.digest import sha256
from model.stage import Stage
from remote.hostsetup.file_step import file_step
from remote.hostsetup.host_step import HostFile, HostStep

AGENT = "/usr/local/lib/skep/agent.pyz"
AGENT_STEP = "agent"
_TEXT = "/etc/skep/agent.base64"


def agent_step(stage: Stage) -> HostStep | None:
    """Return the step that puts the agent on a host; None where nothing needs it."""
    site = stage.site
    if site.backup is None and site.monitoring is None and site.logs is None:
        return None
    return file_step(AGENT_STEP, {}, [HostFile(_TEXT, _packed_text())], needs=("docker",))


def agent_digest() -> str:
    """Return the digest of the agent, for steps that start something of it which runs on."""
    return f"sha256:{sha256(_packed_text())}"


def _packed_text() -> str:
    """Return the agent as text."""
    return base64.encodebytes(packed()).decode()
