"""A Docker Engine and a registry in memory, for the calls that `remote.images.builder.Builder` makes.

It is as strict as the real one where that matters: unknown arguments, references that are none, containers that are not
there or not stopped, names that are taken, registries that want a password. Its answers are the real one's in the parts
that are used. A container's command is interpreted: `BUILD_ROLE` runs the role's `setup.sh`, of which `Shell` knows a
few commands; they mean the same to a real shell, so that the histories can be run on a real engine too.
`ansible` stands for Ansible: with it, all that a role gets shows in the image.

A `Fault` makes one call fail, before or after it had its effect; it may also be the last thing that this process does.
"""

import base64
import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn, Self, TypeVar

import requests
from docker.errors import APIError, ImageNotFound, NotFound

from model.json_types import Json
from model.keys.digest import canonical, sha256
from remote.images.role_archive import BUILD_ROLE, CLEAN_LAYER, STAY
from remote.playbook.play import Play

T = TypeVar("T")
View = tuple[dict[str, tuple[str, int, bytes]], dict[str, str]]
"""All that a role sees of its own when it runs: its files, and its variables."""
LAYERS = "skep/layer:"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-*)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_CREATE = {
    "image",
    "command",
    "entrypoint",
    "name",
    "user",
    "working_dir",
    "network_mode",
    "healthcheck",
    "environment",
    "use_config_proxy",
    "privileged",
    "labels",
    "stdin_open",
}
_MERGED = ("User", "WorkingDir", "StopSignal", "Healthcheck", "Volumes")


class Killed(BaseException):
    """This process was killed: nothing of it runs any further."""


@dataclass(frozen=True)
class Node:
    """A file, link or directory of a file system."""

    kind: str
    mode: int
    data: bytes = b""
    owner: tuple[int, int] = (0, 0)


Files = dict[str, Node]


@dataclass(frozen=True)
class Layer:
    """The changes of one commit, or of an archive that was loaded; None is a path that it removed."""

    changes: tuple[tuple[str, Node | None], ...]
    loaded_as: str = ""

    @property
    def digest(self) -> str:
        """Its diff id."""
        return self.loaded_as or "sha256:" + sha256(repr(self.changes))


@dataclass(frozen=True)
class Image:
    """An image: its layers and its configuration."""

    layers: tuple[Layer, ...]
    config: Json
    created: str = "1970-01-01T00:00:00Z"
    loaded_as: str = ""

    @property
    def id(self) -> str:
        """The digest of its configuration, which names its layers."""
        if self.loaded_as:
            return self.loaded_as
        return "sha256:" + sha256(
            canonical([[layer.digest for layer in self.layers], self.config, self.created])
        )

    @property
    def files(self) -> Files:
        """Its file system."""
        files: Files = {}
        for layer in self.layers:
            for path, node in layer.changes:
                if node is None:
                    files.pop(path, None)
                else:
                    files[path] = node
        return files


@dataclass
class Fault:
    """A failure of one call.

    Args:
        at: At which call, counted from now.
        after: Whether the call has its effect all the same.
        kind: `refused` (the engine answers with an error), `lost` (it never answers again in this run), `killed`
            (neither does this process go on).

    """

    at: int
    after: bool
    kind: str


@dataclass
class RegistryDouble:
    """A registry."""

    images: dict[str, Image] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    credentials: tuple[str, str] | None = None

    def put(self, reference: str, image: Image) -> str:
        """Keep an image under a tag, and return its digest."""
        digest = "sha256:" + sha256(f"manifest {image.id}")
        repository = reference.rpartition(":")[0]
        self.images[f"{repository}@{digest}"] = image
        self.tags[reference] = digest
        return digest

    def allow(self, auth: Mapping[str, str] | None) -> None:
        """Refuse a stranger."""
        given = (auth["username"], auth["password"]) if auth else None
        if self.credentials is not None and given != self.credentials:
            refuse(401, "unauthorized: authentication required")


def refuse(status: int, explanation: str) -> NoReturn:
    """Answer with an error, as the SDK shows it."""
    kind = NotFound if status == 404 else APIError
    if status == 404 and "No such image" in explanation:
        kind = ImageNotFound
    response = requests.Response()
    response.status_code = status
    raise kind(explanation, response=response, explanation=explanation)


