"""Secrets and configs as services get them: where, as what, and what makes them another one."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import ConfigError
from model.secrets.secret import Secret
from model.site_file.load import load
from model.swarm.content_names import use_inputs
from remote.swarm.secrets_configs import ensure_config, ensure_secret
from remote.swarm.spec import ServiceParts, service_spec
from tasks.cleanup import content_gc
from tasks.cleanup.orphans import orphans
from tasks.explain.plan import Planner
from tasks.explain.status import UP_TO_DATE
from tasks.run.context import Run
from tasks.services.docker_names import docker_names_of
from tasks.services.rendering import renderer_of
from tasks.step import Step, Work
from tests import made as rig
from tests.definitions import service_of
from tests.made import Made
from tests.unit.remote.swarm.test_spec import stage

pytestmark = pytest.mark.slow

CONFIGS = """
[configs.plain]
text = "{{ site }} on {{ hives | length }}\\n"
[configs.keyed]
file = "conf/keyed.conf"
[configs.raw]
file = "conf/raw.bin"
template = false
"""
USES = 'secrets = ["password"]\nconfigs = ["plain", { source = "keyed", target = "/etc/keyed.conf" }, "raw"]'
KEYED = "# a file\nlisten 80\nkey = {{ secrets.password }}\n"


@pytest.fixture
def site(tmp_path: Path) -> Made:
    """Return a site with configs, of which nothing is made yet."""
    site = rig.new(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/keyed.conf").write_text(KEYED)
    (tmp_path / "conf/raw.bin").write_bytes(b"\xff{{ raw }}")
    site.edit("[networks.back]", f"{CONFIGS}\n[networks.back]")
    site.edit('secrets = ["password"]', USES)
    return site


@pytest.fixture
def made(site: Made) -> Made:
    """Return such a site, wholly made."""
    site.make()
    return site


def stale(made: Made) -> set[str]:
    """Return what is stale."""
    table = made.table()
    return {name for name in table.names if table[name].status != UP_TO_DATE}


# -- what they hold ----------------------------------------------------------------------------------------------------


def test_what_configs_hold(made: Made) -> None:
    """A text or a file is a template unless it says that it is none; a secret in it makes it one as a whole."""
    run = made.run()

    assert renderer_of(run).config("plain") == b"example on 2\n"
    assert renderer_of(run).config("raw") == b"\xff{{ raw }}"
    keyed = renderer_of(run).config("keyed")
    assert isinstance(keyed, Secret)
    assert keyed.reveal() == KEYED.replace("{{ secrets.password }}", run.secrets.read("password").reveal())


def test_a_secret_that_is_not_looked_at_now(made: Made) -> None:
    """What may look at one is a secret also when it does not: how it is delivered depends on no value."""
    (made.directory / "conf/keyed.conf").write_text("{% if stage == 'x' %}{{ secrets.password }}{% endif %}y")

    assert isinstance(renderer_of(made.run()).config("keyed"), Secret)


def test_its_own_lines_are_not_hidden(made: Made) -> None:
    """Logs leave the line with the secret out, and not what the config says besides."""
    run = made.run()
    renderer_of(run).config("keyed")
    password = run.secrets.read("password").reveal()

    assert run.secrets.redact(f"listen 80\nkey = {password}\n# a file") == "listen 80\n[redacted]\n# a file"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, which Docker does not take"),
        (b"x" * 1_024_000, "has 1024000 bytes, and Docker takes 1023999"),
    ],
)
def test_what_docker_does_not_take(made: Made, content: bytes, said: str) -> None:
    """A size that the engine would refuse is said with the config's path."""
    (made.directory / "conf/raw.bin").write_bytes(content)

    with pytest.raises(ConfigError) as refusal:
        renderer_of(made.run()).config("raw")
    assert str(refusal.value) == f"configs.raw: conf/raw.bin: {said}"


