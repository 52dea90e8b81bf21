"""The steps of logs: which host has which, who may write, and that no secret leaks."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets, generate
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.apply import step_key
from remote.hostsetup.firewall import firewall_script
from remote.hostsetup.host_step import HostStep
from remote.hostsetup.packages import script
from remote.hostsetup.steps import steps

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24", "separate_repository": True}},
    "services": {"web": {"image": "web"}},
    "logs": {"keep": "36h"},
}


@pytest.fixture(scope="module")
def secrets() -> StageSecrets:
    """Give the secrets of a stage."""
    return generate("example", "private")


def stage_of(**changes: Any) -> Stage:
    """Return the stage, with changed tables; one that is None is left out."""
    site = parse_site({key: value for key, value in {**SITE, **changes}.items() if value is not None})
    return Stage(site, "private", site.stages["private"])


def of(stage: Stage, short: str, secrets: StageSecrets) -> dict[str, HostStep]:
    """Return a host's steps of logs, and that of the agent."""
    found = {step.name: step for step in steps(stage, stage.host(short), secrets)}
    return {name: step for name, step in found.items() if name.startswith("logs_") or name == "agent"}


def content(step: HostStep, path: str) -> str:
    """Return the content of a file of a step."""
    text = {file.path: file.content for file in step.files()}[path]
    return text.reveal() if isinstance(text, Secret) else text


def test_every_host_ships_and_the_repository_host_collects(secrets: StageSecrets) -> None:
    """Without `[logs]` there is none of it."""
    stage, without = stage_of(), stage_of(logs=None)
    repository = stage.repository_short

    assert list(of(stage, "hive0", secrets)) == ["agent", "logs_shipper"]
    assert list(of(stage, repository, secrets)) == ["agent", "logs_data", "logs_collector", "logs_shipper"]
    assert of(without, repository, secrets) == {}


def test_only_the_stages_hosts_may_write(secrets: StageSecrets) -> None:
    """By the firewall, and by certificates for clients in their names."""
    stage = stage_of()
    collector = of(stage, stage.repository_short, secrets)["logs_collector"]
    conf = content(collector, "/etc/skep/logs-collector/rsyslog.conf")
    certificate = x509.load_pem_x509_certificate(
        content(of(stage, "hive0", secrets)["logs_shipper"], "/etc/skep/logs/tls.crt").encode()
    )
    rules = [line for line in firewall_script(stage, stage.repository).splitlines() if "--dport 2514" in line]

    assert re.findall(r"permittedPeer=\[(.*)\]", conf) == [
        ", ".join(f'"{host.name}"' for host in stage.hosts)
    ]
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [stage.host("hive0").name]
    assert len(rules) == len(stage.hosts)
    assert all(f"-s {host.address} " in rule for host, rule in zip(stage.hosts, rules, strict=True))
    assert "2514" not in firewall_script(stage, stage.host("hive0"))


def test_lines_are_kept_for_whole_days(secrets: StageSecrets) -> None:
    """36 hours are two days, and another time is another input by the name that site.toml has for it."""
    stage = stage_of()
    step = of(stage, stage.repository_short, secrets)["logs_collector"]

    rotation = content(step, "/etc/skep/logs-collector.rotation")
    assert "maxage 2\n" in rotation
    # logrotate fails each day if a collector that is stopped, as where its disk is full, is told to reload.
    assert " try-reload-or-restart skep-logs-collector.service\n" in rotation
    assert step.inputs["keep"] == "2d"


def test_the_limit_by_size(secrets: StageSecrets) -> None:
    """The shipper looks at it, and starts the unit that has the same; it is an input by the name that site.toml has.

    logrotate has the share of a file: it begins none anew for whose size the unit has started it otherwise.
    """
    stage = stage_of(logs={"max_size": "5G"})
    made = of(stage, stage.repository_short, secrets)
    config = json.loads(content(made["logs_shipper"], "/etc/skep/logs/ship.json"))
    unit = content(made["logs_collector"], "/etc/skep/logs-trim.unit")

    assert (config["most"], config["trimming"]) == (5 << 30, "skep-logs-trim.service")
    assert config["share"] == (5 << 30) // 20
    assert f" logs trim {5 << 30} {config['share']}\n" in unit
    rotation = content(made["logs_collector"], "/etc/skep/logs-collector.rotation")
    assert f" maxsize {config['share']}\n" in rotation
    assert made["logs_collector"].inputs["max_size"] == "5G"
    assert "most" not in content(of(stage, "hive0", secrets)["logs_shipper"], "/etc/skep/logs/ship.json")


