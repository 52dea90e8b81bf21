"""`doit init`: a site that loads, from nothing but a directory, and nothing that was there is overwritten."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doit import doit_cmd
from doit.exceptions import InvalidCommand

from commands.init import SKEP, InitCommand
from model.new_site.ci_files import CIS
from model.new_site.stage_tables import PROVIDERS
from model.site_file.load import load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the directory in which the command is given."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    doit_cmd.reset_vars()


def init(*words: str) -> int:
    """Give the command as doit does, which takes the words `name=value` out."""
    doit_cmd.reset_vars()
    args = []
    for word in words:
        name, sign, value = word.partition("=")
        if sign:
            doit_cmd.set_var(name, value)
        else:
            args.append(word)
    return InitCommand(bin_name="doit").execute({}, args)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_site_loads_with_each_provider(here: Path, provider: str) -> None:
    """site.toml, a role with its page, and a .gitignore; the site is called as its directory."""
    status = init("My_Shop", f"provider={provider}")

    made = here / "My_Shop"
    assert status == 0
    assert load(made / "site.toml").site == "my-shop"
    assert "state/" in (made / ".gitignore").read_text().splitlines()
    assert (made / "roles/hello/setup.sh").exists()
    assert "my-shop" in (made / "roles/hello/files/index.html").read_text()
    first = (made / "site.toml").read_text().splitlines()[0]
    assert (made / first.removeprefix("#:schema ")).resolve() == SKEP / "docs/site.schema.json"


def test_the_current_directory_is_the_default(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes next is said, as a command to paste."""
    init("site=shop.example.com")

    assert load(here / "site.toml").site == "shop.example.com"
    assert capsys.readouterr().out.splitlines()[-1] == f"now: {SKEP}/setup doit"


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A site stays as it is; so does any other file, and a .gitignore that lacks state/ is said."""
    (here / ".gitignore").write_text("*.log\n")
    (here / "roles/hello").mkdir(parents=True)
    (here / "roles/hello/setup.sh").write_text("mine\n")

    init()

    assert (here / ".gitignore").read_text() == "*.log\n"
    assert (here / "roles/hello/setup.sh").read_text() == "mine\n"
    output = capsys.readouterr().out
    assert "kept .gitignore, which lacks state/: ADD THAT" in output
    assert "kept roles/hello/setup.sh, which was there already" in output
    before = (here / "site.toml").read_text()
    with pytest.raises(InvalidCommand, match=r"site\.toml is there already, and nothing is overwritten"):
        init()
    assert (here / "site.toml").read_text() == before


def test_it_may_be_killed(here: Path) -> None:
    """site.toml comes last, so that the same command goes on where it was."""
    init("a")
    (here / "a/site.toml").unlink()

    init("a")

    assert load(here / "a/site.toml").site == "a"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "b"), "makes a site in one directory, and a b are 2"),
        (("provider=dockr",), r"provider=dockr: must be one of docker, vagrant"),
        (("colour=red",), "colour=... is not known here; there are: provider=, from=, ci=, site="),
        (("site=Not a name",), "site=Not a name: must be a DNS name"),
        (("from=compose",), "there is no compose.yaml"),
        (("from=compose", "none.yml"), "none.yml: No such file"),
        (("stack.yml",), "doit init from=compose stack.yml"),
        (("ci=jenkins",), "must be one of github, gitlab"),
        (("file/site",), "Not a directory"),
    ],
)
def test_mistakes(here: Path, words: tuple[str, ...], message: str) -> None:
    """Each has its way out, and no site is made."""
    (here / "file").write_text("")

    with pytest.raises(InvalidCommand, match=message):
        init(*words)

    assert not (here / "site.toml").exists()


@pytest.mark.parametrize("ci", CIS)
@pytest.mark.parametrize("provider", ["docker", "aws"])
def test_a_file_for_ci(here: Path, ci: str, provider: str) -> None:
    """YAML with a plan and a run of the site's stage, by the commit of skep that made it."""
    yaml = pytest.importorskip("yaml")

    init("a", f"ci={ci}", f"provider={provider}")

    path = here / "a" / {"github": ".github/workflows/site.yml", "gitlab": ".gitlab-ci.yml"}[ci]
    text = path.read_text()
    assert yaml.safe_load(text)
    assert "../skep/setup doit plan --markdown" in text
    assert "SKEP_KEYS" in text
    assert f"SKEP_STAGE: {'private' if provider == 'docker' else 'production'}" in text
    assert ("SKEP_SETUP_ENGINE" in text) is (provider == "aws")


