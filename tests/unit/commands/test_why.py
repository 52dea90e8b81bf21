"""`doit why`: the inputs that differ from the last good run, and their root causes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand

from commands.shared.task_selection import all_before, resolve, with_flags
from commands.why import WhyReport, old_and_new, shown_value, summary
from model.keys.digest import Difference, differences
from tasks.explain.root_causes import root_causes
from tasks.phases import PHASES
from tasks.services import pinned_revisions
from tests import made as rig
from tests.made import Made

WEB, IMAGE = "deploy_services:web", "build_images:web"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def told(made: Made, *names: str, live: bool = False) -> list[str]:
    """Return the output of `doit why` for one task, or for several."""
    run = made.run()
    run.observer.enabled = live
    report = WhyReport(run, made.table_of(run), live=live, coloured=False)
    return report.resource(names[0]) if len(names) == 1 else report.phase("several", names)


def roots(made: Made, name: str) -> list[str]:
    """Return the chains from a task to its roots."""
    return [str(chain) for chain in root_causes(made.table(), name)]


def word(made: Made, asked: str) -> Sequence[str]:
    """Return the tasks that a word means."""
    table = made.table()
    return resolve(asked, all_before({n: table.before(n) for n in table.names}), PHASES)


def test_up_to_date(made: Made) -> None:
    """It says so, since when, and the inputs in short."""
    lines = told(made, WEB)

    assert lines[0] == f"{WEB} is up to date"
    assert lines[1].startswith("  since 20")
    assert "image sha256:" in lines[2]
    assert "--live" in lines[3]
    assert roots(made, WEB) == []


def test_a_definition_with_its_key_path_and_both_values(made: Made) -> None:
    """The line has the very key of site.toml, with its old value."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')

    lines = told(made, WEB)

    assert lines[:2] == [
        f"{WEB} is stale",
        '  web ← services.web.environment.GREETING: "hello" → "bye"',
    ]
    assert lines[-1] == "    services.web.environment.GREETING  hello → bye"


def test_a_file_with_its_path_through_image_and_role(made: Made) -> None:
    """The whole way: service, image, role, file."""
    made.edit_role("web/files/index.html", "hello\n")

    assert roots(made, WEB) == ["web ← image web ← role web ← roles/web/files/index.html changed"]
    lines = told(made, WEB)
    assert lines[0] == f"{WEB} may follow: a resource that it is made from is going to change"
    assert any(
        line.startswith("    image  sha256:") and line.endswith(f"known once {IMAGE} is done")
        for line in lines
    )
    assert lines[-1].startswith("    roles/web/files/index.html  0644 ")


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda path: path.unlink(), "roles/web/files/index.html removed"),
        (lambda path: path.with_name("more").write_text("x"), "roles/web/files/more added"),
        (lambda path: path.chmod(0o755), "roles/web/files/index.html changed"),
    ],
)
def test_what_can_happen_to_a_file(made: Made, edit: object, text: str) -> None:
    """Removed, added, made executable: each is named with its path."""
    assert callable(edit)
    edit(made.directory / "roles" / "web" / "files" / "index.html")

    assert roots(made, IMAGE) == [f"web ← role web ← {text}"]


def test_what_means_nothing_is_no_reason(made: Made) -> None:
    """A comment in site.toml and a file's time are no inputs."""
    made.edit("[networks.back]", "# a comment\n[networks.back]")
    (made.directory / "roles" / "web" / "setup.sh").touch()

    assert roots(made, WEB) == roots(made, IMAGE) == []


def test_an_image_that_is_made_already(made: Made) -> None:
    """Between the two, a service is stale by its image's digest; the root comes out of the image's log."""
    made.edit_role("web/files/index.html", "hello\n")
    made.make(IMAGE, version="2")

    (root,) = roots(made, WEB)

    assert root.startswith("web ← image web ← redone at ")
    assert root.endswith(": roles/web/files/index.html changed")
    assert told(made, WEB)[0] == f"{WEB} is stale"