@pytest.mark.parametrize("template", ["true", "false"])
def test_a_file_that_is_none_is_not_read(site: Made, template: str) -> None:
    """A pipe is not waited for, and a file that is too large is not read; both are said when site.toml is."""
    site.edit("template = false", f"template = {template}")
    path = site.directory / "conf/raw.bin"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="raw"):
        load(site.directory / "site.toml")

    path.unlink()
    path.touch()
    os.truncate(path, 20 << 20)
    with pytest.raises(
        ConfigError, match=r"configs\.raw: conf/raw\.bin: has 20971520 bytes, and Docker takes 1023999$"
    ):
        renderer_of(site.run()).config("raw")


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "template = false",
            "template = true",
            "configs.raw: conf/raw.bin: line 1, column 1: 0xFF is not UTF-8: save it as UTF-8, or set template = false",
        ),
        ("conf/raw.bin", "conf/no.bin", "configs.raw.file: there is no file conf/no.bin"),
        ("conf/keyed.conf", "conf/no.conf", "configs.keyed.file: conf/no.conf: No such file or directory"),
        ('text = "', 'file = "x"\ntext = "', "configs.plain: needs exactly one of file, text"),
        ('text = "', 'text = "{{ vars.no }}', "configs.plain.text: there is no variable 'no'"),
        (
            '"raw"]',
            '"row"]',
            "services.web.configs[2]: there is no config 'row' (there are: keyed, plain, raw)",
        ),
        ('["password"]', '[{ source = "no" }]', "services.web.secrets[0]: takes the name of a secret"),
        ("/etc/keyed.conf", "/plain", "services.web.configs[1]: /plain is services.web.configs[0] already"),
        (
            "/etc/keyed.conf",
            "/run/secrets/password",
            "/run/secrets/password is services.web.secrets[0] already",
        ),
        ("/etc/keyed.conf", "/a/../b", "services.web.configs[1].target: /a/../b: .. is not allowed in it"),
        ("/etc/keyed.conf", "etc", "services.web.configs[1].target"),
        ('["password"]', '[{ source = "password", mode = "rw" }]', "services.web.secrets[0].mode"),
        ('["password"]', '[{ source = "password", uid = "web" }]', "services.web.secrets[0].uid"),
    ],
)
def test_mistakes(site: Made, old: str, new: str, said: str) -> None:
    """What can't be is refused when site.toml is read, with its path."""
    site.edit(old, new)

    with pytest.raises(ConfigError) as refusal:
        load(site.directory / "site.toml")
    assert said in str(refusal.value)


def test_a_mistake_has_its_line(site: Made) -> None:
    """In a file of many lines the message has the line, whatever kind of mistake it is."""
    path = site.directory / "conf/keyed.conf"
    for wrong in ("{{ vars.no }}", "{{ no }}", "{{ 1 / 0 }}", "{{ x y }}"):
        path.write_text(f"# a file\n\n{wrong}\nlast\n")

        with pytest.raises(ConfigError) as refusal:
            load(site.directory / "site.toml")
        assert "configs.keyed: conf/keyed.conf: line 3: " in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "a{#color:red} b{{ site }}{ } c{#x:y#} d",
        'echo "n=${#arr[@]} domain={{ site }}"',
        'summary: "{{ $labels.instance }} down for {{ $value | humanizeDuration }}"',
        "- template: { source: app, template: '{{ .Value }}' }",
        "{{#if x}}{{ site }}{{/if}}",
        "{{ ansible_managed }}",
        "{% load static %}",
    ],
)
def test_braces_that_are_for_another_program(site: Made, text: str) -> None:
    """Nothing of them is left out; the message has the line, and the ways out."""
    (site.directory / "conf/keyed.conf").write_text(f"# a file\n{text}\nlast\n")

    with pytest.raises(ConfigError) as refusal:
        load(site.directory / "site.toml")
    (said,) = refusal.value.problems
    assert said.startswith("site.toml: configs.keyed: conf/keyed.conf: line 2: ")
    assert said.endswith(
        "; where braces are for another program, template = false uses the content as it is, and {{ '{{' }} in a "
        "template stands for {{"
    )


