"""`backup release`: what a killed job left is put right. Begins each job, and ends each run of the timer's."""

import time

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.backup.hive.held import let_go
from agent.backup.hive.staging import clear_dumps, unbind
from agent.backup.hive.unclaimed import remove_unclaimed
from agent.backup.hive.verify import clear
from agent.host.engine_socket import EngineSocket
from agent.output import Output


def release(engine: EngineSocket, output: Output, config: HiveConfig) -> None:
    """Let go the services that a killed job held, and take down what it had put together.

    A restoration that was killed is left as it is: only whoever began it knows which way it goes on. What was brought
    for one that changed nothing goes after a day.

    Args:
        engine: The engine.
        output: Is told what was let go.
        config: The hive's configuration.

    Raises:
        AgentError: A service can't be let go.

    """
    for line in let_go(engine):
        output.say(f"a job before this one was killed: {line}")
    clear(engine)
    if journal.STAGING.exists():
        for staging in journal.STAGING.iterdir():
            unbind(staging)
    if config.spool.is_dir():
        # Those of services that site.toml no longer has are among them.
        for directory in config.spool.iterdir():
            clear_dumps(directory)
    for line in remove_unclaimed(config, engine, time.time()):
        output.say(line)
