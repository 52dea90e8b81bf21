"""cloud-init in a container host, which stands for a machine that a cloud says it has made.

The tests' clouds start no operating system. What they are told to hand to a machine is done here in the container, as
cloud-init does it at a machine's first boot. So the first log-in with a pinned host key, and all phases after it, run
on what the provider returned.

Held against cloud-init's reference (set_hostname, users_groups, ssh), key by key: a key of the user data that is not
known here is an error. Whether a real cloud-init agrees is not shown.
"""

import base64
import json
import shlex
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from tests import rig

HEAD = "#cloud-config\n"
KEYS = {
    "hostname",
    "fqdn",
    "manage_etc_hosts",
    "users",
    "disable_root",
    "ssh_pwauth",
    "ssh_deletekeys",
    "ssh_keys",
}
"""The keys of user data that are applied here; any other is an error."""


def apply(container: str, user_data: str) -> None:
    """Apply user data to a container, as cloud-init does: run it if it is a script, else apply its settings.

    https://cloudinit.readthedocs.io/en/latest/reference/modules.html: set_hostname, users_groups and
    ssh, as far as skep's user data goes.
    """
    if user_data.startswith("#!/bin/sh\n"):
        rig.run_in(container, user_data)
        return
    assert user_data.startswith(HEAD), user_data[:40]
    config = json.loads(user_data.removeprefix(HEAD))
    assert set(config) <= KEYS, set(config) - KEYS
    assert config["ssh_deletekeys"]
    script = [f"hostname {shlex.quote(config['hostname'])}", "rm -f /etc/ssh/ssh_host_*"]
    for name, text in config["ssh_keys"].items():
        kind, half = name.rsplit("_", 1)
        path = f"/etc/ssh/ssh_host_{kind}_key" + (".pub" if half == "public" else "")
        script.append(f"umask {'022' if half == 'public' else '077'}")
        script.append(f"printf %s {shlex.quote(text)} >{path}")
    for user in config["users"]:
        name, keys = user["name"], "\n".join(user["ssh_authorized_keys"])
        assert user["lock_passwd"]
        script += [
            f"userdel -rf {name} 2>/dev/null || true",
            f"useradd -m -s {user['shell']} -p '*' {name}",
            f"install -d -m 0700 -o {name} /home/{name}/.ssh",
            f"printf '%s\\n' {shlex.quote(keys)} >/home/{name}/.ssh/authorized_keys",
            f"chown {name} /home/{name}/.ssh/authorized_keys",
            f"printf '%s %s\\n' {name} {shlex.quote(user['sudo'])} >/etc/sudoers.d/90-cloud-init-users",
        ]
    rig.run_in(container, "\n".join([*script, "systemctl restart ssh"]))


class _Agent(ABC):
    """Asks the cloud what a container is to have, as long as its block runs, and does it there.

    Args:
        container: The container's name.
        ask: Returns it as a text; empty while there is nothing to do.

    """

    def __init__(self, container: str, ask: Callable[[], str]) -> None:
        self._container, self._ask = container, ask
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.problem: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self.problem is not None:
            raise self.problem

    def _work(self) -> None:
        """Ask until the end, or until all is done."""
        try:
            while not self._end.wait(0.2):
                text = self._ask()
                if text and self._is_done(text):
                    return
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self.problem = error

    @abstractmethod
    def _is_done(self, text: str) -> bool:
        """Do what a text says, and return whether that was all."""


class FirstBoot(_Agent):
    """Waits until the cloud has a machine with user data, and applies that to the container."""

    def _is_done(self, text: str) -> bool:
        """Apply the user data: there is one first boot."""
        apply(self._container, text)
        return True


class GuestAgent(_Agent):
    """Runs in the container the script that the cloud has a machine's agent run, again whenever that is another one."""

    _done = ""

    def _is_done(self, text: str) -> bool:
        """Run the script, and go on."""
        if text != self._done:
            rig.run_in(self._container, text)
            self._done = text
        return False


def google_keys(lines: list[str]) -> str:
    """Return the script by which Google's agent has the keys of a machine's metadata let in, and no others of its own.

    It keeps what other people have written, and marks each key of its own by a comment in the line before.
    https://cloud.google.com/compute/docs/connect/add-ssh-keys
    """
    mark = "# Added by Google"
    own = "\n".join(f"{mark}\n{line.partition(':')[2]}" for line in lines)
    return f"""
        cd /home/skep/.ssh
        awk '/^{mark}$/ {{ getline; next }} {{ print }}' authorized_keys >google
        printf '%s' {shlex.quote(own + chr(10) if own else "")} >>google
        chown skep: google
        mv google authorized_keys
    """


def decoded(text: str) -> str:
    """Return user data that an API has in base64."""
    return base64.b64decode(text).decode()