@pytest.mark.parametrize("text", ["\ufeff[a]\r\nb={{ site }}\r\n\r\n", "\ufeff[a]\r\n", "n=${#arr[@]}\n"])
def test_bytes_that_are_no_template_stay(site: Made, text: str) -> None:
    """Line ends, a byte order mark and other programs' marks are those of the file."""
    (site.directory / "conf/keyed.conf").write_bytes(text.encode())
    site.make()

    assert renderer_of(site.run()).config("keyed") == text.replace("{{ site }}", "example").encode()


@pytest.mark.parametrize("text", ["{#comment#}{{ site }}", "{{ site }} ${#list[@]}", "{{ site }} {# a"])
def test_a_comment_without_white_space_names_the_way_out(site: Made, text: str) -> None:
    """It may be one, or a shell's `${#list}`: how to write either is said."""
    (site.directory / "conf/keyed.conf").write_text(f"{text}\n")

    with pytest.raises(ConfigError) as refusal:
        load(site.directory / "site.toml")
    assert "with white space at both ends, `{# a word #}`, and a `{#` that is none `{{ '{#' }}`" in str(
        refusal.value
    )


def test_dockers_own_templates(site: Made) -> None:
    """The content goes to Docker as it is, with the driver; another driver makes another config."""
    text = '{{ .Node.Hostname }} {{ secret "password" }}\n'
    (site.directory / "conf/raw.bin").write_text(text)
    site.make()
    before = docker_names_of(site.run()).config("raw")

    site.edit("template = false", 'template_driver = "golang"')

    run = site.run()
    assert renderer_of(run).config("raw") == text.encode()
    name, is_secret = docker_names_of(run).config("raw")
    assert (name == before[0], is_secret) == (False, False)
    assert docker_names_of(run).wanted()["config.raw"] == name
    assert stale(site) == {"deploy_services:config.raw", "deploy_services:web"}
    api = Api()
    client: Any = type("Client", (), {"api": api})()
    ensure_config(client, name, text.encode(), {}, print, "golang")
    assert api.drivers == {name: {"Name": "golang"}}


# -- how services get them ---------------------------------------------------------------------------------------------


def container(**definition: Any) -> dict[str, Any]:
    """Return what a service's containers are like."""
    service = service_of({"image": "web", **definition})
    parts = ServiceParts(
        "registry/web@sha256:0",
        {"front": "n1", "back": "n2"},
        {"key": ("key-0", "s0")},
        {"plain": ("plain-0", "c0", False), "keyed": ("keyed-0", "s1", True)},
    )
    found: dict[str, Any] = service_spec("web", service, stage(), parts, {})["TaskTemplate"]["ContainerSpec"]
    return found


def file(name: str, mode: int, uid: str = "0", gid: str = "0") -> dict[str, Any]:
    """Return a file in Docker's words."""
    return {"Name": name, "UID": uid, "GID": gid, "Mode": mode}


def test_short_forms() -> None:
    """A secret is root's file in /run/secrets, a config everybody's in /; one with a secret is a Docker secret."""
    found = container(secrets=["key"], configs=["plain", "keyed"])

    assert found["Secrets"] == [
        {"SecretName": "key-0", "SecretID": "s0", "File": file("key", 0o400)},
        {"SecretName": "keyed-0", "SecretID": "s1", "File": file("/keyed", 0o444)},
    ]
    assert found["Configs"] == [{"ConfigName": "plain-0", "ConfigID": "c0", "File": file("/plain", 0o444)}]


def test_long_forms() -> None:
    """Target, owner, group and permissions are as said; one secret can be had twice."""
    found = container(
        secrets=[
            {"source": "key", "target": "/etc/key", "uid": 33, "gid": "34", "mode": "0440"},
            {"source": "key", "target": "again"},
        ],
        configs=[{"source": "plain", "target": "/etc/plain", "uid": "5", "mode": "0755"}],
    )

    assert [secret["File"] for secret in found["Secrets"]] == [
        file("/etc/key", 0o440, "33", "34"),
        file("again", 0o400),
    ]
    assert [config["File"] for config in found["Configs"]] == [file("/etc/plain", 0o755, "5")]


