"""The forms of a health check's `test`: those that compose and Dockerfiles know work, or are refused."""

from pathlib import Path

import pytest

from model.keys.definition import definition
from remote.swarm.spec import healthcheck
from tests.definitions import image_of, service_of
from tests.unit.model.good_site import GOOD, problems


@pytest.mark.parametrize(
    ("test", "docker"),
    [
        ("curl -f http://localhost || exit 1", ["CMD-SHELL", "curl -f http://localhost || exit 1"]),
        (["curl", "-f", ""], ["CMD", "curl", "-f", ""]),
        (["CMD", "curl", "-f"], ["CMD", "curl", "-f"]),
        (["CMD-SHELL", "curl -f | grep x"], ["CMD-SHELL", "curl -f | grep x"]),
        (["NONE"], ["NONE"]),
        (["/opt/my app/check"], ["CMD", "/opt/my app/check"]),
        ("none-left && true", ["CMD-SHELL", "none-left && true"]),
        *(
            (text, ["CMD-SHELL", text])
            for text in (
                "healthcheck.sh --connect --innodb_initialized",
                "healthcheck || exit 1",
                "healthcheck --mode=http",
                "healthcheck cmd x",
                "cmd-shell -x",
                "CMD=$(cat /c); $CMD",
                "HEALTHCHECK_PORT=80 check",
            )
        ),
    ],
)
def test_what_docker_gets(test: object, docker: list[str]) -> None:
    """A leading word of Docker's is not taken for the program; in services and in images."""
    for made in (
        service_of({"image": "a:1", "healthcheck": {"test": test}}),
        image_of({"from": "a:1", "healthcheck": {"test": test}}),
    ):
        sent = healthcheck(made.healthcheck)
        assert sent is not None
        assert sent["Test"] == docker


def test_one_meaning_has_one_key() -> None:
    """However a check is written, nothing is stale when it is written otherwise; and no check is not a program."""
    keys = [
        str(definition(service_of({"image": "a:1", "healthcheck": {"test": test}})))
        for test in (["a", "b"], ["CMD", "a", "b"], "a b", ["CMD-SHELL", "a b"], ["NONE"])
    ]

    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (
            "[]",
            "is empty: leave it out for the image's own check, or write test = ['NONE'] to switch that off",
        ),
        ('""', "is empty: leave it out"),
        ('" "', "is empty: leave it out"),
        ('["", "x"]', "is empty: leave it out"),
        ('["CMD"]', "has no command after 'CMD'"),
        ('["CMD-SHELL", ""]', "has no command after 'CMD-SHELL'"),
        ('["CMD-SHELL", "curl", "-f"]', "'CMD-SHELL' takes one text, and the shell would get the others as"),
        ('["NONE", "x"]', "'NONE' stands alone"),
        ('["NONE "]', "'NONE ' is written 'NONE'"),
        ('[" CMD", "x"]', "' CMD' is written 'CMD'"),
        ('"none"', "'none' as a text is a command: write test = ['NONE']"),
        ('["curl -f http://x"]', "'curl -f http://x' is one word, and no program has that name: write each"),
        ('["CMD", "curl -f http://x"]', "'curl -f http://x' is one word"),
        ('["/usr/bin/curl -f"]', "'/usr/bin/curl -f' is one word"),
        ('"NONE"', "'NONE' as a text is a command: write test = ['NONE']"),
        ('["none"]', "'none' is written 'NONE'"),
        ('["cmd", "x"]', "'cmd' is written 'CMD'"),
        ('"CMD curl -f"', "'CMD curl -f' is a line of a Dockerfile"),
        ('"CMD-SHELL curl -f"', "'CMD-SHELL curl -f' is a line of a Dockerfile"),
        ('"HEALTHCHECK CMD true"', "'HEALTHCHECK CMD true' is a line of a Dockerfile"),
        (
            '"HEALTHCHECK --interval=5s --retries=3 CMD x"',
            "'HEALTHCHECK --interval=5s --retries=3 CMD x' is a line",
        ),
        ('"HEALTHCHECK NONE"', "'HEALTHCHECK NONE' is a line of a Dockerfile"),
        ('"true"\ninterval = "0.1ms"', None),
        ('"true"\ndisable = true', None),
    ],
)
def test_what_is_none_of_the_forms_is_refused(site_dir: Path, test: str, line: str | None) -> None:
    """One line has the path and what to write instead; also where the image has the check."""
    for table in ("services.web", "images.web"):
        found = problems(site_dir, f"{GOOD}[{table}.healthcheck]\ntest = {test}\n")
        assert len(found) == 1, found
        assert found[0].startswith(f"{table}.healthcheck{f'.test: {line}' if line else ''}"), found


def test_the_interval_at_the_start_is_sent_where_it_is_said() -> None:
    """In nanoseconds. Where it is not, engines before 25 and what was deployed before meet nothing new."""
    plain, said = (
        service_of({"image": "a:1", "healthcheck": {"test": "a", "start_period": "9s", **more}})
        for more in ({}, {"start_interval": "1.5s"})
    )

    assert (healthcheck(said.healthcheck) or {})["StartInterval"] == 1_500_000_000
    assert "StartInterval" not in (healthcheck(plain.healthcheck) or {})
    assert "start_interval" not in str(definition(plain))
    assert definition(said) != definition(plain)
