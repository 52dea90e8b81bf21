"""The way out of a host and of its containers, by the output of its script; the script is tried in tests/contract."""

import pytest

from remote.checks.way_out import WayOut, parse, warnings

OUTPUT = """\
out 1450
server 10.0.0.2
server 10.0.0.3
host 10.0.0.2
tried docker_gwbridge
container 10.0.0.2
"""


def test_an_output_is_read() -> None:
    """Each line is one fact; what is missing is not known."""
    found = parse(OUTPUT)

    assert sorted(found.servers) == ["10.0.0.2", "10.0.0.3"]
    assert [*found.host, *found.container, found.bridge] == ["10.0.0.2", "10.0.0.2", "docker_gwbridge"]
    assert found.mtu == 1450
    assert parse("") == WayOut()


def test_networks_of_the_engines_that_are_too_large() -> None:
    """Each is named, with what leaves the host; one name server that answers is enough."""
    [line] = warnings("hive0", parse(OUTPUT), {"docker0": 1450, "docker_gwbridge": 1500})

    assert line.startswith(
        "hive0: its network takes packets of at most 1450 bytes, and docker_gwbridge sends up to 1500: "
    )
    assert line.endswith("; a host that is replaced gets the right size everywhere")


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("container 10.0.0.2\n", "10.0.0.2 answers the host and not its containers (by docker_gwbridge)"),
        ("host 10.0.0.2\n", "none of its name servers answers (10.0.0.2, 10.0.0.3)"),
    ],
)
def test_name_servers_that_do_not_answer(lost: str, said: str) -> None:
    """A container that hears nothing of what its host hears is kept in; a host that hears nothing has no names."""
    text = OUTPUT.replace(lost, "").replace("out 1450", "out 1500")

    [line] = warnings("hive0", parse(text), {"docker0": 1500})

    assert said in line


def test_what_was_not_tried_is_not_said() -> None:
    """A host without a bridge, or whose name servers are on its loopback, has no containers that were tried."""
    assert list(warnings("hive0", parse("out 1500\nserver 10.0.0.2\nhost 10.0.0.2\n"), {})) == []
    assert list(warnings("hive0", parse("out 9001\n"), {"docker0": 1500})) == []
