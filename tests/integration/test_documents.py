"""Every command in README and the documents, as printed, in the order of the pages, from a clean directory.

`mysite`, the name of the documents' site, is this checkout's own here, since others may have a site of that name on the
same engine; nothing else of a command is changed. README makes the site, and the other pages work on it. What is to be
there before a page, or before one of its commands, is in `BEFORE`; what can't be run here is in `NOT_RUN`, with the
reason. So it is with commands in the text (`IN_TEXT`, `IN_TEXT_NOT_RUN`), where no block has the same.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.picture import PICTURE
from tests import pages, processes, rig
from tests.pages import MYSITE, Command

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

README, LAST = "README.md", "docs/commands.md"
"""The page that makes the site, and the one that ends with its removal."""
NOT_RUN = {
    "./setup doit": "tests/integration/example_site builds the example",
    "./setup tox": "this test is a part of it",
    "doit lock upgrade=debian:13": "asks Docker Hub: tests/integration/one_host_site/test_base_images.py",
    "doit replace_host": "makes hosts anew: tests/integration/broken_site/test_replaced_hosts.py",
    "doit serve_install": "waits for machines that boot from it: tests/unit/commands/test_serve_install.py",
    "doit logs -f hello": "its server says nothing: tests/integration/example_site/test_operate.py",
    **dict.fromkeys(("doit logs hello central=yes", "doit logs hive0 central=yes"), "mysite keeps no logs"),
    "doit move_volume": "mysite has one hive: tests/integration/broken_site/test_moved_volume.py",
    "doit upgrade_hosts": "fetches lists of packages: tests/integration/broken_site/test_upgraded_hosts.py",
    "doit recover_swarm": "the majority is lost in tests/integration/broken_site/test_recovered_swarm.py",
    **dict.fromkeys(
        ("doit backup", "doit backups", "doit verify_backups", "doit restore"),
        "mysite has no backups: tests/integration/one_host_site/test_with_backups.py",
    ),
    **dict.fromkeys(
        ("doit alerts", "doit silence"),
        "mysite does not watch itself: tests/unit/commands/alarms/test_alarm_commands.py",
    ),
    "doit leave=eu-central-1": "moves a stage at a cloud to a region in which nothing would answer ssh",
}
"""What can't be run here, whatever words follow, with the reason."""
IN_TEXT = (
    "skep",
    "skep list",
    "skep plan",
    "../skep/setup doit",
    "doit list --all",
    "doit plan --json",
    "doit graph hello",
    "doit page site.json",
    "doit history --json",
    "doit replace=hive0",
    "doit build_networks replace=front",
    "doit init mysite ci=github",
    "doit logs hello since=15m",
    "doit logs hive0 since=1h",
    "doit ssh hive0 -- sudo du -xh -t 1G /",
)
"""The commands of the text that no block has, and that can be run as they stand."""
IN_TEXT_NOT_RUN = {
    "no site: it measures for minutes, or is of those who change skep": (
        "./setup python bench/", "./setup python -m docs.picture", "./setup python -m model.site_file.docs",
        "./setup python packages/lock.py", "./setup tox", "./setup pytest", "tox -e",
    ),
    "the name of a command, which wants a word": (
        "doit authorize", "doit cp", "doit exec", "doit init", "doit move_volume", "doit replace_host", "doit restart",
        "doit rollback",
        "doit shell_image", "doit why", "doit replace=", "doit recover_swarm",
    ),
    "of what another page, or the walk through the code, adds: mysite has no such thing": (
        "doit logs hive0:skep-observe",
        "doit setup_hosts:hive0.motd", "doit why banner", "doit addresses", "doit help addresses",
        "doit build_infra:medium", "doit forget build_infra:medium", "doit why build_volumes:shared@hive0",
        "doit shell_image:pdnsdb", "doit why web",
    ),
    "between hives, of which mysite has one": (
        "doit move_volume pages to=hive0", "doit move_volume pages logs to=hive1", "doit replace=pages",
        "doit prune confirm=mysite volumes=pages", "doit ssh hive1",
    ),
    "mysite has no backups: tests/integration/one_host_site/test_with_backups.py": (
        "doit replace_host hive3", "doit replace_host hive0 volumes=all", "doit restore", "doit backups web",
        "doit move_volume web_data to=hive1 from=backup", "doit backups hello", "doit backup hello",
    ),
    "the words that a message says, at a cloud": ("doit leave=unknown",),
    "a shell for a person": ("ssh -F state/private/ssh_config hive0", "ssh -L 8080:127.0.0.1:8080 "),
    "as one of a block, with another name": (
        "doit keys export bob", "doit forward hive0 5000:5000", "doit list --all build_networks",
        "doit forget build_infra:hive0", "doit rebalance hello",
    ),
}  # fmt: skip
"""Why commands of the text, or those that begin so, are not run. `tests/unit/docs/test_commands.py` holds this table
against the pages."""
SAME = {"README.ja.md": README}
"""Pages whose commands are those of another one, which tests/unit/docs/test_japanese.py sees to."""
STATUSES = {
    "doit plan": {0, 2}, "skep plan": {0, 2}, "doit prune": {0, 2}, "doit destroy": {0, 2}, "doit status": {0, 2},
    "doit rebalance": {0, 2},
}  # fmt: skip
"""The exit statuses of commands that say by them whether there is something to do, or something wrong."""
HELD = {
    "doit connect": "DOCKER_HOST",
    "doit forward hello 8080:80": "is port 80 of hello.1",
    "doit status --watch": "SERVICE",
    "doit web": "until Ctrl-C",
}
"""Commands that go on until Ctrl-C, and what they print when they are ready."""


