"""One role of Ansible against one container: a process of its own, which ends with this one.

Ansible reaches the container as the Docker SDK does, through the host's forwarded socket. Its own files in the
container are below `/.skep`. On the mother it has a directory to itself, which is gone at its end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from model.extras import ANSIBLE
from model.images.ansible import COLLECTIONS, FILTERS, LIBRARY, UTILS, is_installed, look_again
from model.keys.digest import Inputs, canonical, sha256
from model.keys.tree import Entry, tree_inputs
from model.log import Log
from model.secrets.secret import Secret
from remote.images.role_archive import ROOT, TOKEN, workplace_archive
from remote.mother import extras

TEMPORARY = f"/{ROOT}/work"
_PLUGINS = Path(__file__).parent / "plugins"
_SITE = "site"
_PROGRAM = Path(__file__).parent / "program.py"
_OWN = "skep_own_"
_MARK = "\x1e"
_GRACE = 10
"""Seconds that a process gets to end by itself."""
_PASSED = ("PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NO_PYTHON = re.compile(r"/python[\d.]*'?:? (was |command )?(not found|No such file)")
_NEEDS_PYTHON = "the container has no Python, which Ansible's modules need: put role `python` before this one"


@dataclass(frozen=True)
class Play:
    """A role of Ansible, with all that it sees.

    Args:
        role: Its name, which it sees.
        entries: Its files and those of the roles that it uses, each below its role's name.
        version: Ansible's release, as far as it is an input.
        own: Variables of this use of the role, over everything else.
        common: Variables over its defaults, the site's among them.
        target: The container's name in the inventory.
        groups: Group to the hosts in it.
        hosts: Host to its variables, as far as the role may ask for them.
        means: Host to its connection variables, which are no input.
        secrets: Secrets that it sees as variables.
        plugins: The site's own modules and filters, below `lib/` and `plugins/filter/`.
        directory: Where this process may keep files while it runs.
        shared: Host to the secrets among these that it has as well.
        ca: The key and the certificate of the site's CA, if a role wants them.

    """

    role: str
    entries: tuple[Entry, ...]
    version: str
    own: Mapping[str, Any]
    common: Mapping[str, Any]
    target: str
    groups: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Mapping[str, Any]]
    means: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    plugins: tuple[Entry, ...] = ()
    directory: Path = Path()
    shared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ca: tuple[Secret, str] | None = None

    @property
    def workplace(self) -> bytes:
        """The archive to unpack in its container: a directory for Ansible's own files, and whose that is."""
        return workplace_archive(self.directory.name)

    def inputs(self) -> Inputs:
        """Return its inputs: everything that the role can see but the values of secrets."""
        return {
            "role": self.role,
            "ansible": self.version,
            **tree_inputs("files", self.entries),
            **tree_inputs("site", self.plugins),
            **_digests("own", self.own),
            **_digests("common", self.common),
            "target": self.target,
            **_digests("groups", self.groups),
            **_digests("hosts", self.hosts),
            **_digests("shared", self.shared),
            **({"ca": sha256(self.ca[1])} if self.ca else {}),
        }


def _digests(label: str, values: Mapping[str, Any]) -> Inputs:
    """Return a digest of each value."""
    return {f"{label}.{name}": sha256(canonical(value)) for name, value in values.items()}


def prepare() -> None:
    """Have Ansible installed.

    Raises:
        ProviderError: It is not, and can't be.

    """
    if not is_installed():
        extras.install(ANSIBLE)
        look_again()


def run(play: Play, container: Any, environment: Mapping[str, str], timeout: float, log: Log) -> str | None:
    """Run a role against a running container, in which `workplace` was unpacked; return the reason if it failed.

    Args:
        play: The role.
        container: The container, of an engine behind a socket.
        environment: Variables for every process that is run in it.
        timeout: Seconds that it may take.
        log: Takes each line.

    """
    play.directory.mkdir(mode=0o700, parents=True)
    try:
        _write(play.directory / "roles", play.entries)
        _write(play.directory / _SITE, play.plugins)
        # An empty one, so that nobody's own is found.
        (play.directory / "ansible.cfg").touch()
        book = play.directory / "play.yml"
        book.write_text(json.dumps(_playbook(play)), encoding="utf-8")
        return _Process(play, _request(play, container, environment, timeout), log).run(timeout)
    finally:
        shutil.rmtree(play.directory, ignore_errors=True)


def _write(root: Path, entries: Iterable[Entry]) -> None:
    """Write files into a new directory, as they were read."""
    root.mkdir()
    for entry in entries:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "directory":
            path.mkdir(exist_ok=True)
        elif entry.kind == "link":
            path.symlink_to(os.fsdecode(entry.data))
        else:
            with path.open("wb") as file:
                file.writelines(entry.blocks())
            path.chmod(entry.mode)


def _playbook(play: Play) -> list[dict[str, Any]]:
    """Return the playbook: as hive-builder's, it gathers no facts and includes the role."""
    # Their values are in the inventory, which is in no file.
    own = {name: f"{{{{ {_OWN}{name} }}}}" for name in play.own}
    use = {"name": play.role, "include_role": {"name": play.role}, "vars": own}
    return [{"hosts": play.target, "gather_facts": False, "tasks": [use]}]


