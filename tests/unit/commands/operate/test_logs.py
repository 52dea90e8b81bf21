"""The command line of `doit logs`."""

import pytest
from doit.cmd_base import DodoTaskLoader

from commands.operate.logs import LogsCommand


@pytest.mark.parametrize("words", [["-f", "web"], ["--follow", "web"]])
def test_f_is_follow(words: list[str]) -> None:
    """Before the service as well; doit's own `-f`, which names another dodo.py, would take the service for that."""
    params, rest = LogsCommand(task_loader=DodoTaskLoader(), config={}).cmdparser.parse(words)

    assert (params["follow"], rest) == (True, ["web"])
    assert params["dodoFile"] != "web"