class EngineDouble:
    """An engine; stands for `docker.DockerClient`.

    Args:
        registries: Host and port to the registry there.

    """

    def __init__(self, registries: Mapping[str, RegistryDouble]) -> None:
        """Begin with nothing."""
        self.registries = registries
        self.store: dict[str, Image] = {}
        self.tags: dict[str, str] = {}
        self.running: dict[str, ContainerDouble] = {}
        self.fault: Fault | None = None
        self.lost = self.killed = False
        self.calls: list[str] = []
        self.ran: list[View] = []
        self.layered: list[str] = []
        self.pushed: list[str] = []
        self.secrets_seen: Files = {}
        self.images = ImagesDouble(self)
        self.containers = ContainersDouble(self)
        self.api = ApiDouble(self)

    def begin(self, fault: Fault | None = None) -> None:
        """Begin a run: a new process, perhaps with something that will go wrong."""
        self.fault, self.lost, self.killed = fault, False, False
        for counted in (self.calls, self.ran, self.layered, self.pushed):
            counted.clear()

    def call(self, name: str, do: Callable[[], T]) -> T:
        """Do a call, unless something goes wrong there."""
        if self.killed:
            raise Killed
        if self.lost:
            raise requests.ConnectionError("connection refused")
        self.calls.append(name)
        fault = self.fault if self.fault and len(self.calls) == self.fault.at else None
        if fault is None:
            return do()
        if fault.after:
            do()
        if fault.kind == "refused":
            refuse(500, f"{name}: told to fail")
        self.lost = True
        if fault.kind == "killed":
            self.killed = True
            raise Killed
        raise requests.ConnectionError("connection reset")

    # -- what the calls do -----------------------------------------------------------------------------------------

    def find(self, reference: str) -> Image:
        """Return an image by id, tag or digest."""
        found = self.tags.get(reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest")
        image = self.store.get(found or reference)
        return image if image is not None else refuse(404, f"No such image: {reference}")

    def keep(self, image: Image, *references: str) -> Image:
        """Keep an image under references."""
        for reference in references:
            repository, _, tag = reference.partition("@") if "@" in reference else reference.rpartition(":")
            if not _REPOSITORY.fullmatch(repository) or ("@" not in reference and not _TAG.fullmatch(tag)):
                refuse(400, f"invalid reference format: {reference}")
        self.store[image.id] = image
        self.layered += [name for name in references if name.startswith(LAYERS) and name not in self.tags]
        self.tags.update(dict.fromkeys(references, image.id))
        return image

    def registry_of(self, reference: str) -> RegistryDouble:
        """Return the registry that a reference names."""
        host = reference.partition("/")[0]
        if host not in self.registries:
            if "." not in host and ":" not in host and "hub" in self.registries:
                return self.registries["hub"]
            refuse(500, f"dial tcp: lookup {host}: no such host")
        return self.registries[host]

    def forget_images(self) -> None:
        """Lose every local image, as by `docker system prune --all`."""
        self.store.clear()
        self.tags.clear()

    def info(self) -> Json:
        """Describe the engine."""
        return self.call("info", lambda: {"DriverStatus": [["Backing Filesystem", "extfs"]]})


@dataclass(frozen=True)
class ImagesDouble:
    """Stands for `client.images`."""

    engine: EngineDouble

    def get(self, name: str) -> SimpleNamespace:
        """Return an image."""
        return self.engine.call("images.get", lambda: self._shown(self.engine.find(name)))

    def _shown(self, image: Image) -> SimpleNamespace:
        """Return an image as the SDK shows it."""
        names = [name for name, found in self.engine.tags.items() if found == image.id]
        attrs = {
            "Id": image.id,
            "Architecture": "amd64",
            "Os": "linux",
            "Created": image.created,
            "Config": json.loads(json.dumps(image.config)),
            "RepoDigests": [name for name in names if "@" in name],
            "RepoTags": [name for name in names if "@" not in name],
            "RootFS": {"Type": "layers", "Layers": [layer.digest for layer in image.layers]},
        }
        return SimpleNamespace(id=image.id, attrs=attrs)

    def get_registry_data(self, name: str, auth_config: Mapping[str, str] | None = None) -> SimpleNamespace:
        """Ask a registry for the digest of a tag."""

        def ask() -> SimpleNamespace:
            registry = self.engine.registry_of(name)
            registry.allow(auth_config)
            if name not in registry.tags:
                refuse(404, f"manifest for {name} not found: manifest unknown")
            return SimpleNamespace(id=registry.tags[name])

        return self.engine.call("images.get_registry_data", ask)

    def pull(
        self, repository: str, tag: str, auth_config: Mapping[str, str] | None = None
    ) -> SimpleNamespace:
        """Fetch an image of a registry."""

        def fetch() -> SimpleNamespace:
            registry = self.engine.registry_of(repository)
            registry.allow(auth_config)
            digest = tag if tag.startswith("sha256:") else registry.tags.get(f"{repository}:{tag}")
            image = registry.images.get(f"{repository}@{digest}")
            if image is None:
                refuse(404, f"manifest for {repository}:{tag} not found: manifest unknown")
            names = [f"{repository}@{digest}"]
            if digest != tag:
                names.append(f"{repository}:{tag}")
            return self._shown(self.engine.keep(image, *names))

        return self.engine.call("images.pull", fetch)

    def remove(self, image: str, *, force: bool = False, noprune: bool = False) -> None:
        """Remove a tag, and the image with its last one."""
        del noprune

        def remove() -> None:
            found = self.engine.find(image)
            self.engine.tags.pop(image, None)
            others = [name for name, known in self.engine.tags.items() if known == found.id]
            if not others or (image == found.id and force):
                for name in others:
                    del self.engine.tags[name]
                self.engine.store.pop(found.id, None)

        self.engine.call("images.remove", remove)


@dataclass(frozen=True)
class ApiDouble:
    """Stands for `client.api`."""

    engine: EngineDouble
    base_url: str = "http+docker://localhost"
    api_version: str = "1.41"

    def inspect_distribution(self, name: str, auth_config: Mapping[str, str]) -> Json:
        """Ask a registry for the digest of a tag."""

        def ask() -> Json:
            registry = self.engine.registry_of(name.rpartition(":")[0])
            registry.allow(auth_config)
            if name not in registry.tags:
                refuse(404, f"manifest for {name} not found: manifest unknown")
            return {"Descriptor": {"digest": registry.tags[name]}}

        try:
            return self.engine.call("inspect_distribution", ask)
        except APIError as error:
            # An upstream that is away is no failure: what it had stays. Here it refuses.
            refuse(error.status_code if error.status_code < 500 else 403, str(error.explanation))

    def post(
        self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str], stream: bool, timeout: float
    ) -> "AnswerDouble":
        """Fetch an image of a registry by its digest."""
        assert url == f"{self.base_url}/v{self.api_version}/images/create"
        assert stream
        assert timeout
        auth = json.loads(base64.urlsafe_b64decode(headers["X-Registry-Auth"]))

        def fetch() -> "AnswerDouble":
            name = f"{params['fromImage']}@{params['tag']}"
            registry = self.engine.registry_of(params["fromImage"])
            registry.allow(auth)
            if name not in registry.images:
                return AnswerDouble([{"error": f"manifest for {name} not found: manifest unknown"}])
            self.engine.keep(registry.images[name], name)
            return AnswerDouble([{"status": "Pull complete", "id": "0"}])

        return self.engine.call("pull", fetch)

    def tag(self, image: str, repository: str, tag: str, *, force: bool = False) -> bool:
        """Give an image another name."""
        del force
        self.engine.call("tag", lambda: self.engine.keep(self.engine.find(image), f"{repository}:{tag}"))
        return True

    def push(
        self, repository: str, tag: str, *, stream: bool, decode: bool, auth_config: Mapping[str, str]
    ) -> Iterator[Json]:
        """Hand an image to its registry."""
        assert stream
        assert decode

        def push() -> list[Json]:
            image = self.engine.find(f"{repository}:{tag}")
            registry = self.engine.registry_of(repository)
            registry.allow(auth_config)
            digest = registry.put(f"{repository}:{tag}", image)
            self.engine.tags[f"{repository}@{digest}"] = image.id
            self.engine.pushed.append(repository.partition("/")[2])
            return [{"status": "Pushed"}, {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest}}]

        yield from self.engine.call("push", push)

    def import_image_from_data(self, data: Any, repository: str, tag: str, changes: Sequence[str]) -> str:
        """Make an image of a root file system."""

        def make() -> str:
            content = data.read()
            files = _unpacked(content)
            assert changes == ['CMD ["/bin/sh"]']
            config = {"Cmd": ["/bin/sh"], "Env": None, "Labels": None}
            image = Image((Layer(tuple(sorted(files.items()))),), config)
            return json.dumps({"status": self.engine.keep(image, f"{repository}:{tag}").id}) + "\n"

        return self.engine.call("import", make)

    def containers(self, *, all: bool, filters: Mapping[str, Sequence[str]]) -> list[Json]:  # noqa: A002
        """List those of shells that were never started; no shell is opened here."""
        assert all
        assert filters["status"] == ["created", "exited", "dead"]
        return self.engine.call("api.containers", list)

    def exec_create(self, container: str, command: Sequence[str], user: str, workdir: str) -> Json:
        """Prepare a command in a running container."""
        assert (list(command), user, workdir) == (["/bin/sh", "-c", CLEAN_LAYER], "0:0", "/")

        def create() -> Json:
            if container not in self.engine.running:
                refuse(404, f"No such container: {container}")
            self.engine.running[container].must_run()
            return {"Id": container}

        return self.engine.call("exec_create", create)

    def exec_start(self, made: str, *, stream: bool = False) -> Iterator[bytes]:
        """Run it: it removes Ansible's working directory."""
        assert stream

        def start() -> None:
            files = self.engine.running[made].files
            for path in [path for path in files if path == ".skep" or path.startswith(".skep/")]:
                del files[path]

        self.engine.call("exec_start", start)
        return iter(())

    def exec_inspect(self, made: str) -> Json:
        """Return how it ended."""
        return self.engine.call("exec_inspect", lambda: {"ExitCode": 0 if made else 1})

    def load_image(self, data: bytes | Iterable[bytes], *, quiet: bool = False) -> Iterator[Json]:
        """Make images of configurations, and of layers that are there or in the archive."""
        assert quiet

        def load() -> list[Json]:
            content = data if isinstance(data, bytes) else b"".join(data)
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                held = {member.name: _read(archive, member) for member in archive}
            return [self._load(made, held) for made in json.loads(held["manifest.json"])]

        yield from self.engine.call("load_image", load)

    def _load(self, made: Json, held: Mapping[str, bytes]) -> Json:
        """Make one of them."""
        text = held[made["Config"]]
        config = json.loads(text)
        wanted = config["rootfs"]["diff_ids"]
        if len(made["Layers"]) != len(wanted):
            refuse(500, "invalid manifest, layers length mismatch")
        if len([entry for entry in config["history"] if not entry.get("empty_layer")]) != len(wanted):
            refuse(500, "history and layers differ")
        layers: tuple[Layer, ...] = ()
        for path, digest in zip(made["Layers"], wanted, strict=True):
            there = [*(layer.digest for layer in layers), digest]
            known = (image.layers[: len(there)] for image in self.engine.store.values())
            found = next((each for each in known if [layer.digest for layer in each] == there), None)
            if found is None and path not in held:
                refuse(500, f"open /var/lib/docker/tmp/{path}: no such file or directory")
            if found is None and "sha256:" + hashlib.sha256(held[path]).hexdigest() != digest:
                refuse(500, f"invalid diffID for layer {len(layers)}")
            layers = found or (*layers, Layer(tuple(sorted(_unpacked(held[path]).items())), digest))
        loaded = Image(layers, config["config"], config["created"], f"sha256:{sha256(text)}")
        self.engine.keep(loaded, *(made["RepoTags"] or ()))
        return {"stream": f"Loaded image ID: {loaded.id}\n"}


