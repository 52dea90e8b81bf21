"""`doit plan`: what a run would do to each resource, by what changed and by what is really there."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands.plan import STYLES, PlanReport, plan_report
from model.labels import BACKUP_STOP_LABEL, PINNED_LABEL, SPEC_LABEL
from remote.hostsetup.markers import AppliedStep
from remote.swarm.spec import spec_digest
from tasks.backup.shown_key import LINE
from tasks.observe.states import SwarmState
from tasks.phases import PHASES
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def view(made: Made, *names: str) -> PlanReport:
    """Return what `doit plan` shows in a fresh process."""
    run = made.run()
    table = made.table_of(run)
    return plan_report(run, table, names or table.names, PHASES)


def actions(made: Made) -> dict[str, str]:
    """Return what would be done, by task."""
    return {item.task: item.action for item in view(made).items if item.action != "nothing"}


def reasons(made: Made, task: str) -> Sequence[str]:
    """Return why something would be done."""
    return next(item.reasons for item in view(made).items if item.task == task)


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Return all files with their content and time."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_nothing_to_do(made: Made) -> None:
    """A stage that is as site.toml says has an empty plan, and exit status 0."""
    plan = view(made)

    assert actions(made) == {}
    assert plan.status == 0
    assert plan.lines()[-1] == f"nothing to do: all {len(plan.items)} resources are as site.toml says"


def test_a_comment_has_no_secret(made: Made) -> None:
    """The texts for Markdown are those of the plan, without columns, and each goes through the redactor."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')

    text = view(made).text(lambda line: line.replace("bye", "[redacted]"))

    assert text.summary == view(made).lines()[-1]
    [line] = text.phases["deploy_services"]
    assert line.startswith("~ web: ")
    assert "[redacted]" in line
    assert "bye" not in "".join(line for lines in text.phases.values() for line in lines)
    assert not text.is_refused


def test_a_pinned_service_is_not_as_site_toml_says(made: Made) -> None:
    """A service that was rolled back is counted apart: nothing is to do, and yet not all is as site.toml says."""
    made.swarm.services["web"]["Spec"]["Labels"][PINNED_LABEL] = "3"

    plan = view(made)

    assert plan.lines()[-1] == (
        f"nothing to do: {len(plan.items)} resources are up to date, 1 of them pinned to an earlier revision"
    )


def test_nothing_is_written(made: Made) -> None:
    """A plan leaves every file as it is, whatever it has to say."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')
    made.edit_role("web/setup.sh", "echo other\n")
    before = files(made.directory)

    view(made)

    assert files(made.directory) == before


def test_from_nothing(tmp_path: Path) -> None:
    """Where nothing is made, all is to be created, and nothing is guessed about."""
    site = rig.new(tmp_path)

    plan = view(site)

    assert {item.action for item in plan.items} == {"create"}
    assert plan.status == 2
    assert not (tmp_path / "state").exists()


def test_a_service_is_changed_in_place(made: Made) -> None:
    """A changed definition changes the service; what was loaded into it stays, since it is the same service."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')

    assert actions(made) == {"deploy_services:web": "change"}
    assert reasons(made, "deploy_services:web") == ('services.web.environment.GREETING: "hello" → "bye"',)
    assert view(made).status == 2


def test_a_services_mode_replaces_it(made: Made) -> None:
    """Docker can't change a service's mode: it is replaced, and initialized again if it is another one then."""
    made.edit('image = "web"\n', 'image = "web"\nmode = "global"\n')

    assert actions(made)["deploy_services:web"] == "replace"
    assert actions(made)["initialize_services:web.first"] == "create"


def test_an_image_is_created_and_its_service_may_change(made: Made) -> None:
    """A new key is a new image; whether its service changes is known only when it is built (early cutoff)."""
    made.edit_role("web/files/index.html", "hello\n")

    assert actions(made) == {"build_images:web": "create", "deploy_services:web": "may change"}
    web = next(item for item in view(made).items if item.task == "deploy_services:web")
    assert web.after == ("build_images:web",)
    assert web.reasons == ("only if image comes out differently from build_images:web",)


