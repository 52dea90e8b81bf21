"""Running a role of Ansible: its environment, its end, and the reason of one that fails."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from model.images.roles import BUILT_IN, entries_of
from model.keys.tree import Entry
from model.secrets.certificate import make_ca
from model.secrets.secret import Secret
from remote.playbook import play as playbook
from remote.playbook.play import Play
from tests import rig
from tests.doubles.hasty_engine import hasty_engine


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
    """Return a function that runs a role with the real Ansible, against this machine in place of a container."""
    order = playbook._request

    def here(play: Play, *rest: Any) -> dict[str, Any]:
        made = order(play, *rest)
        variables = made["inventory"]["variables"][play.target]
        variables |= {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        for name in ("ansible_user", "ansible_remote_tmp", "ansible_system_tmpdirs"):
            del variables[name]
        return made

    monkeypatch.setattr(playbook, "_request", here)
    container = SimpleNamespace(id="c", client=SimpleNamespace(socket="/nowhere"))

    def run_it(tasks: str, timeout: float = 50, **parts: Any) -> tuple[str | None, list[str]]:
        said: list[str] = []
        return playbook.run(a_play(tmp_path, tasks, **parts), container, {}, timeout, said.append), said

    yield run_it
    assert not (tmp_path / "play").exists()


@pytest.mark.slow
class TestPlay:
    """One play, by the real Ansible."""

    def test_the_log(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
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

    def test_a_role_that_comes_with_skep(
        self, local: Callable[..., tuple[str | None, list[str]]], tmp_path: Path
    ) -> None:
        """Another role imports it with variables of its own; its files are made and its script is run in place."""
        key, ca = make_ca("example")
        (tmp_path / "made").mkdir()
        imported = [
            entry.at(f"certificate/{entry.path}")
            for entry in entries_of("certificate", BUILT_IN / "certificate")
        ]
        tasks = (
            "- import_role: {name: certificate}\n"
            f"  vars: {{NAMES: '{{{{ host }}}} b.example', DIRECTORY: \"{tmp_path}/made/it's $HOME\"}}\n"
        )
        entries = (Entry("web/tasks/main.yml", 0o644, tasks.encode(), "file"), *imported)

        reason, said = local(tasks, entries=entries, common={"host": "a.example"}, ca=(key, ca))

        assert reason is None, said
        made = tmp_path / "made" / "it's $HOME"
        assert (
            x509.load_pem_x509_certificate((made / "tls.crt").read_bytes()).subject.rfc4514_string()
            == "CN=a.example"
        )
        assert (made / "tls.key").stat().st_mode & 0o777 == 0o600
        assert (made / "ca.crt").read_text() == ca
        text = "\n".join(said)
        assert "tls.crt is for a.example b.example" in text
        assert "PRIVATE" not in text

        nameless = Entry("web/tasks/main.yml", 0o644, b"- import_role: {name: certificate}", "file")
        reason, _ = local("", entries=(nameless, *imported), ca=(key, ca))
        assert reason is not None
        assert "role certificate: role certificate needs NAMES" in reason

    def test_secrets_of_other_hosts(self, local: Callable[..., tuple[str | None, list[str]]]) -> None:
        """A secret is there in hostvars of the services that have it as well."""
        reason, said = local(
            '- {name: first, debug: {msg: "{{ hostvars.db.pw == pw }} {{ hostvars.db.a }}"}}\n',
            secrets={"pw": Secret("sesame")},
            hosts={"container": {}, "db": {"a": "b"}},
            shared={"db": ["pw"]},
        )

        assert reason is None
        assert "    True b" in said

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
        rig.wait_until(lambda: not _lives(int(mark.read_text())), "its end")

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
        rig.wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"), "the task")

        process.stdin.close()
        process.wait(20)

        rig.wait_until(lambda: not _lives(int(mark.read_text())), "its end")
        rig.wait_until(lambda: not (tmp_path / "play").exists(), "the end of its files")


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
    process._take(f"{playbook._MARK}{json.dumps(told)}")

    reason = process._reason(2, None)

    assert reason is not None
    assert reason.startswith("task 't' (roles/web/tasks/main.yml:1): the container has no Python")
    assert "role `python`" in reason


@pytest.mark.slow
def test_no_output_of_a_command_in_the_container_is_lost(tmp_path: Path) -> None:
    """Seen: a role failed since `id` in its container had said nothing, with exit status 0.

    The output may come together with the headers of the engine's answer.
    """
    tasks = '- raw: id\n  register: said\n- fail: { msg: "said {{ said.stdout_lines }}" }\n'
    socket = tmp_path / "docker.sock"
    container: Any = SimpleNamespace(id="c", client=SimpleNamespace(socket=socket))
    with hasty_engine(socket):
        reason = playbook.run(a_play(tmp_path, tasks), container, {}, 50, lambda _: None)

    assert reason == "task 'web : fail' (roles/web/tasks/main.yml:3): said ['0', '0']"
