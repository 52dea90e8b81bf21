"""Roles: where they are found, and what skep makes for some of those that come with it."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model.errors import ConfigError
from model.images import roles
from model.secrets.stage_secrets import generate
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.images.roles import Role
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.run.vault import Vault

NAMES = {"NAMES": "www.example.com, 192.0.2.1 example.com"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of a site that has a vault and no roles."""
    config = DockerStage(cidr="10.0.0.0/24")
    site = Site(site="example", stages={"private": config})
    run = new_run(tmp_path, Stage(site, "private", config), State(tmp_path / "state" / "private"))
    run.secrets.keep(Vault(generate("example", "private"), {}))
    return run


def role_of(run: Run, name: str, own: Mapping[str, Any], common: Mapping[str, Any] | None = None) -> Role:
    """Return a use of a role in a run's site."""
    return Role(run.directory, run.secrets, name, own, common)


def own(run: Run, name: str) -> None:
    """Give the site a role of its own."""
    directory = run.directory / "roles" / name
    directory.mkdir(parents=True)
    (directory / "setup.sh").write_text("true\n")


def test_a_role_by_hive_builders_name(run: Run) -> None:
    """hive-builder's `python-aptk` is skep's `python`; a role of the site's own of that name wins."""
    assert roles.find(run.directory, "python-aptk") == roles.BUILT_IN / "python"
    own(run, "python-aptk")
    assert roles.find(run.directory, "python-aptk") == run.directory / "roles" / "python-aptk"


@pytest.mark.parametrize("name", ["python", "trust-ca", "certificate"])
def test_a_role_of_the_sites_own_wins(run: Run, name: str) -> None:
    """Each role that comes with skep is there for every site; one of the same name takes its place, as it is."""
    assert roles.find(run.directory, name) == roles.BUILT_IN / name

    own(run, name)

    assert roles.find(run.directory, name) == run.directory / "roles" / name
    assert [entry.path for entry in role_of(run, name, {}).entries()] == ["setup.sh"]
    assert list(role_of(run, name, {}).inputs()) == [f"roles/{name}/setup.sh"]


def test_a_role_that_is_not_there(run: Run) -> None:
    """It is never taken for an empty one."""
    assert roles.find(run.directory, "nginx") is None
    with pytest.raises(ConfigError, match="no directory roles/nginx"):
        role_of(run, "nginx", {})


def test_lists_and_tables_are_json_for_a_script(run: Run) -> None:
    """A shell has texts alone; and what is written otherwise but means the same is no other input."""
    own(run, "web")
    value = {"LISTENERS": [{"port": 80, "tls": False}, {"port": 443, "name": "ä"}], "ON": True}
    role = role_of(run, "web", value)

    assert role.variables["LISTENERS"] == '[{"port":80,"tls":false},{"port":443,"name":"ä"}]'
    assert role.variables["ON"] == "true"
    before = role.variable_inputs("vars")
    changed = {**value, "LISTENERS": [{"port": 80, "tls": True}, {"port": 443, "name": "ä"}]}
    assert role_of(run, "web", changed).variable_inputs("vars") != before


def test_the_sites_ca_is_an_input_of_trust(run: Run) -> None:
    """Another CA makes another layer; the role gets its certificate, and never its key."""
    before = role_of(run, "trust-ca", {})
    files = {entry.path: entry.data for entry in before.entries()}

    assert files["files/ca.crt"].decode() == run.secrets.vault.stage.ca_certificate
    assert not any(b"PRIVATE KEY" in data for data in files.values())
    inputs = before.inputs()
    run.secrets.keep(Vault(generate("example", "private"), {}))
    changed = {name for name, text in role_of(run, "trust-ca", {}).inputs().items() if inputs[name] != text}
    assert changed == {"trust-ca.ca"}


def test_a_certificate_is_the_same_each_time(run: Run) -> None:
    """Built anew, a layer has the same bytes; for other names it has others."""
    assert role_of(run, "certificate", NAMES).entries() == role_of(run, "certificate", NAMES).entries()
    assert (
        role_of(run, "certificate", NAMES).entries()
        != role_of(run, "certificate", {"NAMES": "example.com"}).entries()
    )


