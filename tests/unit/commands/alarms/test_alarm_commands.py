"""`doit alerts` and `doit silence`: what they print, ask for and refuse."""

import json
from pathlib import Path

import pytest
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.alarms.alerts import AlertsCommand
from commands.alarms.silence import SilenceCommand
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.alertmanager import AlertmanagerHost, alarm
from tests.unit.commands.operate.test_replace_host import Loader


class Watched:
    """A made site that watches itself.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        made = rig.new(directory)
        made.edit("[networks.back]\n", "[monitoring]\n\n[networks.back]\n")
        made.make()
        self.run = made.run()
        self.host = AlertmanagerHost()
        self.run.connections.write_ssh_files = lambda: None  # type: ignore[method-assign, misc, assignment]
        self.run.connections.to = lambda _host: self.host  # type: ignore[method-assign, assignment, return-value]

    def type(self, command: type[DoitCmdBase], *words: str, **values: str) -> tuple[int, str]:
        """Type a command; return its exit status and its output."""
        return typed_command.typed(command, Loader(self.run), words, values)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Give the site."""
    return Watched(tmp_path)


def test_no_alarm(watched: Watched) -> None:
    """The watchdog's is no alarm."""
    assert watched.type(AlertsCommand) == (0, "no alarm is given\n")


def test_alarms_are_shown_with_the_way_on(watched: Watched) -> None:
    """What is silenced, or hidden by another alarm, says so; the exit status tells of one that somebody is told of."""
    quiet, hidden = alarm("ServiceDown", service="web"), alarm("EngineSilent", host="hive0")
    assert watched.type(SilenceCommand, "web", "2h", reason="it is known")[0] == 0
    quiet["status"]["silencedBy"] = [*watched.host.silences]
    hidden["status"]["inhibitedBy"] = ["ab"]
    watched.host.alarms += [quiet, hidden]
    status, text = watched.type(AlertsCommand)
    assert status == 0
    assert "silenced until 2026-11-30T14:00:00Z" in text
    assert "not sent: the host is silent" in text

    watched.host.alarms.append(alarm("Slow", "2026-11-30 11:00:00 +0000 UTC", service="web", host="hive1"))
    status, text = watched.type(AlertsCommand)
    assert status == 2
    assert text.splitlines()[1].split() == (
        ["Slow", "web", "on", "hive1", "7", "2026-11-30T11:00:00Z", "look", "at", "Slow", "Slow", "it", "is."]
    )
    status, text = watched.type(AlertsCommand, "--json")
    data = json.loads(text)
    assert (status, data["are_alive"], len(data["alarms"]), len(data["silences"])) == (2, True, 3, 1)
    assert data["alarms"][0] == {
        "alarm": "Slow",
        "service": "web",
        "host": "hive1",
        "summary": "Slow it is.",
        "value": "7",
        "since": "2026-11-30T11:00:00Z",
        "look": "look at Slow",
        "silenced_by": [],
        "is_hidden": False,
    }


def test_what_a_host_that_was_taken_over_says_of_itself(watched: Watched) -> None:
    """Its labels are in the alarm, and so in the command that a person is to type: there is none then.

    And the terminal gets no signs that it obeys.
    """
    bad = [alarm("ServiceDown", service="web\x1b[31m; rm -rf ~"), alarm("DiskFilling", host="hive1")]
    bad[0]["annotations"]["look"] = "doit status web; rm -rf ~"
    bad[1]["annotations"]["look"] = "doit ssh hive1 df -h /;$(x)"
    unknown = alarm("HostSilent", host="hive9")
    watched.host.alarms += [*bad, unknown]
    text = watched.type(AlertsCommand)[1]
    assert "web; rm -rf ~" in text
    assert not [each for each in ("\x1b", "doit", "$(x)", "look at") if each in text]
    assert [each["look"] for each in json.loads(watched.type(AlertsCommand, "--json")[1])["alarms"]] == [
        ""
    ] * 3
    watched.type(SilenceCommand, "web", "2h", reason="a\x1b[2Jb")
    assert "\x1b" not in watched.type(SilenceCommand)[1]