@dataclass(frozen=True)
class AnswerDouble:
    """Stands for an answer that comes line by line."""

    events: Sequence[Json]
    ok: bool = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def iter_lines(self) -> Iterator[bytes]:
        """Yield the lines."""
        for event in self.events:
            yield json.dumps(event).encode()


@dataclass(frozen=True)
class ContainersDouble:
    """Stands for `client.containers`."""

    engine: EngineDouble

    def create(self, image: str, command: Any = None, **options: Any) -> "ContainerDouble":
        """Make a container."""
        unknown = options.keys() - _CREATE
        if unknown:
            msg = f"create_container() got an unexpected keyword argument {unknown}"
            raise TypeError(msg)

        def create() -> ContainerDouble:
            found = self.engine.find(image)
            name = options.get("name") or f"unnamed.{len(self.engine.running)}"
            if not _NAME.fullmatch(name):
                refuse(400, f"Invalid container name ({name})")
            if name in self.engine.running:
                refuse(409, f'Conflict. The container name "/{name}" is already in use')
            entrypoint = options.get("entrypoint") or found.config.get("Entrypoint")
            words = command if command is not None else found.config.get("Cmd")
            if not entrypoint and not words:
                refuse(400, "No command specified")
            config = {
                **{k: found.config.get(k) for k in ("Env", "ExposedPorts", "Labels", *_MERGED)},
                "Entrypoint": entrypoint,
                "Cmd": words,
            }
            given = {"user": "User", "working_dir": "WorkingDir", "healthcheck": "Healthcheck"}
            for option, key in given.items():
                if options.get(option):
                    value = options[option]
                    config[key] = {k.title(): v for k, v in value.items()} if key == "Healthcheck" else value
            container = ContainerDouble(self.engine, name, found, config, found.files)
            container.is_open = bool(options.get("stdin_open"))
            self.engine.running[name] = container
            return container

        return self.engine.call("containers.create", create)

    def list(
        self,
        *,
        all: bool,  # noqa: A002
        filters: Mapping[str, str],
        ignore_removed: bool,
    ) -> list["ContainerDouble"]:
        """List containers by name; one that goes meanwhile must be no error."""
        assert all
        assert ignore_removed
        pattern = re.compile(filters["name"])
        return self.engine.call(
            "containers.list",
            lambda: [c for name, c in self.engine.running.items() if pattern.search(f"/{name}")],
        )


