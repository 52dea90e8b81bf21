"""The steps of a host: their order, the inputs of each, and that nothing secret leaks."""

import subprocess
from typing import Any

import msgspec
import pytest

from model.errors import ConfigError
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets, generate
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.apply import apply_script, step_key
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script
from remote.hostsetup.steps import steps

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24"}},
    "setup_hosts": {
        "ntp_servers": ["ntp.example"],
        "users": {"alice": {"public_keys": ["ssh-ed25519 AAAA alice"], "sudo": True, "groups": ["docker"]}},
    },
    "networks": {"default": {}},
    "services": {"web": {"image": "web", "ports": ["8080:80", "5300:5300/udp"]}},
}


@pytest.fixture(scope="module")
def secrets() -> StageSecrets:
    """Return the secrets of a stage."""
    return generate("example", "private")


def stage_of(**changes: Any) -> Stage:
    """Return the stage, with tables of SITE changed: `setup_hosts__timezone=…`."""
    raw = msgspec.json.decode(msgspec.json.encode(SITE))
    for path, value in changes.items():
        *tables, last = path.split("__")
        table = raw
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value
    site = parse_site(raw)
    return Stage(site, "private", site.stages["private"])


def keys(stage: Stage, short: str, secrets: StageSecrets) -> dict[str, str]:
    """Return each step's key."""
    return {step.name: step_key(step)[1] for step in steps(stage, stage.host(short), secrets)}


def of(stage: Stage, short: str, name: str, secrets: StageSecrets) -> HostStep:
    """Return one step of a host."""
    return {step.name: step for step in steps(stage, stage.host(short), secrets)}[name]


def content(step: HostStep, path: str) -> str:
    """Return the content of a file of a step."""
    text = {file.path: file.content for file in step.files()}[path]
    return text.reveal() if isinstance(text, Secret) else text


def test_the_steps_of_a_hive_in_order(secrets: StageSecrets) -> None:
    """The list is the story of setup_hosts."""
    stage = stage_of()

    assert [step.name for step in steps(stage, stage.host("hive0"), secrets)] == [
        "hostname",
        "hosts_file",
        "timezone",
        "chrony",
        "sshd",
        "firewall",
        "docker",
        "users",
        "trust",
    ]


def test_the_repository_has_the_registry_and_what_images_are_built_with(secrets: StageSecrets) -> None:
    """No other host has them."""
    stage = stage_of()
    mine = {step.name for step in steps(stage, stage.repository, secrets)}

    assert mine - {step.name for step in steps(stage, stage.host("hive0"), secrets)} == {
        "registry_data",
        "registry",
        "build_tools",
    }


@pytest.mark.parametrize("short", ["hive0", "hive3"])
def test_a_step_needs_steps_that_come_before_it(short: str, secrets: StageSecrets) -> None:
    """So that the list's order is one in which they can be applied."""
    stage = stage_of()
    before: set[str] = set()
    for step in steps(stage, stage.host(short), secrets):
        assert set(step.needs) <= before
        before.add(step.name)


@pytest.mark.parametrize(
    ("changes", "hive", "repository"),
    [
        ({"setup_hosts__timezone": "Asia/Tokyo"}, {"timezone"}, {"timezone"}),
        ({"stages__private__node_labels": {"hive0": {"a": 1}}}, set(), set()),
        ({"setup_hosts__ntp_servers": ["other.example"]}, {"chrony"}, {"chrony"}),
        ({"setup_hosts__hosts": {"gw.example": "192.0.2.1"}}, {"hosts_file"}, {"hosts_file"}),
        ({"setup_hosts__daemon": {"debug": True}}, {"docker"}, {"docker"}),
        ({"setup_hosts__firewall": False}, {"firewall"}, {"firewall"}),
        ({"setup_hosts__users__alice__sudo": False}, {"users"}, {"users"}),
        ({"setup_hosts__users__bob": {}}, {"users"}, {"users"}),
        ({"services__web__ports": ["8080:80"]}, {"firewall"}, set()),
        ({"services__web__ports": ["8080:81", "5300:53/udp"]}, set(), set()),
        ({"services__web__environment": {"A": "b"}}, set(), set()),
        ({"stages__private__ssh_source_ips": ["192.0.2.0/24"]}, {"firewall"}, {"firewall"}),
    ],
)
def test_a_change_makes_its_own_step_stale_and_no_other(
    changes: dict[str, Any], hive: set[str], repository: set[str], secrets: StageSecrets
) -> None:
    """Stale if and only if an input changed."""
    for short, expected in (("hive0", hive), ("hive3", repository)):
        before, after = keys(stage_of(), short, secrets), keys(stage_of(**changes), short, secrets)

        assert {name for name in before if before[name] != after.get(name)} == expected


def test_only_a_host_with_kernel_parameters_has_a_step_for_them(secrets: StageSecrets) -> None:
    """So that sites without any are up to date; nothing else changes by it."""
    before = keys(stage_of(), "hive0", secrets)
    stage = stage_of(stages__private__host_sysctls={"hive0": {"vm.swappiness": 1}})

    assert keys(stage, "hive1", secrets) == keys(stage_of(), "hive1", secrets)
    after = keys(stage, "hive0", secrets)
    assert after.pop("sysctls")
    assert after == before
    assert content(of(stage, "hive0", "sysctls", secrets), "/etc/skep/sysctls") == "vm.swappiness 1\n"


