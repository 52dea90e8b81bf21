"""Roles of Ansible: what they are, what they use, what they see, and what is said of one that fails."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ConfigError
from model.images import ansible
from model.keys.digest import Entry
from model.secrets.secret import Secret
from model.site_file.load import load, parse_site
from model.stage import Stage
from remote.playbook import play as playbook
from remote.playbook.play import Play
from tasks.images.ansible_inventory import SiteInventory, seen
from tasks.images.ansible_inventory import play as ansible_play
from tasks.images.roles import Role
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tests import rig

SITE = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
    "images": {"web": {"from": "debian:12", "env": {"TZ": "UTC"}}, "db": {"from": "debian:12"}},
    "services": {
        "web": {"image": "web", "labels": {"fqdn": "www.example.com"}, "ports": ["80:8080"]},
        "db": {"image": "db"},
    },
}
TOML = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[images.web]
from = "debian:12"
roles = ["web"]
[services.web]
image = "web"
endpoint_mode = "dnsrr"
"""


def write(directory: Path, **files: str) -> None:
    """Write files of roles; `__` stands for a slash."""
    for name, text in files.items():
        path = directory / "roles" / (name.replace("__", "/") + ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of a site that has no roles."""
    site = parse_site(SITE)
    return new_run(
        tmp_path, Stage(site, "private", site.stages["private"]), State(tmp_path / "state" / "private")
    )


class TestFiles:
    """What a role is, and what else it uses."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("web__meta__main", "dependencies: [common]"),
            ("web__meta__main", "dependencies: [{role: common, vars: {a: 1}}]"),
            ("web__meta__main", "dependencies: [{name: common}]"),
            ("web__tasks__main", "- include_role: {name: common}"),
            ("web__tasks__main", "- block: [{ansible.builtin.import_role: {name: common}}]"),
            ("web__tasks__more", "- include_role: name=common tasks_from=x"),
            ("web__tasks__main", "- include_role:\n  args: {name: common}"),
            ("web__handlers__main", "- import_role: {name: common}"),
            ("web__tasks__main", "- include_role: {name: '{{ which }}'}"),
            ("web__tasks__main", "- debug: {msg: !vault x}\n- include_role: {name: common}"),
        ],
    )
    def test_roles_that_it_uses(self, tmp_path: Path, name: str, text: str) -> None:
        """A role's dependencies, what its tasks include, and all roles where that is computed, are its files too."""
        write(tmp_path, **{"web__tasks__main": "[]", "common__tasks__main": "[]", name: text})

        assert list(ansible.trees(tmp_path, "web")) == ["common", "web"]

    def test_roles_that_use_one_another(self, tmp_path: Path) -> None:
        """What is used by what is used counts, once, even in a circle; a collection's role is the collection's."""
        write(tmp_path, a__tasks__main="[]", a__meta__main="dependencies: [b, community.general.x]")
        write(tmp_path, b__tasks__main="- include_role: {name: c}", c__tasks__main="- import_role: {name: a}")

        assert list(ansible.trees(tmp_path, "a")) == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({}, "uses role common, and there is no directory roles/common"),
            ({"common__x": ""}, "uses role common, which is no role of Ansible: it has no tasks/main.yml"),
            ({"web__tasks__more": "a: [b"}, "roles/web/tasks/more.yml: while parsing a flow sequence"),
        ],
    )
    def test_roles_that_can_not_be_read(self, tmp_path: Path, files: dict[str, str], said: str) -> None:
        """A role that is used and is not there, or can't be run, is said with its name."""
        write(tmp_path, web__tasks__main="[]", web__meta__main="dependencies: [common]", **files)

        with pytest.raises(ConfigError, match=said):
            ansible.trees(tmp_path, "web")

    def test_both_kinds_at_once(self, tmp_path: Path) -> None:
        """A role with setup.sh and tasks is a mistake, said with its path; so is a mistake in its files."""
        (tmp_path / "site.toml").write_text(TOML)
        write(tmp_path, web__tasks__main="- include_role: {name: gone}")
        (tmp_path / "roles" / "web" / "setup.sh").touch()

        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "site.toml")

        assert caught.value.problems == (
            "site.toml: images.web.roles[0]: roles/web has both setup.sh and tasks/main.yml; which of them is it?",
            "site.toml: images.web.roles[0]: roles/web uses role gone, and there is no directory roles/gone",
        )

    def test_without_ansible(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A site that needs Ansible and lacks it gets one line, which says how to add it; others don't need it."""
        toml = TOML.replace('["web"]', '["web", "web", "script"]')
        (tmp_path / "site.toml").write_text(toml)
        write(tmp_path, web__tasks__main="[]", script__x="")
        (tmp_path / "roles" / "script" / "setup.sh").touch()
        monkeypatch.setattr(ansible, "feature_release", lambda: None)

        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "site.toml")

        assert caught.value.problems == (
            (
                "site.toml: roles/web is a role of Ansible, which is not installed: "
                "SKEP_EXTRAS=ansible ./setup doit adds it"
            ),
        )
        (tmp_path / "site.toml").write_text(TOML.replace('"web"]', '"script"]'))
        load(tmp_path / "site.toml")

    def test_what_is_imported(self, tmp_path: Path) -> None:
        """Looking at a role imports nothing of Ansible's; a site without such roles does not even ask for it."""
        write(tmp_path, web__tasks__main="[]")
        code = (
            "import sys; from pathlib import Path; from model.images import ansible;"
            f"ansible.trees(Path({str(tmp_path)!r}), 'web'); assert ansible.feature_release();"
            "print([name for name in sys.modules if name.startswith('ansible')])"
        )

        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[4],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )

        assert done.stdout.strip() == "[]"