@dataclass
class ContainerDouble:
    """A container."""

    engine: EngineDouble
    name: str
    image: Image
    config: Json
    files: Files
    state: str = "created"
    status: int = 0
    printed: str = ""
    is_open: bool = False
    attrs: Json = field(default_factory=lambda: {"Created": datetime.now(UTC).isoformat()})

    @property
    def id(self) -> str:
        """Its name stands for its id."""
        return self.name

    @property
    def client(self) -> EngineDouble:
        """Where it is."""
        return self.engine

    def _there(self) -> None:
        if self.engine.running.get(self.name) is not self:
            refuse(404, f"No such container: {self.name}")

    def _call(self, name: str, do: Callable[[], T]) -> T:
        """Do a call on a container that is there."""

        def there() -> T:
            self._there()
            return do()

        return self.engine.call(f"container.{name}", there)

    def put_archive(self, path: str, data: bytes | Iterable[bytes]) -> bool:
        """Unpack an archive in it."""
        assert path == "/"
        self._call("put_archive", lambda: self.files.update(_unpacked(data)))
        return True

    def get_archive(self, path: str) -> tuple[Iterator[bytes], Json]:
        """Return the archive of a path, which begins with the path itself; and where it leads to if it is a link."""

        def get() -> tuple[Iterator[bytes], Json]:
            node = self.files.get(path.lstrip("/"))
            if node is None:
                refuse(404, f"Could not find the file {path} in container {self.name}")
            info = tarfile.TarInfo(path.rpartition("/")[2])
            info.type = tarfile.DIRTYPE if node.kind == "directory" else tarfile.REGTYPE
            info.mode, info.uid, info.gid = node.mode, *node.owner
            target = node.data.decode() if node.kind == "link" else ""
            return (block for block in (info.tobuf(), bytes(10240))), {"linkTarget": target}

        return self._call("get_archive", get)

    def start(self) -> None:
        """Run it, to its end."""

        def run() -> None:
            if self.state != "created":
                refuse(304, "container already started")
            if self.config["Entrypoint"] == ["/bin/sh", "-c"] and self.config["Cmd"] == [STAY]:
                # Without an input it would be at its end at once.
                self.state = "running" if self.is_open else "exited"
                return
            if self.config["Entrypoint"] != ["/bin/sh", "-c"] or self.config["Cmd"] != [BUILD_ROLE]:
                msg = f"the double can't run {self.config['Cmd']}"
                raise AssertionError(msg)
            self.engine.ran.append(view_of(self.files))
            root = ".skep/secrets/"
            found = {p.removeprefix(root): node for p, node in self.files.items() if p.startswith(root)}
            self.engine.secrets_seen |= found
            shell = Shell(self.files, self.config.get("Env") or [])
            self.status, self.printed = shell.run_role(), "".join(shell.printed)
            self.state = "exited"

        self._call("start", run)

    def logs(self, *, stream: bool, follow: bool) -> Iterator[bytes]:
        """Yield its output, cut anywhere."""
        assert stream
        assert follow
        data = self._call("logs", self.printed.encode)
        yield from (data[i : i + 7] for i in range(0, len(data), 7))

    def wait(self) -> Json:
        """Return how it ended."""
        return self._call("wait", lambda: {"StatusCode": self.status})

    def diff(self) -> list[Json] | None:
        """Return the differences from its image; None, and not an empty list, where there are none."""
        return self._call("diff", lambda: [{"Path": f"/{p}", "Kind": 0} for p, _ in self._changes()] or None)

    def _changes(self) -> list[tuple[str, Node | None]]:
        before = self.image.files
        changed: list[tuple[str, Node | None]] = [
            (path, node) for path, node in self.files.items() if before.get(path) != node
        ]
        return sorted([*changed, *((path, None) for path in before.keys() - self.files.keys())])

    def commit(
        self, repository: str | None = None, tag: str | None = None, conf: Json | None = None
    ) -> SimpleNamespace:
        """Make an image of it; the engine merges the given configuration with the container's own."""

        def commit() -> SimpleNamespace:
            changes = self._changes()
            layers = (*self.image.layers, Layer(tuple(changes))) if changes else self.image.layers
            image = Image(layers, _merged(conf, self.config))
            self.engine.keep(image, *([f"{repository}:{tag}"] if repository else []))
            return SimpleNamespace(id=image.id)

        return self._call("commit", commit)

    def kill(self) -> None:
        """End it."""

        def kill() -> None:
            self.must_run()
            self.state = "exited"

        self._call("kill", kill)

    def must_run(self) -> None:
        """Refuse unless it runs."""
        if self.state != "running":
            refuse(409, f"Container {self.name} is not running")

    def remove(self, *, force: bool = False, v: bool = False) -> None:
        """Remove it."""
        del force, v
        self._call("remove", lambda: self.engine.running.pop(self.name))