def test_googles_hosts_keep_their_name(secrets: StageSecrets) -> None:
    """It is part of their step's key, so that hosts of an older skep get it; no other provider's step changes."""
    google = stage_of(
        stages__private={
            "provider": "gcp", "region": "europe-west3", "cidr": "10.0.0.0/24", "instance_type": "e2-small"
        }
    )  # fmt: skip

    assert of(google, "hive0", "hostname", secrets).script.endswith("\nkeep_name\n")
    assert of(stage_of(), "hive0", "hostname", secrets).script == script("hostname")


def test_another_host_more_is_told_to_all(secrets: StageSecrets) -> None:
    """Its name goes into the hosts files; its address is let in. Nothing else is done again."""
    before = keys(stage_of(stages__private__separate_repository=False), "hive0", secrets)
    after = keys(
        stage_of(stages__private__separate_repository=False, stages__private__number_of_hosts=4),
        "hive0",
        secrets,
    )

    assert {name for name in before if before[name] != after[name]} == {"hosts_file", "firewall", "trust"}


def test_inputs_are_named_as_site_toml_names_them(secrets: StageSecrets) -> None:
    """`doit why` shows them to the person who changed one."""
    stage = stage_of()

    assert step_key(of(stage, "hive0", "chrony", secrets))[0]["ntp_servers[0]"] == '"ntp.example"'
    assert step_key(of(stage, "hive0", "users", secrets))[0]["users.alice.sudo"] == "true"
    assert step_key(of(stage, "hive0", "firewall", secrets))[0]["published 5300/udp"] == "open"
    assert step_key(of(stage, "hive0", "docker", secrets))[0]["daemon.live-restore"] == "false"


@pytest.mark.parametrize("other", ["registry_password", "ca_certificate"])
def test_new_secrets_make_the_registry_stale(other: str, secrets: StageSecrets) -> None:
    """Its password and its CA are inputs, by their digests."""
    made = generate("example", "private")
    parts = {name: getattr(secrets, name) for name in StageSecrets.__dataclass_fields__}
    changed = StageSecrets(**{**parts, other: getattr(made, other)})
    stage = stage_of()

    assert keys(stage, "hive3", changed)["registry"] != keys(stage, "hive3", secrets)["registry"]


@pytest.mark.parametrize("short", ["hive0", "hive3"])
def test_every_script_is_posix_shell_and_has_no_secret_in_it(short: str, secrets: StageSecrets) -> None:
    """Secrets go into files, which are sent as base64; no command has one among its words, no input is one."""
    stage = stage_of()
    held = [secrets.ca_key, secrets.registry_password, secrets.pepper]
    texts = [line for secret in held for line in secret.reveal().splitlines() if not line.startswith("-----")]
    for step in steps(stage, stage.host(short), secrets):
        inputs, key = step_key(step)
        script = apply_script(step, step.files(), key)

        subprocess.run(["sh", "-n"], input=script.encode(), check=True)
        for text in texts:
            assert text not in script
            assert text not in repr(step)
            assert not any(text in value for value in inputs.values())


def test_files_with_a_secret_are_for_root_and_their_service_only(secrets: StageSecrets) -> None:
    """Whatever holds a `Secret` is not readable by others."""
    stage = stage_of()
    held = [
        file
        for step in steps(stage, stage.repository, secrets)
        for file in step.files()
        if isinstance(file.content, Secret)
    ]

    assert sorted(file.path.rpartition("/")[2] for file in held) == ["htpasswd", "tls.key"]
    assert {file.mode & 0o007 for file in held} == {0}


def test_scripts_are_the_same_for_every_site(secrets: StageSecrets) -> None:
    """What differs is in files, so that an input that changed is the one that is named."""
    one, other = stage_of(), stage_of(site="other.test", setup_hosts__timezone="Asia/Tokyo")

    for short in ("hive0", "hive3"):
        scripts = [
            {step.name: step.script for step in steps(stage, stage.host(short), secrets)}
            for stage in (one, other)
        ]
        assert scripts[0] == scripts[1]


def test_the_registry_writes_the_same_files_each_time(secrets: StageSecrets) -> None:
    """Applying it again restarts nothing: certificate, key and password hash are made the same."""
    step = of(stage_of(), "hive3", "registry", secrets)

    assert step.files() == step.files()


def test_the_registrys_password_file_fits_the_password(secrets: StageSecrets) -> None:
    """A bcrypt hash, which is the one kind that the registry takes."""
    import bcrypt

    user, _, digest = (
        content(of(stage_of(), "hive3", "registry", secrets), "/etc/skep/registry/htpasswd")
        .strip()
        .partition(":")
    )

    assert user == "skep"
    assert bcrypt.checkpw(secrets.registry_password.reveal().encode(), digest.encode())


