"""One role as one layer: what it is made from, and how a container runs it."""

import codecs
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError, NotFound

from model.errors import BuildError
from model.keys.digest import Entry, Inputs, key_of, tree_inputs
from model.log import Log
from model.secrets.secret import Secret
from remote.images import systemd
from remote.images.role_archive import BUILD_ROLE, CLEAN_INIT, CLEAN_PLAY, STAY, blank_secrets, role_archive
from remote.mother.wait import attempts
from remote.playbook import play as playbook

_SHELL = ["/bin/sh", "-c"]
_INIT_TIMEOUT = 120.0
_STOP_TIMEOUT = 60
SILENCE = 60.0
"""Seconds without a line after which the log says that the role is still at work."""
_TAIL = 15
_CONFLICT = 409
_ENDED = "its container has ended"
_PLAY_ENVIRONMENT = {"TMPDIR": playbook.TEMPORARY, "PYTHONDONTWRITEBYTECODE": "1"}
"""Keeps what Ansible's modules write by the way out of the layer."""
_INIT_OPTIONS: dict[str, Any] = {
    "environment": systemd.ENVIRONMENT,
    "tmpfs": {"/run": "exec", "/run/lock": "", "/tmp": "exec"},  # noqa: S108 - where systemd wants them
    "cgroupns": "private",
    "stop_signal": systemd.STOP_SIGNAL,
    "cap_add": list(systemd.CAPABILITIES),
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "device_cgroup_rules": ["a *:* rwm"],
}


class RoleError(BuildError):
    """A role ran, and failed.

    Attributes:
        is_clean: Whether nothing secret can be left in its container.

    """

    is_clean = True


@dataclass(frozen=True)
class Layer:
    """A role, ready to be applied.

    Args:
        role: Its name. It does not see it, so that a renamed role is the same layer.
        entries: Its files.
        environment: Its variables.
        timeout: Seconds that it may take.
        secrets: Secrets that it finds as files.
        fingerprints: Their keyed digests.
        privileged: Whether its container may do everything.
        standalone: Whether the image's init runs meanwhile, if it has one.
        period: What makes it anew from time to time.
        play: What Ansible runs in place of its `setup.sh`; then files, variables and secrets are there.

    """

    role: str
    entries: tuple[Entry, ...]
    environment: Mapping[str, str]
    timeout: float
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    privileged: bool = False
    standalone: bool = False
    period: str = ""
    play: playbook.Play | None = None

    def inputs(self, parent: str) -> Inputs:
        """Return all that its container's content comes from."""
        return {
            "parent": parent,
            **tree_inputs("files", self.entries),
            **{f"vars.{name}": value for name, value in self.environment.items()},
            **{f"secrets.{name}": value for name, value in self.fingerprints.items()},
            "privileged": str(self.privileged),
            "standalone": str(self.standalone),
            "period": self.period,
            **({f"play.{name}": text for name, text in self.play.inputs().items()} if self.play else {}),
        }

    def key(self, parent: str) -> str:
        """Return the layer's key on top of a parent's."""
        return key_of(self.inputs(parent))

    @property
    def archive(self) -> bytes:
        """What is put into its container."""
        if self.play is not None:
            return self.play.workplace
        return role_archive(self.entries, self.environment, self.secrets)


def container_options(layer: Layer) -> dict[str, Any]:
    """Return how a layer's build container differs from any container."""
    # What is run from outside has a container that only waits.
    own = BUILD_ROLE if layer.play is None else STAY
    options: dict[str, Any] = {
        "entrypoint": _SHELL,
        # What has no init yet, as before the role that installs it, does without.
        "command": [f"[ -x {systemd.INIT} ] || {{ {own}\n}}\n{systemd.START}" if layer.standalone else own],
        **({"stdin_open": True} if layer.play is not None else {}),
        "user": "0:0",
        "working_dir": "/",
        # The host's own network: its resolver and routes are what works there, and it is quicker to set up.
        "network_mode": "host",
        "healthcheck": {"test": ["NONE"]},
        **(_INIT_OPTIONS if layer.standalone else {}),
    }
    if layer.privileged:
        dropped = ("cap_add", "security_opt", "device_cgroup_rules")
        options = {name: value for name, value in options.items() if name not in dropped}
        options["privileged"] = True
    return options


def run(container: Any, layer: Layer, host: str, log: Log) -> None:
    """Run a layer's role in its container, which was just created, and leave the container ready to be committed.

    Args:
        container: The container.
        layer: The layer.
        host: The repository host's name, for messages.
        log: Takes each line that the role prints.

    Raises:
        RoleError: The role failed or took too long.
        BuildError: The engine can't give it what it wants.

    """
    container.put_archive("/", layer.archive)
    with_init = layer.standalone and _has_init(container)
    try:
        container.start()
    except APIError as error:
        said = str(error.explanation)
        if layer.privileged and ("apply caps" in said or "not permitted" in said):
            raise BuildError(
                f"{host}: role {layer.role}: the image has privileged = true, and the engine of {host} can't run "
                f"privileged containers: the host itself lacks rights, as one that is a container does ({said})"
            ) from error
        raise
    tail: list[str] = []

    with heartbeat(log) as beat:

        def heard(line: str) -> None:
            beat()
            log(line)
            tail.append(line)
            del tail[:-_TAIL]

        if layer.play is not None:
            reason = _run_play(container, layer.play, layer.timeout, heard, with_init=with_init)
        elif with_init:
            reason = _run_beside_init(container, layer.timeout, heard)
        else:
            reason = _run_alone(container, layer.timeout, heard)
    if reason is not None:
        what = "" if layer.play is not None else "setup.sh: "
        said = "".join(f"\n    {line}" for line in tail if line.strip())
        failure = RoleError(f"{host}: role {layer.role}: {what}{reason}{said}")
        # What Ansible had rendered there nobody has taken away.
        failure.is_clean = reason != _ENDED
        raise failure


