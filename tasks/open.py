"""From where doit was started to the stage that is meant."""

import os
from pathlib import Path

import doit
from doit.exceptions import InvalidDodoFile

from model.errors import SkepError
from model.load import load, select
from tasks.run import Run
from tasks.state import State


def open_run(asked: str | None) -> Run:
    """Return the run for the site in the directory where doit was started.

    Args:
        asked: The stage that was asked for on the command line; else SKEP_STAGE counts.

    Raises:
        InvalidDodoFile: The site can't be used as it is. doit prints the message alone.

    """
    # doit changes to dodo.py's own directory; a site may live elsewhere.
    directory = Path(doit.get_initial_workdir())
    try:
        site = load(directory / "site.toml")
        stage = select(site, asked or os.environ.get("SKEP_STAGE") or None)
        return Run(directory, stage, State(directory / "state" / stage.name))
    except SkepError as error:
        raise InvalidDodoFile(str(error)) from None


def doit_config(run: Run) -> dict[str, object]:
    """Return how doit is to run: in parallel, with skep's database and reporter."""
    return {
        "backend": "skep",
        "dep_file": str(run.state.traces),
        "reporter": "skep",
        "par_type": "thread",
        "num_process": 12,
        "verbosity": 0,
    }
