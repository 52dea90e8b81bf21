"""A layer: one role on top of an image, with its key and its build container's options. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model.keys.digest import Inputs, key_of
from model.keys.tree import Entry, tree_inputs
from model.secrets.secret import Secret
from remote.images import systemd
from remote.images.role_archive import BUILD_ROLE, STAY, role_archive
from remote.playbook.play import Play

_INIT_OPTIONS: dict[str, Any] = {
    "environment": systemd.ENVIRONMENT,
    "tmpfs": {"/run": "exec", "/run/lock": "", "/tmp": "exec"},  # noqa: S108 - where systemd wants them
    "cgroupns": "private",
    "stop_signal": systemd.STOP_SIGNAL,
    "cap_add": list(systemd.CAPABILITIES),
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "device_cgroup_rules": ["a *:* rwm"],
}


@dataclass(frozen=True)
class Layer:
    """A role, ready to be applied.

    Args:
        role: Its name. The role does not see it, so that a renamed role is the same layer.
        entries: Its files.
        environment: Its variables.
        timeout: Seconds that it may take.
        secrets: Secrets that it reads as files.
        fingerprints: Their keyed digests.
        privileged: Whether its container has all rights.
        standalone: Whether the image's init runs meanwhile, if it has one.
        period: Changes from time to time, and the layer's key with it.
        play: The role of Ansible to run in place of `setup.sh`; then files, variables and secrets are there.
        is_files: Whether its entries are what the layer has, by their paths in the image: nothing is run.

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
    play: Play | None = None
    is_files: bool = False

    def inputs(self, parent: str) -> Inputs:
        """Return the layer's inputs on top of a parent's key."""
        if self.is_files:
            return {"parent": parent, **tree_inputs("root", self.entries)}
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
    def archive(self) -> Iterable[bytes] | bytes:
        """The archive to unpack in its container."""
        if self.play is not None:
            return self.play.workplace
        return role_archive(self.entries, self.environment, self.secrets)


def as_script(layer: Layer) -> Layer:
    """Return a layer of files as one that a script puts there, for an engine that takes no layer that is made here."""
    files = tuple(entry.at(f"root/{entry.path}") for entry in layer.entries)
    script = Entry("setup.sh", 0o755, _COPY.encode(), "file")
    return replace(layer, entries=(script, Entry("root", 0o755, b"", "directory"), *files), is_files=False)


_COPY = """\
umask 022
cd root
find . ! -type d | while IFS= read -r path; do
    mkdir -p "/${path%/*}"
    rm -rf "/$path"
    cp -pP "$path" "/$path"
done
"""
"""The script that puts files where a layer of them has them."""


def container_options(layer: Layer) -> dict[str, Any]:
    """Return the options of a layer's build container."""
    # A container that Ansible works on from outside only waits.
    command = BUILD_ROLE if layer.play is None else STAY
    options: dict[str, Any] = {
        "entrypoint": ["/bin/sh", "-c"],
        # An image without an init, as before the role that installs it, does without.
        "command": [
            f"[ -x {systemd.INIT} ] || {{ {command}\n}}\n{systemd.START}" if layer.standalone else command
        ],
        **({"stdin_open": True} if layer.play is not None else {}),
        "user": "0:0",
        "working_dir": "/",
        # The host's own network: its resolver and routes are known to work, and it is quicker to set up.
        "network_mode": "host",
        "healthcheck": {"test": ["NONE"]},
        **(_INIT_OPTIONS if layer.standalone else {}),
    }
    if layer.privileged:
        dropped = ("cap_add", "security_opt", "device_cgroup_rules")
        options = {name: value for name, value in options.items() if name not in dropped}
        options["privileged"] = True
    return options