class TestSeen:
    """What a role sees of the site: what it names, and nothing else."""

    def see(self, run: Run, text: str, target: str = "image_web") -> Any:
        """Return what a role with a text in it sees."""
        write(run.directory, role__tasks__main="[]", role__vars__main=text)
        return seen(run, target, Role(run, "role", {"A": "{{ hive_stage }}"}))

    def test_nothing_that_it_does_not_name(self, run: Run) -> None:
        """Its container has a name that means nothing, and those of its variables that are named somewhere."""
        found = self.see(run, "x: '{{ hive_name }} {{ hive_env }} {{ hive_provider }}'")

        assert (found.target, found.groups) == ("container", {})
        assert found.hosts == {
            "container": {"hive_name": "example", "hive_env": {"TZ": "UTC"}, "hive_provider": "docker"}
        }
        assert found.inputs() == {
            "hive_name": '"example"',
            "hive_env.TZ": '"UTC"',
            "hive_provider": '"docker"',
        }

    def test_other_hosts(self, run: Run) -> None:
        """One that asks for groups or hosts has them, with the variables that it names; all of that counts."""
        found = self.see(
            run, "x: '{{ groups.services }} {{ hostvars.web.hive_labels.fqdn }} {{ hive_ports }}'", "db"
        )

        assert found.target == "db"
        assert found.groups["services"] == ["web", "db"]
        assert found.groups["images"] == ["image_web", "image_db"]
        assert found.groups["hives"] == [f"p-hive{n}.example" for n in range(3)]
        assert found.groups["repository"] == ["p-hive3.example"]
        assert set(found.groups["hosts"]) == {*found.groups["servers"], "p-mother.example"}
        assert set(found.groups["private"]) == set(found.hosts)
        assert found.hosts["web"] == {
            "hive_labels": {"fqdn": "www.example.com"},
            "hive_ports": [{"target_port": 8080, "published_port": 80, "protocol": "tcp"}],
        }
        inputs = found.inputs()
        assert inputs["hostvars.web.hive_labels.fqdn"] == '"www.example.com"'
        assert inputs["inventory_hostname"] == "db"
        assert inputs["groups.services[1]"] == '"db"'


