"""Roles of Ansible: what they are, what they use, what they see, and what is said of one that fails."""

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from model.errors import ConfigError
from model.extras import ANSIBLE
from model.images import ansible
from model.keys.record import PortsRecord
from model.keys.tree import BLOCK, Entry
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from model.site_file.load import load, parse_site
from model.stage import Stage
from tasks import build_images
from tasks.images.ansible_inventory import SiteInventory, inventory_for
from tasks.images.ansible_inventory import play as ansible_play
from tasks.images.roles import Role
from tasks.names import PORTS_TASK
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.run.vault import Vault
from tasks.services.rendering import renderer_of
from tests.unit.remote.playbook.test_play import a_play

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

    def test_files_are_looked_through_one_at_a_time(self, tmp_path: Path) -> None:
        """For the names of modules; all together may be more than fits into memory."""
        write(tmp_path, web__tasks__main="[]")
        for number in range(24):
            (tmp_path / "roles" / "web" / f"{number}.bin").write_bytes(bytes(BLOCK))
        found = ansible.trees(tmp_path, "web")
        tracemalloc.start()
        try:
            ansible.plugins(tmp_path, found)
            assert tracemalloc.get_traced_memory()[1] < 8 * BLOCK
        finally:
            tracemalloc.stop()

    def test_roles_that_use_one_another(self, tmp_path: Path) -> None:
        """What is used by what is used counts, once, even in a circle; a collection's role is the collection's."""
        write(tmp_path, a__tasks__main="[]", a__meta__main="dependencies: [b, community.general.x]")
        write(tmp_path, b__tasks__main="- include_role: {name: c}", c__tasks__main="- import_role: {name: a}")

        assert list(ansible.trees(tmp_path, "a")) == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({}, "uses role common, and there is no directory roles/common"),
            ({"common__x": ""}, "uses role common, which is not an Ansible role: it has no tasks/main.yml"),
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
        """A site that needs Ansible, where it is not and can't be, gets one line with the way; others don't need it."""
        toml = TOML.replace('["web"]', '["web", "web", "script"]')
        (tmp_path / "site.toml").write_text(toml)
        write(tmp_path, web__tasks__main="[]", script__x="")
        (tmp_path / "roles" / "script" / "setup.sh").touch()
        monkeypatch.setattr(ansible, "is_installed", lambda: False)
        monkeypatch.setattr(sys, "prefix", "/usr")

        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "site.toml")

        assert caught.value.problems == (
            (
                "site.toml: roles/web: roles of Ansible need the package `ansible`, which is not installed, "
                f"and /usr is not the environment that setup makes: `{ANSIBLE.command}` installs it"
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


class TestBuiltIn:
    """Roles that come with skep, imported by one of Ansible."""

    def test_they_can_be_imported(self, run: Run) -> None:
        """Under both of their names, with their script as a task, and with the site's CA as far as they want it."""
        run.secrets.keep(Vault(generate("example", "private"), {}))
        write(run.directory, role__tasks__main="- import_role: {name: python-aptk}")
        python = Role(run.directory, run.secrets, "role", {})
        assert set(python.trees) == {"role", "python-aptk"}
        assert {entry.path for entry in python.entries()} >= {
            "python-aptk/setup.sh", "python-aptk/tasks/main.yml",
        }  # fmt: skip
        assert python.ca is None

        write(run.directory, role__tasks__main="- include_role: {name: hive-trust-ca}")
        trust = Role(run.directory, run.secrets, "role", {})
        assert trust.ca == (run.secrets.vault.stage.ca_key, run.secrets.vault.stage.ca_certificate)
        assert "hive-trust-ca.ca" in trust.inputs()
        assert "builtin_roles/hive-trust-ca/setup.sh" in trust.inputs()
        (task,) = [each for each in trust.trees["hive-trust-ca"] if each.path == "tasks/main.yml"]
        assert b'{{ NAME | default(\\"cacert\\") }}' in task.data


class TestSeen:
    """What a role sees of the site: what it names, and nothing else."""

    def see(self, run: Run, text: str, target: str = "image_web") -> Any:
        """Return what a role with a text in it sees."""
        write(run.directory, role__tasks__main="[]", role__vars__main=text)
        return inventory_for(
            run.stage,
            renderer_of(run),
            target,
            Role(run.directory, run.secrets, "role", {"A": "{{ hive_stage }}"}),
        )

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

    def test_chosen_ports(self, run: Run) -> None:
        """A port that site.toml leaves open is the one that was chosen; before that, the role waits for it."""
        services = {**SITE["services"], "db": {"image": "db", "ports": ["5432"]}}  # type: ignore[dict-item]
        site = parse_site({**SITE, "services": services})
        run = new_run(run.directory, Stage(site, "private", site.stages["private"]), run.state)
        assert self.see(run, "x: '{{ hostvars.db.hive_labels }}'").hosts["db"] == {}
        with pytest.raises(KeyError):
            self.see(run, "x: '{{ hostvars.db.hive_ports }}'")

        run.state.write(PORTS_TASK, PortsRecord(ports={"db 5432/tcp": 61001}))

        found = self.see(run, "x: '{{ hostvars.db.hive_ports }}'")
        assert found.hosts["db"] == {
            "hive_ports": [{"target_port": 5432, "published_port": 61001, "protocol": "tcp"}]
        }

    def test_an_image_waits_for_ports_that_its_role_asks_for(self, tmp_path: Path) -> None:
        """Others are built before."""
        for text, waits in (("[]", False), ("- debug: {msg: '{{ hostvars.web.hive_ports }}'}", True)):
            write(tmp_path, web__tasks__main=text)
            (tmp_path / "site.toml").write_text(f'{TOML}ports = [{{ target_port = 80, mode = "host" }}]\n')
            site = load(tmp_path / "site.toml")
            stage = Stage(site, "private", site.stages["private"])
            run = new_run(tmp_path, stage, State(tmp_path / "state" / "private"))
            (image,) = [each for each in build_images.steps(run) if each.task == "build_images:web"]

            assert (PORTS_TASK in image.after) == waits

    def test_secrets_of_other_hosts(self, run: Run) -> None:
        """A secret that a role has is there in hostvars of all services and images that have it, and counts."""
        site = parse_site(
            {
                **SITE,
                "secrets": {"db-pw": {"generate": 20}, "other": {"generate": 20}},
                "images": {"web": {"from": "a", "secrets": ["db-pw"]}, "db": {"from": "a"}},
                "services": {
                    "web": {"image": "web", "secrets": ["other"]},
                    "db": {"image": "db", "secrets": ["db-pw", "other"]},
                },
            }
        )
        run = new_run(run.directory, Stage(site, "private", site.stages["private"]), run.state)
        write(run.directory, role__tasks__main="- debug: {msg: '{{ hostvars.db.db_pw }}'}")
        role = Role(run.directory, run.secrets, "role", {})

        found = inventory_for(run.stage, renderer_of(run), "image_web", role, ["db-pw"])

        assert found.shared == {"db": ["db_pw"]}
        assert found.inputs()["hostvars.db.db_pw"] == "secret"
        ready = ansible_play(run, role, found, {"db-pw": Secret("sesame")})
        assert dict(ready.shared) == {"db": ["db_pw"]}
        assert "sesame" not in str(ready.inputs())


class TestInputs:
    """What a role of Ansible depends on."""

    def test_files_variables_and_release(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its files and those that it uses, variables with their types, and the feature release of Ansible."""
        monkeypatch.setattr(ansible, "feature_release", lambda: "2.19")
        write(run.directory, web__tasks__main="[]", web__meta__main="dependencies: [common]")
        write(run.directory, common__tasks__main="[]")
        role = Role(run.directory, run.secrets, "web", {"A": True}, {"A": 1, "B": "true"})

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

        found = set(Role(run.directory, run.secrets, "web", {}).inputs()) - {
            "ansible",
            "roles/web/tasks/main.yml",
        }
        assert found == {"lib/dns_zone.py", "lib/module_utils/dns.py", "plugins/filter/mine.py"}
        others = set(Role(run.directory, run.secrets, "db", {}).inputs()) - {
            "ansible",
            "roles/db/tasks/main.yml",
        }
        assert others == {"plugins/filter/mine.py"}
        play = ansible_play(
            run,
            Role(run.directory, run.secrets, "web", {}),
            SiteInventory("container", {}, {"container": {}}),
            {},
        )
        assert {entry.path for entry in play.plugins} == found

    @pytest.mark.parametrize("text", [b"", b"two"])
    def test_a_layer_is_another_with_another_module(self, tmp_path: Path, text: bytes) -> None:
        """What a role may run is in its layer's key."""
        module = Entry("lib/mine.py", 0o644, b"one", "file")
        other = (Entry(module.path, module.mode, text, module.kind),) if text else ()

        before = a_play(tmp_path, "[]", plugins=(module,)).inputs()

        assert before != a_play(tmp_path, "[]", plugins=other).inputs()