def test_a_dead_prometheus_is_no_good_news(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the watchdog's alarm nobody knows of others; nor where Alertmanager, or its host, does not answer."""
    watched.host.alarms.clear()
    assert watched.type(AlertsCommand) == (1, "")
    said = capsys.readouterr().err
    assert "Alertmanager hears nothing from Prometheus, or that notes no metrics" in said
    assert "doit ssh hive2 df -h /var/lib/prometheus" in said
    watched.host.is_stopped = True
    assert watched.type(AlertsCommand) == (1, "")
    assert (
        "hive2: Alertmanager does not answer: amtool: error: connect: connection refused"
        in capsys.readouterr().err
    )
    watched.host.is_away = True
    assert watched.type(AlertsCommand) == (1, "")
    assert capsys.readouterr().err == "hive2: does not answer\n"


def test_a_silence_is_made_shown_and_ended(watched: Watched) -> None:
    """With who made it, and why; ended by its id, or by what it is about."""
    assert watched.type(SilenceCommand) == (0, "no silence holds\n")
    said = "nobody is told of alarms of web for 2h (doit silence end 00000000 ends it)\n"
    assert watched.type(SilenceCommand, "web", "2h", reason="it's known; $(x)") == (0, said)
    assert watched.type(SilenceCommand, "ServiceDown", "hive0", "90s", reason="y")[0] == 0
    [one, two] = watched.host.silences.values()
    assert (one["seconds"], one["comment"], one["createdBy"]) == (
        7200,
        "it's known; $(x)",
        watched.run.stage_lock.who,
    )
    assert watched.host.added == [{"service": "web"}, {"alertname": "ServiceDown", "host": "hive0"}]
    assert two["seconds"] == 90
    text = watched.type(SilenceCommand)[1]
    assert "00000001  ServiceDown hive0  2026-11-30T14:00:00Z" in text
    assert watched.type(SilenceCommand, "end", "hive0", "ServiceDown") == (
        0,
        "ended: ServiceDown hive0 (y)\n",
    )
    assert watched.type(SilenceCommand, "end", "00000000")[0] == 0
    assert watched.host.silences == {}


def test_a_silence_that_is_about_others_as_well_is_not_ended_by_a_name(watched: Watched) -> None:
    """Such as one that Alertmanager's own words made: of services by a pattern, or of all but one."""
    for matcher in ("service=~web", "service!=web"):
        watched.host.run(
            f"amtool --alertmanager.url=http://127.0.0.1:9093 --timeout=15s silence add {matcher} --duration=60s "
            "--author=x --comment=y",
            timeout=20,
            label="",
        )
    assert watched.type(SilenceCommand, "end", "web")[0] == 1
    assert len(watched.host.silences) == 2
    text = watched.type(SilenceCommand)[1]
    assert "00000000  service=~web " in text
    assert "00000001  service!=web " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["web", "hours"], "type: doit silence WHAT 2h reason=WHY"),
        (["2h"], "type: doit silence WHAT 2h reason=WHY"),
        (["web", "2h"], "why? Type reason=WHY as well"),
        (["end"], "which one?"),
    ],
)
def test_what_is_not_said_right_is_refused(words: list[str], said: str, watched: Watched) -> None:
    """Before anybody is asked."""
    with pytest.raises(InvalidCommand, match=said.replace("?", r"\?")):
        watched.type(SilenceCommand, *words)
    assert watched.host.added == []


def test_unknown_names_are_all_said(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each; the watchdog can't be silenced."""
    assert watched.type(SilenceCommand, "wbe", "Watchdog", "hive0", "hive1", "2h", reason="x")[0] == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["wbe", "Watchdog", "hive1"]
    assert watched.type(SilenceCommand, "end", "nosuch")[0] == 1
    assert capsys.readouterr().err == "no silence is of nosuch; there are: none\n"


def test_a_site_that_does_not_watch_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said what to write."""
    made = rig.new(tmp_path)
    made.make()
    assert typed_command.typed(AlertsCommand, Loader(made.run()), [], {})[0] == 1
    assert "the site does not watch itself: write [monitoring]" in capsys.readouterr().err
