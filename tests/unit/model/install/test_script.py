"""The script that gives an installed host its admin user and host key."""

import subprocess
from pathlib import Path

from model.install import preseed
from tests.unit.model.install.example_plan import KEY, plan_of


def test_the_late_script_makes_who_is_let_in(tmp_path: Path) -> None:
    """Run as it stands, with the commands that change accounts told apart, it writes keys, modes and sudo's line."""
    # The script's paths are moved below a directory; it is otherwise run as it is.
    root = tmp_path / "root"
    for directory in ("etc/ssh", "etc/sudoers.d", "etc/systemd/network", "etc/network", "home/skep", "bin"):
        (root / directory).mkdir(parents=True)
    calls = root / "calls"
    for name in ("useradd", "usermod", "chown", "systemctl", "restorecon"):
        (root / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n')
        (root / "bin" / name).chmod(0o755)
    (root / "bin/getent").write_text(f"#!/bin/sh\necho skep:x:1000:1000::{root}/home/skep:/bin/bash\n")
    (root / "bin/id").write_text("#!/bin/sh\nexit 1\n")
    for name in ("getent", "id"):
        (root / "bin" / name).chmod(0o755)
    script = preseed.late_script(plan_of()).reveal().replace("/etc/", f"{root}/etc/")

    subprocess.run(
        ["sh"],
        input=script,
        text=True,
        check=True,
        env={"PATH": f"{root}/bin:/usr/bin:/bin"},
        capture_output=True,
    )

    key = root / "etc/ssh/ssh_host_ed25519_key"
    assert key.read_text() == KEY
    assert key.stat().st_mode & 0o777 == 0o600
    assert (root / "home/skep/.ssh/authorized_keys").read_text() == "ssh-ed25519 STAGE skep\n"
    assert (root / "home/skep/.ssh").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/sudoers.d/skep").read_text() == "skep ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert (root / "etc/systemd/network/20-ens3.network").exists()
    assert "usermod --password ! root" in calls.read_text()
