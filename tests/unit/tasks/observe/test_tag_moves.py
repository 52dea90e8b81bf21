"""Tags that upstream moved."""

import threading
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from model.images.reference import parse
from tasks.observe import tag_moves
from tasks.observe.drift import Unknown
from tasks.observe.tag_moves import TagMoves
from tasks.run.context import Run
from tests.doubles.upstream import ONE, TWO, Engine, refused, resolve_to, run_of, with_engine


def tag_moves_of(run: Run) -> TagMoves:
    """Begin to ask upstream for the tags of a run."""
    return TagMoves(run.stage, run.state, run.secrets, run.upstream)


def test_a_moved_tag_is_said(tmp_path: Path) -> None:
    """Old against new, by the base's own name; what did not move is fresh."""
    run = with_engine(run_of(tmp_path), Engine(TWO))
    resolve_to(run, ONE)
    reason = f"debian:12 moved upstream: sha256:{'1' * 12} → sha256:{'2' * 12}"
    assert tag_moves_of(run).moved("debian:12") == reason

    resolve_to(run, TWO)

    assert tag_moves_of(run).moved("debian:12") is None


def test_an_upstream_that_cannot_be_asked_makes_nothing_stale(tmp_path: Path) -> None:
    """The log alone says so."""
    run = with_engine(run_of(tmp_path), Engine(refused(500, "dial tcp: timeout")))
    resolve_to(run, ONE)
    assert tag_moves_of(run).moved("debian:12") is None
    assert not run.state.log_path("upstream").exists(), "a plan writes nothing"
    run.state.lock("doit")

    assert tag_moves_of(run).moved("debian:12") is None
    assert "debian:12 could not be asked for" in run.state.log_path("upstream").read_text()
    run.state.unlock()


def test_an_upstream_that_is_slow_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds of a run the rest of it goes on."""
    run = with_engine(run_of(tmp_path), Engine(TWO))
    resolve_to(run, ONE)
    answer = threading.Event()
    monkeypatch.setattr(tag_moves, "WAIT", 0.0)
    monkeypatch.setattr(run.upstream, "digest_now", lambda *_: TWO if answer.wait(10) else ONE)

    look = tag_moves_of(run)

    assert look.moved("debian:12") is None
    answer.set()
    assert look._answered["debian:12"].wait(120)


@pytest.mark.parametrize("how", ["lock", "digest", "never resolved", "made here"])
def test_what_cannot_move_is_not_asked_for(tmp_path: Path, how: str) -> None:
    """With a lock a run asks no upstream at all."""
    if how == "lock":
        (tmp_path / "site.lock").write_text(f'[images]\n"debian:12" = "{ONE}"\n')
    name = f"debian:12@{ONE}" if how == "digest" else "debian:12"
    tables: dict[str, Any] = {"images": {"web": {"from": name}}}
    if how == "made here":
        tables["bases"] = {"debian:12": {"debootstrap": "bookworm"}}
    engine = Engine(TWO)
    run = with_engine(run_of(tmp_path, **tables), engine)
    if how != "never resolved":
        resolve_to(run, ONE, name)

    assert tag_moves_of(run).moved(name) is None
    assert engine.asked == []
    assert not run.state.log_path("upstream").exists()


def test_no_repository_host_yet(tmp_path: Path) -> None:
    """Upstream is asked from there, so it has to be made first; until then nobody knows."""
    run = run_of(tmp_path)

    with pytest.raises(HostError, match="is not made yet"):
        run.upstream.digest_now(parse("debian:12"))
    assert isinstance(tag_moves_of(run).moved("debian:12"), Unknown)