def test_a_chance_of_a_chance(made: Made) -> None:
    """Where a base may come out the same, the images and services that are made from it only may change."""
    made.edit("[secrets]", '[bases."debian:12"]\ndebootstrap = "bookworm"\n\n[secrets]')

    found = actions(made)

    assert found["build_images:base.debian-12"] == "create"
    assert found["build_images:web"] == "may change"
    assert found["deploy_services:web"] == "may change"
    assert "initialize_services:web.first" not in found


def test_an_image_that_the_registry_has_is_adopted(made: Made) -> None:
    """An edit that was reverted, or was built from another clone, builds nothing."""
    made.edit_role("web/files/index.html", "hello\n")
    made.make("build_images:web", version="2")
    made.make("deploy_services:web")
    made.edit_role("web/files/index.html", "hi\n")

    assert actions(made) == {"build_images:web": "adopt", "deploy_services:web": "may change"}


def test_a_network_in_use_is_refused(made: Made) -> None:
    """What the run would refuse, the plan says with the services that are in the way; its exit status is 1."""
    made.edit("[networks.back]", "[networks.back]\nencrypted = true")

    plan = view(made)

    assert actions(made) == {"build_networks:back": "blocked"}
    assert "web use it as it is" in reasons(made, "build_networks:back")[-1]
    assert plan.status == 1


def test_a_network_in_use_is_replaced_where_that_is_asked_for(
    made: Made,
) -> None:
    """The plan says which services are stopped for it."""
    made.may_replace = frozenset({"back"})
    made.edit("[networks.back]", "[networks.back]\nencrypted = true")

    assert actions(made) == {"build_networks:back": "replace", "deploy_services:web": "may change"}
    assert reasons(made, "build_networks:back")[-1] == "web will be stopped and deployed again"


@pytest.mark.parametrize(("asked", "action"), [(False, "blocked"), (True, "replace")])
def test_a_swarm_that_was_made_otherwise(made: Made, action: str, *, asked: bool) -> None:
    """A swarm keeps its addresses: it is refused, or made anew where that is asked for."""
    made.may_replace = frozenset({"swarm"} if asked else ())
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.0.0/24"\ninternal_cidr = "172.29.0.0/20"')
    swarm = {
        **made.hosts["hive0"].info["Swarm"],
        "Cluster": {"ID": "cluster-1", "DefaultAddrPool": ["10.1.0.0/16"]},
    }
    made.look("hive0", info={"Swarm": swarm})

    assert actions(made)["setup_hosts:hive0.swarm"] == action
    assert "addresses out of 10.1.0.0/16, not 172.29.0.0/22" in reasons(made, "setup_hosts:hive0.swarm")[-1]


def test_a_free_network_is_replaced(made: Made) -> None:
    """A network that nobody uses is replaced."""
    made.edit("[networks.back]", "[networks.back]\nencrypted = true")
    made.swarm = replace(made.swarm, services={})

    assert actions(made)["build_networks:back"] == "replace"


@pytest.mark.parametrize("changed", ['driver_opts = { type = "tmpfs" }', 'labels = { team = "a" }'])
@pytest.mark.parametrize(("data", "action"), [(True, "blocked"), (False, "replace")])
def test_a_volumes_definition_is_refused(
    made: Made, monkeypatch: pytest.MonkeyPatch, changed: str, action: str, *, data: bool
) -> None:
    """Data is never destroyed on the way to something else; an empty volume is replaced."""
    monkeypatch.setattr("tasks.build_volumes.has_data", lambda *_: data)
    monkeypatch.setattr("tasks.hosts.volume_data.has_data", lambda *_: data)
    made.edit("[volumes.data]", f"[volumes.data]\n{changed}")

    assert actions(made)["build_volumes:data@hive0"] == action
    assert (view(made).status == 1) is data


