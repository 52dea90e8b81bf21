"""What this machine's kernel can do."""

import os
from pathlib import Path

import pytest

from remote.mother.kernel import has_ip_vs


@pytest.mark.parametrize(
    ("path", "text", "able"),
    [
        ("proc/net/ip_vs", "", True),
        ("lib/modules/{release}/modules.dep", "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/a.ko\n", True),
        ("lib/modules/{release}/modules.builtin", "kernel/net/netfilter/ipvs/ip_vs.ko\n", True),
        ("lib/modules/{release}/modules.dep", "kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/a.ko\n", False),
        ("lib/modules/other/modules.dep", "kernel/net/netfilter/ipvs/ip_vs.ko:\n", False),
    ],
)
def test_ip_vs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, text: str, *, able: bool) -> None:
    """It is there, or a module of the running kernel, or built in."""
    monkeypatch.setattr("sys.platform", "linux")
    file = tmp_path / path.format(release=os.uname().release)
    file.parent.mkdir(parents=True)
    file.write_text(text)

    assert has_ip_vs(tmp_path) is able


def test_elsewhere_than_on_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is in a virtual machine, whose kernel has it."""
    monkeypatch.setattr("sys.platform", "darwin")

    assert has_ip_vs(tmp_path)
