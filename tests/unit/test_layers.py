"""Imports point one way, and what is expensive is imported only when it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ["model", "remote", "providers", "tasks", "commands", "dodo"]
"""From the lowest to the highest; each may import itself and those before it."""
PURE = {"docker", "plumbum", "doit", "boto3", "google", "vagrant", "requests", "socket", "subprocess"}


def modules(layer: str) -> list[Path]:
    """Return a layer's source files."""
    return [ROOT / "dodo.py"] if layer == "dodo" else sorted((ROOT / layer).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the top-level names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_those_below(layer: str) -> None:
    """Arrows: dodo → commands → tasks → providers → remote → model, and never back."""
    above = set(LAYERS[LAYERS.index(layer) + 1 :])

    wrong = {
        str(path.relative_to(ROOT)): found for path in modules(layer) if (found := imports(path) & above)
    }

    assert wrong == {}


def test_the_model_is_pure() -> None:
    """model/ opens no connection: it imports no SDK, no doit, nothing that runs or connects."""
    wrong = {
        str(path.relative_to(ROOT)): found for path in modules("model") if (found := imports(path) & PURE)
    }

    assert wrong == {}


def test_only_provider_modules_import_cloud_sdks() -> None:
    """Later phases never see a provider's SDK."""
    sdks = {"boto3", "botocore", "google", "azure", "openstack", "vagrant"}
    layers = [layer for layer in LAYERS if layer != "providers"]

    wrong = {
        str(p.relative_to(ROOT)): f for layer in layers for p in modules(layer) if (f := imports(p) & sdks)
    }

    assert wrong == {}


def test_listing_imports_no_sdk() -> None:
    """`doit list` imports neither the docker SDK nor any cloud's: it opens no connection, and must be quick."""
    heavy = (
        "docker",
        "boto3",
        "google.cloud",
        "azure",
        "openstack",
        "vagrant",
        "jsonschema",
        "cryptography",
        "rich",
    )
    code = (
        "import sys; sys.argv = ['doit', 'list', '--all'];"
        "from doit.doit_cmd import DoitMain; DoitMain().run(['list', '--all']);"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stderr.strip() == "[]"


def test_a_run_with_nothing_to_do_needs_no_sdk() -> None:
    """What it looks at, and what it does before and after its tasks, is read without the docker SDK: decision 44."""
    code = (
        "import sys, commands.run, commands.shared.reporter, tasks.phases, tasks.observe.live_state;"
        "import tasks.cleanup.orphans, tasks.cleanup.content_gc, tasks.services.pinned_revisions;"
        "import tasks.services.endpoints, providers.docker.provider, remote.engine.reader;"
        "print([name for name in ('docker', 'requests', 'cryptography') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.strip() == "[]"
