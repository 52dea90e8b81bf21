"""Tests of generations whose end is noted on this host, for `doit status`: by the timer's run, or as somebody asks."""

import time
from collections.abc import Sequence
from typing import Any

from agent.backup.hive import journal
from agent.backup.hive.verify import Verification, is_due
from agent.errors import AgentError, BadDataError, NotTriedError, reason_of

_SHORT = 8
"""Characters of an id that are shown."""


def noted_trial(verification: Verification, generation: str) -> dict[str, Any]:
    """Try a generation; if it is the newest that was made here, note for the service how that ended, or did not.

    Args:
        verification: The test.
        generation: Its id in this hive's repository, or the beginning of that.

    Returns:
        As `Verification.verify`.

    Raises:
        AgentError: As of `Verification.verify`; the message names the generation.

    """
    note = _status(verification)
    status = note.read() or {}
    newest, now = str(status.get("generation") or ""), int(time.time())
    is_newest = bool(newest) and generation.startswith(newest)
    since = (status.get("untried") or {}).get("since") or now

    def untried(why: str) -> dict[str, Any]:
        return {
            "untried": {"why": f"generation {generation[:_SHORT]} could not be tried: {why}", "since": since}
        }

    # What kills this job, or is no error that is foreseen here, leaves it so.
    noted = status | untried("its test did not end, or is still at work")
    noted["untried"] |= {"begun": now}
    if is_newest:
        note.write(noted)
    before = {**noted}
    try:
        result = verification.verify(generation)
    except NotTriedError as error:
        noted |= untried(str(error))
        raise
    except BadDataError as error:
        why = f"the test of generation {generation[:_SHORT]} failed: {error}"
        noted |= {"error": why, "since": status.get("since") or now, "is_bad": True, "untried": None}
        raise BadDataError(why) from error
    except (AgentError, OSError) as error:
        noted |= untried(reason_of(error))
        raise AgentError(noted["untried"]["why"]) from error
    else:
        noted |= {"verified": now, "untried": None}
        if noted.pop("is_bad", False):
            noted |= {"error": "", "since": None}
        return result
    finally:
        if is_newest and noted != before:
            note.write(noted)


def try_due(verifications: Sequence[Verification], period: str) -> tuple[dict[str, str], list[str]]:
    """Try the newest generation of each service that it is time for.

    Args:
        verifications: The services' tests.
        period: How often, as `backup.verify` has it.

    Returns:
        Service to why its test failed, or could not be made; and a line for each that nothing runs for here.

    """
    failed: dict[str, str] = {}
    said: list[str] = []
    for verification in verifications:
        service, status = verification.restoration.service, _status(verification).read() or {}
        if not is_due(period, status.get("verified")):
            continue
        try:
            noted_trial(verification, str(status["generation"]))
        except NotTriedError as error:
            said.append(f"{service}: {error}")
        except (AgentError, OSError) as error:
            failed[service] = reason_of(error)
    return failed, said


def _status(verification: Verification) -> journal.Journal:
    """Return how the last backups of a test's service ended here."""
    return journal.status(verification.restoration.service, verification.restoration.state)
