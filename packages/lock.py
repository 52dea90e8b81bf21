"""Write the lists of pinned packages beside this file from pyproject.toml: `./setup python packages/lock.py`.

One resolution for every system and Python that skep runs on gives all lists. Pins stay while they fit;
`--upgrade` takes the newest of all, `--upgrade-package NAME` of one. `--check` asks no index: it fails where
pyproject.toml has changed since.

Lists with hashes and no `uv.lock`: that has each file's whole address in it, and uv asks there, whatever index a
machine is told to use (https://github.com/astral-sh/uv/issues/6349). pip reads these as well as uv does.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYPROJECT = HERE.parent / "pyproject.toml"
BASE = "run"
"""The list of what running skep needs; those of the extras have only what they add to it."""
_OLDEST = "3.11"
_STAMP = "# from pyproject.toml's requirements "


def main(words: Sequence[str]) -> int:
    """Write the lists, or check them; return the exit status."""
    table = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    if list(words) == ["--check"]:
        stale = stale_lists(table)
        if stale:
            sys.stderr.write(
                f"pyproject.toml's requirements have changed since {', '.join(stale)}: "
                "`./setup python packages/lock.py` writes them anew\n"
            )
        return bool(stale)
    for name, text in resolved(table, words).items():
        (HERE / f"{name}.txt").write_text(text, encoding="utf-8")
    return 0


def stale_lists(table: dict[str, Any]) -> list[str]:
    """Return the lists that were not made from these requirements."""
    wanted = _STAMP + digest(table)
    paths = [HERE / f"{name}.txt" for name in names(table)]
    return [
        f"packages/{path.name}"
        for path in paths
        if not path.is_file() or wanted not in path.read_text(encoding="utf-8").splitlines()
    ]


def names(table: dict[str, Any]) -> list[str]:
    """Return the names of the lists."""
    return [BASE, *table["project"]["optional-dependencies"]]


def digest(table: dict[str, Any]) -> str:
    """Return a digest of all that the lists are made from."""
    project = table["project"]
    made_from = [
        project["requires-python"],
        table["build-system"]["requires"],
        project["dependencies"],
        project["optional-dependencies"],
    ]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]


def resolved(table: dict[str, Any], options: Sequence[str]) -> dict[str, str]:
    """Return the lists' texts by their names.

    Args:
        table: pyproject.toml.
        options: More words for `uv pip compile`, when everything is resolved at once.

    """
    project = table["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    base = [*project["dependencies"], *table["build-system"]["requires"]]  # it is built where it is installed
    with tempfile.TemporaryDirectory() as place:
        everything = Path(place) / "all.txt"
        # What is in the output's file already is kept where it can be.
        everything.write_text("\n".join(_blocks_of(HERE.glob("*.txt"))) + "\n", encoding="utf-8")
        _compile(everything, [*base, *(each for extra in extras.values() for each in extra)], options)
        found = {}
        for name in names(table):
            output = Path(place) / f"{name}.txt"
            wanted = extras[name] if name == "uv" else [*base, *extras.get(name, ())]
            _compile(output, wanted, ["--constraints", str(everything)])
            found[name] = _blocks_of([output])
    header = f"# Written by packages/lock.py\n{_STAMP}{digest(table)}\n"
    # One that run.txt has for some systems only may be needed on others as well.
    run = {_pin(block) for block in found[BASE]}
    return {
        name: header
        + "".join(
            f"{block}\n"
            for block in blocks
            if name == BASE or run.isdisjoint({_pin(block), _pin(block).partition(" ;")[0]})
        )
        for name, blocks in found.items()
    }


def _compile(output: Path, requirements: Iterable[str], options: Sequence[str]) -> None:
    """Resolve requirements for all systems and Pythons, and write pins with hashes."""
    subprocess.run(
        [
            *("uv", "pip", "compile", "-q", "-", "-o", str(output)),
            *("--universal", "--python-version", _OLDEST, "--generate-hashes"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
            *options,
        ],
        input="\n".join(requirements),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _blocks_of(paths: Iterable[Path]) -> list[str]:
    """Return the pins of lists, each with its marker and hashes, and each once."""
    blocks: dict[str, str] = {}
    last = ""
    for path in sorted(paths):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("    "):
                blocks[last] += f"\n{line}"
            elif line and not line.startswith("#"):
                last = line
                blocks[last] = line
    return list(blocks.values())


def _pin(block: str) -> str:
    """Return `name==version` of a pin, with its marker."""
    return block.partition(" \\\n")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