def test_a_site_from_compose_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By default from compose.yaml and its override; what was in .env is readable by its owner alone, and ignored."""
    (here / "compose.yaml").write_text(
        "services: {web: {image: 'example/web:1', environment: {TOKEN: $TOKEN}}}"
    )
    (here / "compose.override.yaml").write_text("services: {web: {image: 'example/web:2', privileged: true}}")
    (here / ".env").write_text("TOKEN=abcd\n")

    init("from=compose", "site=shop")

    site = load(here / "site.toml")
    assert site.services["web"].image == "example/web:2"
    assert stat.S_IMODE((here / "secrets/token").stat().st_mode) == 0o600
    assert (here / ".gitignore").read_text().splitlines()[1:] == ["state/", "secrets/"]
    assert "remarks in site.toml: what is different from compose.yaml, or left out" in capsys.readouterr().out
    assert "# privileged: true -- " in (here / "site.toml").read_text()


def test_a_site_elsewhere_than_its_compose_file(here: Path) -> None:
    """The arguments are told apart: files end in .yml or are there, the other one is the directory."""
    (here / "stack").mkdir()
    (here / "stack/docker-stack.yml").write_text(
        "services: {web: {image: 'example/web:1', configs: [c], env_file: web.env}}\nconfigs: {c: {file: ./c.conf}}\n"
    )
    (here / "stack/web.env").write_text("A=1\n")
    (here / "stack/c.conf").write_text("c\n")

    init("site", "from=compose", "stack/docker-stack.yml")

    site = load(here / "site/site.toml")
    assert site.configs["c"].file == "../stack/c.conf"
    assert site.services["web"].environment == {"A": "1"}
    assert 'env_file = ["../stack/web.env"]' in (here / "site/site.toml").read_text()


def test_secrets_lie_where_only_their_owner_may_look(here: Path) -> None:
    """The directory as well as the files in it; a Dockerfile out of the compose file is a file like any other."""
    (here / "compose.yaml").write_text(
        "services: {web: {build: {context: ., dockerfile_inline: FROM scratch}, environment: {TOKEN: $TOKEN}}}"
    )
    (here / ".env").write_text("TOKEN=abcd\n")

    init("from=compose")

    assert stat.S_IMODE((here / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((here / "web.Dockerfile").stat().st_mode) & 0o044


@pytest.mark.parametrize(
    ("files", "used"),
    [
        (("docker-compose.yml", "docker-compose.yaml"), ("docker-compose.yml",)),
        (("compose.yaml", "docker-compose.override.yml"), ("compose.yaml", "docker-compose.override.yml")),
        (
            ("compose.yml", "compose.override.yml", "compose.override.yaml"),
            ("compose.yml", "compose.override.yml"),
        ),
        (("docker-stack.yml", "compose.override.yml"), ("docker-stack.yml",)),
        (("compose.yaml", "a.yml", "b.yml", ".env"), ("a.yml", "b.yml")),
    ],
)
def test_the_files_that_docker_takes(here: Path, files: tuple[str, ...], used: tuple[str, ...]) -> None:
    """Of several names the first, with the first override there is; COMPOSE_FILE names others."""
    for name in files:
        (here / name).write_text(
            "COMPOSE_FILE=a.yml:b.yml\n" if name == ".env" else "services: {a: {image: 'b:1'}}\n"
        )

    init("from=compose")

    assert f"from {', '.join(used)}.\n" in (here / "site.toml").read_text()


def test_a_directory_that_is_a_file(here: Path) -> None:
    """Nothing is taken for a file that was there already."""
    (here / "README").write_text("mine\n")
    (here / "roles").write_text("mine\n")

    for words, path in ((("README",), "README"), ((), "roles")):
        with pytest.raises(InvalidCommand, match=rf"{path}.*(File exists|Not a directory)"):
            init(*words)


def test_half_a_file_is_taken_away(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try would keep it."""

    class Full(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(descriptor: int, _mode: str) -> Full:
        os.close(descriptor)
        return Full()

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", opened)
        with pytest.raises(InvalidCommand, match="No space left on device"):
            init()
    init()

    assert load(here / "site.toml").services


def test_a_home_of_nobody(here: Path) -> None:
    """`~nobody-here` is a name like any other where there is no such user."""
    init("~nobody-here")

    assert load(here / "~nobody-here/site.toml").services