@pytest.mark.parametrize(("data", "action"), [(True, "blocked"), (False, "create")])
def test_a_volume_whose_hosts_changed(
    made: Made, monkeypatch: pytest.MonkeyPatch, action: str, *, data: bool
) -> None:
    """A service must not begin without its data: what is on the old host is refused to be left there."""
    monkeypatch.setattr("tasks.build_volumes.has_data", lambda *_: data)
    monkeypatch.setattr("tasks.hosts.volume_data.has_data", lambda *_: data)
    made.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')

    found = actions(made)

    assert found["build_volumes:data@hive1"] == action
    assert found["build_volumes:data@hive0"] == "left"
    said = reasons(made, "build_volumes:data@hive1")[0]
    assert ("its data is on hive0" in said) is data


def test_where_a_volume_is_gone(made: Made) -> None:
    """A volume that is lost is created, and what was loaded into it is loaded again."""
    made.look("hive0", volumes={})

    assert actions(made) == {
        "build_volumes:data@hive0": "create",
        "initialize_services:web.first": "may change",
    }


def test_drift(made: Made) -> None:
    """What somebody did to the real things is part of the plan, though no input changed."""
    made.look("hive0", steps={**made.hosts["hive0"].steps, "timezone": AppliedStep("another key")})
    made.swarm.services["web"]["Spec"]["TaskTemplate"]["Placement"] = {"MaxReplicas": 1}

    assert actions(made) == {"setup_hosts:hive0.timezone": "change", "deploy_services:web": "change"}
    assert reasons(made, "deploy_services:web") == ("the service was changed by somebody else",)


