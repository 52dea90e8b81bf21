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


def apply(root: Path, wanted: str) -> subprocess.CompletedProcess[str]:
    """Run the script of boot and set-up with these parameters."""
    (root / "etc/skep/sysctls").write_text(wanted)
    text = script("boot-sysctls", comments=True)
    for directory in ("/proc/sys", "/etc/skep", "/var/lib/skep"):
        text = text.replace(directory, f"{root}{directory}")
    return subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, timeout=20, check=False)


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