EXCERPT = "…"
"""A line of an output that stands for others: such an output is of another run."""
PROGRAMS = {
    "doit": f'exec {rig.ROOT}/setup doit "$@"',
    "skep": f'exec {rig.ROOT}/shell/skep "$@"',
    "gh": "wc -c >/dev/null",
    "glab": "wc -c >/dev/null",
    "jq": 'exec python3 -m json.tool "$3" /dev/null',
}
"""What `doit` stands for; programs that speak with a service of others, which here read what they are given; and what
need not be on a machine, jq, which then only reads its file."""


class Reader:
    """Somebody who types what the pages print.

    Args:
        directory: A clean directory.

    """

    def __init__(self, directory: Path) -> None:
        self.name = rig.site_name("docs")
        self.clean, self.site = directory, directory / self.name
        self.output = self.of_readme = self.given = ""
        self.rounds = 0
        (directory / "skep").symlink_to(rig.ROOT)
        (directory / "home").mkdir()
        (directory / "bin").mkdir()
        for program, line in PROGRAMS.items():
            if program == "jq" and shutil.which(program):
                continue
            (directory / "bin" / program).write_text(f"#!/bin/sh\n{line}\n")
            (directory / "bin" / program).chmod(0o755)
        self._variables = directory / "variables"

    def opens(self, where: Path) -> None:
        """Begin with a new shell, in a directory."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKEP_", "DOIT_"))}
        kept |= {"HOME": str(self.clean / "home"), "PATH": f"{self.clean / 'bin'}:{os.environ['PATH']}"}
        kept |= {"CI_KEY_FILE": "ci_key", "PYTHONFAULTHANDLER": "1"}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in kept.items() if name.isidentifier()]
        self._variables.write_text("\n".join([*lines, f"cd {shlex.quote(str(where))}\n"]))

    def types(self, text: str) -> int:
        """Run a line of shell in the directory and with the variables that the ones before left; keep its output.

        It reads what `given` has.
        """
        line = re.sub(rf"\b{MYSITE}\b", self.name, text)
        where = "cd ../skep || cd skep\n" if line.startswith("./setup") else ""
        keep = f"{{ export -p; echo cd \"'$PWD'\"; }} >{self._variables}"
        script = f". {self._variables}\n{where}{line}\nstatus=$?\n{keep}\nexit $status\n"
        held = HELD.get(text)
        (self.clean / "given").write_text(self.given)
        with (
            (self.clean / "given").open() as given,
            processes.started(
                ["sh", "-c", script],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                env={},
            ) as process,
        ):
            self.output = self.given = ""
            # Python then says where it was.
            limit = threading.Timer(rig.PATIENCE, os.killpg, (process.pid, signal.SIGABRT))
            for printed in process.stdout or ():
                was_ready = held is None or held in self.output
                self.output += printed
                if held and held in printed and not was_ready:
                    os.killpg(process.pid, signal.SIGINT)
                    limit.start()
            status = process.wait()
            limit.cancel()
        return 0 if held and held in self.output and status != -signal.SIGABRT else status

    def follows(self, command: Command) -> None:
        """Type a command of a page, with what belongs before and behind it; it must end well."""
        plain = command.code
        BEFORE.get(plain, _nothing)(self)
        status = self.types(command.code)
        expected = STATUSES.get(" ".join(command.words[:2]), {0})
        assert status in expected, f"{command}: exit status {status}\n{self.output}"
        assert "Traceback" not in self.output, f"{command}\n{self.output}"
        output = self.output
        BEHIND.get(plain, _nothing)(self)
        self.output = output

    def runs(self) -> None:
        """Bring the site up to date."""
        assert self.types("doit") == 0, self.output


def _nothing(reader: Reader) -> None:
    """Do nothing."""


# -- what is to be there -----------------------------------------------------------------------------------------------


def _is_grown(reader: Reader) -> None:
    """Add what the documents add to the site of `doit init`."""
    toml = reader.site / "site.toml"
    toml.write_text(pages.grown(toml.read_text()))
    role = reader.site / "roles" / "first-pages" / "setup.sh"
    role.parent.mkdir()
    role.write_text(pages.mysite()["roles/first-pages/setup.sh"])


def _is_deployed_again(reader: Reader) -> None:
    """Have a further revision of the service."""
    toml = reader.site / "site.toml"
    before = toml.read_text()
    without = re.sub(r"^environment = .*# round$\n", "", before, flags=re.MULTILINE)
    reader.rounds += 1
    line = f'environment = {{ ROUND = "{reader.rounds}" }}  # round'
    toml.write_text(without.replace('image = "hello"\n', f'image = "hello"\n{line}\n', 1))
    reader.runs()


def _page_is_edited(reader: Reader) -> None:
    """Edit a file of the role, and run nothing yet."""
    page = reader.site / "roles" / "hello" / "files" / "index.html"
    page.write_text(page.read_text() + "<!-- edited -->\n")


def _build_fails(reader: Reader) -> None:
    """Have a build that failed."""
    script = reader.site / "roles" / "hello" / "setup.sh"
    script.write_text(script.read_text() + "exit 3\n")
    assert reader.types("doit build_images:hello") != 0, reader.output


def _build_is_mended(reader: Reader) -> None:
    """Mend it."""
    script = reader.site / "roles" / "hello" / "setup.sh"
    script.write_text(script.read_text().removesuffix("exit 3\n"))
    reader.runs()


def _alice_has_a_key(reader: Reader) -> None:
    """Have another person's public key."""
    assert reader.types("ssh-keygen -q -t ed25519 -N '' -C alice@laptop -f alice") == 0, reader.output


