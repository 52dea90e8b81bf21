"""The figures in Prometheus' text format."""

from pathlib import Path

import pytest

from agent.observe.exposition import Exposition


def test_the_text() -> None:
    """Each metric has its meaning and type once; labels are escaped; whole numbers have no point."""
    figures = Exposition()
    figures.add("skep_volume_bytes", 4096, volume="a")
    figures.add("skep_volume_bytes", 2**53, volume='b"\\\n')
    figures.add("skep_observed_timestamp_seconds", 1.25)
    figures.add("skep_observed_timestamp_seconds", 2.5)
    assert figures.text().splitlines() == [
        "# HELP skep_observed_timestamp_seconds When this was written.",
        "# TYPE skep_observed_timestamp_seconds gauge",
        "skep_observed_timestamp_seconds 2.5",
        "# HELP skep_volume_bytes Bytes that the volume's files take here; read rarely, and never on file servers.",
        "# TYPE skep_volume_bytes gauge",
        'skep_volume_bytes{volume="a"} 4096',
        'skep_volume_bytes{volume="b\\"\\\\\\n"} 9007199254740992',
    ]


def test_a_metric_that_is_not_known() -> None:
    """A misspelt one is a mistake of the program's."""
    with pytest.raises(KeyError):
        Exposition().add("skep_volume_byte", 1)


def test_the_file(tmp_path: Path) -> None:
    """Everybody may read it, and nothing that ends with .prom is beside it, also after a kill in the middle."""
    path = tmp_path / "skep.prom"
    path.with_name(".skep.prom.new").write_text("half of")
    figures = Exposition()
    figures.add("skep_swarm_managers", 3)
    figures.write(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text().endswith("skep_swarm_managers 3\n")
    assert [each.name for each in tmp_path.iterdir()] == ["skep.prom"]


def test_a_link_in_the_place_of_the_file(tmp_path: Path) -> None:
    """It is not followed: where it leads stays as it was."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("stays")
    path = tmp_path / "skep.prom"
    path.with_name(".skep.prom.new").symlink_to(elsewhere)
    Exposition().write(path)
    assert elsewhere.read_text() == "stays"
    assert (path.is_symlink(), path.read_text()) == (False, "")
