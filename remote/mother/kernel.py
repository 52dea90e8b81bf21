"""What this machine's kernel can do, which hosts that are containers share."""

import os
import sys
from pathlib import Path

_MODULE = "/ip_vs.ko"


def has_ip_vs(root: Path = Path("/")) -> bool:
    """Return whether there is what virtual addresses and the routing mesh need, or a module that may be loaded.

    Elsewhere than on Linux, engines are in a virtual machine, whose kernel has it.

    Args:
        root: The directory that `/` stands for.

    """
    if sys.platform != "linux" or (root / "proc/net/ip_vs").exists():
        return True
    modules = root / "lib/modules" / os.uname().release
    for name in ("modules.dep", "modules.builtin"):
        try:
            if _MODULE in (modules / name).read_text(errors="replace"):
                return True
        except OSError:
            continue
    return False