def test_early_cutoff(made: Made) -> None:
    """A resource that is changed in place keeps its record: its dependents don't follow."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')

    assert roots(made, "initialize_services:web.first") == []


def test_secrets_are_only_changed(made: Made) -> None:
    """Inputs hold no secret, and of a secret is printed only that it changed."""
    assert old_and_new(Difference("content", "hmac:aa", "hmac:bb")) == ("(secret)", "(changed)")
    assert Difference("content", "hmac:aa", "hmac:bb").sentence() == "content changed"
    secret = made.run().secrets.read("password").reveal()
    made.edit("password = { generate = 24 }", 'password = { file = "password" }')
    (made.directory / "password").write_text("a new one\n")

    text = "\n".join([*told(made, WEB), *told(made, "deploy_services:secret.password")])

    assert "content changed" in text
    assert secret not in text
    assert "a new one" not in text


def test_never_run(made: Made) -> None:
    """It says so, names the task that it waits for, and that the real thing may exist."""
    made.edit(
        "[images.web]", '[services.other]\nimage = "more"\n[images.more]\nfrom = "debian:12"\n[images.web]'
    )

    lines = told(made, "deploy_services:other")

    assert lines[0] == "deploy_services:other was never run, as far as state/ knows"
    assert lines[1] == "  it needs build_images:more, which is not there yet"
    assert told(made, "build_images:more")[1].startswith("  it would be made from: base sha256:")


def test_failed_with_the_end_of_its_log(made: Made) -> None:
    """A failure is printed with its log's path and end, and with the changes since the last good run."""
    made.edit_role("web/setup.sh", "exit 3\n")
    made.fail(
        IMAGE, "because: roles/web/setup.sh changed", *map(str, range(20)), "hive2: role web: exit status 3"
    )

    lines = told(made, IMAGE)

    assert lines[:2] == [
        f"{IMAGE} failed in its last run, and will run again",
        "  web ← role web ← roles/web/setup.sh changed",
    ]
    assert "state/private/logs/build_images/web.log" in lines[2]
    assert sum("hive2: role web: exit status 3" in line for line in lines) == 1
    assert not any(line.endswith(" 4") for line in lines)
    assert lines[-1].startswith("    roles/web/setup.sh  0644 ")


def test_a_failed_task_is_run_for_its_reasons(made: Made) -> None:
    """A run after a failure has the reasons since the last good run, though doit forgot them."""
    made.edit_role("web/setup.sh", "exit 3\n")
    made.fail(IMAGE, "no")
    run = made.run()

    reasons, _ = made.tasks(run)[IMAGE].meta["check"].reasons({})

    assert reasons == ["its last run failed", "roles/web/setup.sh changed"]


def test_a_failure_that_is_mended_is_none(made: Made) -> None:
    """After the next good run nothing is left of it."""
    made.fail(IMAGE, "no")
    made.make(IMAGE)

    assert told(made, IMAGE)[0] == f"{IMAGE} is up to date"


def test_a_lost_record_is_a_reason(made: Made) -> None:
    """Reasons of doit's own are printed as well."""
    made.run().state.record_path("initialize_services:web.first").unlink()

    assert roots(made, "initialize_services:web.first") == ["web.first ← its record is gone"]


def test_a_record_that_was_written_anew(made: Made) -> None:
    """A record that changed only outside the inputs is a reason of doit's, and printed as such."""
    path = made.run().state.record_path("build_images:base.debian-12")
    path.write_text(path.read_text().replace("registry:5000", "registry:5001"))

    assert roots(made, IMAGE) == ["web ← the record of build_images:base.debian-12 was rewritten"]


def test_a_config_error_is_told(made: Made) -> None:
    """A person's mistake is printed as the reason, not as a traceback."""
    made.edit('roles = ["base", "web"]', 'roles = ["base", "web"]\ntimeout = "1s"')
    made.edit("password = { generate = 24 }", 'password = { env = "SKEP_TEST_NOT_SET" }')

    assert "web ← secrets.password: the environment variable SKEP_TEST_NOT_SET is not set" in roots(made, WEB)


def test_the_real_thing_only_when_asked(made: Made) -> None:
    """Drift is told with --live; without it nothing is looked at."""
    made.swarm = replace(made.swarm, services={})

    assert told(made, WEB)[0] == f"{WEB} is up to date"
    assert told(made, WEB, live=True)[:2] == [
        f"{WEB} is stale: the real thing was changed",
        "  web ← the service is gone",
    ]
    assert told(made, "build_networks:back", live=True)[-1] == "  and the real thing is as it was made"