def _keys_are_given(reader: Reader) -> None:
    """Have on standard input what another checkout exported, and no key yet."""
    assert reader.types("doit keys export laptop 2>/dev/null") == 0, reader.output
    exported = reader.output
    assert reader.types("mkdir former && mv state/private/secrets/id_ed25519* former") == 0, reader.output
    reader.given = exported


def _compose_files_are_there(reader: Reader) -> None:
    """Be in a directory with compose files, and nothing else."""
    number = len(list(reader.clean.glob("compose-*")))
    where = reader.clean / f"compose-{number}"
    where.mkdir()
    for name in ("compose.yaml", "docker-stack.yml", "a.yml", "b.yml"):
        (where / name).write_text("services:\n  web: {image: 'nginx:1.27', ports: ['8080:80']}\n")
    reader.types(f"cd {where}")


Part = Callable[[Reader], None]
BEFORE: dict[str, Part] = {
    "docs/services.md": _is_deployed_again,
    "docs/commands.md": _is_deployed_again,
    "docs/why-and-plan.md": _page_is_edited,
    "doit shell_image:hello": _build_fails,
    "doit authorize alice.pub": _alice_has_a_key,
    "doit keys import": _keys_are_given,
    "doit init from=compose": _compose_files_are_there,
    "doit init from=compose docker-stack.yml": _compose_files_are_there,
    "doit init mysite from=compose a.yml b.yml": _compose_files_are_there,
    "doit init mysite ci=github": _compose_files_are_there,
}
"""A page or a command to what is to be there before it."""
BEHIND: dict[str, Part] = {
    "doit shell_image:hello": _build_is_mended,
    "doit halt": Reader.runs,
}
"""A page or a command to what belongs behind it: the next run starts hosts that were halted."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Give somebody who has followed README; nothing of the site is left at the end."""
    made = Reader(tmp_path_factory.mktemp("documents"))
    with rig.own(made.name):
        made.opens(made.clean)
        for command in typed(README):
            made.follows(command)
        made.of_readme = made.output
        _is_grown(made)
        yield made