def test_a_certificate_is_for_its_names(run: Run) -> None:
    """Names and addresses are told apart, the first name is the subject's."""
    from cryptography import x509

    files = {entry.path: entry.data for entry in role_of(run, "certificate", NAMES).entries()}
    issued = x509.load_pem_x509_certificate(files["files/tls.crt"])
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert issued.subject.rfc4514_string() == "CN=www.example.com"


SEEDS = [
    {
        "certificate_fqdn": "a.example.com",
        "cert_dest": "/d/a.pem",
        "key_dest": "/d/a.key",
        "ca_valid_in": "9",
    },
    {"certificate_fqdn": "b.example.com", "cert_dest": "/d/b.pem", "key_dest": "/e/b.key"},
]


def test_hive_builders_role_trusts_the_ca_under_the_name_that_it_had_there(run: Run) -> None:
    """Images written for it read /etc/ssl/certs/cacert.pem; another name that is asked for wins."""
    role = role_of(run, "hive-trust-ca", {})

    assert role.entries() == role_of(run, "trust-ca", {}).entries()
    assert role.variables == {"NAME": "cacert"}
    assert role_of(run, "hive-trust-ca", {}, {"NAME": "mine"}).variables == {"NAME": "mine"}
    assert role_of(run, "trust-ca", {}).variables == {}
    assert "hive-trust-ca.ca" in role.inputs()
    own(run, "hive-trust-ca")
    assert role_of(run, "hive-trust-ca", {}).variables == {}


def test_hive_builders_certificates_go_where_its_sites_say(run: Run, tmp_path: Path) -> None:
    """One for each of the list, each with its own key, which only its owner can read."""
    from cryptography import x509

    place = tmp_path / "place"
    listed = [
        {
            name: text.replace("/d", f"{place}/d") if name.endswith("_dest") else text
            for name, text in each.items()
        }
        for each in SEEDS
    ]
    listed[1]["key_dest"] = f"{place}/e/b.key"
    role = role_of(run, "hive-certificate", {"certificates": listed})
    for entry in role.entries():
        path = tmp_path / "role" / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "file":
            path.write_bytes(entry.data)

    subprocess.run(["/bin/sh", "-e", "./setup.sh"], cwd=tmp_path / "role", check=True, timeout=20)

    assert sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()) == [
        "d/a.key", "d/a.pem", "d/b.pem", "e/b.key",
    ]  # fmt: skip
    for name, key in (("a", "d/a.key"), ("b", "e/b.key")):
        issued = x509.load_pem_x509_certificate((place / "d" / f"{name}.pem").read_bytes())
        assert issued.subject.rfc4514_string() == f"CN={name}.example.com"
        assert (place / key).stat().st_mode & 0o777 == 0o600
        assert (place / key).read_text().startswith("-----BEGIN ")
    assert (place / "d/a.key").read_text() != (place / "e/b.key").read_text()
    assert {"hive-certificate.ca", "hive-certificate.form"} <= set(role.inputs())
    assert not any("PRIVATE" in text for text in role.inputs().values())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "needs certificates: a list of tables"),
        ({"certificates": []}, "needs certificates"),
        ({"certificates": ["a"]}, "has no certificate_fqdn, cert_dest, key_dest"),
        ({"certificates": [{**SEEDS[0], "key_dest": ""}]}, "has no key_dest"),
        ({"certificates": [{**SEEDS[0], "cert_dest": "a.pem"}]}, "'a.pem' is not an absolute path"),
        ({"certificates": [{**SEEDS[0], "certificate_fqdn": "a b"}]}, "'a b' is more than one name"),
    ],
)
def test_certificates_that_lack_something(variables: dict[str, object], said: str) -> None:
    """It is said before anything is built, and not by a script inside a container."""
    with pytest.raises(ValueError, match=said):
        roles.certificates(variables)


