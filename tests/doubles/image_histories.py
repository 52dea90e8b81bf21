"""Random histories of a site's images, and what must hold after each step of one.

A `World` is what a person has: site.toml as data, and the files of the roles. An edit changes it. A `Bench` builds it
with the product's own tasks, from the loading of the definition to the record, on an engine. What must be built
is told by an oracle that knows nothing of keys: a layer is needed anew if and only if nobody yet built one on the
same base, of the same roles with the same files and variables in the same order.
"""

import copy
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from doit.exceptions import TaskFailed

from model.errors import HostError
from model.images.ansible import feature_release
from model.json_types import Json
from model.keys.digest import canonical
from model.keys.record import ImageRecord
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets
from model.site import Site
from model.site_file.load import parse_site
from model.stage import Host, Stage
from remote.images import builder as image_builder
from remote.playbook import play as playbook
from tasks import build_images
from tasks.doit_task import UpToDate, _act
from tasks.names import upstream_task
from tasks.observe.observer import Observer
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.run.vault import Vault
from tests.doubles.engine import EngineDouble, Fault, Image, Killed, Node, RegistryDouble, View, ansible

Tree = dict[str, Node]
PASSWORD = "hunter2hunter2"
BASES = ("debian:12", "alpine:3", "hub:1")
VARIABLES = ("A", "B")
TEXTS = ("", "x", "it's", "a\nb", "ü €")
MAIN, META, ASKING = "tasks/main.yml", "meta/main.yml", "templates/t"
"""Files of a role of Ansible: what makes it one, the roles that it uses, and where it names what it wants to see."""
MAINS = ("setup.sh", MAIN)
ASKED = ("{{ hive_env }}", "{{ hive_stage }}", "{{ groups }}", "{{ hostvars }} {{ hive_env }}", "nothing")
PATHS = ("setup.sh", "a", "files/b", "files/c d", "files/sub/ü")
COMMANDS = (
    "cp -a . /all",
    "cp -a a /a",
    "echo $A and $B >>/log",
    "echo one >>/log",
    "rm -rf /log",
    "mkdir -p /d",
    "ln -sfn /log /l",
    "chmod 600 /a",
    "chown 7:8 /log",
    "true",
    "# nothing",
    "exit 3",
)


def default_role(name: str) -> Tree:
    """Return the files of a new role."""
    script = f"cp -a . /{name}\necho {name} $A >>/log\n"
    return {
        "setup.sh": Node("file", 0o755, script.encode()),
        "a": Node("file", 0o644, b"a"),
        "files": Node("directory", 0o755),
        "files/b": Node("file", 0o644, name.encode()),
    }


@dataclass
class World:
    """What a person has."""

    images: Json
    services: dict[str, str]
    roles: dict[str, Tree]
    bases: Json
    secrets: Json = field(default_factory=dict)
    hub: int = 0
    """Which image the tag of the hub is at."""

    @property
    def site(self) -> Site:
        """The site as it is loaded."""
        services = {name: {"image": image} for name, image in self.services.items()}
        stages = {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}}
        data = {
            "site": "example",
            "stages": stages,
            "images": self.images,
            "services": services,
            "secrets": self.secrets,
            "bases": {name: base for name, base in self.bases.items() if base},
        }
        return parse_site(data)

    def write(self, directory: Path, last: "World | None") -> None:
        """Write the roles' files; those that are there already, as the last state, are left alone."""
        for name in (last.roles.keys() if last else set()) - self.roles.keys():
            shutil.rmtree(directory / "roles" / name)
        for name, tree in self.roles.items():
            if last and last.roles.get(name) == tree:
                continue
            root = directory / "roles" / name
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            for path, node in tree.items():
                _write(root / path, node)
        for base in self.bases.values():
            if "tarball" in base:
                (directory / base["tarball"]).write_bytes(TARBALLS[base["tarball"]])


