"""The house: imports point one way and never in circles, SDKs are imported late, a name means one thing."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.source_tree import LAYERS, SourceTree, circles, longest_chain, reachable

ROOT = Path(__file__).parents[2]
TREE = SourceTree(ROOT)

PURE = {"docker", "plumbum", "doit", "boto3", "google", "vagrant", "requests", "socket", "subprocess"}
"""Packages that connect to something or run something."""
CLOUD_SDKS = {"boto3", "botocore", "google", "azure", "openstack", "vagrant"}
LATE = {
    **dict.fromkeys(CLOUD_SDKS, "a cloud's SDK, for the stages that have it"),
    "keystoneauth1": "OpenStack's SDK",
    "docker": "Docker's SDK: 0.2 s, for runs that change something in an engine",
    "requests": "what Docker's SDK connects with",
    "plumbum": "0.05 s, and `doit list` starts no process",
    "ansible": "seconds, and not installed everywhere",
    "yaml": "for roles of Ansible and compose files alone",
    "bcrypt": "for the registry's password alone",
    "cryptography": "for certificates and keys alone",
    "jinja2": "for what is rendered alone",
    "difflib": "for hints at misspelt keys alone",
    "jsonschema": "for tests and checks alone",
    "rich": "for a person at a terminal alone",
}
"""Packages that are imported in the function that uses them, with why they are not paid for by everybody."""
ROOMS = {
    "model": (
        "site",
        "secrets",
        "keys",
        "swarm",
        "hosts",
        "images",
        "install",
        "templates",
        "alarms",
        "checks",
        "site_file",
        "new_site",
        "compose",
    ),
    "remote": (
        "mother",
        "ssh",
        "engine",
        "checks",
        "hostsetup",
        "backup images monitoring playbook",
        "swarm",
    ),
}
"""The folders of a layer, from the lowest to the highest; those in one word stand on one floor."""
SAME_FILES = {
    "providers/": "providers/*",  # each provider has its part of the same work in a file of the same name
    "model/checks": "model/site",  # each checks what the file of the same name defines
    "remote/playbook/plugins/": "remote/playbook/plugins",  # Ansible's plugins go by their files' names
}
"""Folders that have the same files on purpose: how they begin, and as which one they count."""
SAME_SUBJECT = {
    "backup": (
        "backups: what a site says of them, and the steps on its hosts",
        "model/site remote/hostsetup",
    ),
    "base": ("what the others in its folder are built on", "model/site providers"),
    "bases": ("base images: names, presence on a host, steps", "model/images remote/images tasks/images"),
    "builder": ("the build on the repository host, and its connection", "remote/images tasks/images"),
    "check": ("whether a definition can work", "model/templates providers/*"),
    "errors": ("errors that tell a person what to do", "agent model providers/*"),
    "extras": ("what only some sites need: its names, its installation", "model remote/mother"),
    "firewall": ("the hosts' firewall: its rules, and its step", "model/hosts remote/hostsetup"),
    "host_facts": ("facts about a host: read, and kept for a run", "remote/checks tasks/services"),
    "log": ("a task's log: the type, and the files", "model tasks/run"),
    "orphans": ("what is no longer in site.toml", "tasks/cleanup tasks/services"),
    "registry": ("the stage's registry: as a build uses it, and in a run", "remote/images tasks/images"),
    "registry_gc": ("old images in the registry: on its host, and in a run", "remote/images tasks/cleanup"),
    "rendering": ("templates: rendered, and rendered in a run", "model/templates tasks/services"),
    "roles": ("an image's roles: their files, and a build's use of them", "model/images tasks/images"),
    "secrets": ("a site's secrets: the types, and a run's values", "model/site tasks/run"),
    "logs": (
        "logs that are kept: what a site says of them, and the steps on its hosts",
        "model/site remote/hostsetup",
    ),
    "monitoring": (
        "monitoring: what a site says of it, and the steps on its hosts",
        "model/site remote/hostsetup",
    ),
    "secrets_configs": ("Docker secrets and configs, and their steps", "remote/swarm tasks/services"),
    "services": ("services: the types, and in the swarm", "model/site remote/swarm"),
    "volumes": ("volumes: the types, and on a host", "model/site remote/swarm"),
}
"""Module names that stand in several folders: the subject that they have in common, and the folders."""
LONGEST_CHAIN = 9
LARGEST_FOLDER = 20


def report(problem: str, places: Iterable[str], way_out: str) -> str:
    """Return a message with the broken rule, the places, and the way out."""
    return "\n".join([problem, *(f"  {place}" for place in places), way_out])


def modules_of(layer: str) -> list[str]:
    """Return a layer's modules."""
    return [name for name in TREE.paths if name.partition(".")[0] == layer]


