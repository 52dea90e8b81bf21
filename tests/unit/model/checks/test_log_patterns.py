"""Regular expressions that say which lines of logs are errors, checked as site.toml is read."""

from pathlib import Path

import pytest

from model.site_file.load import load
from tests.unit.model.good_site import GOOD, problems

WEB = "services.web"
MONITORING = "[monitoring]\n"
PLAIN = GOOD.replace('[logs]\nkeep = "14d"\nmax_size = "5G"\n', "")
"""Without `[logs]`, with which skep itself says the driver."""
WITH = 'monitor_error = ["ERROR"]\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'monitor_error = ["(", "ok"]\nignore_error = ["[a"]\n',
            [
                (
                    f"{WEB}.monitor_error[0]: '(' is no regular expression of Python's: missing ), unterminated "
                    "subpattern at position 0"
                ),
                (
                    f"{WEB}.ignore_error[0]: '[a' is no regular expression of Python's: unterminated character set at "
                    "position 0"
                ),
            ],
        ),
        (
            'monitor_error = ["x*", "$"]\n',
            [
                f"{WEB}.monitor_error[{i}]: '{text}' matches every line, even an empty one: write what errors have "
                "in them"
                for i, text in enumerate(["x*", "$"])
            ],
        ),
        (
            'ignore_error = ["x"]\n',
            [
                f"{WEB}.ignore_error: without monitor_error no line counts: write monitor_error, or take it out",
            ],
        ),
        (
            f'{WITH}logging = {{ driver = "journald" }}\n',
            [
                (
                    f"{WEB}.monitor_error: its logging driver, journald, leaves logs to the hosts' journals, which are "
                    "not read for this: use local or json-file"
                )
            ],
        ),
        (
            f'{WITH}logging = {{ driver = "syslog", options = {{ cache-disabled = true }} }}\n',
            [
                (
                    f"{WEB}.monitor_error: its logging driver, syslog, keeps no logs with cache-disabled: use local or "
                    "json-file"
                )
            ],
        ),
        (
            f'{WITH}[setup_hosts.daemon]\nlog-driver = "none"\n',
            [f"{WEB}.monitor_error: its logging driver, none, keeps no logs: use local or json-file"],
        ),
    ],
)
def test_mistakes_are_told_all_at_once(site_dir: Path, text: str, expected: list[str]) -> None:
    """Each with its path and the way out."""
    assert problems(site_dir, PLAIN + text + MONITORING) == expected


@pytest.mark.parametrize(
    "text",
    [
        'monitor_error = ["ERROR", "^Traceback"]\nignore_error = ["ERROR: ignore me", "{{ x"]\n',
        f'{WITH}logging = {{ driver = "syslog" }}\n',
        f'{WITH}[setup_hosts.daemon]\nlog-driver = "json-file"\n',
    ],
)
def test_what_is_right(site_dir: Path, text: str) -> None:
    """Expressions are no templates; of a driver's logs that can't be read the engine keeps a file itself."""
    (site_dir / "site.toml").write_text(PLAIN + text + MONITORING)
    assert load(site_dir / "site.toml").services["web"].monitor_error


def test_without_monitoring(site_dir: Path) -> None:
    """Nobody would count: that is said."""
    assert problems(site_dir, PLAIN + WITH) == [
        f"{WEB}.monitor_error: there is no [monitoring], without which nothing reads them: write [monitoring]"
    ]
