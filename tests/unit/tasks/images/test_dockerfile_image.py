"""The image of a Dockerfile: its inputs, what it is built on, and what is sent to the host that builds."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import BuildError, CommandError, ConfigError
from model.images import bases
from model.keys.digest import changed
from model.keys.record import ImageRecord
from model.secrets.stage_secrets import generate
from model.site_file.load import load, select
from tasks import build_images
from tasks.images.dockerfile_image import DockerfileImage
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.secret_sources import take
from tasks.run.state import State
from tasks.run.vault import Vault
from tasks.step import Work

SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[secrets]
token = { env = "TOKEN" }
other = { env = "TOKEN" }
[bases."debian:12"]
debootstrap = "bookworm"
[images.lib]
from = "debian:12"
roles = ["lib"]
[services.app]
image = "app"
[images.app]
"""
TABLE = """
build = { context = "app", dockerfile = "docker/./prod", target = "final", args = { BASE = "debian:12", N = 3 } }
secrets = ["token"]
"""
DOCKERFILE = """ARG BASE
FROM $BASE AS tool
FROM lib AS final
COPY --from=tool /x /
COPY --from=docker.io/library/debian:12 /y /
RUN --mount=type=secret,id=token true
FROM busybox
"""


def write(directory: Path, table: str = TABLE, text: str = DOCKERFILE, path: str = "app/docker/prod") -> Run:
    """Write a site with a Dockerfile, and return a run of it."""
    (directory / "roles" / "lib").mkdir(parents=True, exist_ok=True)
    (directory / "roles" / "lib" / "setup.sh").write_text("")
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    (directory / path).write_text(text)
    (directory / "app").mkdir(exist_ok=True)
    (directory / "site.toml").write_text(f"{SITE}{table}\n")
    stage = select(load(directory / "site.toml"), None)
    state = State(directory / "state" / "private")
    run = new_run(directory, stage, state, captured_env=take(stage, {"TOKEN": "sesame"}))
    if not run.secrets.vault_path.exists():
        run.secrets.keep(Vault(generate("example", "private"), {}))
    return run


def step_of(run: Run) -> DockerfileImage:
    """Return the step of the Dockerfile, with records of what it needs."""
    (step,) = [each for each in build_images.steps(run) if isinstance(each, DockerfileImage)]
    for number, task in enumerate(step.needs):
        reference = f"{run.stage.registry}/{task.rpartition(':')[2]}@sha256:{number}"
        run.state.write(task, ImageRecord(reference=reference))
    return step


def test_what_it_is_built_on_is_built_first(tmp_path: Path) -> None:
    """Images and bases of the site that it names, itself or by an argument; no service need run them."""
    run = write(tmp_path)

    assert step_of(run).needs == ("build_images:base.debian-12", "build_images:lib")
    assert list(run.stage.images) == ["lib", "app"]
    assert bases.names(run.stage) == ["debian:12"]


def test_how_it_is_built_is_an_input(tmp_path: Path) -> None:
    """So are what it is built on, and the secrets that it mounts; what is not said is none."""
    before = step_of(write(tmp_path)).inputs()

    assert {name: before[name] for name in before if not name.startswith(("app/", "secrets."))} == {
        "build.args.BASE": '"debian:12"', "build.args.N": "3", "build.target": '"final"',
        "build.dockerfile": '"docker/prod"', "from.debian:12": "sha256:0", "from.lib": "sha256:1",
    }  # fmt: skip
    assert "sesame" not in str(before)
    after = step_of(write(tmp_path, TABLE.replace("N = 3", "N = 4"))).inputs()
    assert changed(before, after) == ["build.args.N: 3 → 4"]

    plain = step_of(write(tmp_path / "plain", 'build = "app"', "FROM scratch\n", "app/Dockerfile")).inputs()
    assert list(plain) == ["app/Dockerfile"]


def ready(*_: object, **__: object) -> str:
    """Be a host that has the docker command."""
    return ""


def built(run: Run) -> tuple[str, bytes]:
    """Build it, and return the command and what follows the secrets on its input."""
    sent: list[tuple[str, bytes]] = []

    def take_in(command: str, stdin: Iterable[bytes], **_: object) -> str:
        sent.append((command, b"".join(stdin)))
        return ""

    step = step_of(run)
    run.connections.to = lambda _host: SimpleNamespace(run=take_in, script=ready)  # type: ignore[method-assign, assignment, return-value]
    pulled: list[str] = []
    builder: Any = SimpleNamespace(registry=SimpleNamespace(pull=pulled.append))
    inputs = step.inputs()
    assert step.make(builder, Work(step.task, inputs, "k", print)) == "skep/dockerfile:k"
    assert pulled == [run.state.record(task, ImageRecord).reference for task in step.needs]
    return sent[0]