def typed(page: str) -> list[Command]:
    """Return the commands of a page that are to be run."""
    return [
        command
        for command in pages.commands(page)
        if command.is_typed and not command.is_form and not any(map(command.is_of, NOT_RUN))
    ]


PAGES = sorted(
    (page for page in pages.pages() if page not in {README, *SAME} and typed(page)),
    key=lambda page: page == LAST,
)


def test_readme_makes_a_site(reader: Reader) -> None:
    """Its commands make one whose page answers, and do what is on its picture."""
    text = reader.of_readme

    address = next(word for word in text.split() if word.startswith("http://"))
    with urllib.request.urlopen(address, timeout=240) as answer:
        assert f"<h1>Hello from {reader.name}</h1>" in answer.read().decode()
    tasks = re.compile(r"^([a-z_]+:[\w.\-]+) ", re.MULTILINE)
    picture = re.sub("<[^>]+>", "\n", PICTURE.read_text()).replace("&#160;", " ")
    assert set(tasks.findall(text)) == set(tasks.findall(picture))


def test_commands_in_the_text(reader: Reader) -> None:
    """Those that can be run as they stand end well."""
    for text in IN_TEXT:
        reader.opens(reader.site)
        reader.follows(Command(README, 0, text, is_typed=True))


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_a_page_runs(page: str, reader: Reader) -> None:
    """As printed, in order: each ends well, and prints what the page says that it prints."""
    reader.opens(reader.site)
    BEFORE.get(page, _nothing)(reader)
    printed = {
        block.line: block.text.splitlines() for block in pages.blocks(page) if block.language == "console"
    }

    for command in typed(page):
        reader.follows(command)
        if expected := printed_by(command, printed):
            seen = {plain(line) for line in reader.output.splitlines()}
            assert [line for line in expected if plain(line) not in seen] == [], reader.output


def printed_by(command: Command, printed: dict[int, list[str]]) -> list[str]:
    """Return what a page prints as a command's output; of an excerpt, which `…` begins, nothing."""
    for line, text in printed.items():
        behind = text[command.line - line + 1 :] if line <= command.line < line + len(text) else []
        until = next((i for i, each in enumerate(behind) if each.startswith("$ ")), len(behind))
        if behind:
            return [] if EXCERPT in behind[:until] else behind[:until]
    return []


def plain(line: str) -> str:
    """Return a line without what is different each time: names, times, digests, numbers."""
    line = re.sub(r"docs-[0-9a-f]{8}\.test", MYSITE, line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", line)
    line = re.sub(r"\d+ (?:s|min|h) ago", "AGO", line)
    return re.sub(r"\d+", "N", line).strip()


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_not_run_is_printed(command: str) -> None:
    """An exception that no page needs any more goes."""
    assert any(
        each.is_typed and each.is_of(command) for page in pages.pages() for each in pages.commands(page)
    )