def _write(path: Path, node: Node) -> None:
    """Write one entry of a role."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if node.kind == "directory":
        path.mkdir(exist_ok=True)
    elif node.kind == "link":
        path.symlink_to(os.fsdecode(node.data))
    else:
        path.write_bytes(node.data)
        path.chmod(node.mode)


def _tarball(name: str) -> bytes:
    """Return a root file system with a file of its name."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "etc", "tmp"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        info = tarfile.TarInfo("etc/base")
        info.size = len(name)
        archive.addfile(info, io.BytesIO(name.encode()))
    return buffer.getvalue()


TARBALLS = {name: _tarball(name) for name in ("one.tar", "two.tar")}
HUB_CONFIG: Json = {
    "Env": ["PATH=/bin", "LANG=C"],
    "Cmd": ["hub"],
    "Entrypoint": None,
    "User": "daemon",
    "WorkingDir": "/srv",
    "ExposedPorts": {"9/tcp": {}},
    "Labels": {"hub": "1"},
    "Volumes": {"/data": {}},
    "Healthcheck": {"Test": ["CMD", "ok"]},
    "StopSignal": "SIGINT",
}


def first_world() -> World:
    """Return where every history begins."""
    return World(
        images={
            "web": {"from": "debian:12", "roles": ["r0", {"role": "r1", "vars": {"A": "x"}}]},
            "db": {"from": "debian:12", "roles": ["r0", "r2"], "env": {"TZ": "UTC", "B": 1}},
        },
        services={"web": "web", "db": "db"},
        roles={name: default_role(name) for name in ("r0", "r1", "r2")},
        bases={"debian:12": {"tarball": "one.tar"}, "alpine:3": {"tarball": "two.tar"}, "hub:1": {}},
    )


# -- edits -----------------------------------------------------------------------------------------------------------

Edit = tuple[str, int, int, int]


def _pick(items: Any, number: int) -> Any:
    """Return one of some things."""
    items = list(items)
    return items[number % len(items)]


def _uses(world: World, number: int) -> list[Any]:
    """Return the roles of an image, for change."""
    return cast("list[Any]", _pick(world.images.values(), number).setdefault("roles", []))


def _role_of(use: Any) -> str:
    """Return the name of a role that is used."""
    return use if isinstance(use, str) else str(use["role"])


def add_use(world: World, a: int, b: int, c: int) -> None:
    """Apply one more role to an image."""
    uses = _uses(world, a)
    uses.insert(c % (len(uses) + 1), _pick(world.roles, b))


def drop_use(world: World, a: int, b: int, _c: int) -> None:
    """Apply one role less."""
    uses = _uses(world, a)
    if uses:
        uses.pop(b % len(uses))


def swap_uses(world: World, a: int, b: int, c: int) -> None:
    """Apply the roles in another order."""
    uses = _uses(world, a)
    if uses:
        i, j = b % len(uses), c % len(uses)
        uses[i], uses[j] = uses[j], uses[i]


def rename_role(world: World, a: int, b: int, _c: int) -> None:
    """Call a role otherwise."""
    old, new = _pick(world.roles, a), f"n{b % 3}"
    if new in world.roles:
        return
    world.roles[new] = world.roles.pop(old)
    for image in world.images.values():
        image["roles"] = [
            (new if isinstance(use, str) else {**use, "role": new}) if _role_of(use) == old else use
            for use in image.get("roles", [])
        ]