def forget_secrets(container: Any, layer: Layer) -> None:
    """Empty the files of a failed container that hold secrets, before it is kept."""
    if layer.secrets and layer.play is None:
        container.put_archive("/", blank_secrets(layer.secrets))


def _run_alone(container: Any, timeout: float, log: Log) -> str | None:
    """Wait for a container whose only process is the role; return why it is no good."""
    late, cancel = _kill_after(container, timeout)
    try:
        for line in lines(container.logs(stream=True, follow=True)):
            log(line)
        status = container.wait()["StatusCode"]
    finally:
        cancel()
    return _reason(late, status, timeout)


def _run_beside_init(container: Any, timeout: float, log: Log) -> str | None:
    """Run the role beside a container's init, then have that end in order; return why it is no good."""
    api = container.client.api
    if problem := _init_problem(api, container.id):
        return problem
    late, cancel = _kill_after(container, timeout)
    try:
        status = _exec(api, container.id, BUILD_ROLE, log)
    except (APIError, OSError):
        if not late.is_set():
            raise
        status = None
    finally:
        cancel()
    reason = _reason(late, status, timeout)
    if reason is None:
        _exec(api, container.id, CLEAN_INIT, log)
        container.stop(timeout=_STOP_TIMEOUT)
    return reason


def _run_play(
    container: Any, play: playbook.Play, timeout: float, log: Log, *, with_init: bool
) -> str | None:
    """Have Ansible run a role from outside, then have the container end; return why it is no good."""
    api = container.client.api
    if with_init and (problem := _init_problem(api, container.id)):
        return problem
    try:
        reason = playbook.run(play, container, _PLAY_ENVIRONMENT, timeout, log)
        # Of a failed one too: its temporary files may hold secrets.
        _exec(api, container.id, CLEAN_PLAY, log)
        if with_init and reason is None:
            _exec(api, container.id, CLEAN_INIT, log)
            container.stop(timeout=_STOP_TIMEOUT)
            return None
    except APIError as error:
        if error.status_code != _CONFLICT:
            raise
        return _ENDED
    container.kill()
    container.wait()
    return reason


@contextmanager
def heartbeat(log: Log) -> Iterator[Callable[[], None]]:
    """Say from time to time that something silent is still at work; give what tells that it was heard of."""
    done = threading.Event()
    heard = began = time.monotonic()

    def beat() -> None:
        nonlocal heard
        heard = time.monotonic()

    def watch() -> None:
        while not done.wait(max(heard + SILENCE - time.monotonic(), 0.01)):
            if time.monotonic() - heard >= SILENCE:
                beat()
                log(f"still at work after {heard - began:.0f} s")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        done.set()
        thread.join()


def _kill_after(container: Any, timeout: float) -> tuple[threading.Event, Callable[[], None]]:
    """Kill a container after a time; return what tells that it was, and what prevents it."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        # It may have ended just now.
        with suppress(APIError):
            container.kill()

    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    return late, timer.cancel


def _reason(late: threading.Event, status: int | None, timeout: float) -> str | None:
    """Return why a role's end is no good one."""
    if late.is_set():
        return f"no end after {timeout:.0f} s"
    return None if status == 0 else f"exit status {status}"


def _exec(api: Any, container: str, command: str, log: Log) -> int | None:
    """Run a shell command in a running container, and return its exit status."""
    made = api.exec_create(container, [*_SHELL, command], user="0:0", workdir="/")
    for line in lines(api.exec_start(made["Id"], stream=True)):
        log(line)
    status = api.exec_inspect(made["Id"])["ExitCode"]
    return None if status is None else int(status)


def _has_init(container: Any) -> bool:
    """Return whether a container's file system has an init."""
    try:
        stream, _ = container.get_archive(systemd.INIT)
    except NotFound:
        return False
    stream.close()
    return True


def _init_problem(api: Any, container: str) -> str:
    """Wait until systemd has started its units, also if some failed; return why it has not. Other inits don't count."""
    asked = "command -v systemctl >/dev/null || { echo running; exit; }; systemctl is-system-running || true"
    reason = ""
    for _ in attempts(_INIT_TIMEOUT):
        states: list[str] = []
        try:
            _exec(api, container, asked, states.append)
        except APIError as error:
            reason = str(error.explanation)
            continue
        if states and states[-1] in ("running", "degraded"):
            return ""
        reason = f"systemctl is-system-running: {states[-1] if states else 'no answer'}"
    return f"{systemd.INIT} did not come up within {_INIT_TIMEOUT:.0f} s: {reason}"


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text that comes in chunks, cut anywhere; the last one may lack its line break."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).replace("\r", "\n").split("\n")
        yield from whole
    if rest:
        yield rest
