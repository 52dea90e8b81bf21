"""Times in notes of agents, as this machine's clock has them."""

from tasks.backup.noted_times import as_here


def test_times_are_moved() -> None:
    """Those of an entry, of each service, and of what an entry holds; nothing else, and none that stands for never."""
    note = {
        "service": "web",
        "last_try": 1_000,
        "last_good": None,
        "seconds": 7.5,
        "untried": {"why": "no room", "since": 900, "begun": 950},
        "newest": {"web": 800, "db": 0},
        "first": {"web": 2_000, "db": None},
        "failed": {"copy s3": {"why": "no host", "since": 700}},
        "tries": 3,
    }
    assert as_here(note, 100.0) == {
        "service": "web",
        "last_try": 900,
        "last_good": None,
        "seconds": 7.5,
        "untried": {"why": "no room", "since": 800, "begun": 850},
        "newest": {"web": 700, "db": 0},
        "first": {"web": 1_900, "db": None},
        "failed": {"copy s3": {"why": "no host", "since": 600}},
        "tries": 3,
    }
    assert as_here(note, 0.0) == note
