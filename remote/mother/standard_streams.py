"""This process's input, output and error output, where it was started without some of them, as by `<&-`."""

import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""Their names in Python, and how they are opened, in the order of their descriptors."""


def ensure_standard_streams() -> None:
    """Have the null device in the place of each standard stream that is closed.

    Else the next file that is opened, be it a connection to a host, would be this process's input or output.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            # It gets the lowest descriptor that is free: those below are there by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the only form that there is
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open