class TestInputs:
    """What a role of Ansible depends on."""

    def test_files_variables_and_release(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its files and those that it uses, variables with their types, and the feature release of Ansible."""
        monkeypatch.setattr(ansible, "feature_release", lambda: "2.19")
        write(run.directory, web__tasks__main="[]", web__meta__main="dependencies: [common]")
        write(run.directory, common__tasks__main="[]")
        role = Role(run, "web", {"A": True}, {"A": 1, "B": "true"})

        assert sorted(role.inputs()) == [
            "ansible",
            "roles/common/tasks/main.yml",
            "roles/web/meta/main.yml",
            "roles/web/tasks/main.yml",
        ]
        assert role.inputs()["ansible"] == "2.19"
        assert role.variable_inputs("roles[0].vars") == {
            "roles[0].vars.A": "true",
            "vars.A": "1",
            "vars.B": '"true"',
        }

    def test_modules_of_the_sites_own_count_where_they_are_named(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A module that no file of the role names is no input; filters, whose names are their own, always are."""
        monkeypatch.setattr(ansible, "feature_release", lambda: "2.19")
        write(run.directory, web__tasks__main="- dns_zone: {}", db__tasks__main="- ping:")
        files = ("lib/dns_zone.py", "lib/dns_record.py", "lib/module_utils/dns.py", "plugins/filter/mine.py")
        for name in (*files, "plugins/filter/__pycache__/mine.pyc"):
            (run.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (run.directory / name).write_text(name)

        found = set(Role(run, "web", {}).inputs()) - {"ansible", "roles/web/tasks/main.yml"}
        assert found == {"lib/dns_zone.py", "lib/module_utils/dns.py", "plugins/filter/mine.py"}
        others = set(Role(run, "db", {}).inputs()) - {"ansible", "roles/db/tasks/main.yml"}
        assert others == {"plugins/filter/mine.py"}
        play = ansible_play(run, Role(run, "web", {}), SiteInventory("container", {}, {"container": {}}), {})
        assert {entry.path for entry in play.plugins} == found

    @pytest.mark.parametrize("text", [b"", b"two"])
    def test_a_layer_is_another_with_another_module(self, tmp_path: Path, text: bytes) -> None:
        """What a role may run is in its layer's key."""
        module = Entry("lib/mine.py", 0o644, b"one", "file")
        other = (Entry(module.path, module.mode, text, module.kind),) if text else ()

        before = a_play(tmp_path, "[]", plugins=(module,)).inputs()

        assert before != a_play(tmp_path, "[]", plugins=other).inputs()


def a_play(directory: Path, tasks: str, **parts: Any) -> Play:
    """Return a play of a role that is one file."""
    whole: dict[str, Any] = {
        "role": "web",
        "entries": (Entry("web/tasks/main.yml", 0o644, tasks.encode(), "file"),),
        "version": "2.19",
        "own": {},
        "common": {},
        "target": "container",
        "groups": {},
        "hosts": {"container": {}},
        "directory": directory / "play",
    }
    return Play(**{**whole, **parts})


@pytest.fixture
def local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[str | None, list[str]]]]:
    """Return what runs a role with the real Ansible, against this machine in place of a container."""
    order = playbook._order

    def here(play: Play, *rest: Any) -> dict[str, Any]:
        made = order(play, *rest)
        variables = made["inventory"]["variables"][play.target]
        variables |= {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        for name in ("ansible_user", "ansible_remote_tmp", "ansible_system_tmpdirs"):
            del variables[name]
        return made

    monkeypatch.setattr(playbook, "_order", here)
    container = SimpleNamespace(id="c", client=SimpleNamespace(socket="/nowhere"))

    def run_it(tasks: str, timeout: float = 50, **parts: Any) -> tuple[str | None, list[str]]:
        said: list[str] = []
        return playbook.run(a_play(tmp_path, tasks, **parts), container, {}, timeout, said.append), said

    yield run_it
    assert not (tmp_path / "play").exists()


class TestPlay:
    """One play, by the real Ansible."""

    def test_what_the_log_has(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
        """Each task with how it ended, what commands printed, variables as they are; nothing of a no_log task."""
        reason, said = local(
            "- {name: first, shell: echo one}\n"
            "- {name: second, shell: 'echo {{ item }}', loop: [a, b]}\n"
            "- {name: third, shell: echo hidden, no_log: true}\n"
            "- {name: fourth, command: 'false', ignore_errors: true}\n"
            "- {name: fifth, debug: {msg: '{{ own }} {{ common + number }} {{ role_name }}'}, when: common == 1}\n",
            own={"own": "own {{ common }}", "number": 2},
            common={"common": 1},
        )

        assert reason is None
        text = "\n".join(said)
        assert "task web : first\n    changed\n    one\ntask web : second\n    changed: a\n    a\n" in text
        assert "hidden" not in text
        assert "    failed, which is ignored\n" in text
        assert "    own {{ common }} 3 web" in text

    def test_why_it_failed(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
        """The message names the task, its place in the role, and what it says; its output is in the log."""
        reason, said = local(
            "- {name: good, command: 'true'}\n- {name: bad, shell: 'echo x; echo y >&2; exit 3'}\n"
        )

        assert reason is not None
        assert reason.startswith("task 'web : bad' (roles/web/tasks/main.yml:2): ")
        assert "non-zero return code" in reason.lower()
        assert "    y" in said

    def test_a_role_that_can_not_be_read(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
        """What Ansible refuses is a failure, and never taken for a role with nothing to do."""
        reason, said = local("- {name: bad, no.such.module: {}}\n")

        assert reason is not None
        assert "no.such.module" in "\n".join([*said, reason])

    def test_modules_and_filters_of_the_sites_own(
        self, local: Callable[..., tuple[str | None, list[str]]]
    ) -> None:
        """They are found where hive-builder's sites have them, and what modules share as well."""
        module = (
            "from ansible.module_utils.basic import AnsibleModule\n"
            "from ansible.module_utils.shared import WORD\n"
            "AnsibleModule({}).exit_json(changed=False, word=WORD)\n"
        )
        filters = (
            "class FilterModule:\n    def filters(self):\n        return {'twice': lambda text: text * 2}\n"
        )
        texts = {
            "lib/mine.py": module,
            "lib/module_utils/shared.py": "WORD = 'hum'\n",
            "plugins/filter/twice.py": filters,
        }

        reason, said = local(
            "- {mine: {}, register: found}\n- {debug: {msg: '{{ found.word | twice }}'}}\n",
            plugins=tuple(Entry(path, 0o644, text.encode(), "file") for path, text in texts.items()),
        )

        assert reason is None, said
        assert "    humhum" in said

    def test_a_secret_is_a_text(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
        """A secret is a variable as it is, never a template; nothing of it is in a file or on a command line."""
        find = "grep -rl 'correct[-]horse' . || ps -ef | grep 'correct[-]horse' || echo clean"
        reason, said = local(
            f"- {{shell: \"{find}\", args: {{chdir: '{{{{ hive_temp_dir }}}}'}}}}\n"
            "- {debug: {msg: '{{ (db_password | length) }}'}}\n",
            secrets={"db_password": Secret("correct-horse {{ x }}")},
            own={"url": Secret("correct-horse@db")},
        )

        assert reason is None, said
        assert "    clean" in said
        assert "    21" in said

    def test_nothing_of_the_persons_own_counts(
        self,
        local: Callable[..., tuple[str | None, list[str]]],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither the environment, nor a person's settings of Ansible, reach a role."""
        (tmp_path / "ansible.cfg").write_text("[defaults]\nroles_path = /nowhere\n")
        monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
        monkeypatch.setenv("ANSIBLE_ROLES_PATH", "/nowhere")
        monkeypatch.setenv("OF_MINE", "seen")

        reason, said = local("- debug: {msg: \"<{{ lookup('env', 'OF_MINE') }}>\"}\n")

        assert reason is None, said
        assert "    <>" in said

    def test_too_slow(self, local: Callable[..., tuple[str | None, list[str]]], tmp_path: Path) -> None:
        """At the end of its time it ends, with all that it has started."""
        mark = tmp_path / "pid"
        reason, _ = local(f"- shell: echo $$ >{mark}; exec sleep 300\n", timeout=10)

        assert reason == "no end after 10 s"
        rig.wait_until(lambda: not _lives(int(mark.read_text())), "its end", 20)

    def test_it_ends_with_who_started_it(self, tmp_path: Path) -> None:
        """When this process is killed, the play ends by itself and leaves no files."""
        order = {
            "directory": str(tmp_path / "play"),
            "words": ["-i", "play.yml", "play.yml"],
            "inventory": {
                "target": "here",
                "groups": {},
                "variables": {
                    "here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
                },
            },
        }
        mark = tmp_path / "pid"
        (tmp_path / "play").mkdir()
        tasks = [{"shell": f"echo $$ >{mark}; exec sleep 300"}]
        book = [{"hosts": "here", "gather_facts": False, "tasks": tasks}]
        (tmp_path / "play" / "play.yml").write_text(json.dumps(book))
        (tmp_path / "play" / "ansible.cfg").touch()
        process = subprocess.Popen(
            [sys.executable, "-I", playbook._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path / "play",
            env=playbook._environment(tmp_path / "play"),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        rig.wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"), "the task", 30)

        process.stdin.close()
        process.wait(20)

        rig.wait_until(lambda: not _lives(int(mark.read_text())), "its end", 20)
        rig.wait_until(lambda: not (tmp_path / "play").exists(), "the end of its files", 20)


def _lives(process: int) -> bool:
    """Return whether a process is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "said",
    [
        "/bin/sh: 1: /usr/bin/python3: not found",
        "/bin/sh: /usr/bin/python3: No such file or directory",
        "The module interpreter '/usr/bin/python3.11' was not found.",
    ],
)
def test_an_image_without_python(said: str, tmp_path: Path) -> None:
    """A task that fails for want of a Python says what to do."""
    process = playbook._Process(a_play(tmp_path, ""), {}, lambda _line: None)
    told = {
        "task": "t",
        "path": f"{tmp_path}/play/roles/web/tasks/main.yml:1",
        "texts": ["Task failed", said],
    }
    process._hear(f"{playbook._MARK}{json.dumps(told)}")

    reason = process._reason(2, None)

    assert reason is not None
    assert reason.startswith("task 't' (roles/web/tasks/main.yml:1): there is no Python in it")
    assert "role `python`" in reason