def use_vars(world: World, a: int, b: int, c: int) -> None:
    """Change a variable of one use of a role."""
    uses = _uses(world, a)
    if uses:
        i = b % len(uses)
        variables = {} if isinstance(uses[i], str) else dict(uses[i].get("vars", {}))
        variables[_pick(VARIABLES, b // 5)] = _pick([*TEXTS, True, 7], c)
        uses[i] = {"role": _role_of(uses[i]), "vars": variables}


def image_vars(world: World, a: int, b: int, c: int) -> None:
    """Change a variable of an image."""
    _pick(world.images.values(), a).setdefault("vars", {})[_pick(VARIABLES, b)] = _pick(TEXTS, c)


def reorder_keys(world: World, a: int, _b: int, _c: int) -> None:
    """Write the keys of an image, and of its tables, in another order: this means nothing."""
    name = _pick(world.images, a)
    world.images[name] = _reversed(world.images[name])


def _reversed(value: Any) -> Any:
    """Return a definition with its keys in reverse order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return value


def _file(world: World, a: int, b: int) -> tuple[Tree, str]:
    """Return a role's tree and one of its files or links."""
    tree = _pick(world.roles.values(), a)
    return tree, _pick([path for path, node in tree.items() if node.kind != "directory"], b)


def change_file(world: World, a: int, b: int, c: int) -> None:
    """Change a file's content."""
    tree, path = _file(world, a, b)
    if path not in MAINS:
        tree[path] = Node("file", 0o644, _pick(TEXTS, c).encode())


def change_script(world: World, a: int, b: int, c: int) -> None:
    """Add a line to a role's script, or remove one."""
    tree = _pick(world.roles.values(), a)
    if "setup.sh" not in tree:
        return
    lines = tree["setup.sh"].data.decode().splitlines()
    if b % 3 == 0 and lines:
        del lines[c % len(lines)]
    else:
        lines.insert(b % (len(lines) + 1), _pick(COMMANDS, c))
    tree["setup.sh"] = Node("file", tree["setup.sh"].mode, "".join(f"{x}\n" for x in lines).encode())


def add_file(world: World, a: int, b: int, c: int) -> None:
    """Add a file."""
    tree, path = _pick(world.roles.values(), a), _pick(PATHS, b)
    if path not in tree and path not in MAINS:
        for parent in list(Path(path).parents)[-2::-1]:
            tree.setdefault(str(parent), Node("directory", 0o755))
        tree[path] = Node("file", 0o644, _pick(TEXTS, c).encode())


def remove_file(world: World, a: int, b: int, _c: int) -> None:
    """Remove a file, and the directories that it leaves empty."""
    tree, path = _file(world, a, b)
    if path in MAINS:
        return
    del tree[path]
    _clean(tree)


def _clean(tree: Tree) -> None:
    """Remove empty directories, which git does not keep."""
    for path in sorted(tree, reverse=True):
        if tree[path].kind == "directory" and not any(p.startswith(f"{path}/") for p in tree):
            del tree[path]


def chmod_file(world: World, a: int, b: int, c: int) -> None:
    """Change a file's mode, in what counts (whether it is executable) and in what does not."""
    tree, path = _file(world, a, b)
    if tree[path].kind == "file":
        tree[path] = Node("file", _pick([0o644, 0o755, 0o600, 0o700, 0o666], c), tree[path].data)


def link_file(world: World, a: int, b: int, c: int) -> None:
    """Make a file a link, or change where it points."""
    tree, path = _file(world, a, b)
    if path not in MAINS:
        tree[path] = Node("link", 0o777, _pick([b"a", b"files", b"/nowhere", b"../x"], c))


def rename_file(world: World, a: int, b: int, c: int) -> None:
    """Call a file otherwise."""
    tree, path = _file(world, a, b)
    new = f"files/n{c % 3}"
    if path not in MAINS and new not in tree:
        tree.setdefault("files", Node("directory", 0o755))
        if tree["files"].kind == "directory":
            tree[new] = tree.pop(path)
            _clean(tree)


ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "env": ({}, {"TZ": "UTC"}, {"B": 1, "TZ": "UTC"}, {"TZ": "CET"}, {"LANG": "x=y"}, {"LANG": True}),
    "entrypoint": ("run", ["run"], ["run", "it"], []),
    "command": ("serve", ["serve"], []),
    "user": ("1:1", "root", ""),
    "working_dir": ("/", "/x"),
    "stop_signal": ("SIGQUIT", "SIGHUP"),
    "expose": ([], [80], ["80/tcp"], ["53/udp", 80]),
    "labels": ({}, {"l": "1"}, {"l": "2", "m": ""}, {"hub": "2"}),
    "healthcheck": ({"test": "t"}, {"test": ["t"]}, {"test": "t", "retries": 4}),
    "timeout": ("30m", "1h"),
}


def change_attribute(world: World, a: int, b: int, c: int) -> None:
    """Set an attribute of an image, or leave it out."""
    image, name = _pick(world.images.values(), a), _pick(ATTRIBUTES, b)
    value = _pick([None, *ATTRIBUTES[name]], c)
    if value is None:
        image.pop(name, None)
    else:
        image[name] = copy.deepcopy(value)


def change_base(world: World, a: int, b: int, _c: int) -> None:
    """Begin an image with another base."""
    _pick(world.images.values(), a)["from"] = _pick(BASES, b)


def move_base(world: World, _a: int, b: int, _c: int) -> None:
    """Have a base made of another tarball."""
    world.bases["debian:12"] = {"tarball": _pick(TARBALLS, b)}


def move_tag(world: World, _a: int, b: int, _c: int) -> None:
    """Have upstream give a tag to another image."""
    world.hub = b % 2


def rename_service(world: World, a: int, b: int, _c: int) -> None:
    """Call a service otherwise."""
    old, new = _pick(world.services, a), f"s{b % 3}"
    if new not in world.services:
        world.services[new] = world.services.pop(old)


def share_image(world: World, a: int, b: int, _c: int) -> None:
    """Have one more service run an image."""
    world.services[f"s{a % 3}"] = _pick(world.images, b)


def rename_image(world: World, a: int, b: int, _c: int) -> None:
    """Call an image otherwise."""
    old, new = _pick(world.images, a), f"i{b % 3}"
    if new not in world.images:
        world.images[new] = world.images.pop(old)
        world.services = {name: new if image == old else image for name, image in world.services.items()}


def add_image(world: World, a: int, b: int, _c: int) -> None:
    """Make one more image like another."""
    new = f"i{b % 3}"
    if new not in world.images:
        world.images[new] = copy.deepcopy(_pick(world.images.values(), a))
        world.services[f"for-{new}"] = new


def nothing(_world: World, _a: int, _b: int, _c: int) -> None:
    """Only run again."""


EDITS: dict[str, Callable[[World, int, int, int], None]] = {
    each.__name__: each
    for each in (
        add_use,
        drop_use,
        swap_uses,
        rename_role,
        use_vars,
        image_vars,
        reorder_keys,
        change_file,
        change_script,
        add_file,
        remove_file,
        chmod_file,
        link_file,
        rename_file,
        change_attribute,
        change_base,
        move_base,
        move_tag,
        rename_service,
        share_image,
        rename_image,
        add_image,
        nothing,
    )
}


def make_ansible(world: World, a: int, _b: int, _c: int) -> None:
    """Make a role one of Ansible, or one with a script."""
    tree = _pick(world.roles.values(), a)
    if "setup.sh" in tree:
        del tree["setup.sh"]
        tree |= {"tasks": Node("directory", 0o755), MAIN: Node("file", 0o644, b"[]")}
    else:
        del tree[MAIN]
        _clean(tree)
        tree["setup.sh"] = Node("file", 0o755, b"cp -a . /all\n")


def depend(world: World, a: int, b: int, _c: int) -> None:
    """Have a role of Ansible use another one."""
    tree = _pick(world.roles.values(), a)
    if MAIN in tree and tree.get("meta", Node("directory", 0)).kind == "directory":
        text = json.dumps({"dependencies": [_pick(world.roles, b)]})
        tree |= {"meta": Node("directory", 0o755), META: Node("file", 0o644, text.encode())}


def ask(world: World, a: int, _b: int, c: int) -> None:
    """Have a role of Ansible name something that hive-builder gave."""
    tree = _pick(world.roles.values(), a)
    if MAIN in tree:
        text = _pick(ASKED, c).encode()
        tree |= {"templates": Node("directory", 0o755), ASKING: Node("file", 0o644, text)}


ANSIBLE = {each.__name__: each for each in (make_ansible, depend, ask)}
"""Edits for the double alone: on a real engine, the bases of the histories have no Python."""


def _mend(world: World) -> None:
    """Forget uses of roles that are no more, or none of Ansible: they would be mistakes."""
    for tree in world.roles.values():
        if any(MAIN not in world.roles.get(name, {}) for name in _dependencies(tree)):
            del tree[META]
            _clean(tree)


AROUND = ("revert", "lose_state", "lose_images", "touch")
"""What happens to more than the site's definition: done by the bench."""


# -- the oracle ------------------------------------------------------------------------------------------------------

Chain = str


def views(world: World, image: Mapping[str, Any]) -> list[View]:
    """Return what each role of an image sees when it runs, said without the product's help."""
    found = []
    for use in image.get("roles", []):
        own = {} if isinstance(use, str) else use.get("vars", {})
        if MAIN in world.roles[_role_of(use)]:
            found.append(_view_of_ansible(world, image, _role_of(use), own))
            continue
        tree = {
            path: (node.kind, node.mode if node.kind != "file" else _git_mode(node.mode), node.data)
            for path, node in world.roles[_role_of(use)].items()
        }
        variables = {**image.get("vars", {}), **own}
        found.append((tree, {name: _text(value) for name, value in variables.items()}))
    return found


def _dependencies(tree: Tree) -> list[str]:
    """Return the roles that a role of Ansible names; what is no JSON names none."""
    try:
        found = json.loads(tree[META].data)["dependencies"] if tree[META].kind == "file" else []
    except (KeyError, ValueError, TypeError):
        return []
    return cast("list[str]", found)


def _view_of_ansible(world: World, image: Mapping[str, Any], role: str, own: Json) -> View:
    """Return what a role of Ansible sees when it runs, said without the product's help."""
    used = [role]
    for name in used:
        used += [each for each in _dependencies(world.roles[name]) if each not in used]
    files = {
        f"{name}/{path}": (node.kind, node.mode if node.kind != "file" else _git_mode(node.mode), node.data)
        for name in used
        for path, node in world.roles[name].items()
    }
    text = b" ".join(data for kind, _, data in files.values() if kind == "file").decode()
    name = next(name for name, each in world.images.items() if each is image)
    images = [each for each in world.images if each in world.services.values()]
    asks = "groups" in text or "hostvars" in text
    hosts: Json = {}
    for each in images if asks else [name]:
        seen = {"hive_env": world.images[each].get("env")} if "hive_env" in text else {}
        hosts[f"image_{each}" if asks else "container"] = {k: v for k, v in seen.items() if v}
    if "hive_stage" in text:
        everything = [*hosts, *_OTHER_HOSTS, *world.services] if asks else ["container"]
        hosts = {host: {**hosts.get(host, {}), "hive_stage": "private"} for host in everything}
    groups = {"services": list(world.services), "images": [f"image_{each}" for each in images]}
    variables = {
        "role": role,
        "ansible": feature_release(),
        "own": canonical(own),
        "common": canonical(image.get("vars", {})),
        "target": f"image_{name}" if asks else "container",
        "groups": canonical(groups if asks else {"services": [], "images": []}),
        "hosts": canonical({host: found for host, found in hosts.items() if found}),
    }
    return files, variables


_OTHER_HOSTS = (*(f"p-hive{n}.example" for n in range(4)), "p-mother.example", "network_site")


def _git_mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _base(world: World, image: Mapping[str, Any]) -> str:
    """Return what an image's base is, whatever it is called."""
    pulled = f"{image['from']} at {world.hub}"
    return str(world.bases[image["from"]].get("tarball", pulled))


def root_causes(world: World, image: Mapping[str, Any]) -> list[tuple[Chain, View]]:
    """Return each layer of an image, told by all that it is made from."""
    done: list[Any] = [_base(world, image)]
    found = []
    for tree, variables in views(world, image):
        done.append([sorted((p, k, m, d.hex()) for p, (k, m, d) in tree.items()), variables])
        found.append((canonical(done), (tree, variables)))
    return found


def whole(world: World, name: str) -> str:
    """Return an image told by all that it is made from: its layers and the rest of its definition."""
    image = world.images[name]
    defaults: Json = {"env": {}, "expose": [], "labels": {}}
    rest = {
        k: v
        for k, v in image.items()
        if k not in ("from", "roles", "vars", "timeout") and v != defaults.get(k)
    }
    rest["expose"] = sorted(str(p) if "/" in str(p) else f"{p}/tcp" for p in rest.get("expose", []))
    rest["env"] = {k: _text(v) for k, v in rest.get("env", {}).items()}
    names = [_role_of(use) for use in image.get("roles", [])]
    base = _base(world, image)
    return canonical([name, base, [chain for chain, _ in root_causes(world, image)], names, rest])


# -- building --------------------------------------------------------------------------------------------------------


def _no_host(host: Host) -> Any:
    """Say that there is no host."""
    raise HostError(f"{host.short}: there is no such host")


class Bench:
    """Builds worlds one after another on one engine with one registry."""

    engine: EngineDouble
    exact = True
    """Whether equal builds have equal times, and so equal digests."""

    def __init__(self, directory: Path) -> None:
        """Begin with an empty directory and an empty registry."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.registry = RegistryDouble(credentials=("skep", PASSWORD))
        self.hub = RegistryDouble()
        registries = {self.stage(first_world().site).registry: self.registry, "hub": self.hub}
        self.engine = EngineDouble(registries)
        self.values: dict[str, Json] = {}
        self.world: World | None = None
        self.acted: list[str] = []
        self.available: set[Chain] = set()
        self.published: set[str] = set()
        self.oldest = image_builder.OLD
        """Seconds after which a container that nobody here knows of is removed: a day has passed where it is 0."""

    def run_of(self, world: World) -> Run:
        """Return a new run, as another process would have; its repository host is an engine double."""
        run = new_run(self.directory, self.stage(world.site), State(self.directory / "state" / "private"))
        run.connections.__dict__.update(engine=lambda _host: self.engine, to=_no_host)
        secrets = StageSecrets(Secret("key"), "certificate", Secret(PASSWORD), Secret("pepper"))
        run.secrets._remember(Vault(secrets, {}))
        upstream = SimpleNamespace(moved=self._moved)
        look: Any = SimpleNamespace(image=self._look, tag_moves=upstream)
        run.observer = Observer(lambda: look)
        run.observer.enabled = True
        return run

    def stage(self, site: Site) -> Stage:
        """Return the stage that is built."""
        return Stage(site, "private", site.stages["private"])

    def _moved(self, name: str) -> str | None:
        """Look whether a tag is upstream where it was."""
        record = State(self.directory / "state" / "private").read(upstream_task(name), ImageRecord)
        there = record is not None and record.reference.endswith(self.hub.tags[name])
        return None if there else "the tag moved upstream"

    def _look(self, repository: str, key: str) -> str | None:
        """Look whether the registry has an image."""
        there = self.has(repository, key)
        return None if there else "the registry does not have it"

    def has(self, repository: str, key: str) -> bool:
        """Return whether the registry has an image."""
        return f"{self.stage(first_world().site).registry}/{repository}:{key}" in self.registry.tags

    def build(self, world: World, fault: Fault | None = None) -> str | None:
        """Build a world as `doit build_images` does; return the message of a failure."""
        world.write(self.directory, self.world)
        self.world = copy.deepcopy(world)
        self.hub.put("hub:1", Image((), {**HUB_CONFIG, "Env": ["PATH=/bin", f"LANG={world.hub}"]}))
        self.engine.begin(fault)
        self.acted = []
        run = self.run_of(world)
        steps = list(build_images.steps(run))
        for step in steps:
            check = UpToDate(run, step)
            task = SimpleNamespace(value_savers=[], skep_inputs=None, dep_changed=[])
            there = run.state.record_path(step.task).exists()
            if check(task, self.values.get(step.task, {})) and there:
                continue
            self.acted.append(step.task)
            try:
                with (
                    mock.patch.object(playbook, "run", ansible),
                    mock.patch.object(image_builder, "OLD", self.oldest),
                ):
                    ended = _act(run, step, task)
            except Killed:
                self.values.pop(step.task, None)
                return "killed"
            if isinstance(ended, TaskFailed):
                self.values.pop(step.task, None)
                return str(ended.message)
            assert ended is True
            self.values[step.task] = {
                name: value for saver in task.value_savers for name, value in saver().items()
            }
        self.oldest = image_builder.OLD
        return None

    def reference(self, name: str) -> str:
        """Return the reference that services run."""
        record = State(self.directory / "state" / "private").read(f"build_images:{name}", ImageRecord)
        assert record is not None
        return record.reference

    def image(self, name: str) -> Image:
        """Return what the record of an image leads to in the registry."""
        return self.registry.images[self.reference(name)]

    def expected(self, world: World) -> tuple[list[tuple[Chain, View]], list[str]]:
        """Return the layers that must be built now, in order, and the images that must be pushed."""
        layers: list[tuple[Chain, View]] = []
        pushed = []
        known = set(self.available)
        used = set(world.services.values())
        for name, image in world.images.items():
            if name not in used or whole(world, name) in self.published:
                continue
            pushed.append(name)
            for chain, view in root_causes(world, image):
                if chain not in known:
                    known.add(chain)
                    layers.append((chain, view))
        return layers, pushed

    def learn(self, world: World, layers: list[tuple[Chain, View]]) -> None:
        """Remember what there is now."""
        self.available |= {chain for chain, _ in layers[: len(self.engine.layered)]}
        for name in world.images:
            if name in self.engine.pushed:
                self.published.add(whole(world, name))


def step(bench: Bench, world: World, fault: Fault | None, fresh: Callable[[], Bench]) -> None:
    """Build a world after its last edit, and check what must hold.

    Args:
        bench: Where it is built, after all that was built there before.
        world: The world.
        fault: What goes wrong.
        fresh: Returns where there was nothing before.

    """
    said = build(bench, world, fault)
    if said is None or fault is None:
        compare(bench, world, said, fresh())


def build(bench: Bench, world: World, fault: Fault | None) -> str | None:
    """Build a world, check minimality, and return the message of a failure."""
    layers, pushed = bench.expected(world)
    said = bench.build(world, fault)
    ran, wanted = list(bench.engine.ran), [view for _, view in layers]
    made = [name for name in bench.engine.pushed if not name.startswith("base/")]
    bench.learn(world, layers)
    if said is None:
        assert ran == wanted, "minimality: not exactly those layers whose inputs changed were built"
        assert made == pushed, "minimality: not exactly those images whose inputs changed were made"
        assert not bench.engine.running, "a build container is left over"
    else:
        assert ran == wanted[: len(ran)], "minimality: a layer was built whose inputs did not change"
        assert made == pushed[: len(made)], "minimality: an image was made whose inputs did not change"
    assert said is None or fault is not None or "setup.sh: exit status" in said, said
    return said


def compare(bench: Bench, world: World, said: str | None, nothing_there: Bench) -> None:
    """Check correctness: the same end, and the same images, as where there was nothing before."""
    assert nothing_there.build(world) == said, "correctness: another end than from nothing"
    for name in set(world.services.values()) if said is None else ():
        ours, new = bench.image(name), nothing_there.image(name)
        assert ours.files == new.files, f"correctness: other files in {name}"
        assert ours.config == new.config, f"correctness: another configuration of {name}"
        assert not bench.exact or ours.id == new.id, f"equal content, but another digest of {name}"
    shutil.rmtree(nothing_there.directory)


def play(directory: Path, history: list[tuple[Edit, Fault | None]]) -> None:
    """Play a whole history."""
    bench, world = Bench(directory / "site"), first_world()

    def fresh() -> Bench:
        return Bench(directory / "fresh")

    step(bench, world, None, fresh)
    past = [copy.deepcopy(world)]
    for edit, fault in history:
        world = edited(bench, world, past, edit)
        step(bench, world, fault, fresh)
        past.append(copy.deepcopy(world))


def edited(bench: Bench, world: World, past: Sequence[World], edit: Edit) -> World:
    """Return a world after an edit, or do what is done to more than the world."""
    name, a, b, c = edit
    if name == "revert":
        return copy.deepcopy(cast("World", _pick(past, a)))
    if name == "lose_state":
        shutil.rmtree(bench.directory / "state", ignore_errors=True)
        bench.values.clear()
        bench.oldest = 0.0
    elif name == "lose_images":
        bench.engine.forget_images()
        bench.available.clear()
    elif name == "touch":
        for path in (bench.directory / "roles").rglob("*"):
            os.utime(path, (a, b), follow_symlinks=False)
    else:
        {**EDITS, **ANSIBLE}[name](world, a, b, c)
        _mend(world)
    return world
