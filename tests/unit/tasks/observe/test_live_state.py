"""The live state's own words."""

from pathlib import Path

from tasks.observe.states import HostState
from tests import made as rig


def test_a_swarm_that_no_key_reaches_says_so_without_the_way_out(tmp_path: Path) -> None:
    """The way back in is said of each host, and not once more for each hive in a line about the swarm."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    refused = HostState(
        error="hive0 refuses this checkout's key: run this", refusal="hive0 refuses this checkout's key"
    )
    silent = HostState(error="hive1: no answer")
    looks = {run.stage.hives[0]: rig.done(refused), run.stage.hives[1]: rig.done(silent)}

    assert run.live_state._read_swarm(looks).error == "hive0 refuses this checkout's key; hive1: no answer"