def _request(play: Play, container: Any, environment: Mapping[str, str], timeout: float) -> dict[str, Any]:
    """Return the request to the process: the first line of its input."""
    means: dict[str, Any] = {
        "ansible_connection": "community.docker.docker_api",
        "ansible_host": container.id,
        "ansible_user": "root",
        "ansible_docker_docker_host": f"unix://{container.client.socket}",
        "ansible_docker_timeout": int(timeout),
        "ansible_docker_extra_env": {**environment, TOKEN: play.directory.name},
        "ansible_remote_tmp": TEMPORARY,
        "ansible_system_tmpdirs": [TEMPORARY],
        "ansible_async_dir": f"{TEMPORARY}/async",
    }
    variables = {name: {**found, **play.means.get(name, {})} for name, found in play.hosts.items()}
    for host, names in play.shared.items():
        variables[host] = {
            **variables.get(host, {}),
            **{name: _revealed(play.secrets[name]) for name in names},
        }
    variables[play.target] = {
        **variables.get(play.target, {}),
        **play.common,
        **{f"{_OWN}{name}": _revealed(value) for name, value in play.own.items()},
        **{name: _revealed(value) for name, value in play.secrets.items()},
        "hive_temp_dir": str(play.directory),
        **means,
    }
    return {
        "directory": str(play.directory),
        "ca": [_revealed(part) for part in play.ca] if play.ca else None,
        "words": ["-i", str(play.directory / "play.yml"), str(play.directory / "play.yml")],
        "inventory": {
            "target": play.target,
            "groups": {name: list(hosts) for name, hosts in play.groups.items()},
            "variables": variables,
        },
    }


def _revealed(value: Any) -> Any:
    """Return a variable's value, a secret in clear: it goes to the process and nowhere else."""
    return value.reveal() if isinstance(value, Secret) else value


def _environment(directory: Path) -> dict[str, str]:
    """Return the environment of the process: no variable of the person's that could change the image."""
    return {
        **{name: os.environ[name] for name in _PASSED if name in os.environ},
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_ROLES_PATH": str(directory / "roles"),
        "ANSIBLE_LIBRARY": str(directory / _SITE / LIBRARY),
        "ANSIBLE_MODULE_UTILS": str(directory / _SITE / LIBRARY / UTILS),
        "ANSIBLE_FILTER_PLUGINS": str(directory / _SITE / FILTERS),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(str(path.expanduser()) for path in COLLECTIONS),
        "ANSIBLE_INVENTORY_PLUGINS": str(_PLUGINS / "inventory"),
        "ANSIBLE_INVENTORY_ENABLED": "skep",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_ACTION_PLUGINS": str(_PLUGINS / "action"),
        "ANSIBLE_CALLBACK_PLUGINS": str(_PLUGINS / "callback"),
        "ANSIBLE_STDOUT_CALLBACK": "skep",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        # Conditions that are no booleans: what older roles have, and 2.19 refuses.
        "ANSIBLE_ALLOW_BROKEN_CONDITIONALS": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
    }


class _Process:
    """A process that runs a playbook."""

    def __init__(self, play: Play, request: Mapping[str, Any], log: Log) -> None:
        self._play, self._log = play, log
        self._line = json.dumps(request).encode() + b"\n"
        self._failure: dict[str, Any] | None = None
        self._processed: list[str] = []

    def run(self, timeout: float) -> str | None:
        """Run it to its end; return the reason if it failed."""
        # Not by `remote.mother.process`: the input stays open as long as this process lives, and its end ends the play.
        process = subprocess.Popen(
            [sys.executable, "-I", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._play.directory,
            env=_environment(self._play.directory),
            start_new_session=True,
        )
        life = cast("IO[bytes]", process.stdin)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _end(process, life)

        timer = threading.Timer(timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            life.write(self._line)
            life.flush()
            for raw in cast("IO[bytes]", process.stdout):
                self._take(raw.decode(errors="replace").rstrip("\r\n"))
            status = process.wait()
        except BrokenPipeError:
            status = process.wait()
        finally:
            timer.cancel()
            _end(process, life)
            cast("IO[bytes]", process.stdout).close()
        return self._reason(status, timeout if late.is_set() else None)

    def _take(self, line: str) -> None:
        """Take a line: one for the log, or a message behind the mark."""
        if not line.startswith(_MARK):
            # The directory of this run means nothing to a person.
            self._log(line.replace(f"{self._play.directory}/", ""))
            return
        message = json.loads(line.removeprefix(_MARK))
        if "processed" in message:
            self._processed = message["processed"]
        else:
            self._failure = message

    def _reason(self, status: int, late: float | None) -> str | None:
        """Return the reason if it failed."""
        if late is not None:
            return f"no end after {late:.0f} s"
        if status == 0 and self._play.target in self._processed:
            return None
        if status == 0 or self._failure is None:
            return f"ansible-playbook: exit status {status}"
        path = self._failure["path"].removeprefix(f"{self._play.directory}/")
        reason = (self._failure["texts"] or ["it failed"])[0]
        if any(_NO_PYTHON.search(text) for text in self._failure["texts"]):
            reason = _NEEDS_PYTHON
        return f"task {self._failure['task']!r} ({path}): {reason}"


def _end(process: "subprocess.Popen[bytes]", life: IO[bytes]) -> None:
    """End a process with all that it started, if it has not ended."""
    with suppress(OSError):
        life.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
