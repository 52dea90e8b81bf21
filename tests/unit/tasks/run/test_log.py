"""Logs: no secret is in them."""

from pathlib import Path

from model.secrets.secret import BinarySecret, Secret
from tasks.run.log import Redactor, TaskLog


def test_secrets_do_not_reach_logs(tmp_path: Path) -> None:
    """A line that holds a secret of this run is written without it."""
    redactor = Redactor()
    redactor.hide(Secret("hunter2"))
    log = TaskLog(tmp_path / "one.log", redactor.redact)
    log.write("the password is hunter2")
    log.close()

    assert "hunter2" not in log.path.read_text()
    assert "[redacted]" in log.path.read_text()


def test_a_secret_is_found_without_the_space_round_it() -> None:
    """Programs print it bare, and logs have no white space at a line's end."""
    redactor = Redactor()
    redactor.hide(Secret("\ufeff hunter2 \n\thunter3\r\n"))

    assert redactor.redact("it is hunter2, or hunter3") == "it is [redacted], or [redacted]"


def test_a_secret_of_short_lines_is_found_as_a_whole() -> None:
    """Its lines occur all over a log."""
    redactor = Redactor()
    redactor.hide(Secret("ab\ncd\n"))

    assert redactor.redact("about 'ab\ncd'") == "about '[redacted]'"


def test_a_secret_is_found_before_its_beginning() -> None:
    """Where one secret is the beginning of another, nothing of the longer one is left."""
    redactor = Redactor()
    for text in ("12345678", "12345678-longer", "12345678-longer-still"):
        redactor.hide(Secret(text))

    assert redactor.redact("12345678-longer-still") == "[redacted]"


def test_a_secret_that_is_no_text_is_found_by_its_pieces() -> None:
    """Logs have what is printable of it, in whichever encoding; pieces that are too short occur all over a log."""
    for data, printed in (
        ("pässwort-geheim".encode("latin-1"), "is p\ufffdsswort-geheim"),
        ("pässwort-geheim".encode("latin-1"), "is pässwort-geheim"),
        (b"\0hunter2\0ab\0", "is hunter2"),
        (b"first\nhunter2\0", "is hunter2"),
        ("schlüssel\0".encode(), "is schlüssel"),
    ):
        redactor = Redactor()
        redactor.hide(BinarySecret(data, "secrets.one"))
        said = redactor.redact(f"about it {printed}")
        assert said in {"about it is [redacted]", "about it is p\ufffd[redacted]"}


def test_a_log_tells_of_a_change(tmp_path: Path) -> None:
    """Lines that say what was found, or is waited for, tell of none: the history would have each service changed."""
    log = TaskLog(tmp_path / "one.log", lambda text: text)
    for line in (
        "because: never run, or not recorded",
        "found service x1",
        "p-hive0.example: waiting for ssh on 10.0.0.1:22",
        "hive0: lets in root@vm",
        "0 of 1 tasks run",
        "1 of 1 tasks run",
        "done in 0.1 s",
    ):
        log.write(line)
    assert not log.tells_of_change

    log.write("changed service x1")
    assert log.tells_of_change
    log.close()