def test_defining_steps_issues_no_certificate(secrets: StageSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at what there is to do must be quick; files are made when a step is applied."""

    def never(*_: object) -> None:
        raise AssertionError("a certificate was issued")

    monkeypatch.setattr("remote.hostsetup.engine.issue", never)
    stage = stage_of()

    assert keys(stage, "hive3", secrets)["registry"]


def test_the_hosts_file_has_full_and_short_names(secrets: StageSecrets) -> None:
    """And what setup_hosts.hosts adds."""
    stage = stage_of(setup_hosts__hosts={"gw.example": "192.0.2.1"})

    lines = content(of(stage, "hive0", "hosts_file", secrets), "/etc/skep/hosts").splitlines()

    assert lines[0] == "192.0.2.10 p-hive0.example p-hive0 hive0"
    assert lines[-1] == "192.0.2.1 gw.example"
    assert len(lines) == 5


def test_users_as_the_script_reads_them(secrets: StageSecrets) -> None:
    """A line for each account, with a dash for no group, and one for each key."""
    stage = stage_of(setup_hosts__users__bob={"public_keys": ["k1", "k2 b"]})

    assert content(of(stage, "hive0", "users", secrets), "/etc/skep/users").splitlines() == [
        "user alice yes docker",
        "key ssh-ed25519 AAAA alice",
        "user bob no -",
        "key k1",
        "key k2 b",
    ]


def test_users_wait_for_docker_only_if_they_are_in_a_group(secrets: StageSecrets) -> None:
    """The group `docker` comes with the engine."""
    alone = stage_of(setup_hosts__users={"bob": {}})

    assert of(stage_of(), "hive0", "users", secrets).needs == ("docker",)
    assert of(alone, "hive0", "users", secrets).needs == ()


def test_no_users_is_a_step_too(secrets: StageSecrets) -> None:
    """The last user that was removed is locked by it."""
    assert not content(of(stage_of(setup_hosts__users={}), "hive0", "users", secrets), "/etc/skep/users")


def test_no_time_server_means_no_chrony(secrets: StageSecrets) -> None:
    """The clock is left alone."""
    assert "chrony" not in keys(stage_of(setup_hosts__ntp_servers=[]), "hive0", secrets)


@pytest.mark.parametrize(
    ("ports", "hosts"), [(["53:53/udp"], ["hive0"]), (["53:53"], ["hive0"]), (["5353:53/udp"], [])]
)
def test_the_dns_stub_goes_only_where_port_53_is_published(
    ports: list[str], hosts: list[str], secrets: StageSecrets
) -> None:
    """On the hives; a separate repository runs no service."""
    stage = stage_of(services__web__ports=ports)

    assert [short for short in ("hive0", "hive3") if "dns_stub" in keys(stage, short, secrets)] == hosts


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [
        (
            {},
            {"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "5"}, "live-restore": False},
        ),
        (
            {"log-opts": {"max-size": "1g"}, "debug": True},
            {
                "log-driver": "local",
                "log-opts": {"max-size": "1g", "max-file": "5"},
                "live-restore": False,
                "debug": True,
            },
        ),
        # Options of one driver are not another's.
        ({"log-driver": "journald"}, {"log-driver": "journald", "live-restore": False}),
    ],
)
def test_daemon_json_is_skeps_with_the_sites_on_top(
    daemon: dict[str, Any], expected: dict[str, Any], secrets: StageSecrets
) -> None:
    """The site has the last word, key by key."""
    step = of(stage_of(setup_hosts__daemon=daemon), "hive0", "docker", secrets)

    assert msgspec.json.decode(content(step, "/etc/skep/daemon.json")) == expected


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        (
            {"setup_hosts__daemon": {"live-restore": True, "hosts": ["tcp://0.0.0.0"]}},
            ["setup_hosts.daemon.live-restore", "setup_hosts.daemon.hosts"],
        ),
        ({"setup_hosts__users": {"skep": {}}}, ["setup_hosts.users.skep"]),
        (
            {"setup_hosts__users": {"a": {"public_keys": ["k\nuser root yes -"]}}},
            ["setup_hosts.users.a.public_keys[0]"],
        ),
        ({"site": f"{'a' * 60}.example"}, ["site"]),
    ],
)
def test_what_can_not_be_set_up_is_refused_by_its_path(
    changes: dict[str, Any], problems: list[str], secrets: StageSecrets
) -> None:
    """Before a host is touched."""
    stage = stage_of(**changes)

    with pytest.raises(ConfigError) as caught:
        steps(stage, stage.host("hive0"), secrets)

    assert [problem.partition(": ")[0] for problem in caught.value.problems] == problems


def test_live_restore_may_be_said_to_be_off(secrets: StageSecrets) -> None:
    """It is what skep says too."""
    assert keys(stage_of(setup_hosts__daemon={"live-restore": False}), "hive0", secrets)


def test_a_secret_in_a_plain_file_is_refused() -> None:
    """Its plain digest would be an input; it needs a keyed one."""
    from remote.hostsetup.file_step import file_digests

    with pytest.raises(TypeError, match="secret"):
        file_digests([HostFile("/etc/x", Secret("pass word"))])