def test_a_service_that_a_backup_has_stopped(made: Made) -> None:
    """It is left alone, as its files are read: only six hours later a run starts it again."""
    web = made.swarm.services["web"]
    web["Spec"]["Mode"] = {"Replicated": {"Replicas": 1}}
    web["Spec"]["Labels"] |= {SPEC_LABEL: spec_digest(web["Spec"]), BACKUP_STOP_LABEL: "1"}
    web["Spec"]["Mode"] = {"Replicated": {"Replicas": 0}}
    web["ServiceStatus"] = {"RunningTasks": 0, "DesiredTasks": 0}
    web["UpdatedAt"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.5Z"
    assert actions(made) == {}

    web["UpdatedAt"] = f"{datetime.now(UTC) - timedelta(minutes=361):%Y-%m-%dT%H:%M:%S}.5Z"
    assert actions(made) == {"deploy_services:web": "change"}
    assert reasons(made, "deploy_services:web") == ("a backup has stopped it, and has not started it again",)


def test_a_host_that_is_gone(made: Made) -> None:
    """With a host goes its set-up; of a volume that is not said, since some providers keep disks."""
    run = made.run()
    made.cloud.delete(run.stage, "hive0")
    made.look("hive0", error="hive0: ssh: no answer")

    found = actions(made)

    assert found.pop("build_infra:hive0") == "create"
    assert found.pop("build_volumes:data@hive0") == "unknown"
    assert found.pop("setup_hosts:hive0.node_labels") == "may change"
    setup = {task: action for task, action in found.items() if task.startswith("setup_hosts:")}
    assert set(setup.values()) == {"create"}
    assert {task.partition(".")[0] for task in setup} == {"setup_hosts:hive0"}
    # The swarm's id is read from the first hive.
    assert {action for task, action in found.items() if task not in setup} == {"may change"}


def test_what_is_left_of_a_host_is_used(made: Made) -> None:
    """A host's disk without the host is no other host that would have to be replaced."""
    where = ("example", "private", "hive0")
    made.cloud.things[where] = replace(made.cloud.things[where], key="", running=False)
    made.look("hive0", error="hive0: ssh: no answer")

    assert actions(made)["build_infra:hive0"] == "create"
    assert reasons(made, "build_infra:hive0") == ("hive0 does not run", "what remains of it is reused")


def test_a_host_that_is_stopped(made: Made) -> None:
    """A stopped host is started; what is on it is not known until it runs, and is no error."""
    made.cloud.stop(made.run().stage, "hive1")
    made.look("hive1", error="hive1: ssh: no answer")

    found = actions(made)

    assert found["build_infra:hive1"] == "change"
    assert found["setup_hosts:hive1.timezone"] == "unknown"
    assert view(made).status == 2


def test_a_host_that_can_not_be_asked(made: Made) -> None:
    """A host that should answer and does not: the plan says so, and its exit status is 1."""
    made.look("hive1", error="hive1: ssh: no answer\nmore")

    assert actions(made)["setup_hosts:hive1.timezone"] == "error"
    assert reasons(made, "setup_hosts:hive1.timezone") == ("hive1: ssh: no answer",)
    assert view(made).status == 1


def test_an_engine_that_does_not_answer_has_lost_nothing(made: Made) -> None:
    """A volume is not called gone where nobody can know."""
    made.look("hive0", info={}, volumes={})
    look = made.hosts["hive0"]
    assert "docker" in look.steps

    assert actions(made)["build_volumes:data@hive0"] == "error"


def test_a_host_with_another_key_is_replaced(made: Made) -> None:
    """What makes it another host replaces it, and the plan says whose data goes with it."""
    made.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')

    assert actions(made)["build_infra:hive0"] == "replace"
    assert reasons(made, "build_infra:hive0")[-1] == "it holds volume data"


def test_a_new_ssh_key_replaces_no_host(made: Made) -> None:
    """A host takes a new key in place."""
    made.run().connections.files.key.with_suffix(".pub").write_text("ssh-ed25519 another")

    found = actions(made)

    assert set(found.values()) <= {"change", "adopt", "may change"}


def test_lost_records_are_adopted(made: Made) -> None:
    """Without state/, what is there as wanted is adopted or read back: nothing is to be created or changed."""
    for path in (made.directory / "state" / "private").iterdir():
        if path.name != "secrets":
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    found = actions(made)

    assert found["build_infra:hive0"] == "adopt"
    assert found["setup_hosts:hive0.timezone"] == "unknown"
    assert set(found.values()) == {"adopt", "unknown"}
    assert len(found) == len(view(made).items)


def test_a_tag_that_moved_upstream(made: Made) -> None:
    """The plan says so live, and names all that would be made from what the tag is now."""
    made.upstream["debian:12"] = "sha256:" + "f" * 64

    assert reasons(made, "build_images:upstream.debian-12")[0].startswith("debian:12 moved upstream: sha256:")
    assert actions(made) == {
        "build_images:upstream.debian-12": "create",
        "build_images:base.debian-12": "may change",
        "build_images:web": "may change",
        "deploy_services:web": "may change",
    }


def test_an_upstream_that_does_not_answer(made: Made) -> None:
    """What can't be asked for is as it was: there is nothing to do."""
    made.upstream.clear()

    assert actions(made) == {}


def test_a_fresh_clone(made: Made) -> None:
    """With the secrets gone as well, only the ssh key is new; the hosts get it in place."""
    shutil.rmtree(made.directory / "state")

    found = actions(made)

    assert found["build_infra:ssh_key"] == "create"
    assert found["build_infra:hive0"] == "change"
    assert {action for task, action in found.items() if not task.startswith("build_infra:")} == {"unknown"}


def test_one_lost_record_is_adopted(made: Made) -> None:
    """A resource that is found by its label is no change, and leaves the exit status 0."""
    run = made.run()
    run.state.record_path("build_networks:back").unlink()
    run.state.trace_path("build_networks:back").unlink()

    assert actions(made)["build_networks:back"] == "adopt"


def test_a_new_secret_is_made_before_its_service(made: Made) -> None:
    """What hangs on a secret that is to be generated is certain to change."""
    made.edit("password = { generate = 24 }", "password = { generate = 24 }\nmore = { generate = 24 }")
    made.edit('secrets = ["password"]', 'secrets = ["password", "more"]')

    assert actions(made) == {
        "setup_hosts:hive2.vault": "change",
        "deploy_services:secret.more": "create",
        "deploy_services:web": "change",
        "initialize_services:web.first": "may change",
    }


def test_a_failed_run_is_tried_again(made: Made) -> None:
    """A task whose last run failed is in the plan, though its inputs are what they were."""
    made.fail("deploy_services:web", "web: no")

    assert actions(made) == {"deploy_services:web": "change"}
    assert reasons(made, "deploy_services:web") == ("its last run failed",)


def test_what_site_toml_no_longer_has(made: Made) -> None:
    """Services, networks and secrets are named for removal; volumes and images are only left, and count for nothing."""
    text = (made.directory / "site.toml").read_text()
    (made.directory / "site.toml").write_text(text.partition("[images.web]")[0])

    found = actions(made)

    assert found["deploy_services:web"] == "remove"
    assert found["deploy_services:secret.password"] == "remove"
    assert found["build_volumes:data@hive0"] == "left"
    assert found["build_images:web"] == "left"
    assert "no longer in site.toml; `doit prune` removes it" in "\n".join(view(made).lines())


def test_what_is_only_left_is_nothing_to_do(made: Made) -> None:
    """An old volume alone leaves the exit status 0."""
    labels = made.run().stage.labels
    made.look("hive1", volumes={"old": {"Name": "old", "Labels": labels}, "foreign": {"Name": "foreign"}})

    assert actions(made) == {"build_volumes:old@hive1": "left"}
    assert view(made).status == 0
    assert view(made).lines()[-1].endswith("; 1 left over")


def test_a_secret_that_can_not_be_had(made: Made) -> None:
    """A mistake of the person's is told at each resource that it concerns; the rest of the plan is there."""
    made.edit("password = { generate = 24 }", 'password = { env = "SKEP_TEST_NOT_SET" }')

    assert actions(made)["deploy_services:web"] == "error"
    assert "SKEP_TEST_NOT_SET is not set" in reasons(made, "deploy_services:web")[0]
    assert view(made).status == 1


def test_without_a_swarm(made: Made) -> None:
    """Where no manager answers, nothing that it keeps is called gone."""
    made.swarm = SwarmState(error="no manager of the swarm answers")

    assert actions(made)["deploy_services:web"] == "error"
    assert actions(made)["build_networks:back"] == "error"


def test_json_is_stable(made: Made) -> None:
    """CI reads these keys; every action is in the summary, the absent ones as 0."""
    made.edit_role("web/files/index.html", "hello\n")

    data = json.loads(json.dumps(view(made).data()))

    assert list(data) == [
        "site",
        "stage",
        "provider",
        "at_work",
        "status",
        "resources",
        "summary",
        "takes",
        "pinned",
        "packages",
        "warnings",
        "key_shown",
    ]
    assert [set(one) for one in data["resources"]] == [{"task", "host", "action", "reasons", "after"}] * 2
    assert set(data["summary"]) == {"up_to_date", *(action.replace(" ", "_") for action in STYLES)}
    assert data["summary"]["may_change"] == 1
    assert data["status"] == 2


def test_the_key_of_backups_is_asked_for(made: Made) -> None:
    """In a line, also of the comment, until somebody printed it; as JSON who that was."""
    plan = replace(view(made), key_shown={})
    assert LINE in plan.lines()
    assert LINE in plan.text(str).remarks
    assert plan.data()["key_shown"] is None

    note = {"at": "2026-11-30T01:00:00Z", "by": "alice@laptop"}
    plan = replace(plan, key_shown=note)
    assert LINE not in plan.lines()
    assert plan.data()["key_shown"] == note
    assert LINE not in view(made).lines()


def test_many_of_one_fate_are_one_line(tmp_path: Path) -> None:
    """Forty set-up steps that are all to be created take one line, unless all are asked for."""
    site = rig.new(tmp_path)
    plan = view(site)

    assert len(plan.lines()) < 20
    assert len(plan.lines(every=True)) > len(plan.items)


def test_lines_fit_the_terminal(made: Made) -> None:
    """On a terminal no line is wider than it is; elsewhere nothing is cut."""
    made.edit('GREETING = "hello"', f'GREETING = "{"long " * 30}"')

    assert max(len(line) for line in view(made).lines(width=60)) == 60
    assert max(len(line) for line in view(made).lines()) > 150


def test_colours_only_where_asked_for(made: Made) -> None:
    """CI gets no escapes."""
    made.edit('GREETING = "hello"', 'GREETING = "bye"')

    assert "\x1b" not in "\n".join(view(made).lines())
    assert "\x1b" in "\n".join(view(made).lines(coloured=True))