def test_what_trims_may_do_what_logrotate_must_and_no_more(secrets: StageSecrets) -> None:
    """It is root in directories of a user who hears the network. What it must was tried in Debian 13."""
    stage = stage_of()
    made = of(stage, stage.repository_short, secrets)
    unit = content(made["logs_collector"], "/etc/skep/logs-trim.unit").splitlines()

    assert {
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER",
        "RestrictAddressFamilies=AF_UNIX",
        "ProtectSystem=strict",
        "ReadWritePaths=/var/log/services /var/log/hosts /var/lib/logrotate",
        "NoNewPrivileges=yes",
    } <= set(unit)


def test_the_collector_does_not_start_without_room(secrets: StageSecrets) -> None:
    """As at a boot with a full disk: it would confirm what it can't write. The shipper goes by the same limit."""
    stage = stage_of()
    made = of(stage, stage.repository_short, secrets)
    unit = content(made["logs_collector"], "/etc/skep/logs-collector.unit")
    config = json.loads(content(made["logs_shipper"], "/etc/skep/logs/ship.json"))
    command = unit.split("ExecCondition=/bin/sh -c '")[1].split("'")[0].replace("$$", "$")

    def ends(free: int) -> int:
        fake = f"df() {{ printf 'Avail\\n%s\\n' {free}; }}\n"
        return subprocess.run(["sh", "-c", fake + command], check=False, stdout=subprocess.PIPE).returncode

    assert (ends(config["least"]), ends(config["least"] - 1)) == (0, 1)


def test_no_unit_waits_for_a_target_that_nothing_starts(secrets: StageSecrets) -> None:
    """`After=network-online.target` orders nothing without `Wants=`; both ends try again until there is a network."""
    stage = stage_of()
    for name, step in of(stage, stage.repository_short, secrets).items():
        for file in step.files() if name.startswith("logs_") else ():
            assert "network-online" not in content(step, file.path)


def test_the_engines_data_is_where_site_toml_has_it(secrets: StageSecrets) -> None:
    """`data-root` of `setup_hosts.daemon` is where containers' files are."""
    stage = stage_of(setup_hosts={"daemon": {"data-root": "/srv/docker"}})
    config = json.loads(content(of(stage, "hive0", secrets)["logs_shipper"], "/etc/skep/logs/ship.json"))

    assert config["containers"] == "/srv/docker/containers"
    assert config["collector"] == stage.repository.name


def test_private_keys_are_for_root_and_their_service_only(secrets: StageSecrets) -> None:
    """And none is among the inputs."""
    stage = stage_of()
    for short in ("hive0", stage.repository_short):
        for step in of(stage, short, secrets).values():
            assert "PRIVATE" not in json.dumps(step_key(step)[0])
            for file in step.files():
                if isinstance(file.content, Secret):
                    assert file.mode in {0o600, 0o640}


def test_a_new_agent_makes_the_shipper_stale(secrets: StageSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on, so it must be started anew."""
    stage = stage_of()
    before = step_key(of(stage, "hive0", secrets)["logs_shipper"])[1]
    monkeypatch.setattr("remote.hostsetup.host_agent.packed", lambda: b"another")

    assert step_key(of(stage, "hive0", secrets)["logs_shipper"])[1] != before


@pytest.mark.parametrize(
    ("there", "orders"),
    [
        ("", ["--quiet disable --now rsyslog.service syslog.socket"]),
        ("rsyslog", []),
        ("rsyslog rsyslog-relp", []),
    ],
)
def test_a_hosts_own_rsyslog_stays_on(tmp_path: Path, there: str, orders: list[str]) -> None:
    """A daemon that came with skep's package alone is switched off, at each run; one that was there goes on."""
    fakes = f"""
LIBRARY={tmp_path}
there='{there}'
installed() {{ for each in "$@"; do case " $there " in *" $each "*) ;; *) return 1 ;; esac; done; }}
install_packages() {{ there='rsyslog rsyslog-relp'; }}
systemctl() {{ [ "$1" = is-enabled ] || echo "$*"; }}
"""
    begin = script("logs_collector").partition("if ! getent")[0]
    done = subprocess.run(
        ["sh", "-eu"], input=f"{fakes}{begin}{begin}", capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == orders * 2
