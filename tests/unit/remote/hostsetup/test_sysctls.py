"""Kernel parameters of hosts: whose they are, how they are set, and how they come back."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.packages import script


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a directory with the files of a kernel and of skep."""
    for path, text in {
        "proc/sys/vm/max_map_count": "65530\n",
        "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
        "proc/sys/net/ipv4/conf/eth0.7/rp_filter": "0\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "etc/skep").mkdir(parents=True)
    return tmp_path


def apply(root: Path, wanted: str, killed_at: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script of boot and set-up with these parameters; it may be killed as it comes to a line."""
    (root / "etc/skep/sysctls").write_text(wanted)
    text = script("boot-sysctls", comments=True)
    if killed_at:
        assert killed_at in text
        text = text.replace(killed_at, f"kill -9 $$; {killed_at}")
    for directory in ("/proc/sys", "/etc/skep", "/var/lib/skep"):
        text = text.replace(directory, f"{root}{directory}")
    environment = {"PATH": f"{root / 'bin'}:/usr/bin:/bin"}
    command = ["/bin/sh", "-c", text]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env=environment)


def test_parameters_are_set_once(root: Path) -> None:
    """Values of several numbers, and names with a dot in a part; what is right already is left alone."""
    wanted = (
        "net.ipv4.conf.eth0/7.rp_filter 1\nnet.ipv4.tcp_rmem 4096 131072 8000000\nvm.max_map_count 262144\n"
    )

    first, second = apply(root, wanted), apply(root, wanted)

    assert (first.returncode, first.stderr) == (0, "")
    assert (root / "proc/sys/vm/max_map_count").read_text() == "262144"
    assert (root / "proc/sys/net/ipv4/tcp_rmem").read_text() == "4096 131072 8000000"
    assert (root / "proc/sys/net/ipv4/conf/eth0.7/rp_filter").read_text() == "1"
    assert (second.returncode, second.stdout) == (0, "")


def test_what_is_no_longer_asked_for_comes_back(root: Path) -> None:
    """With the value of before the first change, however often it was changed; and after a restart of the host."""
    apply(root, "vm.max_map_count 262144\n")
    (root / "proc/sys/vm/max_map_count").write_text("65530\n")
    apply(root, "vm.max_map_count 262144\n")
    apply(root, "vm.max_map_count 300000\n")

    done = apply(root, "")

    assert done.returncode == 0
    assert (root / "proc/sys/vm/max_map_count").read_text() == "65530"
    assert (root / "var/lib/skep/sysctls").read_text() == ""


@pytest.mark.parametrize(
    "killed_at", ['kept_in "$kept"', 'printf \'%s\' "$value" >"$file"; then\n        echo "sys', "mv -f"]
)
def test_a_killed_one_loses_no_value(root: Path, killed_at: str) -> None:
    """Whenever it was killed, and run again: what is no longer asked for comes back as it was."""
    apply(root, "net.ipv4.conf.eth0/7.rp_filter 1\nvm.max_map_count 262144\n", killed_at)
    apply(root, "net.ipv4.conf.eth0/7.rp_filter 1\nvm.max_map_count 262144\n")

    done = apply(root, "")

    assert done.returncode == 0, done.stderr
    assert (root / "proc/sys/vm/max_map_count").read_text().strip() == "65530"
    assert (root / "proc/sys/net/ipv4/conf/eth0.7/rp_filter").read_text().strip() == "0"
    assert (root / "var/lib/skep/sysctls").read_text() == ""


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("net.bridge.bridge-nf-call-iptables", "br_netfilter"),
        ("net.netfilter.nf_conntrack_max", "nf_conntrack"),
        ("net.nf_conntrack_max", "nf_conntrack"),
        ("net.ipv4.vs.conntrack", "ip_vs"),
    ],
)
def test_a_modules_parameter_is_set_at_boot(root: Path, name: str, module: str) -> None:
    """The engine, which has the kernel load the module, starts later; and a host may have no modprobe."""
    path = f"proc/sys/{name.replace('.', '/')}"

    assert apply(root, f"{name} 1\n").stderr == f"sysctls: this kernel has no {name}\n"

    (root / "bin").mkdir()
    modprobe = root / "bin/modprobe"
    modprobe.write_text(
        f'#!/bin/sh\n[ "$*" = "-q {module}" ] && mkdir -p {root}/{Path(path).parent} && echo 0 >{root}/{path}\n'
    )
    modprobe.chmod(0o755)
    done = apply(root, f"{name} 1\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert (root / path).read_text() == "1"

    # After the next start of the host it is asked for no more, and its module is not loaded.
    (root / path).unlink()
    done = apply(root, "")
    assert (done.returncode, done.stderr) == (0, "")
    assert (root / "var/lib/skep/sysctls").read_text() == ""


def test_one_that_the_kernel_does_not_have_fails_the_step(root: Path) -> None:
    """The others are set all the same."""
    done = apply(root, "vm.nothing 1\nvm.max_map_count 262144\n")

    assert done.returncode == 1
    assert done.stderr == "sysctls: this kernel has no vm.nothing\n"
    assert (root / "proc/sys/vm/max_map_count").read_text() == "262144"


def test_a_hosts_own_take_precedence_over_the_stages_and_those_over_everybodys() -> None:
    """`true` is 1, as the kernel has it; of `.` and `/` in a name the first separates, as for sysctl(8)."""
    raw: dict[str, Any] = {
        "site": "example",
        "setup_hosts": {"sysctls": {"vm.a": 1, "vm.b": 1, "vm.c": True}},
        "stages": {
            "private": {
                "provider": "docker",
                "cidr": "10.0.0.0/24",
                "sysctls": {"vm.b": 2},
                "host_sysctls": {"hive0": {"vm/a": 3, "net/ipv4/conf/eth0.100/rp_filter": "1\t2"}},
            }
        },
    }
    site = parse_site(raw)
    stage = Stage(site, "private", site.stages["private"])

    assert stage.sysctls(stage.host("hive0")) == {
        "vm.a": "3",
        "vm.b": "2",
        "vm.c": "1",
        "net.ipv4.conf.eth0/100.rp_filter": "1 2",
    }
    assert stage.sysctls(stage.host("hive1")) == {"vm.a": "1", "vm.b": "2", "vm.c": "1"}