def test_a_build_on_images_of_the_site(tmp_path: Path) -> None:
    """They stand with their digests in the Dockerfile that is sent, in all their spellings; the rest stays."""
    run = write(tmp_path)
    (tmp_path / "app" / "empty").mkdir()

    command, data = built(run)

    assert (
        "-f docker/prod --target final --build-arg BASE=debian:12 --build-arg N=3 --secret id=token"
        in command
    )
    assert data.startswith(b"sesame")
    with tarfile.open(fileobj=io.BytesIO(data.removeprefix(b"sesame"))) as archive:
        assert archive.getnames() == ["docker", "docker/prod", "empty"]
        content = archive.extractfile("docker/prod")
        assert content is not None
        lib, debian = f"{run.stage.registry}/lib@sha256:1", f"{run.stage.registry}/base.debian-12@sha256:0"
        assert content.read().decode() == DOCKERFILE.replace("$BASE", debian).replace(
            "FROM lib", f"FROM {lib}"
        ).replace("docker.io/library/debian:12", debian)


def test_a_dockerfile_beside_its_context(tmp_path: Path) -> None:
    """As compose allows it; it is sent under a name of skep's."""
    run = write(tmp_path, 'build = { context = "app", dockerfile = "../prod" }', "FROM scratch\n", "prod")

    command, data = built(run)

    assert "-f .skep.Dockerfile" in command
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [".skep.Dockerfile"]


def test_a_build_that_misses_what_git_ignores(tmp_path: Path) -> None:
    """The message says that git ignores it, and the way to have it there."""
    run = write(tmp_path)
    for name in (".git/HEAD", "app/dist/app.jar", "app/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("dist/\nnotes.txt\n")
    step = step_of(run)

    def fail(*_: object, **__: object) -> str:
        raise CommandError(
            "hive3", "docker build app", 1, 'failed to compute cache key: "/dist/app.jar": not found'
        )

    run.connections.to = lambda _host: SimpleNamespace(run=fail, script=ready)  # type: ignore[method-assign, assignment, return-value]
    builder: Any = SimpleNamespace(registry=SimpleNamespace(pull=print))

    with pytest.raises(BuildError, match=r"\n    git ignores app/dist, .* \(git add -f app/dist\)$"):
        step.make(builder, Work(step.task, step.inputs(), "k", print))


def test_images_that_are_built_on_each_other(tmp_path: Path) -> None:
    """It is said at load, with the way round."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "Dockerfile").write_text("FROM app\n")

    with pytest.raises(ConfigError) as caught:
        write(tmp_path, f'{TABLE}[images.b]\nbuild = "lib"\n', DOCKERFILE.replace("FROM lib", "FROM b"))

    assert (
        "site.toml: images.app.build: its Dockerfile is built on itself: app → b → app"
        in caught.value.problems
    )


@pytest.mark.parametrize(
    ("base", "needs"), [("", ()), ("[bases.app]\ntarball = 'x.tar'\n", ("build_images:base.app",))]
)
def test_its_own_name_is_another_image(tmp_path: Path, base: str, needs: tuple[str, ...]) -> None:
    """`FROM nginx` of image `nginx` means the one of Docker Hub, or of `[bases]`."""
    (tmp_path / "x.tar").touch()

    run = write(tmp_path, f'build = "app"\n{base}', "FROM app\n", "app/Dockerfile")

    assert step_of(run).needs == needs
    assert bases.names(run.stage) == ["app"] * bool(base)


def test_an_argument_may_be_empty_and_may_have_lines(tmp_path: Path) -> None:
    """As a variable of the environment may: an empty one switches something off, a certificate has lines."""
    run = write(tmp_path, TABLE.replace("N = 3", 'N = "", CA = """a\nb\n"""'))

    build = run.stage.images["app"].build
    assert build is not None
    assert build.args == {"BASE": "debian:12", "N": "", "CA": "a\nb\n"}


CAN_NOT = {
    "no Dockerfile": ('build = "app"', "FROM a", "images.app.build: there is no app/Dockerfile in"),
    "no stage": (
        TABLE.replace("final", "fin"),
        DOCKERFILE,
        "images.app.build.target: app/docker/prod has no stage 'fin' (there are: final, tool)",
    ),
    "no FROM": (TABLE, "RUN x", "images.app.build: app/docker/prod: it has no FROM"),
    "no value": (
        TABLE.replace("BASE =", "BSE ="),
        DOCKERFILE,
        "app/docker/prod: line 2: FROM $BASE names no image: give its variable a value",
    ),
    "no reference": (
        TABLE,
        DOCKERFILE.replace("COPY --from=docker.io/library/debian:12", "COPY --from=Tools:1"),
        "images.app.build: app/docker/prod: line 5: 'Tools:1' is not an image reference",
    ),
    "a secret for nobody": (
        TABLE.replace('["token"]', '["other"]'),
        DOCKERFILE,
        "images.app.secrets[0]: nobody sees other: app/docker/prod has no RUN --mount=type=secret,id=other",
    ),
    "no secret": (
        TABLE.replace('["token"]', "[]"),
        DOCKERFILE.replace("id=token", "id=token,required"),
        "app/docker/prod needs the secret 'token', which `secrets` of the image lacks",
    ),
}


@pytest.mark.parametrize(("table", "text", "said"), CAN_NOT.values(), ids=CAN_NOT)
def test_what_can_not_be_built_is_said_at_load(tmp_path: Path, table: str, text: str, said: str) -> None:
    """With its path, before anything is touched."""
    with pytest.raises(ConfigError) as caught:
        write(tmp_path, table, text)

    assert any(said in problem for problem in caught.value.problems), caught.value.problems
