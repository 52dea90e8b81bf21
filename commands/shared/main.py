"""doit's main program, as `./setup doit` starts it: an empty argument is no crash, and words behind `--` stay whole."""

import sys
from collections.abc import Sequence

from doit.doit_cmd import DoitMain

from commands.shared.holding import INTERRUPTED
from tasks.run.open import DASHES

NOTHING_RUN = 3
"""doit's own exit status for an error before the first task."""


class Main(DoitMain):
    """doit, by that name in its messages."""

    BIN_NAME = "doit"

    def run(self, all_args: Sequence[str]) -> int:
        """Refuse an empty argument, else do what the arguments say; return the exit status.

        An empty one is mostly a shell's variable that has no value: without it the command would be another one, as
        `doit` instead of `doit web`.
        """
        words, _ = parted(all_args)
        if "" in words:
            sys.stderr.write(
                f"ERROR: argument {words.index('') + 1} of doit is empty: leave it out; if it is a shell's variable, "
                "give that a value\n"
            )
            return NOTHING_RUN
        try:
            status: int = super().run(list(all_args))
        except KeyboardInterrupt:  # a second Ctrl-C, while a command ends after the first
            return INTERRUPTED
        return status

    def process_args(self, cmd_args: Sequence[str]) -> list[str]:
        """Take the variables (`name=value`) out of the arguments, but not of a command's own behind `--`.

        doit would look at the first character of each, also of one that has none.
        """
        words, rest = parted(cmd_args)
        return [*super().process_args(words), *rest]


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words before `--`, and the others with it.

    >>> parted(["exec", "web", "--", "echo", ""])
    (['exec', 'web'], ['--', 'echo', ''])
    """
    i = words.index(DASHES) if DASHES in words else len(words)
    return list(words[:i]), list(words[i:])


if __name__ == "__main__":
    sys.exit(Main().run(sys.argv[1:]))