def test_a_pinned_service_is_said_to_be(made: Made) -> None:
    """A service that was taken back counts as up to date: that it is behind site.toml is printed."""
    pinned_revisions.note(made.run().state, {"web": 3})
    text = (
        "  web is pinned to revision 3, behind site.toml, until its definition changes "
        "(doit rollback web to=latest)"
    )

    assert told(made, WEB)[:2] == [f"{WEB} is up to date", text]
    assert told(made, WEB, IMAGE)[-1] == text
    assert text not in told(made, IMAGE)


def test_several_in_a_line_each(made: Made) -> None:
    """A phase has a line for each resource that is not up to date."""
    made.edit_role("web/files/index.html", "hello\n")

    lines = told(made, "build_images:base.debian-12", IMAGE, WEB)

    assert lines[0] == "several: 1 of 3 up to date"
    assert [line.split()[0] for line in lines[1:]] == ["stale", "may"]
    assert told(made, "build_networks:back", "build_volumes:data@hive0") == ["several: all 2 are up to date"]


@pytest.mark.parametrize(
    ("asked", "tasks"),
    [
        (WEB, [WEB]),
        ("web", [WEB]),
        ("build_networks", ["build_networks:back"]),
        ("back", ["build_networks:back"]),
        ("password", ["deploy_services:secret.password"]),
        ("data", ["build_volumes:data@hive0"]),
        ("first", ["initialize_services:web.first"]),
        ("hive1", ["build_infra:hive1"]),
        ("*:hive0.time*", ["setup_hosts:hive0.timezone"]),
    ],
)
def test_what_a_word_means(made: Made, asked: str, tasks: list[str]) -> None:
    """A task, a phase, a pattern, or a short name: the last of those that are made from one another."""
    assert word(made, asked) == tasks


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("timezone", "is ambiguous: setup_hosts:hive0.timezone, setup_hosts:hive1.timezone"),
        ("wed", "there is no task, phase or resource 'wed'; `doit list --all`"),
        ("hive1.time", "did you mean setup_hosts:hive1.timezone"),
    ],
)
def test_what_a_word_can_not_mean(made: Made, asked: str, text: str) -> None:
    """One line, with the likely candidates."""
    with pytest.raises(InvalidCommand) as refused:
        word(made, asked)

    assert text in str(refused.value)


def test_options_behind_words() -> None:
    """`doit plan web --json` is understood, though doit itself takes options only first."""
    assert with_flags(["web", "--json"], "--json", "--all") == (["web"], {"--json"})
    with pytest.raises(InvalidCommand, match="unknown option --jsn"):
        with_flags(["web", "--jsn"], "--json")


def test_an_empty_table_is_told_by_its_values() -> None:
    """The first value of a table is one difference, not two."""
    assert differences({"vars": "{}"}, {"vars.A": '"1"'}) == [Difference("vars.A", None, '"1"')]
    assert differences({"vars": "{}"}, {}) == [Difference("vars", "{}", None)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "(none)"),
        ('"text"', "text"),
        ('""', '""'),
        ("12", "12"),
        ("hmac:0123", "(secret)"),
        ("sha256:" + "0123456789abcdef" * 4, "sha256:0123456789ab"),
        ("file 0755 " + "0123456789abcdef" * 4, "0755 0123456789ab"),
        ("file link a/b", "link a/b"),
        ('"' + "long" * 40 + '"', ("long" * 40)[:47] + "…"),
    ],
)
def test_values_for_people(value: str | None, shown: str) -> None:
    """Digests are cut to the length that people compare, texts to the length that fits."""
    assert shown_value(value) == shown


def test_what_it_was_made_from_in_short() -> None:
    """Each kind of input once."""
    inputs = {
        "format": "1",
        "image": "sha256:" + "a" * 64,
        "service.environment.A": '"1"',
        "service.mode": '"global"',
        "volume": "{}",
        "roles/web/setup.sh": "file 0755 x",
        "roles/web/files": "file directory",
    }

    assert summary(inputs) == "image sha256:aaaaaaaaaaaa; service (2 values); role web (1 file)"