def ansible(
    play: Play,
    container: ContainerDouble,
    environment: Mapping[str, str],
    timeout: float,
    log: Callable[[str], None],
) -> str | None:
    """Stand for `remote.playbook.play.run`."""
    assert environment
    assert timeout

    def run() -> None:
        container.must_run()
        assert container.files[".skep/work"].mode == 0o1777
        seen = {
            "role": play.role,
            "ansible": play.version,
            "own": canonical(play.own),
            "common": canonical(play.common),
            "target": play.target,
            "groups": canonical({name: play.groups.get(name, []) for name in ("services", "images")}),
            "hosts": canonical({name: found for name, found in play.hosts.items() if found}),
        }
        files = {entry.path: (entry.kind, entry.mode, entry.data) for entry in play.entries}
        container.engine.ran.append((files, seen))
        container.files.update(
            {f"ansible/{path}": Node(kind, mode, data) for path, (kind, mode, data) in files.items()}
        )
        log = container.files.get("ansible/log", Node("file", 0o644))
        container.files["ansible/log"] = Node("file", 0o644, log.data + canonical(seen).encode() + b"\n")

    container.engine.call("ansible", run)
    log("done")
    return None


def _merged(conf: Json | None, own: Json) -> Json:
    """Return the configuration that a commit makes: moby's `merge` of the given one and the container's."""
    if conf is None:
        return dict(own)
    merged = {**conf}
    for key in _MERGED:
        merged[key] = conf.get(key) or own.get(key)
    names = {each.partition("=")[0] for each in conf.get("Env") or []}
    kept = [each for each in own.get("Env") or [] if each.partition("=")[0] not in names]
    merged["Env"] = [*(conf.get("Env") or []), *kept]
    for key in ("Labels", "ExposedPorts"):
        merged[key] = {**(own.get(key) or {}), **(conf.get(key) or {})}
    if not conf.get("Entrypoint"):
        if not conf.get("Cmd"):
            merged["Cmd"] = own.get("Cmd")
        if conf.get("Entrypoint") is None:
            merged["Entrypoint"] = own.get("Entrypoint")
    return merged


