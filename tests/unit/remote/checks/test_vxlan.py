"""The check of the paths between hives: its script, the meaning of its output, and the messages."""

import subprocess

from remote.checks import vxlan
from remote.checks.vxlan import Measurements, problems, script

HIVES = {"hive0": "10.0.0.10", "hive1": "10.0.0.11", "hive2": "10.0.0.12"}


def test_the_script_is_posix_shell() -> None:
    """And the program inside is bash."""
    subprocess.run(["sh", "-n"], input=script("hive1", HIVES, 4789, 1500, 0xF00000).encode(), check=True)
    subprocess.run(["bash", "-n"], input=vxlan._PROGRAM.encode(), check=True)


def test_both_ends_of_a_pair_agree() -> None:
    """Identifier, addresses and hardware addresses are those that the other end expects; all pairs have their own."""
    ends = {name: script(name, HIVES, 4789, 1500, 1000) for name in HIVES}

    # The pair of hive1 and hive2 is the third.
    assert "id 1002 dstport 4789 local 10.0.0.11" in ends["hive1"]
    assert "id 1002 dstport 4789 local 10.0.0.12" in ends["hive2"]
    assert "skep2 address 02:73:6b:00:02:00 mtu 1450" in ends["hive1"]
    assert "fdb replace 02:73:6b:00:02:00 dev skep2 dst 10.0.0.11" in ends["hive2"]
    assert "try 0=198.18.0.1 2=198.18.0.10" in ends["hive1"]
    assert "addr add 198.18.0.10/30 dev skep2" in ends["hive2"]


def test_many_hives_have_addresses() -> None:
    """The numbers of pairs go beyond one byte."""
    assert vxlan._address(64, 0) == "198.18.1.1"
    assert vxlan._address(16384, 1) == "198.19.0.2"
    assert vxlan._mac(300, 1) == "02:73:6b:01:2c:01"


def test_the_output_is_read() -> None:
    """Sizes are those of whole packets."""
    measurements = vxlan.parse(
        "hive1", list(HIVES), 1500, "10.0.0.11", "2 1324\n0 none\nheard 0 0\nheard 2 14\n"
    )

    assert measurements == Measurements({"hive2": 1402, "hive0": None}, {"hive0": 0, "hive2": 14})
    assert vxlan.parse("hive0", list(HIVES), 1500, "10.0.0.10", "0 whole\n").sent == {"hive1": 1500}


def measured(**changed: Measurements) -> dict[str, Measurements]:
    """Return the measurements of all hives where all packets arrive, with some changed."""
    well = {
        me: Measurements(
            {other: 1500 for other in HIVES if other != me}, {other: 9 for other in HIVES if other != me}
        )
        for me in HIVES
    }
    return {**well, **changed}


def test_all_arrives() -> None:
    """Nothing is said."""
    assert problems(measured(), 4789, {"front": 1500}) == []


def test_a_port_that_is_closed() -> None:
    """The closed direction is told by the packets that the others received; it is one line for two hives."""
    deaf = {
        "hive0": Measurements({"hive1": None, "hive2": 1500}, {"hive1": 15, "hive2": 4}),
        "hive1": Measurements({"hive0": None, "hive2": 1500}, {"hive0": 0, "hive2": 4}),
    }

    (line,) = problems(measured(**deaf), 4790, {"front": 1500})

    assert line.startswith("hive0 → hive1: nothing arrives")
    assert "udp/4790" in line
    assert "data_path_port" in line


def test_a_path_that_takes_less() -> None:
    """The message has the measurement, and the setting for the networks that send more."""
    small = {"hive0": Measurements({"hive1": 1402, "hive2": 1500}, {"hive1": 9, "hive2": 9})}

    (line,) = problems(measured(**small), 4789, {"front": 1500, "back": 1400})

    assert line.startswith("hive0 → hive1: packets of 1500 bytes do not arrive, those of 1402 do")
    assert 'networks.front.driver_opts = { "com.docker.network.driver.mtu" = "1400" }' in line
