"""Waiting for the first log-in."""

from pathlib import Path

import pytest

from model.keys.record import HostRecord
from remote.mother import wait
from remote.ssh import login
from remote.ssh.login import Answer, wait_for_login

HOST = HostRecord(name="hive0.example", id="1", address="10.0.0.10", ssh_host="10.0.0.10")


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.mark.parametrize(
    ("answer", "fewest", "most"),
    [
        ("skep@h: Permission denied (publickey).", 8, 12),
        ("ssh: connect to host h: Connection refused", 1000, 2000),
    ],
)
def test_attempts_that_are_refused_are_spaced(
    monkeypatch: pytest.MonkeyPatch, answer: str, fewest: int, most: int
) -> None:
    """Sshguard and fail2ban shut out who is refused again and again; a host that is not up yet is asked often."""
    clock, tries = Clock(), list[float]()

    def log_in(*_: object) -> Answer:
        tries.append(clock.now)
        return Answer(255, "", answer)

    for module in (wait, login):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(login, "log_in", log_in)
    assert wait_for_login(HOST, Path("key"), 300.0, lambda: True) == answer

    assert fewest <= len(tries) <= most
    assert clock.now <= 301.0


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("skep@h: Permission denied (publickey).", "skep@h: Permission denied (publickey)."),
        ("connect to host h: Connection refused", "kex_exchange_identification: Connection reset by peer"),
    ],
)
def test_a_host_that_shuts_out_after_a_refusal_has_refused(
    monkeypatch: pytest.MonkeyPatch, first: str, reason: str
) -> None:
    """A newer sshd closes the connection at once after some refusals: why not is still that it lets the key not in."""
    clock, answers = Clock(), [first]

    def log_in(*_: object) -> Answer:
        last = "kex_exchange_identification: Connection reset by peer"
        return Answer(255, "", answers.pop() if answers else last)

    for module in (wait, login):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(login, "log_in", log_in)

    assert wait_for_login(HOST, Path("key"), 10.0, lambda: True) == reason


def test_a_key_is_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other key, no agent's and no file's, may be the one that logs in; why not is in ssh's last line."""
    asked: list[list[str]] = []
    answers = [
        Answer(255, "", "Warning: x\nskep@h: Permission denied (publickey)."),
        Answer(255, "", ""),
        Answer(0, "", ""),
    ]

    def run_ssh(words: list[str], **_: object) -> Answer:
        asked.append(words)
        return answers.pop(0)

    monkeypatch.setattr(login, "run_ssh", run_ssh)

    said = [login.refusal_of(HOST, Path("/k/own"), Path("/k/known_hosts")) for _ in range(3)]

    assert said == ["skep@h: Permission denied (publickey).", "exit status 255", ""]
    assert [word for word in asked[0] if "Identit" in word] == ["IdentityFile=/k/own", "IdentitiesOnly=yes"]
    assert "UserKnownHostsFile=/k/known_hosts" in asked[0]