def importing(layers: Iterable[str], packages: set[str]) -> list[str]:
    """Return each import of one of these packages in these layers, as `path:line imports name`."""
    return [
        f"{TREE.paths[name]}:{found.line} imports {found.name}"
        for layer in layers
        for name in modules_of(layer)
        for found in TREE.imports[name]
        if found.top in packages
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_those_below(layer: str) -> None:
    """Arrows: dodo → commands → tasks → providers → remote → model → agent, and never back, not even for types."""
    wrong = importing([layer], set(LAYERS[LAYERS.index(layer) + 1 :]))

    assert not wrong, report(
        f"{layer} imports from a layer above it:",
        wrong,
        "Move what both need down, or pass it in as an argument.",
    )


def test_the_agent_is_for_hosts() -> None:
    """agent/ runs on hosts with the standard library alone; of it skep itself imports only what packs it."""
    foreign = [
        f"{TREE.paths[name]}:{found.line} imports {found.name}"
        for name in modules_of("agent")
        for found in TREE.imports[name]
        if found.top != "agent" and found.top not in sys.stdlib_module_names
    ]
    wrong = [
        f"{TREE.paths[name]}:{found.line} imports {found.name}"
        for layer in LAYERS
        if layer != "agent"
        for name in modules_of(layer)
        for found in TREE.imports[name]
        if found.top == "agent" and not found.name.startswith("agent.pack")
    ]

    assert not foreign, report("agent/ imports what hosts don't have:", foreign, "Do without it.")
    assert not wrong, report("The agent's code is imported:", wrong, "It runs on hosts: call it there.")


def test_no_imports_in_a_circle() -> None:
    """No module imports itself by way of others, also not by an import inside a function."""
    found = circles(TREE.graph())

    assert not found, report(
        "Modules import each other in a circle:",
        [" → ".join(str(TREE.paths[name]) for name in circle) for circle in found],
        "Move what they share to a module that both import, or pass it in as an argument.",
    )


def test_the_model_is_pure() -> None:
    """model/ opens no connection: it imports no SDK, no doit, nothing that runs or connects."""
    wrong = importing(["model"], PURE)

    assert not wrong, report(
        "model/ imports what connects or runs something:", wrong, "Such code belongs to remote/ or above."
    )


def test_only_providers_import_cloud_sdks() -> None:
    """Later phases never see a provider's SDK."""
    wrong = importing([layer for layer in LAYERS if layer != "providers"], CLOUD_SDKS)

    assert not wrong, report(
        "A cloud's SDK is imported outside of providers/:",
        wrong,
        "Ask the provider (providers/base.py) instead.",
    )


def test_the_rooms_of_a_layer_have_an_order() -> None:
    """Between the folders of a layer imports point one way as well: no back and forth."""
    floors = {
        f"{layer}/{room}": floor
        for layer, rooms in ROOMS.items()
        for floor, names in enumerate(rooms)
        for room in names.split()
    }
    rooms_of = {
        name: "/".join(path.parts[:2])
        for name, path in TREE.paths.items()
        if path.parts[0] in ROOMS and len(path.parts) > 2
    }
    wrong = [f"{room} is not in ROOMS" for room in {*rooms_of.values()} - {*floors}]
    for name, targets in TREE.graph().items():
        for target in targets:
            here, there = rooms_of.get(name, ""), rooms_of.get(target, "")
            if here.partition("/")[0] == there.partition("/")[0] and floors.get(there, 0) > floors.get(
                here, 0
            ):
                wrong.append(f"{TREE.paths[name]} imports {TREE.paths[target]}")

    assert not wrong, report(
        "A folder imports from one that stands above it in ROOMS:",
        sorted(wrong),
        "Move what both need down, or pass it in as an argument. A new folder gets its place in ROOMS.",
    )


def test_only_what_is_expensive_is_imported_late() -> None:
    """An import inside a function is of a package that is listed above, or of a module of ours that needs one."""
    graph = TREE.graph(at_import_only=True)

    def is_expensive(module: str) -> bool:
        return any(
            found.top in LATE
            for name in reachable(graph, module)
            for found in TREE.imports[name]
            if not found.in_function and not found.for_types
        )

    wrong = []
    for name, imports in TREE.imports.items():
        for found in imports:
            ours = TREE.module(found.name)
            if found.in_function and not (is_expensive(ours) if ours else found.top in LATE):
                wrong.append(f"{TREE.paths[name]}:{found.line} imports {found.name}")

    assert not wrong, report(
        "What costs nothing is imported inside a function:",
        wrong,
        "Import it at the top of the file. A package that is expensive to import is listed in LATE.",
    )


def test_chains_of_imports_in_tasks_are_short() -> None:
    """Whoever reads a module of tasks/ has at most eight more of tasks/ below it."""
    below = {
        name: {target for target in targets if target.partition(".")[0] == "tasks"}
        for name, targets in TREE.graph().items()
        if name.partition(".")[0] == "tasks"
    }
    if circles(below):
        pytest.fail("imports in a circle have no longest chain: see test_no_imports_in_a_circle")

    chain = longest_chain(below)

    assert len(chain) <= LONGEST_CHAIN, report(
        f"A chain of imports inside tasks/ has {len(chain)} files, and may have {LONGEST_CHAIN}:",
        [str(TREE.paths[name]) for name in chain],
        "Have one of them take as an argument what it imports, or move what two of them share below both.",
    )


def test_explanations_change_nothing() -> None:
    """tasks/explain reads the live state and the records: it knows no room of tasks/ that changes something."""
    readable = {"tasks/explain", "tasks/observe", "tasks/run", "tasks"}
    wrong = [
        f"{TREE.paths[name]} imports {TREE.paths[target]}"
        for name, targets in TREE.graph().items()
        if name.startswith("tasks.explain.")
        for target in targets
        if target.startswith("tasks.") and str(TREE.paths[target].parent) not in readable
    ]

    assert not wrong, report(
        "tasks/explain imports from a folder that changes something:",
        wrong,
        "Ask the phase or the step, which answer for themselves (tasks/phase.py, tasks/step.py).",
    )


def test_folders_are_small() -> None:
    """No folder has more modules than fit on a screen."""
    folders = defaultdict(list)
    for path in TREE.paths.values():
        if path.name != "__init__.py":
            folders[path.parent].append(path.name)

    wrong = [f"{folder}: {len(names)}" for folder, names in folders.items() if len(names) > LARGEST_FOLDER]

    assert not wrong, report(
        f"A folder has more than {LARGEST_FOLDER} modules:",
        wrong,
        "Give those that belong together a folder.",
    )


def test_a_class_name_means_one_thing() -> None:
    """No two public classes have the same name."""
    classes = defaultdict(list)
    for name, tree in TREE.trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(f"{TREE.paths[name]}:{node.lineno}")

    wrong = [f"{name}: {', '.join(places)}" for name, places in classes.items() if len(places) > 1]

    assert not wrong, report("A class name stands for two things:", wrong, "Rename all but one of them.")


def test_a_module_name_means_one_thing() -> None:
    """Modules of the same name are about the same subject, and listed with it."""
    modules = defaultdict(set)
    for path in TREE.paths.values():
        folder = str(path.parent)
        # A command's file goes by the word that people type, and a package by its folder's name.
        if path.name != "__init__.py" and folder not in {"commands", "commands/backup", "commands/operate"}:
            modules[path.stem].add(
                next((name for above, name in SAME_FILES.items() if folder.startswith(above)), folder)
            )
    shared = {name: folders for name, folders in modules.items() if len(folders) > 1}
    listed = {name: set(folders.split()) for name, (_, folders) in SAME_SUBJECT.items()}

    wrong = [
        f"{name}: in {', '.join(sorted(shared.get(name, ())) or ['one folder'])}; "
        f"listed: {', '.join(sorted(listed.get(name, ()))) or 'nowhere'}"
        for name in sorted(shared.keys() | listed.keys())
        if shared.get(name) != listed.get(name)
    ]

    assert not wrong, report(
        "Modules of the same name are not as SAME_SUBJECT lists them:",
        wrong,
        "Rename all but one; if they are about the same subject, list their folders in SAME_SUBJECT with it.",
    )


def test_a_phase_answers_for_itself() -> None:
    """No module but the list of phases names another one's PHASE."""
    wrong = [
        f"{place} names {ast.unparse(node)}"
        for name in TREE.paths
        if name != "tasks.phases"
        for place, node in TREE.lines(name)
        if isinstance(node, ast.Attribute) and node.attr == "PHASE"
    ]
    wrong += [
        f"{TREE.paths[name]}:{found.line} imports {found.name}"
        for name, imports in TREE.imports.items()
        if name != "tasks.phases"
        for found in imports
        if found.name.endswith(".PHASE")
    ]

    assert not wrong, report(
        "A module decides by another one's PHASE:",
        wrong,
        "Ask the phase: what differs from phase to phase is an attribute of it (tasks/phases.py lists them).",
    )


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
    """It reads the live state, and does its work before and after tasks, without the docker SDK: decision 44."""
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