def test_no_digest_of_a_private_key_is_an_input(run: Run) -> None:
    """What decides over a certificate is counted, not what is secret of it; so listing makes none."""
    inputs = role_of(run, "certificate", NAMES).inputs()

    assert sorted(inputs) == ["builtin_roles/certificate/setup.sh", "certificate.ca", "certificate.form"]


def test_without_a_vault_it_is_not_there_yet(run: Run) -> None:
    """Before the first run there is no CA; the task waits for it instead of failing."""
    run.secrets.vault_path.unlink()
    fresh = new_run(run.directory, run.stage, run.state)

    with pytest.raises(KeyError):
        role_of(fresh, "trust-ca", {}).inputs()


@pytest.mark.parametrize("text", ["", "10.0.0.1", "a_b.example", "-a", "https://a"])
def test_names_that_no_certificate_can_have(text: str) -> None:
    """At least one DNS name, and nothing that is none."""
    with pytest.raises(ValueError, match=r"neither a DNS name|at least one DNS name"):
        roles.names({"NAMES": text})


def in_a_directory(role: str, directory: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a role's script as in a container, but with a search path of the test's own."""
    shutil.copytree(roles.BUILT_IN / role, directory / "role")
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (directory / "role" / "files").mkdir(exist_ok=True)
        (directory / "role" / "files" / name).write_text(f"{name}\n")
    return subprocess.run(
        ["/bin/sh", "-e", "./setup.sh"],
        cwd=directory / "role",
        env={"PATH": str(directory / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def tools(directory: Path, *real: str, **fake: str) -> None:
    """Make a directory of commands: real ones, and fake ones that note how they were called."""
    (directory / "bin").mkdir()
    for name in real:
        (directory / "bin" / name).symlink_to(shutil.which(name) or name)
    for name, script in fake.items():
        path = directory / "bin" / name.replace("_", "-")
        path.write_text(f'#!/bin/sh\necho "{name.replace("_", "-")} $*" >>"{directory}/calls"\n{script}\n')
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("tool", "calls"),
    [
        (
            "apt_get",
            [
                "apt-get -q update",
                "apt-get -q install --yes --no-install-recommends python3 six",
                "apt-get -q clean",
            ],
        ),
        ("apk", ["apk add --no-cache python3 six"]),
        ("dnf", ["dnf install -y python3 six", "dnf clean all"]),
        ("microdnf", ["microdnf install -y python3 six", "microdnf clean all"]),
    ],
)
def test_python_comes_by_the_images_own_tool(tmp_path: Path, tool: str, calls: list[str]) -> None:
    """apt, apk or dnf, whichever is there, with what else was asked for."""
    tools(tmp_path, **{tool: ""})
    (tmp_path / "bin" / "rm").symlink_to("/bin/true")

    done = in_a_directory("python", tmp_path, PACKAGES="six")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == calls


def test_python_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A role with nothing to do changes nothing."""
    tools(tmp_path, python3="echo Python 3.11.2", apt_get="")

    done = in_a_directory("python", tmp_path)

    assert done.stdout == "there is Python 3.11.2 already\n"
    assert (tmp_path / "calls").read_text() == "python3 --version\n"


@pytest.mark.parametrize("role", ["python", "trust-ca"])
def test_an_image_without_any_tool_is_said(tmp_path: Path, role: str) -> None:
    """It fails with a sentence, and does not pretend."""
    tools(tmp_path)

    done = in_a_directory(role, tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("this image has no")


def test_a_private_key_is_its_owners(tmp_path: Path) -> None:
    """Certificate and key are where they were asked for; only the key is closed to others."""
    tools(tmp_path, "mkdir", "cp", "chmod", chown="")
    target = tmp_path / "etc"

    done = in_a_directory("certificate", tmp_path, NAMES="a.example", DIRECTORY=str(target), OWNER="www")

    assert done.returncode == 0, done.stderr
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in target.iterdir()}
    assert modes == {"ca.crt": "0o644", "tls.crt": "0o644", "tls.key": "0o600"}
    assert (tmp_path / "calls").read_text() == f"chown www {target}/tls.key\n"