def view_of(files: Files) -> View:
    """Return a role's own files and variables in a container."""
    root = ".skep/role/"
    seen = {
        path.removeprefix(root): (node.kind, node.mode, node.data)
        for path, node in files.items()
        if path.startswith(root)
    }
    words = shlex.split(files[".skep/env"].data.decode())
    return seen, dict(word.split("=", 1) for word in words)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the content of a member of an archive."""
    file = archive.extractfile(member)
    return file.read() if file else b""


def _unpacked(data: bytes | Iterable[bytes]) -> Files:
    """Return an archive's files."""
    files: Files = {}
    with tarfile.open(fileobj=io.BytesIO(data if isinstance(data, bytes) else b"".join(data))) as archive:
        for member in archive:
            kind = "link" if member.issym() else "directory" if member.isdir() else "file"
            content = member.linkname.encode(errors="surrogateescape") if kind == "link" else b""
            if kind == "file":
                content = _read(archive, member)
            parent = member.name.rpartition("/")[0]
            assert not parent or files.get(parent, Node("directory", 0)).kind == "directory", member.name
            files[member.name] = Node(kind, member.mode, content, (member.uid, member.gid))
    return files


class Shell:
    """A shell that knows only what the tests' roles do, each line one command.

    `cp -a . /DIR` (the whole role), `cp -a FILE /PATH`, `echo WORDS >>/PATH`, `rm -rf /PATH`, `mkdir -p /DIR`,
    `ln -sfn TARGET /PATH`, `chmod MODE /PATH`, `chown UID:GID /PATH`, `exit N`, `true`; words may hold variables.
    """

    def __init__(self, files: Files, environment: Sequence[str]) -> None:
        """Run in a file system."""
        self.files = files
        self.variables = dict(each.split("=", 1) for each in environment)
        self.printed: list[str] = []

    def run_role(self) -> int:
        """Run a role as `BUILD_ROLE` does."""
        env = self.files[".skep/env"].data.decode()
        self.variables |= dict(word.split("=", 1) for word in shlex.split(env))
        script = self.files.get(".skep/role/setup.sh")
        status = 2 if script is None else self._script(script.data.decode())
        gone = ".skep" if status == 0 else ".skep/secrets"
        for path in [p for p in self.files if p == gone or p.startswith(f"{gone}/")]:
            del self.files[path]
        return status

    def _script(self, text: str) -> int:
        for line in text.splitlines():
            words = [
                re.sub(r"\$(\w+)", lambda found: self.variables.get(found[1], ""), word)
                for word in shlex.split(line, comments=True)
            ]
            if not words:
                continue
            if words[0] == "exit":
                return int(words[1])
            status = self._command(words)
            if status:
                return status
        return 0

    def _command(self, words: Sequence[str]) -> int:
        path = words[-1].removeprefix(">>").removeprefix("/")
        match words[0]:
            case "cp":
                return self._copy(words[2], path)
            case "echo":
                before = self.files.get(path, Node("file", 0o644))
                text = " ".join(words[1:-1]) + "\n"
                self.files[path] = replace(before, data=before.data + text.encode())
                self.printed.append(text)
            case "rm":
                for old in [p for p in self.files if p == path or p.startswith(f"{path}/")]:
                    del self.files[old]
            case "mkdir":
                self.files.setdefault(path, Node("directory", 0o755))
            case "ln":
                self.files[path] = Node("link", 0o777, words[2].encode())
            case "chmod" | "chown" if path not in self.files:
                self.printed.append(f"{words[0]}: {path}: No such file or directory\n")
                return 1
            case "chmod":
                self.files[path] = replace(self.files[path], mode=int(words[1], 8))
            case "chown":
                uid, gid = words[1].split(":")
                self.files[path] = replace(self.files[path], owner=(int(uid), int(gid)))
            case "true":
                pass
            case _:
                self.printed.append(f"sh: {words[0]}: not found\n")
                return 127
        return 0

    def _copy(self, source: str, path: str) -> int:
        """Copy the role, or one file of it."""
        root = ".skep/role/"
        if source == ".":
            self.files.setdefault(path, Node("directory", 0o755))
            for name in [p for p in self.files if p.startswith(root)]:
                self.files[f"{path}/{name.removeprefix(root)}"] = self.files[name]
            return 0
        found = self.files.get(root + source)
        if found is None:
            self.printed.append(f"cp: {source}: No such file or directory")
            return 1
        self.files[path] = found
        return 0