def test_a_default_that_is_written_out_is_no_input() -> None:
    """The short form, and the long one with defaults, are the same; the rest has its path."""
    service = service_of(
        {
            "image": "web",
            "secrets": ["a", {"source": "b", "mode": "0400"}, {"source": "c", "mode": "0440"}],
            "configs": [{"source": "d", "target": "/d.conf"}],
        }
    )

    assert use_inputs("secrets", service.secrets) == {"service.secrets[2].mode": '"0440"'}
    assert use_inputs("configs", service.configs) == {"service.configs[0].target": '"/d.conf"'}


class Api:
    """An engine that keeps secrets and configs."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.drivers: dict[str, dict[str, str]] = {}
        self.configs = self.secrets = self._listed

    def _listed(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Find by the beginning of names, as Docker does."""
        names = [name for name in self.made if name.startswith(filters["name"])]
        return [{"ID": f"id-{name}", "Spec": {"Name": name}} for name in names]

    def create_config(
        self, name: str, content: bytes, labels: dict[str, str], templating: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Keep one."""
        assert name not in self.made
        self.made[name] = content, labels
        if templating is not None:
            self.drivers[name] = templating
        return {"ID": f"id-{name}"}

    create_secret = create_config


def test_they_are_found_before_they_are_made() -> None:
    """The second time there is the first one's id; one whose name only begins so is another."""
    api = Api()
    client: Any = type("Client", (), {"api": api})()
    log: list[str] = []

    for _ in range(2):
        assert ensure_config(client, "a-12", b"x", {"l": "1"}, log.append) == "id-a-12"
        assert ensure_config(client, "a-1", b"y", {}, log.append) == "id-a-1"
        assert ensure_secret(client, "b", Secret("z"), {}, log.append) == "id-b"
    assert api.made == {"a-12": (b"x", {"l": "1"}), "a-1": (b"y", {}), "b": (b"z", {})}


# -- what is stale, planned, left over ---------------------------------------------------------------------------------


def test_nothing_is_stale(made: Made) -> None:
    """A site that is wholly made is up to date, and nothing of it is left over."""
    assert stale(made) == set()
    assert orphans(made.run()) == []


@pytest.mark.parametrize(
    ("path", "task"),
    [("raw.bin", "deploy_services:config.raw"), ("keyed.conf", "deploy_services:config.keyed")],
)
def test_another_content_rolls_the_service(made: Made, path: str, task: str) -> None:
    """A changed file makes its config and its services stale, and nothing else; the plan says the same."""
    (made.directory / "conf" / path).write_text("other {{ secrets.password }}")
    run = made.run()
    planner = Planner(made.table_of(run))

    assert stale(made) == {task, "deploy_services:web"}
    assert planner[task].action == "create"
    assert planner["deploy_services:web"].action in {"change", "may change"}


def test_a_config_that_is_gone_is_made_again(made: Made) -> None:
    """The live look sees that somebody removed it."""
    made.swarm = replace(made.swarm, configs={})
    run = made.run()
    planner = Planner(made.table_of(run))

    assert planner["deploy_services:config.plain"].action == "create"


def test_a_new_secret_changes_the_config(made: Made) -> None:
    """A config that a secret is in is another one with another secret."""
    run = made.run()
    before = docker_names_of(run).config("keyed")
    run.secrets.keep(replace(run.secrets.vault, generated={"password": Secret("another-battery")}))

    after = docker_names_of(run).config("keyed")

    assert before != after
    assert after[1] is True


def test_configs_are_left_over(made: Made) -> None:
    """One that site.toml no longer has is named for prune, with the task that it had; one with a secret, too."""
    made.edit(USES, 'secrets = ["password"]')

    found = {(left.kind, left.task) for left in orphans(made.run()) if left.is_reported}

    assert found == {
        ("Docker config", "deploy_services:config.plain"),
        ("Docker config", "deploy_services:config.raw"),
        ("Docker secret", "deploy_services:config.keyed"),
    }


# -- older contents ----------------------------------------------------------------------------------------------------


class Swarm:
    """A manager that removes, and notes what."""

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.api = self

    def remove_secret(self, name: str) -> None:
        """Remove a secret."""
        self.gone.append(name)

    remove_config = remove_secret


def older(made: Made, run: Run, *, asks: bool = True, **used: Any) -> list[str]:
    """Have older contents of a secret and two configs there, and return which of them go after a run."""
    labels = run.stage.labels
    there = {
        "password-old": ("secrets", "password"),
        "keyed-old": ("secrets", "config.keyed"),
        "plain-old": ("configs", "config.plain"),
        "gone-old": ("secrets", "gone"),
    }
    for name, (kind, of) in there.items():
        thing = {"ID": name, "Spec": {"Name": name, "Labels": {**labels, "skep.name": of}}}
        getattr(made.swarm, kind)[name] = thing
    service = {**made.swarm.services["web"], **used}
    made.swarm = replace(made.swarm, services={"web": service})
    run.observer = made.run().observer
    run.secrets.may_run_commands = asks
    manager = Swarm()
    run.connections.__dict__["manager"] = lambda: (run.stage.hosts[0], manager)
    content_gc.remove(run, lambda _line: None)
    return sorted(manager.gone)


def template(**files: Any) -> dict[str, Any]:
    """Return a specification that uses these."""
    return {"TaskTemplate": {"Networks": [], "ContainerSpec": files}}


def test_older_contents_go(made: Made) -> None:
    """What an old version is of, and that nothing uses, goes; what site.toml no longer has is left to prune."""
    assert older(made, made.run()) == ["keyed-old", "password-old", "plain-old"]


def test_what_a_service_would_go_back_to_stays(made: Made) -> None:
    """What its last specification has stays, and what one of its revisions has."""
    run = made.run()
    revision = {"skep.name": "web", "skep.generation": "1", "skep.files": "keyed-old,plain-old"}
    config = {"ID": "g", "Spec": {"Name": "g", "Labels": {**run.stage.labels, **revision}}}
    made.swarm = replace(made.swarm, configs={**made.swarm.configs, "g": config})

    assert older(made, run, PreviousSpec=template(Secrets=[{"SecretID": "password-old"}])) == []


def test_revisions_of_a_service_that_somebody_removed_stay(made: Made) -> None:
    """It is deployed again, and may be taken back to what it was."""
    run = made.run()
    revision = {"skep.name": "web", "skep.generation": "1", "skep.files": ""}
    config = {"ID": "g", "Spec": {"Name": "g", "Labels": {**run.stage.labels, **revision}}}
    made.swarm = replace(made.swarm, services={}, configs={**made.swarm.configs, "g": config})

    assert "g" not in [left.name for left in orphans(made.run())]


def test_an_unknown_content_is_not_older(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a secret can't be had now, nothing is known of which content is the one that is wanted."""
    made.edit("password = { generate = 24 }", 'password = { env = "NOT_SET_HERE" }')
    monkeypatch.delenv("NOT_SET_HERE", raising=False)

    assert older(made, made.run()) == ["plain-old"]


def test_what_carries_which_name(made: Made) -> None:
    """A config's label tells it from a secret of the same name, on a Docker config and on a Docker secret."""
    api, run = Api(), made.run()
    client: Any = type("Client", (), {"api": api})()
    run.connections.__dict__["manager"] = lambda: (run.stage.hosts[0], client)
    tasks = made.tasks(run)
    for name in ("config.plain", "config.keyed", "secret.password"):
        step: Step = tasks[f"deploy_services:{name}"].meta["step"]
        step.ensure(Work(step.task, {}, "k", lambda _line: None))

    labels = {name.rpartition("-")[0]: labels["skep.name"] for name, (_, labels) in api.made.items()}
    assert labels == {"plain": "config.plain", "keyed": "config.keyed", "password": "password"}


def test_what_was_not_asked_for_is_not_older(made: Made) -> None:
    """A run that needed no secret asks for none at its end, and removes nothing of which it does not know."""
    made.edit("password = { generate = 24 }", 'password = { command = "echo x >>runs; echo correct-horse" }')

    assert older(made, made.run(), asks=False) == ["plain-old"]
    assert not (made.directory / "runs").exists()
